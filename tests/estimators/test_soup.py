"""Model soups: the mean of weights, where weights correspond to each other."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from sktransfer import (
    ConvNetClassifier,
    DenseHead,
    DenseHeadRegressor,
    FineTuneClassifier,
    LinearProbe,
    average_weights,
)

TUNED = {"weights": None, "epochs": 2, "learning_rate": 0.01, "random_state": 0}


def tuner(**parameters) -> FineTuneClassifier:
    return FineTuneClassifier("tiny", **{**TUNED, **parameters})


def variables(estimator) -> list[np.ndarray]:
    return [variable.numpy() for variable in estimator.model_.variables]


def head(**parameters) -> DenseHead:
    return DenseHead((), **{"epochs": 5, "learning_rate": 0.05, "random_state": 0, **parameters})


@pytest.mark.parametrize(
    "parameters",
    [
        {"unfreeze": "all", "dropout": 0.3, "hidden_layer_sizes": (4,)},
        {"unfreeze": "last_block", "batch_norm": "train"},
        {"unfreeze": "head"},
    ],
    ids=["all", "batch norm", "head"],
)
def test_every_variable_of_floats_is_the_mean(small_images, small_labels, parameters):
    fitted = [
        tuner(learning_rate=rate, **parameters).fit(small_images, small_labels)
        for rate in (0.001, 0.01, 0.05)
    ]
    before = [variables(estimator) for estimator in fitted]
    soup = average_weights(fitted)
    n_different = 0
    for averaged, *values in zip(variables(soup), *before, strict=True):
        if np.issubdtype(averaged.dtype, np.floating):
            np.testing.assert_allclose(averaged, np.mean(values, axis=0), rtol=1e-6, atol=1e-7)
            n_different += not np.array_equal(values[0], values[1])
        else:
            np.testing.assert_array_equal(averaged, values[0])
    assert n_different >= 2
    for estimator, values in zip(fitted, before, strict=True):
        assert all(map(np.array_equal, variables(estimator), values)), "they stay as they were"


def test_mean_of_heads_scores_as_the_mean_of_their_scores(blobs):
    X, y = blobs
    heads = [head(learning_rate=rate).fit(X, y) for rate in (0.01, 0.05, 0.2)]
    soup = average_weights(heads)

    def log_odds(estimator):
        probabilities = estimator.predict_proba(X).astype(float)
        return np.log(probabilities[:, 1:] / probabilities[:, :1])

    expected = np.mean([log_odds(estimator) for estimator in heads], axis=0)
    np.testing.assert_allclose(log_odds(soup), expected, rtol=1e-3, atol=1e-3)
    assert soup.score(X, y) > 0.9


@pytest.mark.parametrize("unfreeze", ["head", "all"])
def test_a_mean_of_images_networks_predicts_and_is_pickled(small_images, small_labels, unfreeze):
    fitted = [
        tuner(unfreeze=unfreeze, learning_rate=rate).fit(small_images, small_labels)
        for rate in (0.01, 0.02)
    ]
    soup = average_weights(fitted)
    probabilities = soup.predict_proba(small_images)
    np.testing.assert_allclose(
        probabilities, soup.model_.predict(small_images, verbose=0), rtol=1e-3, atol=1e-4
    )
    assert not np.allclose(probabilities, fitted[0].predict_proba(small_images), atol=1e-5)
    copied = pickle.loads(pickle.dumps(soup))
    np.testing.assert_array_equal(copied.predict_proba(small_images), probabilities)
    assert soup.get_params()["learning_rate"] == 0.01
    soup.partial_fit(small_images, small_labels)


def test_mean_of_one_is_a_copy(blobs):
    X, y = blobs
    fitted = head().fit(X, y)
    soup = average_weights([fitted])
    assert soup is not fitted
    np.testing.assert_array_equal(soup.predict_proba(X), fitted.predict_proba(X))


def test_regressors_and_networks_from_scratch(blobs, small_images, small_labels):
    X, _ = blobs
    numbers = X @ [1.0, 2.0, 3.0, 4.0]
    heads = [DenseHeadRegressor((), epochs=n, random_state=0).fit(X, numbers) for n in (1, 3)]
    expected = np.mean([estimator.predict(X) for estimator in heads], axis=0)
    np.testing.assert_allclose(average_weights(heads).predict(X), expected, rtol=1e-4, atol=1e-5)

    net = ConvNetClassifier(1, filters=2, hidden_layer_sizes=(), random_state=0)
    nets = [clone(net).set_params(epochs=n).fit(small_images, small_labels) for n in (1, 2)]
    np.testing.assert_allclose(
        variables(average_weights(nets))[0],
        np.mean([variables(estimator)[0] for estimator in nets], axis=0),
        rtol=1e-6,
    )


def test_dropout_and_penalties_may_differ(blobs):
    X, y = blobs
    heads = [
        DenseHead((5,), dropout=dropout, l2=l2, epochs=2, random_state=0).fit(X, y)
        for dropout, l2 in ((0.1, 0.0), (0.4, 0.01))
    ]
    kernels = [variables(estimator)[0] for estimator in (*heads, average_weights(heads))]
    np.testing.assert_allclose(kernels[2], (kernels[0] + kernels[1]) / 2, rtol=1e-6)


# Errors ----------------------------------------------------------------------------------------


def test_other_layers_are_refused(blobs):
    X, y = blobs
    with pytest.raises(ValueError, match=r"estimators\[1\] and estimators\[0\] have different lay"):
        average_weights([DenseHead(size, epochs=1).fit(X, y) for size in ((4,), (5,))])
    with pytest.raises(ValueError, match="different layers"):
        average_weights(
            [DenseHead((4,), activation=name, epochs=1).fit(X, y) for name in ("relu", "elu")]
        )


def test_other_parts_that_are_trained_are_refused(small_images, small_labels):
    fitted = [
        tuner(unfreeze=part, epochs=1).fit(small_images, small_labels) for part in ("head", "all")
    ]
    with pytest.raises(ValueError, match="train different ones"):
        average_weights(fitted)


@pytest.mark.parametrize("change", [{"random_state": 1}, {"pooling": "max"}], ids=str)
def test_other_backbones_are_refused(small_images, small_labels, change):
    fitted = [
        estimator.set_params(epochs=1).fit(small_images, small_labels)
        for estimator in (tuner(), tuner(**change))
    ]
    with pytest.raises(ValueError, match="started from different backbones"):
        average_weights(fitted)


def test_other_classes_are_refused(blobs):
    X, y = blobs
    with pytest.raises(ValueError, match=r"estimators\[1\] was fitted on the classes \['ant', 'be"):
        average_weights([head().fit(X, y == "ant"), head().fit(X, y)])


def test_what_is_no_fitted_network_is_refused(blobs):
    X, y = blobs
    fitted = head().fit(X, y)
    with pytest.raises(NotFittedError):
        average_weights([fitted, head()])
    with pytest.raises(TypeError, match=r"estimators\[1\] must be a network of this library"):
        average_weights([fitted, LinearProbe().fit(X, y)])
    with pytest.raises(TypeError, match=r"DenseHeadRegressor, estimators\[0\] a DenseHead"):
        average_weights([fitted, DenseHeadRegressor((), epochs=1).fit(X, X[:, 0])])
    with pytest.raises(ValueError, match="estimators is empty"):
        average_weights([])
