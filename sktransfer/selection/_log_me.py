"""LogME: how well a linear model on the features explains the classes, whatever its weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sktransfer.selection._checks import check_features, indicators
from sktransfer.selection._spectrum import Spectrum

_STARTS = np.logspace(-12, 12, 25)
"""Ratios of the precisions, relative to the largest squared singular value; the ends are bounds."""
_ROUNDING = 1e-10
_TOLERANCE = 1e-8
_MAX_STEPS = 2000


def log_me(features: Any, y: Any) -> float:
    """Score features by the logarithm of the maximum evidence, LogME [1]_ [2]_.

    A Bayesian linear regression of each class' indicator (1 or 0) on the features has a normal
    prior of its weights and normal noise. Their precisions are those of the largest evidence, found
    by the fixed-point iteration of [2]_. The score is the logarithm of that evidence for each row,
    averaged over the classes.

    Parameters
    ----------
    features : array-like of shape (n_samples, n_features)
        Features of images, of any number type; float64 inside.
    y : array-like of shape (n_samples,)
        Classes.

    Returns
    -------
    score : float
        Higher is better. Comparable between features of the same images.

    Raises
    ------
    ValueError
        If the features are not finite or all the same, the lengths differ, or y holds a single
        class or as many as rows.

    Notes
    -----
    Features are taken as they are, neither centred nor scaled; their common scale does not matter.
    Other than in the authors' program, the evidence counts all weights where there are more
    features than rows, nothing is added to the denominators, the iteration runs to its end, and it
    starts at the best of a few ratios of the precisions: the evidence may have several maxima.

    References
    ----------
    .. [1] You, Liu, Wang and Long, "LogME: Practical Assessment of Pre-trained Models for Transfer
           Learning", ICML 2021, arXiv:2102.11005.
    .. [2] You, Liu, Zhang, Wang, Jordan and Long, "Ranking and Tuning Pre-trained Models: A New
           Paradigm for Exploiting Model Hubs", JMLR 23, 2022, arXiv:2110.10545.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sktransfer.selection import log_me
    >>> X, y = load_iris(return_X_y=True)
    >>> log_me(X, y) > log_me(X[:, :2], y)
    True
    """
    X, codes = check_features(features, y)
    targets = indicators(codes)
    spectrum = Spectrum.of(X)
    shares = np.square(spectrum.left.T @ targets)
    energy = np.square(targets).sum(axis=0)
    outside = energy - shares.sum(axis=0)
    outside[outside < _ROUNDING * energy] = 0  # such a target is linear in the features
    regressions = _Regressions(spectrum.squares[:, None], shares, outside, len(X))
    return float(regressions.log_evidence(regressions.best_ratios()).mean() / len(X))


@dataclass(frozen=True)
class _Regressions:
    """Regressions of several targets, with all that a ratio of the precisions depends on.

    The ratio is the precision of the weights divided by that of the noise, one for each target.
    """

    squares: np.ndarray  # of the singular values, (rank, 1)
    shares: np.ndarray  # of each target in each direction of the features, (rank, n_targets)
    outside: np.ndarray  # and in none of them, (n_targets,)
    n_samples: int

    def log_evidence(self, ratios: np.ndarray) -> np.ndarray:
        """Return the logarithm of the evidence of each target, at the best precisions."""
        left = ratios / (self.squares + ratios)
        energy = (self.shares * left).sum(axis=0) + self.outside
        n = self.n_samples
        return 0.5 * (np.log(left).sum(axis=0) - n * (np.log(2 * np.pi * energy / n) + 1))

    def best_ratios(self) -> np.ndarray:
        """Return the ratios of the largest evidence: fixed points of the iteration."""
        starts = self.squares[0] * _STARTS
        found = [self.log_evidence(np.full_like(self.outside, start)) for start in starts]
        ratios = starts[np.argmax(found, axis=0)]
        for _ in range(_MAX_STEPS):
            renewed = np.clip(self._renewed(ratios), starts[0], starts[-1])
            settled = np.abs(renewed - ratios) <= _TOLERANCE * ratios
            ratios = renewed
            if settled.all():
                break
        return ratios

    def _renewed(self, ratios: np.ndarray) -> np.ndarray:
        """Return the ratios that follow from the weights and the noise at these ratios."""
        left = ratios / (self.squares + ratios)
        determined = (self.squares / (self.squares + ratios)).sum(axis=0)
        free = self.n_samples - len(self.squares) + left.sum(axis=0)
        weights = (self.shares * self.squares / np.square(self.squares + ratios)).sum(axis=0)
        noise = (self.shares * np.square(left)).sum(axis=0) + self.outside
        with np.errstate(divide="ignore"):  # features that say nothing have no weights
            return determined * noise / (weights * free)
