"""Losses: the numbers that their formulas give by hand."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from sktransfer import DenseHead
from sktransfer.estimators._losses import as_distributions, classification_loss, effective_weights
from sktransfer.estimators._targets import ClassTargets

CLASSES = ClassTargets(np.array(["a", "b", "c"]), multilabel=False)
LABELS = ClassTargets(np.arange(3), multilabel=True)
PROBABILITIES = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]], np.float32)
ENCODED = np.array([0, 1], np.int32)


def loss(targets=CLASSES, y=ENCODED, *, label_smoothing=0.0, focal_gamma=0.0):
    """Return the mean loss of two rows."""
    distributions = not targets.multilabel
    chosen = classification_loss(
        targets,
        label_smoothing=label_smoothing,
        focal_gamma=focal_gamma,
        distributions=distributions,
    )
    return float(np.mean(keras.losses.get(chosen)(as_distributions(targets, y), PROBABILITIES)))


def test_plain_classes_keep_their_numbers():
    chosen = classification_loss(CLASSES, label_smoothing=0, focal_gamma=0, distributions=False)
    assert chosen == "sparse_categorical_crossentropy"


def test_distributions_give_the_cross_entropy_of_their_classes():
    np.testing.assert_allclose(loss(), -np.log([0.7, 0.1]).mean(), rtol=1e-5)


def test_smoothing_spreads_a_part_of_each_target_evenly():
    targets = 0.7 * np.eye(3)[ENCODED] + 0.3 / 3
    expected = -(targets * np.log(PROBABILITIES)).sum(axis=1).mean()
    np.testing.assert_allclose(loss(label_smoothing=0.3), expected, rtol=1e-5)


def test_the_focal_loss_looks_away_from_what_is_right():
    p = np.array([0.7, 0.1])
    expected = (-((1 - p) ** 2) * np.log(p)).mean()
    np.testing.assert_allclose(loss(focal_gamma=2.0), expected, rtol=1e-5)


@pytest.mark.parametrize("gamma", [0.0, 2.0])
def test_labels_each_have_a_loss_of_their_own(gamma):
    y = np.array([[1, 0, 0], [0, 1, 1]], np.float32)
    p = np.where(y == 1, PROBABILITIES, 1 - PROBABILITIES)
    expected = (-((1 - p) ** gamma) * np.log(p)).mean()
    np.testing.assert_allclose(loss(LABELS, y, focal_gamma=gamma), expected, rtol=1e-4)


def test_effective_weights_are_those_of_the_formula():
    weights = effective_weights(np.repeat([0, 1], [10, 1000]), 2)
    expected = np.array([0.001 / (1 - 0.999**n) for n in (10, 1000)])
    np.testing.assert_allclose(weights, expected / expected.mean())
    assert weights.mean() == pytest.approx(1)


def test_classes_that_are_absent_have_no_part_in_effective_weights(blobs):
    present = effective_weights(np.repeat([0, 1], [10, 1000]), 2)
    np.testing.assert_array_equal(effective_weights(np.repeat([0, 1], [10, 1000]), 5)[:2], present)

    X, y = blobs
    head = DenseHead(class_weight="effective", random_state=0)
    rows, _ = head._check_data(X, y, reset=True)
    rare = y == np.unique(y)[0]
    some = np.where(rare & (np.cumsum(rare) > 3), 0, 1)
    kept = some > 0
    weights = head._weights(rows, y, some)
    np.testing.assert_array_equal(weights[kept], head._weights(rows.take(kept), y[kept], None))
    assert not weights[~kept].any()


def test_effective_weights_lie_between_none_and_balanced(blobs):
    X, y = blobs
    keep = np.r_[np.flatnonzero(y == np.unique(y)[0])[:5], np.flatnonzero(y != np.unique(y)[0])]
    X, y = X[keep], y[keep]

    def share_of_the_rare(class_weight):
        head = DenseHead(class_weight=class_weight, random_state=0)
        rows, _ = head._check_data(X, y, reset=True)
        weights = head._weights(rows, y, None)
        return 5 / len(y) if weights is None else weights[:5].sum() / weights.sum()

    none, effective, balanced = map(share_of_the_rare, (None, "effective", "balanced"))
    assert none < effective <= balanced * 1.01


@pytest.mark.parametrize("parameters", [{"label_smoothing": 0.2}, {"focal_gamma": 2.0}])
def test_heads_learn_with_other_losses(blobs, parameters):
    X, y = blobs
    head = DenseHead((16,), epochs=20, learning_rate=0.01, random_state=0, **parameters)
    head.fit(X, y, X_val=X, y_val=y)
    assert head.score(X, y) > 0.9
    assert head.history_["val_accuracy"][-1] == pytest.approx(head.score(X, y))
