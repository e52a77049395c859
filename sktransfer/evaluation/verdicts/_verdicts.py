"""Is one system better than another: the right test for what was run, in numbers and words."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from sktransfer.evaluation._record import Cell, Record
from sktransfer.evaluation._results import read_results
from sktransfer.evaluation._statistics import RankComparison, compare_ranks
from sktransfer.evaluation.verdicts._contrasts import (
    FACTORS,
    SYSTEMS,
    Contrast,
    Factor,
    Score,
    make_contrasts,
    read_scores,
)
from sktransfer.evaluation.verdicts._evidence import Evidence, PredictionsOf, weigh
from sktransfer.evaluation.verdicts._predictions import read_predictions
from sktransfer.evaluation.verdicts._wording import SURELY, UNSURE, level_of, sentence_of

__all__ = ["COMPARISON_COLUMNS", "compare_factors", "compare_systems", "rank_systems"]

COMPARISON_COLUMNS = (
    "dataset",
    "train_size",
    "first",
    "second",
    "difference",
    "low",
    "high",
    "p_value",
    "p_adjusted",
    "first_better",
    "alike",
    "second_better",
    "pairs",
    "test",
    "level",
    "sentence",
)
OF_RANKS = "Nemenyi's test"


def compare_systems(
    results: pd.DataFrame | str | Path, *, rope: float = 1.0, confidence: float = 0.95
) -> pd.DataFrame:
    """Say of each pair of systems of a benchmark which one is better, and how sure that is.

    A system is a strategy with its backbone. Two of them are compared by their test accuracy in
    cells with the same images, by the test that fits what was run:

    - Several folds: the corrected resampled t-test, see `compare_folds`, and its Bayesian
      counterpart, see `compare_bayesian`.
    - One test set, and one cell of each: McNemar's exact test on what is said of each image, see
      `compare_predictions`.
    - One test set and several repeats: a t-test on what is said of each image, which counts the
      chance of training as well as that of the images. As McNemar's test it needs the predictions,
      which are in the folder of the run. Without them repeats are taken for folds, which leaves
      the chance of the images out.
    - Several datasets, and three systems or more that were run on all of them: besides, mean ranks
      by Friedman's test and Nemenyi's, see `compare_ranks`. Only repeats and folds count that all
      of these systems have.

    Parameters
    ----------
    results : DataFrame, str or Path
        A table as from `read_results`, or the folder of a run, finished or not.
    rope : float, default=1.0
        Region of practical equivalence: the largest difference that does not matter, in percentage
        points.
    confidence : float, default=0.95
        Of the intervals, between 0 and 1; a p-value below ``1 - confidence`` is significant.

    Returns
    -------
    DataFrame
        A row for each pair that has cells in common, by dataset and training size, with the
        columns

        - ``dataset`` (empty for the ranks over all datasets) and ``train_size``;
        - ``first`` and ``second``: the two systems, the better one first;
        - ``difference`` of their mean test accuracies in percentage points, and its interval
          ``low`` and ``high``;
        - ``p_value``, and ``p_adjusted`` by Holm's method [1]_ for all pairs of the same dataset
          and size (that of Nemenyi's test is adjusted as it is);
        - ``first_better``, ``alike`` and ``second_better``: probabilities that the true difference
          is above `rope`, within, or below ``-rope``;
        - ``pairs``: how many pairs of cells were compared; for ranks, of datasets;
        - ``test``: its name, empty where there was nothing to test by;
        - ``level``: "not tested"; "practically the same" if the interval lies within `rope`;
          "surely better" if ``p_adjusted`` is significant; "probably better" if ``p_value`` is;
          "within chance". The first that holds counts.
        - ``sentence``: all of this in words.

        Numbers that a test does not have are NaN.

    Raises
    ------
    ValueError
        If the table misses a column, or a number is out of its range.
    FileNotFoundError
        If there is no run in the folder.

    See Also
    --------
    compare_factors : What augmentation, fine-tuning and backbones are worth.

    References
    ----------
    .. [1] Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of
           Statistics 6, 1979.

    Examples
    --------
    >>> import pandas as pd
    >>> from sktransfer.evaluation import compare_systems
    >>> accuracies = {"knn": [80, 82, 81, 79, 80], "finetune": [88, 91, 90, 87, 88]}
    >>> cells = [
    ...     {"dataset": "pets", "strategy": strategy, "backbone": "", "train_size": 0, "repeat": 0,
    ...      "fold": fold, "train_images": 320, "validation_images": 80, "test_images": 100,
    ...      "test_accuracy": accuracy, "error": ""}
    ...     for strategy, values in accuracies.items() for fold, accuracy in enumerate(values)
    ... ]
    >>> print(compare_systems(pd.DataFrame(cells))["sentence"][0])
    finetune beats knn by 8.4 points (95 % interval 7.4 to 9.4): surely better.
    """
    table, predictions_of = _opened(results, rope, confidence)
    rows = _compare(read_scores(table), SYSTEMS, predictions_of, rope, confidence)
    for train_size, ranking in rank_systems(table, confidence=confidence).items():
        rows += _rank_rows(table, train_size, ranking, confidence)
    return pd.DataFrame(rows, columns=list(COMPARISON_COLUMNS))


def compare_factors(
    results: pd.DataFrame | str | Path, *, rope: float = 1.0, confidence: float = 0.95
) -> pd.DataFrame:
    """Say what augmentation, fine-tuning and backbones are worth.

    Systems whose names differ in nothing else are paired: with augmentation and without it,
    fine-tuning and frozen features, one backbone and another. Each repeat and fold has the mean
    difference of these pairs, and by that they are compared as `compare_systems` compares systems.
    What a recipe changes along with the name counts, too: that of "cnn+augment" has more layers
    than that of "cnn".

    Parameters
    ----------
    results : DataFrame, str or Path
        A table as from `read_results`, or the folder of a run, finished or not.
    rope : float, default=1.0
        Region of practical equivalence: the largest difference that does not matter, in percentage
        points.
    confidence : float, default=0.95
        Of the intervals, between 0 and 1; a p-value below ``1 - confidence`` is significant.

    Returns
    -------
    DataFrame
        A row for each two answers that the run allows to compare: ``question``, ``systems`` (how
        many systems of either kind stand behind it), and the columns of `compare_systems`, where
        ``p_adjusted`` is for all pairs of the same question.

    Raises
    ------
    ValueError
        If the table misses a column, or a number is out of its range.
    FileNotFoundError
        If there is no run in the folder.

    Examples
    --------
    >>> import pandas as pd
    >>> from sktransfer.evaluation import compare_factors
    >>> accuracies = {"cnn": [60, 63, 61, 60, 62], "cnn+augment": [66, 70, 68, 66, 67]}
    >>> cells = [
    ...     {"dataset": "pets", "strategy": strategy, "backbone": "", "train_size": 0, "repeat": 0,
    ...      "fold": fold, "train_images": 320, "validation_images": 80, "test_images": 100,
    ...      "test_accuracy": accuracy, "error": ""}
    ...     for strategy, values in accuracies.items() for fold, accuracy in enumerate(values)
    ... ]
    >>> print(compare_factors(pd.DataFrame(cells))["sentence"][0])
    augmentation beats no augmentation by 6.2 points (95 % interval 4.6 to 7.8): surely better.
    """
    table, predictions_of = _opened(results, rope, confidence)
    scores = read_scores(table)
    rows = [
        {"question": factor.question, **row}
        for factor in FACTORS
        for row in _compare(scores, factor, predictions_of, rope, confidence)
    ]
    return pd.DataFrame(rows, columns=["question", "systems", *COMPARISON_COLUMNS])


def rank_systems(table: pd.DataFrame, *, confidence: float = 0.95) -> dict[int, RankComparison]:
    """Rank the systems that were run on all datasets, for each training size that allows it."""
    rankings = {}
    for train_size, means in _dataset_means(table).items():
        n_datasets, n_systems = means.shape
        if n_datasets > 1 and n_systems > 2:
            rankings[train_size] = compare_ranks(means, significance=1 - confidence)
    return rankings


def _opened(
    results: pd.DataFrame | str | Path, rope: float, confidence: float
) -> tuple[pd.DataFrame, PredictionsOf]:
    """Return the table, and what looks predictions up; only the folder of a run has them."""
    if not 0 <= rope < np.inf:
        raise ValueError(f"rope must be a finite number of points >= 0, got {rope}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, got {confidence}")
    if isinstance(results, pd.DataFrame):
        return results, lambda cell: None
    record = Record(results)
    table, entries = read_results(results), record.entries()
    return table, cache(lambda cell: read_predictions(record, entries, cell))


def _compare(
    scores: Mapping[Cell, Score],
    factor: Factor,
    predictions_of: PredictionsOf,
    rope: float,
    confidence: float,
) -> list[dict]:
    """Compare the levels of a factor in each dataset and size."""
    rows = []
    for _, cells in itertools.groupby(sorted(scores, key=_group), _group):
        contrasts = make_contrasts({cell: scores[cell] for cell in cells}, factor)
        found = [
            weigh(contrast, scores, predictions_of, rope=rope, confidence=confidence)
            for contrast in contrasts
        ]
        adjusted = _holm(np.array([evidence.p_value for evidence in found]))
        rows += [
            _row(contrast, evidence, p_adjusted, rope, confidence)
            for contrast, evidence, p_adjusted in zip(contrasts, found, adjusted, strict=True)
        ]
    return rows


def _group(cell: Cell) -> tuple[str, int]:
    return cell.dataset, cell.train_size


def _row(
    contrast: Contrast, evidence: Evidence, p_adjusted: float, rope: float, confidence: float
) -> dict:
    """Put all of a comparison into a row."""
    cell, _ = contrast.pairs[0]
    level = level_of(evidence, p_adjusted, rope=rope, confidence=confidence)
    return {
        "dataset": cell.dataset,
        "train_size": cell.train_size,
        "systems": contrast.n_systems,
        "first": contrast.first,
        "second": contrast.second,
        **asdict(evidence),
        "p_adjusted": p_adjusted,
        "pairs": len(contrast.pairs),
        "level": level,
        "sentence": sentence_of(contrast, evidence, level, confidence),
    }


def _holm(p_values: np.ndarray) -> np.ndarray:
    """Adjust p-values for there being several; NaN are no tests and do not count."""
    adjusted = np.full(len(p_values), np.nan)
    order = np.argsort(p_values)[: np.count_nonzero(~np.isnan(p_values))]
    factors = len(order) - np.arange(len(order))
    adjusted[order] = np.minimum(1, np.maximum.accumulate(factors * p_values[order]))
    return adjusted


def _dataset_means(table: pd.DataFrame) -> dict[int, pd.DataFrame]:
    """Return, for each training size, mean accuracies (datasets, systems that are on all).

    A mean over other folds would be one of other images: where a system failed in a fold, that fold
    counts for none.
    """
    scores = read_scores(table)
    means = {}
    for train_size in sorted({cell.train_size for cell in scores}):
        rows = [
            (cell.dataset, cell.repeat, cell.fold, cell.system, score.accuracy)
            for cell, score in scores.items()
            if cell.train_size == train_size
        ]
        place = ["dataset", "repeat", "fold"]
        frame = pd.DataFrame(rows, columns=[*place, "system", "accuracy"])
        folds = frame.pivot_table(index=place, columns="system", values="accuracy")
        on_all = folds.groupby("dataset").mean().dropna(axis="columns").columns
        means[train_size] = folds[on_all].dropna().groupby("dataset").mean()
    return means


def _rank_rows(
    table: pd.DataFrame, train_size: int, ranking: RankComparison, confidence: float
) -> Iterator[dict]:
    """Compare systems by their mean ranks over all datasets."""
    means = _dataset_means(table)[train_size]
    n_datasets, n_systems = means.shape
    # In units of Nemenyi's statistic; the studentized range is of differences times sqrt(2).
    unit = np.sqrt(n_systems * (n_systems + 1) / (6 * n_datasets)) / np.sqrt(2)
    for first, second in itertools.combinations(ranking.ranks.index, 2):
        gap = ranking.ranks[second] - ranking.ranks[first]
        p_value = float(stats.studentized_range.sf(gap / unit, n_systems, np.inf))
        sure = max(p_value, ranking.p_value) < 1 - confidence
        level = SURELY if sure else UNSURE
        yield {
            "dataset": "",
            "train_size": train_size,
            "first": first,
            "second": second,
            "difference": float((means[first] - means[second]).mean()),
            "p_value": p_value,
            "p_adjusted": p_value,
            "pairs": n_datasets,
            "test": OF_RANKS,
            "level": level,
            "sentence": f"Over {n_datasets} datasets {first} has the mean rank "
            f"{ranking.ranks[first]:.2f}, {second} {ranking.ranks[second]:.2f}: {level}.",
        }
