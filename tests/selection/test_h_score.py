"""H-score against its formula in dense matrices."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.covariance import ledoit_wolf

from sktransfer.selection import h_score


def naive_h_score(X: np.ndarray, y: np.ndarray) -> float:
    """Trace of the inverse of the shrunk covariance times what is left of that of the means."""
    covariance, shrinkage = ledoit_wolf(X)
    means = np.zeros_like(X)
    for label in np.unique(y):
        means[y == label] = X[y == label].mean(axis=0)
    between = np.cov(means, rowvar=False, bias=True)
    return float(np.trace(np.linalg.inv(covariance) @ ((1 - shrinkage) * between)))


@pytest.mark.parametrize("shape", [(60, 4), (60, 2), (30, 30), (20, 50)])
@pytest.mark.parametrize("signal", [0.0, 0.5, 3.0])
def test_it_is_the_formula(shape, signal):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, shape[0])
    X = 5 + rng.normal(size=shape) * rng.uniform(0.1, 3, shape[1])
    X = X + signal * rng.normal(size=(3, shape[1]))[y]
    assert h_score(X, y) == pytest.approx(naive_h_score(X, y), rel=1e-9)


def test_of_one_feature_it_is_the_share_of_variance_between_the_classes():
    X = np.array([[0.0], [2.0], [4.0], [6.0]])
    assert h_score(X, ["a", "a", "b", "b"]) == pytest.approx(4 / 5)


def test_it_lies_between_none_and_the_number_of_classes_less_one():
    y = np.arange(400) % 4
    noise = np.random.default_rng(0).normal(size=(400, 3))
    told_apart = np.eye(4)[y][:, :3] * 1e4 + noise
    assert 0 <= h_score(noise, y) < 0.1
    assert 2.8 < h_score(told_apart, y) <= 3


def test_features_without_variance_count_for_nothing_but_shrinkage():
    rng = np.random.default_rng(0)
    y = np.arange(50) % 2
    X = np.hstack([rng.normal(size=(50, 3)) + y[:, None], np.full((50, 2), 7.0)])
    assert h_score(X, y) == pytest.approx(naive_h_score(X, y), rel=1e-9)
