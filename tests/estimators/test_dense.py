"""Dense heads: what they are made of, and that they learn."""

from __future__ import annotations

from types import SimpleNamespace

import keras
import numpy as np
import pytest
from sklearn.base import clone

from sktransfer import DenseHead, DenseHeadRegressor
from sktransfer.estimators._layers import head_of
from sktransfer.estimators._targets import ClassTargets


@pytest.fixture(scope="module")
def fitted(blobs):
    return DenseHead((8,), epochs=30, learning_rate=0.02, random_state=0).fit(*blobs)


def layers_of(**parameters):
    """The layers that a head of three classes has over four features."""
    head = SimpleNamespace(
        **DenseHead(**parameters).get_params(), target_encoder_=ClassTargets.of(["a", "b", "c"])
    )
    features = keras.Input((4,))
    return keras.Model(features, head_of(head, features)).layers[1:]


def kinds(layers):
    return [type(layer).__name__ for layer in layers]


# Architecture ------------------------------------------------------------------------------------


def test_a_head_is_two_hidden_layers_and_a_softmax_by_default():
    layers = layers_of()
    assert kinds(layers) == ["Dense", "Activation", "Dense", "Activation", "Dense"]
    assert [layer.units for layer in layers[::2]] == [256, 512, 3]
    assert layers[1].activation is keras.activations.relu
    assert layers[-1].activation is keras.activations.softmax


def test_no_hidden_layers_leave_the_softmax():
    assert kinds(layers_of(hidden_layer_sizes=())) == ["Dense"]


def test_hidden_layers_are_dense_normalized_activated_and_dropped():
    layers = layers_of(
        hidden_layer_sizes=[7],
        activation="tanh",
        batch_normalization=True,
        dropout=0.4,
        kernel_initializer="he_normal",
    )
    assert kinds(layers) == ["Dense", "BatchNormalization", "Activation", "Dropout", "Dense"]
    assert not layers[0].use_bias, "batch normalization has a shift of its own"
    assert layers[2].activation is keras.activations.tanh
    assert layers[3].rate == 0.4
    assert isinstance(layers[0].kernel_initializer, keras.initializers.HeNormal)


@pytest.mark.parametrize("hidden_layer_sizes", [(), (7,)])
def test_normalization_makes_the_scale_of_a_feature_meaningless(blobs, hidden_layer_sizes):
    X, y = blobs
    scaled = X * np.geomspace(1, 1e4, X.shape[1])
    head = DenseHead(hidden_layer_sizes, batch_normalization=True, epochs=60, random_state=0)

    of_features, of_scaled = (head.fit(rows, y).predict_proba(rows) for rows in (X, scaled))

    np.testing.assert_allclose(of_scaled, of_features, atol=0.05)


def test_the_penalty_is_on_every_kernel():
    layers = layers_of(hidden_layer_sizes=(7,), l2=0.5)
    penalty = sum(float(loss) for layer in layers for loss in layer.losses)
    dense = [layer for layer in layers if isinstance(layer, keras.layers.Dense)]
    squares = sum((layer.kernel.numpy() ** 2).sum() for layer in dense)
    assert penalty == pytest.approx(0.5 * squares, rel=1e-5)


def test_the_penalty_is_a_part_of_the_training_loss(blobs):
    X, y = blobs
    still = {"learning_rate": 1e-12, "optimizer": "sgd", "epochs": 1, "random_state": 0}
    plain, penalized = (DenseHead((7,), l2=l2, **still).fit(X, y) for l2 in (0.0, 0.5))
    squares = sum((w**2).sum() for w in plain.model_.get_weights() if w.ndim == 2)
    added = penalized.history_["loss"][0] - plain.history_["loss"][0]
    assert added == pytest.approx(0.5 * squares, rel=1e-4)


def test_a_head_tells_what_it_is_made_of(fitted):
    table = fitted.layer_table()
    assert table["type"].tolist() == ["InputLayer", "Dense", "Activation", "Dense"]
    assert table["parameters"].tolist() == [0, 4 * 8 + 8, 0, 8 * 3 + 3]
    assert fitted.parameter_counts_ == {"total": 67, "trainable": 67, "non_trainable": 0}
    assert "67" in fitted.summary()


# Classifier --------------------------------------------------------------------------------------


def test_a_head_learns_what_lines_tell_apart(fitted, blobs):
    assert fitted.score(*blobs) > 0.95
    assert fitted.classes_.tolist() == ["ant", "bee", "cat"]
    assert fitted.history_["loss"][-1] < 0.2 * fitted.history_["loss"][0]


def test_probabilities_sum_to_one_and_name_the_prediction(fitted, blobs):
    X, _ = blobs
    probabilities = fitted.predict_proba(X)
    assert probabilities.shape == (60, 3) and probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(fitted.predict(X), fitted.classes_[probabilities.argmax(1)])


def test_one_row_is_predicted_as_it_is_among_others(fitted, blobs):
    X, _ = blobs
    assert fitted.predict_proba(X[:1]).shape == (1, 3)
    np.testing.assert_array_equal(fitted.predict_proba(X[7:8]), fitted.predict_proba(X)[7:8])
    many = np.tile(X, (5, 1))
    np.testing.assert_array_equal(fitted.predict_proba(many)[-60:], fitted.predict_proba(X))


def test_two_classes_have_two_columns(blobs):
    X, y = blobs
    head = DenseHead((8,), epochs=15, learning_rate=0.02, random_state=0).fit(X, y == "ant")
    assert head.predict_proba(X).shape == (60, 2)
    assert head.predict(X).dtype == bool
    assert head.score(X, y == "ant") > 0.95


def test_label_indicators_are_learned_one_by_one(blobs):
    X, y = blobs
    labels = np.column_stack([y == "ant", y != "cat"]).astype(int)
    head = DenseHead((8,), epochs=30, learning_rate=0.02, random_state=0).fit(X, labels)
    assert head.score(X, labels) > 0.95
    probabilities = head.predict_proba(X)
    np.testing.assert_array_equal(head.predict(X), probabilities > 0.5)
    assert probabilities[y == "ant"].sum(axis=1).min() > 1.2


def test_the_accuracy_of_labels_is_that_of_the_single_ones(blobs):
    X, y = blobs
    labels = np.column_stack([y == "ant", y != "cat", y == "dog"]).astype(int)
    head = DenseHead((), epochs=2, random_state=0).fit(X, labels, X_val=X, y_val=labels)
    share = (head.predict(X) == labels).mean()
    assert head.history_["val_accuracy"][-1] == pytest.approx(share)
    assert 0 < share < 1


def test_one_label_a_row_is_still_multilabel(blobs):
    X, y = blobs
    labels = (y[:, None] == np.array(["ant", "bee", "cat"])).astype(int)
    head = DenseHead((), epochs=1, random_state=0).fit(X, labels)
    assert head.model_.layers[-1].activation is keras.activations.sigmoid
    assert head.predict(X).shape == (60, 3)
    assert np.abs(head.predict_proba(X).sum(axis=1) - 1).max() > 0.1


# Regressor ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def planes(blobs):
    """Two linear functions of the features."""
    X, _ = blobs
    return X, X @ np.array([[1.0, -0.5], [0.5, 1.0], [-1.0, 0.3], [0.2, 0.1]]) + 0.5


def regressor(**parameters):
    return DenseHeadRegressor(
        (), epochs=40, learning_rate=0.05, batch_size=10, random_state=0, **parameters
    )


def test_a_regressor_learns_a_plane(planes):
    X, Y = planes
    fitted = regressor().fit(X, Y[:, 0])
    assert fitted.score(X, Y[:, 0]) > 0.9
    assert fitted.predict(X).shape == (60,) and fitted.predict(X[:1]).shape == (1,)
    assert fitted.predict(X).dtype == np.float64
    assert set(fitted.history_) == {"loss", "mean_absolute_error"}


def test_a_regressor_learns_several_planes_at_once(planes):
    X, Y = planes
    fitted = regressor().fit(X, Y)
    assert fitted.score(X, Y) > 0.9
    assert fitted.predict(X).shape == (60, 2) and fitted.predict(X[:1]).shape == (1, 2)


def test_a_single_column_stays_a_column(planes, not_trained):
    X, Y = planes
    assert regressor().fit(X, Y[:, :1]).predict(X).shape == (60, 1)


# Parameters --------------------------------------------------------------------------------------


def test_what_is_given_is_neither_changed_nor_copied(blobs, not_trained):
    X, y = blobs
    sizes, before = [8], X.copy()
    head = DenseHead(sizes, epochs=1)
    head.fit(X, y)
    assert head.get_params()["hidden_layer_sizes"] is sizes
    assert clone(head).get_params() == head.get_params()
    np.testing.assert_array_equal(X, before)


@pytest.mark.parametrize("name", ["optimizer", "learning_rate", "hidden_layer_sizes"])
def test_no_name_is_accepted_that_is_no_parameter(name):
    with pytest.raises(TypeError, match="unexpected keyword"):
        DenseHead(**{name + "s": 1})
    with pytest.raises(ValueError, match="Invalid parameter"):
        DenseHead().set_params(**{name + "s": 1})
