"""Probes are scikit-learn's own estimators with other defaults."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sktransfer import KNNProbe, LinearProbe


@pytest.fixture(scope="module")
def features():
    """Features of unlike scales, so that standardizing matters, in three unequal classes."""
    rng = np.random.default_rng(0)
    y = np.array(["ant"] * 30 + ["bee"] * 20 + ["cat"] * 10)
    X = rng.normal(size=(60, 6)) + 1.5 * np.eye(6)[np.unique(y, return_inverse=True)[1]]
    return (X * 10.0 ** np.arange(6)).astype(np.float32), y


def obvious_probe(C=0.01, **parameters):
    return make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=1000, **parameters))


@pytest.mark.parametrize(
    "parameters", [{}, {"C": 10.0}, {"class_weight": "balanced"}, {"class_weight": {"cat": 5.0}}]
)
def test_linear_probe_is_a_logistic_regression_on_standardized_features(features, parameters):
    X, y = features
    probe = LinearProbe(**parameters).fit(X, y)
    obvious = obvious_probe(**parameters).fit(X, y)
    np.testing.assert_array_equal(probe.predict(X), obvious.predict(X))
    np.testing.assert_allclose(probe.predict_proba(X), obvious.predict_proba(X), rtol=1e-12)
    np.testing.assert_allclose(probe.decision_function(X), obvious.decision_function(X))
    np.testing.assert_array_equal(probe.coef_, obvious[-1].coef_)
    np.testing.assert_array_equal(probe.intercept_, obvious[-1].intercept_)
    assert probe.classes_.tolist() == ["ant", "bee", "cat"]


def test_weights_of_linear_probe_count_rows(features):
    X, y = features
    times = np.arange(len(y)) % 3
    weighted = LinearProbe(C=1.0).fit(X, y, sample_weight=times)
    repeated = LinearProbe(C=1.0).fit(X.repeat(times, axis=0), y.repeat(times))
    np.testing.assert_allclose(
        weighted.predict_proba(X), repeated.predict_proba(X), rtol=1e-3, atol=1e-4
    )
    unweighted = LinearProbe(C=1.0).fit(X, y)
    assert np.abs(unweighted.predict_proba(X) - weighted.predict_proba(X)).max() > 0.01


def test_linear_probe_of_two_classes_scores_in_one_column(features):
    X, y = features
    probe = LinearProbe().fit(X, y == "ant")
    assert probe.decision_function(X).shape == (60,)
    assert probe.predict_proba(X).shape == (60, 2)


def test_knn_probe_is_a_weighted_vote_of_ten_by_cosine(features):
    X, y = features
    obvious = KNeighborsClassifier(10, weights="distance", metric="cosine").fit(X[::2], y[::2])
    probe = KNNProbe().fit(X[::2], y[::2])
    np.testing.assert_array_equal(probe.predict_proba(X[1::2]), obvious.predict_proba(X[1::2]))
    np.testing.assert_array_equal(probe.predict(X[1::2]), obvious.predict(X[1::2]))


def test_knn_probe_takes_other_neighbours_and_metrics(features):
    X, y = features
    parameters = {"n_neighbors": 3, "weights": "uniform", "metric": "euclidean"}
    probe = clone(KNNProbe(**parameters)).fit(X, y)
    assert {**probe.get_params(), "n_jobs": None} == {**parameters, "n_jobs": None}
    obvious = KNeighborsClassifier(**parameters).fit(X, y)
    np.testing.assert_array_equal(probe.predict_proba(X), obvious.predict_proba(X))
