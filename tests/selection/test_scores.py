"""What holds of all scores of features: invariances, an order, and what they refuse."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from scipy.stats import ortho_group
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import LeaveOneOut, StratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sktransfer.selection import h_score, knn_accuracy, linear_probe_accuracy, log_me, n_leep

SCORES = {
    "log_me": log_me,
    "h_score": h_score,
    "n_leep": partial(n_leep, random_state=0),
    "knn_accuracy": knn_accuracy,
    "linear_probe_accuracy": partial(linear_probe_accuracy, random_state=0),
}
every_score = pytest.mark.parametrize("score", SCORES.values(), ids=SCORES)
closed_forms = pytest.mark.parametrize("score", [log_me, h_score])


@pytest.fixture(params=[(80, 6), (60, 90)], ids=["tall", "wide"])
def data(request) -> tuple[np.ndarray, np.ndarray]:
    """Features of four classes that overlap, and the classes."""
    n, d = request.param
    rng = np.random.default_rng(0)
    y = np.arange(n) % 4
    X = rng.normal(size=(n, d)) + 0.8 * rng.normal(size=(4, d))[y] + 3
    return X, np.array(["ant", "bee", "cat", "dog"])[y]


@every_score
def test_features_that_tell_the_classes_apart_score_above_noise(score, data):
    X, y = data
    noise = np.random.default_rng(1).normal(size=X.shape)
    assert score(X, y) > score(noise, y)


@every_score
def test_labels_shuffled_score_lower(score, data):
    X, y = data
    assert score(X, y) > score(X, np.random.default_rng(0).permutation(y))


@every_score
def test_the_same_again(score, data):
    assert score(*data) == score(*data)


@every_score
def test_names_of_the_classes_do_not_matter(score, data):
    X, y = data
    numbers = {"ant": -3, "bee": 0, "cat": 5, "dog": 12}  # in the same order
    assert score(X, [numbers[name] for name in y]) == score(X, y)


@closed_forms
def test_the_order_of_the_classes_does_not_matter(score, data):
    X, y = data
    other = {"ant": "z", "bee": "y", "cat": "x", "dog": "w"}
    assert score(X, [other[name] for name in y]) == pytest.approx(score(X, y), rel=1e-9)


@closed_forms
def test_the_order_of_the_rows_does_not_matter(score, data):
    X, y = data
    order = np.random.default_rng(0).permutation(len(y))
    assert score(X[order], y[order]) == pytest.approx(score(X, y), rel=1e-9)


@closed_forms
def test_rotated_features_score_the_same(score, data):
    X, y = data
    rotation = ortho_group.rvs(X.shape[1], random_state=0)
    assert score(X @ rotation, y) == pytest.approx(score(X, y), rel=1e-9)


@every_score
def test_single_precision_is_accepted(score, data):
    X, y = data
    assert score(X.astype(np.float32), y) == pytest.approx(score(X, y), abs=1e-2)
    assert score(X.astype(np.float32), y) == score(X.astype(np.float32).astype(np.float64), y)


@every_score
def test_the_features_stay_as_they_are(score, data):
    X, y = data
    before = X.copy()
    score(X, y)
    np.testing.assert_array_equal(X, before)


@every_score
@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (
            np.ones(6),
            [0, 1] * 3,
            r"features must be of shape \(n_samples, n_features\), got \(6,\)",
        ),
        ([[1.0], [np.nan], [2.0], [3.0]], [0, 1, 0, 1], "features contains NaN"),
        ([[1.0], [np.inf], [2.0], [3.0]], [0, 1, 0, 1], "features contains infinity"),
        (np.ones((4, 2)), [0, 1, 0, 1], "features must differ between rows"),
        (np.eye(4), [0, 1, 0], "features has 4 samples, but y has 3"),
        (np.eye(4), [[0, 1]] * 4, r"y must be of shape \(n_samples,\), got \(4, 2\)"),
        (np.eye(4), ["cat"] * 4, "y must hold at least two classes, got only .*cat"),
        (np.eye(4), [0, 1, 2, 3], "y must hold several rows of a class, got too few: 4"),
        (np.eye(4), [0.1, 0.2, 0.3, 0.1], "continuous"),
        (np.eye(4), [0, np.nan, 0, 1], "y contains NaN"),
        (np.empty((0, 3)), [], "0 sample"),
    ],
)
def test_refused(score, X, y, message):
    with pytest.raises(ValueError, match=message):
        score(X, y)


# Proxies ---------------------------------------------------------------------------------------


def test_knn_accuracy_leaves_each_row_out(data):
    X, y = data
    voters = KNeighborsClassifier(7, weights="distance", metric="cosine")
    expected = cross_val_score(voters, X, y, cv=LeaveOneOut()).mean()
    assert knn_accuracy(X, y, n_neighbors=7) == pytest.approx(expected)


@pytest.mark.parametrize(("n_neighbors", "limit"), [(0, ">= 1"), (60, "<= 59")])
def test_knn_accuracy_refuses_neighbours(n_neighbors, limit):
    X = np.random.default_rng(0).normal(size=(60, 2))
    with pytest.raises(ValueError, match=f"n_neighbors == {n_neighbors}, must be {limit}"):
        knn_accuracy(X, np.arange(60) % 2, n_neighbors=n_neighbors)


def test_linear_probe_accuracy_is_that_of_a_regression_on_standardized_features(data):
    X, y = data
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
    folds = StratifiedKFold(4, shuffle=True, random_state=3)
    expected = cross_val_score(probe, X, y, cv=folds).mean()
    assert linear_probe_accuracy(X, y, n_splits=4, random_state=3) == pytest.approx(expected)


def test_linear_probe_accuracy_refuses_more_folds_than_rows_of_any_class():
    X = np.random.default_rng(0).normal(size=(8, 2))
    with pytest.raises(ValueError, match="n_splits=5"):
        linear_probe_accuracy(X, [0, 1] * 4)
