"""Whether one classifier is better than another, and how sure that is.

Scores of cross-validation are not independent: their training sets overlap. The tests here take
that into account, where a plain t-test would find differences that are noise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

__all__ = [
    "BayesianComparison",
    "PairedComparison",
    "RankComparison",
    "compare_bayesian",
    "compare_folds",
    "compare_predictions",
    "compare_ranks",
    "score_interval",
]


@dataclass(frozen=True)
class PairedComparison:
    """What a test says of the difference of two classifiers.

    Parameters
    ----------
    difference : float
        Mean score of the first less that of the second.
    interval : (float, float)
        Confidence interval of the difference.
    p_value : float
        Probability of a difference as large or larger if the two were equal, two-sided.
    statistic : float
        The test's statistic.
    confidence : float
        Of the interval.
    """

    difference: float
    interval: tuple[float, float]
    p_value: float
    statistic: float
    confidence: float

    def __str__(self) -> str:
        better = "better" if self.difference > 0 else "worse"
        by = f"{better} by {abs(self.difference):.4g}" if self.difference else "as good"
        sure = self.p_value < 1 - self.confidence
        return (
            f"the first is {by} ({self.confidence:.0%} interval {self.interval[0]:.4g} to "
            f"{self.interval[1]:.4g}, p = {self.p_value:.3g}): "
            + ("unlikely to be chance" if sure else "it may well be chance")
        )


@dataclass(frozen=True)
class BayesianComparison:
    """How probable it is that one of two classifiers is better, or that they are alike.

    Parameters
    ----------
    first_better, alike, second_better : float
        Probabilities, which add up to one; "alike" is a difference within the region of practical
        equivalence.
    rope : float
        Half the width of that region.
    """

    first_better: float
    alike: float
    second_better: float
    rope: float

    def __str__(self) -> str:
        return (
            f"the first is better with probability {self.first_better:.3f}, the second with "
            f"{self.second_better:.3f}; with {self.alike:.3f} they differ by less than "
            f"{self.rope:g}"
        )


@dataclass(frozen=True)
class RankComparison:
    """Ranks of several classifiers over several datasets.

    Parameters
    ----------
    ranks : Series
        Mean rank of each classifier, the best first; 1 is best.
    p_value : float
        Of Friedman's test in Iman and Davenport's form: that all are equal.
    statistic : float
        Its F statistic.
    chi_square : float
        Friedman's own statistic, corrected for ties.
    critical_difference : float
        Nemenyi's: mean ranks that differ by more differ significantly.
    """

    ranks: pd.Series
    p_value: float
    statistic: float
    chi_square: float
    critical_difference: float

    def groups(self) -> list[list[str]]:
        """Return the largest groups of classifiers that do not differ significantly.

        Returns
        -------
        groups : list of list of str
            Names, the best first; a classifier may be in several groups.
        """
        names, ranks = list(self.ranks.index), self.ranks.to_numpy()
        found: list[list[str]] = []
        for start in range(len(names)):
            stop = int(np.searchsorted(ranks, ranks[start] + self.critical_difference, "right"))
            group = names[start:stop]
            if not found or not set(group) <= set(found[-1]):
                found.append(group)
        return found

    def __str__(self) -> str:
        ranks = ", ".join(f"{name} {rank:.3g}" for name, rank in self.ranks.items())
        return (
            f"mean ranks: {ranks} (p = {self.p_value:.3g} that all are equal; differences beyond "
            f"{self.critical_difference:.3g} are significant)"
        )


def compare_folds(
    first: np.ndarray,
    second: np.ndarray,
    *,
    test_fraction: float,
    confidence: float = 0.95,
) -> PairedComparison:
    """Compare two classifiers by their scores in the same folds: the corrected resampled t-test.

    Parameters
    ----------
    first, second : array-like of shape (n_scores,)
        Scores in the same folds, in the same order, those of all repeats.
    test_fraction : float
        Number of test rows in a fold divided by that of its training rows: 1 / (k - 1) for k folds.
    confidence : float, default=0.95
        Of the interval, between 0 and 1.

    Returns
    -------
    comparison : PairedComparison
        Difference, interval and p-value.

    Raises
    ------
    ValueError
        If the scores do not pair, are fewer than two, or a number is out of its range.

    References
    ----------
    .. [1] Nadeau and Bengio, "Inference for the Generalization Error", Machine Learning 52, 2003.
    .. [2] Bouckaert and Frank, "Evaluating the Replicability of Significance Tests for Comparing
           Learning Algorithms", PAKDD 2004.

    Examples
    --------
    >>> from sktransfer.evaluation import compare_folds
    >>> first, second = [0.82, 0.85, 0.81, 0.84, 0.83], [0.80, 0.83, 0.80, 0.81, 0.82]
    >>> round(compare_folds(first, second, test_fraction=1 / 4).p_value, 3)
    0.033
    """
    differences = _differences(first, second)
    _check_fraction("test_fraction", test_fraction, largest=np.inf)
    _check_fraction("confidence", confidence)
    posterior = _student(differences, test_fraction)
    if posterior is None:
        return _without_spread(differences, confidence)
    mean, scale, freedom = posterior
    statistic = mean / scale
    low, high = stats.t.interval(confidence, freedom, loc=mean, scale=scale)
    return PairedComparison(
        difference=mean,
        interval=(float(low), float(high)),
        p_value=float(2 * stats.t.sf(abs(statistic), freedom)),
        statistic=statistic,
        confidence=confidence,
    )


def compare_bayesian(
    first: np.ndarray, second: np.ndarray, *, test_fraction: float, rope: float = 0.01
) -> BayesianComparison:
    """Say how probable it is that one classifier is better: the Bayesian correlated t-test [1]_.

    Parameters
    ----------
    first, second : array-like of shape (n_scores,)
        Scores in the same folds, in the same order, those of all repeats.
    test_fraction : float
        Number of test rows in a fold divided by that of its training rows: 1 / (k - 1) for k folds.
    rope : float, default=0.01
        Half the width of the region of practical equivalence: what difference does not matter.

    Returns
    -------
    comparison : BayesianComparison
        Three probabilities.

    Raises
    ------
    ValueError
        If the scores do not pair, are fewer than two, or a number is out of its range.

    References
    ----------
    .. [1] Benavoli, Corani, Demsar and Zaffalon, "Time for a Change: a Tutorial for Comparing
           Multiple Classifiers Through Bayesian Analysis", JMLR 18, 2017.

    Examples
    --------
    >>> from sktransfer.evaluation import compare_bayesian
    >>> first, second = [0.82, 0.85, 0.81, 0.84, 0.83], [0.80, 0.83, 0.80, 0.81, 0.82]
    >>> round(compare_bayesian(first, second, test_fraction=1 / 4).first_better, 3)
    0.886
    """
    differences = _differences(first, second)
    _check_fraction("test_fraction", test_fraction, largest=np.inf)
    if not 0 <= rope < np.inf:
        raise ValueError(f"rope must be a finite number >= 0, got {rope}")
    posterior = _student(differences, test_fraction)
    if posterior is None:
        difference = differences[0]
        return BayesianComparison(
            first_better=float(difference > rope),
            alike=float(abs(difference) <= rope),
            second_better=float(difference < -rope),
            rope=rope,
        )
    mean, scale, freedom = posterior
    below, above = stats.t.cdf([-rope, rope], freedom, loc=mean, scale=scale)
    return BayesianComparison(
        first_better=float(1 - above),
        alike=float(above - below),
        second_better=float(below),
        rope=rope,
    )


def compare_predictions(
    y: np.ndarray, first: np.ndarray, second: np.ndarray, *, confidence: float = 0.95
) -> PairedComparison:
    """Compare what two classifiers say of one test set: McNemar's exact test [1]_.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        The right classes.
    first, second : array-like of shape (n_samples,)
        What the classifiers say.
    confidence : float, default=0.95
        Of the interval, between 0 and 1.

    Returns
    -------
    comparison : PairedComparison
        Difference of the accuracies, with a Wald interval for paired proportions, the p-value of
        the exact binomial test, and as the statistic the number of rows that only the first gets
        right.

    Raises
    ------
    ValueError
        If the lengths differ or a number is out of its range.

    References
    ----------
    .. [1] McNemar, "Note on the sampling error of the difference between correlated proportions or
           percentages", Psychometrika 12, 1947.

    Examples
    --------
    >>> from sktransfer.evaluation import compare_predictions
    >>> y = ["a"] * 6 + ["b"] * 6
    >>> compare_predictions(y, y, ["a"] * 12).p_value
    0.03125
    """
    y, first, second = map(np.asarray, (y, first, second))
    if not y.shape == first.shape == second.shape or y.ndim != 1 or len(y) == 0:
        raise ValueError(
            "y, first and second must be of one shape (n_samples,), got "
            f"{y.shape}, {first.shape} and {second.shape}"
        )
    _check_fraction("confidence", confidence)
    only_first = int(((first == y) & (second != y)).sum())
    only_second = int(((first != y) & (second == y)).sum())
    n, discordant = len(y), only_first + only_second
    p_value = stats.binomtest(only_first, discordant).pvalue if discordant else 1.0
    difference = (only_first - only_second) / n
    variance = (discordant - (only_first - only_second) ** 2 / n) / n**2
    margin = stats.norm.ppf((1 + confidence) / 2) * np.sqrt(variance)
    return PairedComparison(
        difference=difference,
        interval=(float(difference - margin), float(difference + margin)),
        p_value=float(p_value),
        statistic=float(only_first),
        confidence=confidence,
    )


def compare_ranks(
    scores: pd.DataFrame | Mapping[str, Any], *, significance: float = 0.05
) -> RankComparison:
    """Compare several classifiers over several datasets: Friedman's test, then Nemenyi's [1]_.

    Parameters
    ----------
    scores : DataFrame of shape (n_datasets, n_classifiers), or mapping of names to scores
        Higher is better. Each dataset counts once: give the mean over its folds. Three classifiers
        at least.
    significance : float, default=0.05
        Level of the critical difference, between 0 and 1.

    Returns
    -------
    comparison : RankComparison
        Mean ranks, p-value and critical difference.

    Raises
    ------
    ValueError
        If there are fewer than two datasets or three classifiers, or a score is missing.

    References
    ----------
    .. [1] Demsar, "Statistical Comparisons of Classifiers over Multiple Data Sets", JMLR 7, 2006.

    Examples
    --------
    >>> from sktransfer.evaluation import compare_ranks
    >>> found = compare_ranks({"a": [0.9, 0.8, 0.7], "b": [0.8, 0.7, 0.6], "c": [0.7, 0.6, 0.5]})
    >>> found.ranks.to_dict()
    {'a': 1.0, 'b': 2.0, 'c': 3.0}
    """
    scores = pd.DataFrame(scores)
    n, k = scores.shape
    if n < 2 or k < 3:
        raise ValueError(
            "scores must be those of three or more classifiers on two or more datasets, got "
            f"{k} on {n}"
        )
    if scores.isna().to_numpy().any():
        raise ValueError("scores must hold a score of every classifier on every dataset, got NaN")
    _check_fraction("significance", significance)
    ranks = scores.rank(axis=1, ascending=False).mean().sort_values(kind="stable")
    # Not defined where every score equals every other one of its dataset.
    differ = (scores.nunique(axis=1) > 1).any()
    chi_square = float(stats.friedmanchisquare(*scores.to_numpy().T).statistic) if differ else 0.0
    rest = n * (k - 1) - chi_square
    statistic = (n - 1) * chi_square / rest if rest > 1e-9 else np.inf
    quantile = stats.studentized_range.ppf(1 - significance, k, np.inf) / np.sqrt(2)
    return RankComparison(
        ranks=ranks,
        p_value=float(stats.f.sf(statistic, k - 1, (k - 1) * (n - 1))),
        statistic=float(statistic),
        chi_square=chi_square,
        critical_difference=float(quantile * np.sqrt(k * (k + 1) / (6 * n))),
    )


def score_interval(
    scores: np.ndarray, *, test_fraction: float, confidence: float = 0.95
) -> tuple[float, float]:
    """Return a confidence interval of the mean of cross-validated scores.

    Parameters
    ----------
    scores : array-like of shape (n_scores,)
        Scores of the folds, those of all repeats.
    test_fraction : float
        Number of test rows in a fold divided by that of its training rows: 1 / (k - 1) for k folds.
    confidence : float, default=0.95
        Between 0 and 1.

    Returns
    -------
    interval : (float, float)
        By the corrected variance of Nadeau and Bengio (2003); as wide as the data ask for, so it
        may leave the range of the score.

    Raises
    ------
    ValueError
        If there are fewer than two scores, or a number is out of its range.

    Examples
    --------
    >>> from sktransfer.evaluation import score_interval
    >>> low, high = score_interval([0.80, 0.82, 0.81, 0.84, 0.83], test_fraction=1 / 4)
    >>> round(low, 3), round(high, 3)
    (0.791, 0.849)
    """
    scores = np.asarray(scores, dtype=np.float64)
    return compare_folds(
        scores, np.zeros_like(scores), test_fraction=test_fraction, confidence=confidence
    ).interval


def _differences(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return first less second, fold by fold."""
    first, second = (np.asarray(scores, dtype=np.float64) for scores in (first, second))
    if first.shape != second.shape or first.ndim != 1 or len(first) < 2:
        raise ValueError(
            "first and second must be scores of the same folds, two or more; got shapes "
            f"{first.shape} and {second.shape}"
        )
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise ValueError("first and second must be finite numbers; a fold without a score is NaN")
    return first - second


def _student(differences: np.ndarray, test_fraction: float) -> tuple[float, float, int] | None:
    """Return mean, scale and degrees of freedom of the mean difference; None without spread."""
    n = len(differences)
    variance = differences.var(ddof=1)
    if variance == 0:
        return None
    scale = np.sqrt((1 / n + test_fraction) * variance)
    return float(differences.mean()), float(scale), n - 1


def _without_spread(differences: np.ndarray, confidence: float) -> PairedComparison:
    """Return what is to be said where all folds differ by the same."""
    difference = float(differences[0])
    equal = difference == 0
    return PairedComparison(
        difference=difference,
        interval=(difference, difference),
        p_value=1.0 if equal else 0.0,
        statistic=0.0 if equal else float(np.copysign(np.inf, difference)),
        confidence=confidence,
    )


def _check_fraction(name: str, value: float, largest: float = 1.0) -> None:
    if not 0 < value < largest:
        raise ValueError(f"{name} must lie between 0 and {largest}, got {value}")
