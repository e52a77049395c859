"""The numbers of a comparison: the difference of two classifiers, and how sure it is."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from sktransfer.evaluation._record import Cell
from sktransfer.evaluation._statistics import (
    BayesianComparison,
    PairedComparison,
    compare_bayesian,
    compare_folds,
    compare_predictions,
)
from sktransfer.evaluation.verdicts._contrasts import Contrast, Score
from sktransfer.evaluation.verdicts._image_statistics import compare_images
from sktransfer.evaluation.verdicts._predictions import Predictions

__all__ = ["Evidence", "PredictionsOf", "weigh"]

PredictionsOf = Callable[[Cell], "Predictions | None"]

OF_FOLDS = "corrected t-test"
OF_PREDICTIONS = "McNemar's test"
OF_IMAGES = "t-test over images"
LEAST_WIDTH = 1e-6
"""Of an interval, in points: a narrower one comes of rounding, and not of scores that vary."""


@dataclass(frozen=True)
class Evidence:
    """A difference in points, with what a test says of it; NaN and no name where none can."""

    difference: float
    low: float = np.nan
    high: float = np.nan
    p_value: float = np.nan
    first_better: float = np.nan
    alike: float = np.nan
    second_better: float = np.nan
    test: str = ""


def weigh(
    contrast: Contrast,
    scores: Mapping[Cell, Score],
    predictions_of: PredictionsOf,
    *,
    rope: float,
    confidence: float,
) -> Evidence:
    """Compare by the images of the one test set that all cells share, or else by the folds."""
    folds = {(cell.repeat, cell.fold) for cell, _ in contrast.pairs}
    if all(fold == 0 for _, fold in folds):
        evidence = _by_images(contrast, predictions_of, rope, confidence)
        if evidence is not None:
            return evidence
    return _by_folds(contrast, scores, rope, confidence)


def _by_folds(
    contrast: Contrast, scores: Mapping[Cell, Score], rope: float, confidence: float
) -> Evidence:
    """Compare the mean scores of each fold."""
    cells = [cell for pair in contrast.pairs for cell in pair]
    test_images = np.mean([scores[cell].test_images for cell in cells])
    train_images = np.mean([scores[cell].train_images for cell in cells])
    accuracies = np.array(
        [
            np.mean([[scores[cell].accuracy for cell in pair] for pair in pairs], axis=0)
            for pairs in _by_fold(contrast).values()
        ]
    )
    first, second = accuracies.T
    if len(first) < 2:
        return Evidence(float(first[0] - second[0]))
    fraction = float(test_images / train_images)
    return _evidence(
        compare_folds(first, second, test_fraction=fraction, confidence=confidence),
        compare_bayesian(first, second, test_fraction=fraction, rope=rope),
        OF_FOLDS,
    )


def _by_images(
    contrast: Contrast, predictions_of: PredictionsOf, rope: float, confidence: float
) -> Evidence | None:
    """Compare what is said of each image; None unless all cells were tested on the same ones."""
    read: dict[Cell, Predictions] = {}
    for cell in itertools.chain.from_iterable(contrast.pairs):
        found = predictions_of(cell)
        if found is None:
            return None
        read[cell] = found
    tested = [found.positions for found in read.values()]
    if not all(np.array_equal(positions, tested[0]) for positions in tested):
        return None
    gains = {
        (first, second): 100.0 * read[first].is_right - 100.0 * read[second].is_right
        for first, second in contrast.pairs
    }
    of_repeats = np.array(
        [np.mean([gains[pair] for pair in pairs], axis=0) for pairs in _by_fold(contrast).values()]
    )
    paired, bayesian = compare_images(of_repeats, rope=rope, confidence=confidence)
    if len(gains) > 1:
        return _evidence(paired, bayesian, OF_IMAGES)
    ((first, second),) = contrast.pairs
    return _evidence(_mcnemar(read[first], read[second], confidence), bayesian, OF_PREDICTIONS)


def _mcnemar(first: Predictions, second: Predictions, confidence: float) -> PairedComparison:
    """Compare two classifiers by McNemar's test, in points."""
    found = compare_predictions(
        first.classes[first.true],
        first.classes[first.predicted],
        second.classes[second.predicted],
        confidence=confidence,
    )
    low, high = found.interval
    return PairedComparison(
        100 * found.difference,
        (100 * low, 100 * high),
        found.p_value,
        found.statistic,
        confidence,
    )


def _by_fold(contrast: Contrast) -> dict[tuple[int, int], list[tuple[Cell, Cell]]]:
    """Return the pairs of each repeat and fold."""

    def place(pair: tuple[Cell, Cell]) -> tuple[int, int]:
        return pair[0].repeat, pair[0].fold

    return {
        key: list(pairs)
        for key, pairs in itertools.groupby(sorted(contrast.pairs, key=place), place)
    }


def _evidence(paired: PairedComparison, bayesian: BayesianComparison, test: str) -> Evidence:
    """Put the numbers together; a difference that never varies leaves nothing to test."""
    low, high = paired.interval
    if high - low < LEAST_WIDTH:
        return Evidence(paired.difference)
    return Evidence(
        paired.difference,
        low,
        high,
        paired.p_value,
        bayesian.first_better,
        bayesian.alike,
        bayesian.second_better,
        test,
    )
