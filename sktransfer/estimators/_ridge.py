"""Ridge regression of class indicators, its penalty and its confidence chosen by leave-one-out.

One decomposition of the data gives the regressions of all penalties, and what each of them says of
every row when that row is left out (Rifkin and Lippert, "Notes on Regularized Least Squares", MIT
CSAIL TR 2007-025).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

BLOCK = 4096
"""Rows that are converted to float64 at a time."""

LOG_SHARPNESS = (-5.0, 5.0)
"""Bounds of the logarithm of what scores are multiplied by; scores are about -1 to 1."""


@dataclass(frozen=True)
class LeaveOneOutRidge:
    """A fitted classifier of rows: linear scores, and the temperature that makes them honest.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
        Class labels, sorted.
    coef : ndarray of shape (n_classes or 1, n_features)
        Coefficients; of two classes those of the second.
    intercept : ndarray of shape (n_classes or 1,)
        Intercepts.
    alpha : float
        The chosen penalty.
    temperature : float
        What scores are divided by before the softmax.
    """

    classes: np.ndarray
    coef: np.ndarray
    intercept: np.ndarray
    alpha: float
    temperature: float

    @classmethod
    def fit(
        cls, X: np.ndarray, y: np.ndarray, weights: np.ndarray, alphas: Sequence[float]
    ) -> LeaveOneOutRidge:
        """Fit to rows (n, n_features) of weights (n,), not all zero, and two or more classes."""
        classes, codes = np.unique(y, return_inverse=True)
        rows = _CentredRows.of(X, _indicators(codes, len(classes)), weights)
        decomposition = _Decomposition.of(rows.inputs)
        projected = decomposition.coordinates.T @ rows.targets
        leverages = (
            decomposition.leverages(alphas) + (rows.root_weights**2 / weights.sum())[:, None]
        )

        def left_out(position: int) -> np.ndarray:
            """Errors of all rows, each left out, weighted by the roots of their weights."""
            fitted = decomposition.coordinates @ (
                decomposition.damping(alphas[position]) * projected
            )
            rest = np.maximum(1 - leverages[:, position], np.finfo(rows.inputs.dtype).eps)
            return (rows.targets - fitted) / rest[:, None]

        best = min(range(len(alphas)), key=lambda position: np.square(left_out(position)).sum())
        coef = decomposition.directions @ (decomposition.damping(alphas[best]) * projected)
        counted = weights > 0
        errors = left_out(best)[counted] / rows.root_weights[counted, None]
        scores = _indicators(codes[counted], len(classes)) - errors
        return cls(
            classes=classes,
            coef=coef.T.astype(X.dtype),
            intercept=(rows.target_mean - rows.input_mean @ coef).astype(X.dtype),
            alpha=float(alphas[best]),
            temperature=fit_temperature(scores, codes[counted], weights[counted]),
        )

    def decision_function(self, X: np.ndarray) -> np.ndarray:
        """Return scores (n, n_classes), or (n,) for two classes."""
        scores = X @ self.coef.T + self.intercept
        return scores[:, 0] if len(self.classes) == 2 else scores

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Return probabilities (n, n_classes)."""
        scores = X @ self.coef.T + self.intercept
        return softmax(_score_each_class(scores) / self.temperature, axis=1)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return class labels (n,)."""
        scores = X @ self.coef.T + self.intercept
        return self.classes[_score_each_class(scores).argmax(axis=1)]


def fit_temperature(scores: np.ndarray, codes: np.ndarray, weights: np.ndarray) -> float:
    """Return the temperature that makes a softmax of scores most likely.

    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, arXiv:1706.04599. As in
    Platt's scaling a right answer counts as one less certain than all n rows can tell, so that
    scores that are never wrong do not end in certainty.

    Parameters
    ----------
    scores : ndarray of shape (n, n_classes), or (n, 1) for two classes
        Scores of rows that they were not fitted on.
    codes : ndarray of int of shape (n,)
        The right class of each row.
    weights : ndarray of shape (n,)
        Weights of the rows.

    Returns
    -------
    temperature : float
        Between exp(-5) and exp(5).
    """
    scores = _score_each_class(scores.astype(np.float64))
    doubt = 1 / (len(scores) + 2)
    n_others = scores.shape[1] - 1

    def loss(log_sharpness: float) -> float:
        logs = log_softmax(np.exp(log_sharpness) * scores, axis=1)
        right = np.take_along_axis(logs, codes[:, None], axis=1)[:, 0]
        wrong = logs.sum(axis=1) - right
        return -float(weights @ ((1 - doubt) * right + doubt / n_others * wrong))

    return float(np.exp(-minimize_scalar(loss, bounds=LOG_SHARPNESS, method="bounded").x))


def _indicators(codes: np.ndarray, n_classes: int) -> np.ndarray:
    """Return 1 for a row's class and -1 for others, (n, n_classes), or (n, 1) for the second."""
    indicators = np.where(codes[:, None] == np.arange(n_classes), 1.0, -1.0)
    return indicators[:, 1:] if n_classes == 2 else indicators


def _score_each_class(scores: np.ndarray) -> np.ndarray:
    """Give the first of two classes, which the one score (n, 1) speaks against, a score of zero."""
    if scores.shape[1] > 1:
        return scores
    return np.concatenate([np.zeros_like(scores), scores], axis=1)


@dataclass(frozen=True)
class _CentredRows:
    """Inputs and targets less their means, times the roots of the rows' weights."""

    inputs: np.ndarray
    targets: np.ndarray
    root_weights: np.ndarray
    input_mean: np.ndarray
    target_mean: np.ndarray

    @classmethod
    def of(cls, X: np.ndarray, Y: np.ndarray, weights: np.ndarray) -> _CentredRows:
        input_mean = np.average(X, axis=0, weights=weights).astype(X.dtype)
        target_mean = np.average(Y, axis=0, weights=weights)
        roots = np.sqrt(weights)
        inputs = X - input_mean
        inputs *= roots[:, None].astype(X.dtype)
        targets = (roots[:, None] * (Y - target_mean)).astype(X.dtype)
        return cls(inputs, targets, roots, input_mean, target_mean)


@dataclass(frozen=True)
class _Decomposition:
    """Rows (n, p) in the coordinates in which their covariance is diagonal.

    Attributes
    ----------
    eigenvalues : ndarray of shape (r,)
        Sums of squares of the coordinates, all positive.
    coordinates : ndarray of shape (n, r)
        The rows.
    directions : ndarray of shape (p, r)
        The axes.
    """

    eigenvalues: np.ndarray
    coordinates: np.ndarray
    directions: np.ndarray

    @classmethod
    def of(cls, rows: np.ndarray) -> _Decomposition:
        """Decompose the smaller one of the covariance and the Gram matrix."""
        long = rows.shape[0] >= rows.shape[1]
        eigenvalues, vectors = eigh(_gram(rows if long else rows.T))
        kept = eigenvalues > eigenvalues[-1] * len(eigenvalues) * np.finfo(np.float64).eps
        eigenvalues, vectors = eigenvalues[kept], vectors[:, kept]
        if long:
            directions = vectors.astype(rows.dtype)
            return cls(eigenvalues, rows @ directions, directions)
        roots = np.sqrt(eigenvalues)
        directions = rows.T @ (vectors / roots).astype(rows.dtype)
        return cls(eigenvalues, vectors * roots, directions)

    def damping(self, alpha: float) -> np.ndarray:
        """Return what a penalty multiplies projections on the coordinates by, (r, 1)."""
        return (1 / (self.eigenvalues + alpha)).astype(self.coordinates.dtype)[:, None]

    def leverages(self, alphas: Sequence[float]) -> np.ndarray:
        """Return how much each row draws its own prediction, (n, n_alphas), without intercept."""
        dampings = np.concatenate([self.damping(alpha) for alpha in alphas], axis=1)
        return np.concatenate([np.square(block) @ dampings for block in _blocks(self.coordinates)])


def _gram(rows: np.ndarray) -> np.ndarray:
    """Return ``rows.T @ rows`` in float64, which small eigenvalues need."""
    gram = np.zeros((rows.shape[1], rows.shape[1]))
    for block in _blocks(rows):
        gram += block.T @ block
    return gram


def _blocks(rows: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the rows as float64, some at a time."""
    for start in range(0, len(rows), BLOCK):
        yield rows[start : start + BLOCK].astype(np.float64)
