"""LogME against the evidence itself, maximised over dense matrices."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import multivariate_normal

from sktransfer.selection import log_me

LOG_PRECISIONS = [(-3, 0), (-3, 4), (2, 0), (2, 4), (8, 0), (8, 4)]
"""Where the reference starts: the evidence may have several maxima."""


def largest_evidence(X: np.ndarray, target: np.ndarray) -> float:
    """Maximise the log density of a target under all precisions of weights and noise."""

    def loss(log_precisions):
        alpha, beta = np.exp(np.clip(log_precisions, -200, 200))
        covariance = np.eye(len(X)) / beta + X @ X.T / alpha
        _, log_determinant = np.linalg.slogdet(2 * np.pi * covariance)
        return (log_determinant + target @ np.linalg.solve(covariance, target)) / 2

    options = {"xatol": 1e-8, "fatol": 1e-12, "maxiter": 4000}
    found = [
        minimize(loss, start, method="Nelder-Mead", options=options).fun for start in LOG_PRECISIONS
    ]
    return -min(found)


def drawn(n: int, d: int, n_classes: int, signal: float, seed: int):
    """Features of unlike scales, with the classes in them."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % n_classes
    noise = rng.normal(size=(n, d)) * 10 ** rng.uniform(-1, 1, d)
    return noise + signal * rng.normal(size=(n_classes, d))[y], y


@pytest.mark.parametrize(("n", "d"), [(40, 5), (25, 25), (20, 40)], ids=["tall", "square", "wide"])
@pytest.mark.parametrize("signal", [0.0, 0.3, 1.0])
def test_it_is_the_largest_evidence(n, d, signal):
    for seed in range(3):
        X, y = drawn(n, d, 3, signal, seed)
        expected = np.mean([largest_evidence(X, (y == c).astype(float)) / n for c in range(3)])
        assert log_me(X, y) == pytest.approx(expected, abs=1e-6)


def test_it_is_the_higher_one_of_two_maxima():
    # From the mean of the squared singular values, the iteration ends 0.04 lower.
    rng = np.random.default_rng(11)
    y = rng.integers(0, 4, 60)
    X = rng.normal(size=(60, 8)) * 10 ** rng.uniform(-1, 1, 8) + np.eye(4)[y] @ rng.normal(
        size=(4, 8)
    )
    expected = np.mean([largest_evidence(X, (y == c).astype(float)) / 60 for c in range(4)])
    assert log_me(X, y) == pytest.approx(expected, abs=1e-6)


def test_features_that_say_nothing_leave_the_noise_alone():
    # Orthogonal to both indicators: the weights are zero and the noise has the targets' energy.
    X = np.array([[1.0], [-1.0], [1.0], [-1.0]])
    y = [0, 0, 1, 1]
    alone = multivariate_normal.logpdf([1, 1, 0, 0], cov=0.5 * np.eye(4)) / 4
    assert log_me(X, y) == pytest.approx(alone)


def test_classes_that_are_linear_in_the_features_are_finite():
    y = np.arange(30) % 3
    exact, nearly = (
        np.eye(3)[y],
        np.eye(3)[y] + np.random.default_rng(0).normal(scale=0.1, size=(30, 3)),
    )
    assert np.isfinite(log_me(exact, y))
    assert log_me(exact, y) > log_me(nearly, y)


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_the_scale_of_the_features_does_not_matter(factor):
    X, y = drawn(40, 5, 3, 1.0, 0)
    assert log_me(factor * X, y) == pytest.approx(log_me(X, y), abs=1e-9)


def test_repeated_features_change_nothing_but_their_scale():
    X, y = drawn(40, 5, 3, 1.0, 0)
    assert log_me(np.hstack([X, X]), y) == pytest.approx(log_me(X, y), abs=1e-9)
