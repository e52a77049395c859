"""Probes: scikit-learn's own estimators with other defaults, and a search where it pays."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sktransfer import KNNProbe, LDAProbe, LinearProbe
from sktransfer.estimators import _penalty_search
from sktransfer.estimators._penalty_search import GRID, hold_out


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


# The search for a penalty ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def noisy_features():
    """200 rows of 30 correlated features, two of which tell four classes apart, somewhat."""
    rng = np.random.default_rng(3)
    y = np.arange(200) % 4
    X = rng.normal(size=(200, 30)) @ rng.normal(size=(30, 30))
    X[:, :2] = 1.2 * np.eye(4)[y, :2] + rng.normal(size=(200, 2)) + (y == 3)[:, None]
    return X, np.array(["ant", "bee", "cat", "dog"])[y]


def losses(X, y, seed, weights=None, class_weight=None):
    """The held-out log loss of each penalty, each classifier fitted from scratch."""
    weights = np.ones(len(y)) if weights is None else weights
    chosen = hold_out(y, np.random.RandomState(seed))
    X = StandardScaler().fit(X, sample_weight=weights).transform(X)
    found = []
    for C in GRID:
        classifier = LogisticRegression(C=C, max_iter=1000, class_weight=class_weight, tol=1e-6)
        classifier.fit(X[~chosen], y[~chosen], sample_weight=weights[~chosen])
        of_class = np.array([(class_weight or {}).get(label, 1) for label in y[chosen]])
        probabilities = classifier.predict_proba(X[chosen])
        found.append(log_loss(y[chosen], probabilities, sample_weight=weights[chosen] * of_class))
    return found


@pytest.mark.parametrize("seed", range(4))
def test_search_finds_what_trying_all_penalties_finds(noisy_features, seed):
    X, y = noisy_features
    probe = LinearProbe("auto", random_state=seed).fit(X, y)
    assert GRID[np.argmin(losses(X, y, seed))] == probe.C_
    assert GRID[0] < probe.C_ < GRID[-1]


def test_balance_of_linear_probe_is_that_of_the_weighted_rows(noisy_features):
    """In the search as in the fit: three rows count as one row of weight three."""
    X, y = noisy_features
    times = np.where(y == "ant", 3, 1)
    for C in (0.01, "auto"):
        weighted = LinearProbe(C, class_weight="balanced", random_state=0)
        weighted.fit(X, y, sample_weight=times)
        shares = {"ant": 0.5, "bee": 1.5, "cat": 1.5, "dog": 1.5}  # of 150 + 3 * 50 rows
        given = LinearProbe(C, class_weight=shares, random_state=0).fit(X, y, sample_weight=times)
        assert weighted.C_ == given.C_
        repeated = LinearProbe(weighted.C_, class_weight="balanced")
        repeated.fit(X.repeat(times, axis=0), y.repeat(times))
        np.testing.assert_allclose(
            weighted.predict_proba(X), repeated.predict_proba(X), rtol=1e-3, atol=1e-4
        )


def test_search_counts_weights_of_rows_and_classes(noisy_features):
    X, y = noisy_features
    weights = np.where(np.arange(len(y)) < 100, 0.01, 3.0)
    class_weight = {"ant": 20.0}
    chosen, expected = zip(
        *(
            (
                LinearProbe("auto", class_weight=class_weight, random_state=seed)
                .fit(X, y, sample_weight=weights)
                .C_,
                GRID[np.argmin(losses(X, y, seed, weights, class_weight))],
            )
            for seed in range(4)
        ),
        strict=True,
    )
    assert chosen == expected
    assert chosen != tuple(GRID[np.argmin(losses(X, y, seed))] for seed in range(4))


def test_found_penalty_is_fitted_to_all_rows(noisy_features):
    X, y = noisy_features
    found = LinearProbe("auto", random_state=0).fit(X, y)
    given = LinearProbe(found.C_).fit(X, y)
    np.testing.assert_array_equal(found.predict_proba(X), given.predict_proba(X))
    np.testing.assert_array_equal(found.n_iter_, given.n_iter_)
    assert given.C_ == given.C


def test_search_ends_when_the_loss_has_been_no_better_twice(noisy_features, monkeypatch):
    X, y = noisy_features
    tried = []

    class Counting(LogisticRegression):
        def fit(self, X, y, sample_weight=None):
            tried.append(self.C)
            return super().fit(X, y, sample_weight)

    best = _penalty_search.search_penalty(Counting(), X, y, np.ones(len(y)), 0)
    assert tried == list(GRID[: len(tried)])
    assert GRID.index(best) == len(tried) - 3


def test_rows_of_weight_zero_are_no_part_of_the_search(noisy_features):
    X, y = noisy_features
    weights = np.where(np.arange(len(y)) % 7 == 0, 0.0, 1.0)
    spoiled = np.where(weights > 0, y, np.roll(y, 1))
    probes = [
        LinearProbe("auto", random_state=0).fit(X, labels, sample_weight=weights)
        for labels in (y, spoiled)
    ]
    assert probes[0].C_ == probes[1].C_
    np.testing.assert_array_equal(probes[0].coef_, probes[1].coef_)


def test_a_fifth_of_each_class_is_held_out():
    y = np.repeat([0, 1, 2, 3, 4], [50, 11, 3, 2, 1])
    chosen = hold_out(y, np.random.RandomState(0))
    assert np.bincount(y[chosen], minlength=5).tolist() == [10, 2, 1, 1, 0]
    assert (chosen == hold_out(y, np.random.RandomState(0))).all()
    assert (chosen != hold_out(y, np.random.RandomState(1))).any()


def test_a_class_of_one_row_is_trained_on(noisy_features):
    X, y = noisy_features
    y = np.where(np.arange(len(y)) == 5, "elk", y)
    probe = LinearProbe("auto", random_state=0).fit(X, y)
    assert probe.C_ in GRID
    assert "elk" in probe.classes_


def test_without_a_row_to_hold_out_the_default_is_taken(noisy_features):
    X, _ = noisy_features
    probe = LinearProbe("auto").fit(X[:4], ["ant", "bee", "cat", "dog"])
    assert probe.C_ == LinearProbe().C


# Other probes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "parameters", [{}, {"shrinkage": 0.3}, {"priors": [0.2, 0.3, 0.5]}], ids=str
)
def test_lda_probe_is_a_shrunken_discriminant_analysis(features, parameters):
    X, y = features
    obvious = make_pipeline(
        StandardScaler(),
        LinearDiscriminantAnalysis(solver="lsqr", **{"shrinkage": "auto", **parameters}),
    ).fit(X, y)
    probe = LDAProbe(**parameters).fit(X, y)
    np.testing.assert_allclose(probe.predict_proba(X), obvious.predict_proba(X), rtol=1e-5)
    np.testing.assert_array_equal(probe.predict(X), obvious.predict(X))
    np.testing.assert_array_equal(probe.coef_, obvious[-1].coef_)
    assert probe.classes_.tolist() == ["ant", "bee", "cat"]


def test_lda_probe_bears_more_features_than_rows_and_constant_ones():
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    X = rng.normal(size=(60, 200)) + 2 * np.eye(3)[y].repeat(67, axis=1)[:, :200]
    X[:, ::9] = 0
    X = np.maximum(X, 0).astype(np.float32)
    assert LDAProbe().fit(X[:30], y[:30]).score(X[30:], y[30:]) > 0.9


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
