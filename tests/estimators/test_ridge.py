"""The ridge probe: its closed form against refits without each row, and its probabilities."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from sklearn.base import clone
from sklearn.linear_model import Ridge, RidgeClassifierCV
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sktransfer import RidgeProbe
from sktransfer.estimators import _ridge
from sktransfer.estimators._ridge import LeaveOneOutRidge, fit_temperature

ALPHAS = (0.1, 1.0, 10.0, 100.0, 1000.0)


def make_rows(n: int, p: int, n_classes: int, dtype=np.float64):
    """Correlated features, some of which tell classes apart, with a constant one."""
    rng = np.random.default_rng(n + p)
    y = np.arange(n) % n_classes
    X = rng.normal(size=(n, p)) @ rng.normal(size=(p, p)) / np.sqrt(p)
    X[:, :n_classes] += np.eye(n_classes)[y]
    X[:, -1] = 7
    return X.astype(dtype), y


SHAPES = pytest.mark.parametrize(
    ("n", "p", "n_classes"), [(40, 7, 3), (15, 30, 3), (20, 20, 4), (30, 5, 2), (12, 40, 2)]
)


def left_out_scores(X, y, weights, alpha):
    """Scores (n, n_classes) of each row by a ridge regression of all others; (n, 1) of two."""
    targets = np.where(y[:, None] == np.unique(y), 1.0, -1.0)
    targets = targets[:, 1:] if targets.shape[1] == 2 else targets
    scores = np.empty(targets.shape)
    for row in range(len(y)):
        others = np.arange(len(y)) != row
        ridge = Ridge(alpha).fit(X[others], targets[others], sample_weight=weights[others])
        scores[row] = ridge.predict(X[[row]]).reshape(-1)
    return scores, targets


@SHAPES
@pytest.mark.parametrize("weighted", [False, True])
def test_penalty_and_temperature_are_those_of_leaving_each_row_out(n, p, n_classes, weighted):
    X, y = make_rows(n, p, n_classes)
    weights = np.random.default_rng(0).uniform(0.5, 2, n) if weighted else np.ones(n)
    fitted = LeaveOneOutRidge.fit(X, y, weights, ALPHAS)

    refits = [left_out_scores(X, y, weights, alpha) for alpha in ALPHAS]
    errors = [weights @ np.square(scores - targets).sum(axis=1) for scores, targets in refits]
    best = int(np.argmin(errors))
    assert fitted.alpha == ALPHAS[best]
    expected = fit_temperature(refits[best][0], y, weights)
    assert fitted.temperature == pytest.approx(expected, rel=1e-3)


@SHAPES
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-9), (np.float32, 1e-4)])
def test_scores_are_those_of_ridge_classifier(n, p, n_classes, dtype, tolerance):
    X, y = make_rows(n, p, n_classes, dtype)
    names = np.array(["ant", "bee", "cat", "dog"])[y]
    probe = RidgeProbe(ALPHAS).fit(X, names)
    obvious = make_pipeline(StandardScaler(), RidgeClassifierCV(ALPHAS)).fit(X, names)
    assert probe.alpha_ == obvious[-1].alpha_
    np.testing.assert_allclose(
        probe.decision_function(X), obvious.decision_function(X), rtol=0, atol=tolerance
    )
    np.testing.assert_array_equal(probe.predict(X), obvious.predict(X))
    assert probe.coef_.shape == (1 if n_classes == 2 else n_classes, p)
    assert probe.coef_.dtype == dtype


def test_rows_are_gathered_block_by_block(monkeypatch):
    X, y = make_rows(40, 7, 3, np.float32)
    expected = RidgeProbe().fit(X, y).decision_function(X)
    monkeypatch.setattr(_ridge, "BLOCK", 7)
    np.testing.assert_allclose(RidgeProbe().fit(X, y).decision_function(X), expected, atol=1e-5)


def test_weights_of_rows_count():
    X, y = make_rows(40, 7, 3)
    weights = np.random.default_rng(0).uniform(0, 3, 40)
    scaled = StandardScaler().fit(X, sample_weight=weights).transform(X)
    probe = RidgeProbe([10.0]).fit(X, y, sample_weight=weights)
    obvious = RidgeClassifierCV([10.0]).fit(scaled, y, sample_weight=weights)
    np.testing.assert_allclose(probe.decision_function(X), obvious.decision_function(scaled))


def test_rows_of_weight_zero_do_not_count():
    X, y = make_rows(40, 7, 3)
    kept = np.arange(40) % 4 > 0
    probe = RidgeProbe().fit(X, y, sample_weight=kept)
    alone = RidgeProbe().fit(X[kept], y[kept])
    np.testing.assert_allclose(probe.predict_proba(X), alone.predict_proba(X), rtol=1e-6)


@pytest.mark.parametrize("class_weight", ["balanced", {"ant": 5.0}])
def test_weights_of_classes_are_weights_of_their_rows(class_weight):
    X, y = make_rows(40, 7, 3)
    y = np.where(y == 1, "bee", "ant")
    factors = {"ant": 5.0, "bee": 1.0}
    if class_weight == "balanced":
        factors = {label: 40 / (2 * (y == label).sum()) for label in factors}
    probe = RidgeProbe([10.0], class_weight=class_weight).fit(X, y)
    scaled = StandardScaler().fit_transform(X)
    obvious = RidgeClassifierCV([10.0]).fit(
        scaled, y, sample_weight=np.array([factors[label] for label in y])
    )
    np.testing.assert_allclose(probe.decision_function(X), obvious.decision_function(scaled))


# Probabilities ---------------------------------------------------------------------------------


def test_temperature_makes_answers_most_likely():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(5000, 3))
    codes = (2.5 * scores + rng.gumbel(size=scores.shape)).argmax(axis=1)
    weights = np.ones(5000)
    assert fit_temperature(scores, codes, weights) == pytest.approx(1 / 2.5, rel=0.05)

    def loss(temperature):
        return -log_softmax(scores / temperature, axis=1)[np.arange(5000), codes].mean()

    least = minimize_scalar(loss, bounds=(0.1, 1), method="bounded").x
    assert fit_temperature(scores, codes, weights) == pytest.approx(least, rel=0.01)


def test_temperature_of_two_classes_is_that_of_a_logistic_function():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(20000, 1))
    codes = (rng.uniform(size=20000) < 1 / (1 + np.exp(-4 * scores[:, 0]))).astype(int)
    assert fit_temperature(scores, codes, np.ones(20000)) == pytest.approx(1 / 4, rel=0.05)


def test_scores_that_are_never_wrong_end_in_no_certainty():
    codes = np.arange(30) % 3
    temperature = fit_temperature(2 * np.eye(3)[codes] - 1, codes, np.ones(30))
    probability = np.exp(2 / temperature) / (np.exp(2 / temperature) + 2)
    assert probability == pytest.approx(1 - 1 / 32, abs=1e-3)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_probabilities_agree_with_predictions_and_are_honest(n_classes):
    X, y = make_rows(400, 10, n_classes)
    probe = RidgeProbe().fit(X[:200], y[:200])
    probabilities = probe.predict_proba(X[200:])
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    np.testing.assert_array_equal(
        probe.classes_[probabilities.argmax(axis=1)], probe.predict(X[200:])
    )
    scores = probe.decision_function(X[200:])
    scores = np.stack([0 * scores, scores], axis=1) if n_classes == 2 else scores
    losses = [
        log_loss(y[200:], np.exp(log_softmax(scores / temperature, axis=1)))
        for temperature in (probe.temperature_, probe.temperature_ / 3, probe.temperature_ * 3)
    ]
    assert losses[0] == min(losses)
    assert losses[0] == pytest.approx(log_loss(y[200:], probabilities))


# Parameters ------------------------------------------------------------------------------------


@pytest.mark.parametrize("alphas", [[], [1.0, 0.0], [np.inf], ["strong"], [-1]])
def test_penalties_must_be_positive(alphas):
    X, y = make_rows(40, 7, 3)
    with pytest.raises(ValueError, match="alphas must hold positive, finite numbers"):
        RidgeProbe(alphas).fit(X, y)


def test_one_class_and_no_weight_are_refused():
    X, y = make_rows(40, 7, 3)
    with pytest.raises(ValueError, match=r"one class only \(\[0\]\)"):
        RidgeProbe().fit(X, 0 * y)
    with pytest.raises(ValueError, match="zero for every row"):
        RidgeProbe(class_weight={0: 0, 1: 0}).fit(X, y, sample_weight=y == 1)


def test_constant_features_tell_nothing():
    y = np.array([0, 0, 0, 1])
    probe = clone(RidgeProbe()).fit(np.ones((4, 3)), y)
    assert not probe.coef_.any()
    assert probe.predict(np.zeros((2, 3))).tolist() == [0, 0]
