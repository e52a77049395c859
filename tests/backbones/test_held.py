"""Held batch normalization: in training as in inference, but for branches that are dropped."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from sktransfer.backbones._held import BatchNormalization, hold_statistics

SIZE = 8


@pytest.fixture(scope="module")
def network():
    """Two residual branches with normalization, which may be dropped, and plain dropout."""
    pixels = keras.Input((SIZE, SIZE, 3))
    tensor = pixels
    for number in (1, 2):
        branch = keras.layers.Conv2D(3, 3, padding="same", name=f"conv_{number}")(tensor)
        branch = keras.layers.BatchNormalization(
            moving_mean_initializer=keras.initializers.RandomNormal(stddev=0.5, seed=number),
            name=f"norm_{number}",
        )(branch)
        branch = keras.layers.Dropout(0.1, noise_shape=(None, 1, 1, 1), name=f"drop_{number}")(
            branch
        )
        tensor = keras.layers.Add()([tensor, branch])
    tensor = keras.layers.Dropout(0.5, name="plain_dropout")(tensor)
    return keras.Model(pixels, tensor, name="backbone")


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).normal(size=(64, SIZE, SIZE, 3)).astype(np.float32)


def test_training_is_as_inference(network, images):
    held = hold_statistics(network)
    before = held.get_weights()
    expected = network(images, training=False).numpy()
    np.testing.assert_array_equal(held(images, training=False), expected)
    np.testing.assert_array_equal(held(images, training=True), expected)
    for weight, old in zip(held.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)
    assert held.name == "backbone"


def test_scale_and_shift_train(network):
    trained = {weight.path for weight in hold_statistics(network).trainable_weights}
    assert {"norm_1/gamma", "norm_2/beta"} <= trained


def test_branches_are_dropped_as_often_as_their_depth_says(network, images):
    held = hold_statistics(network, stochastic_depth=0.6)
    rates = {layer.name: layer.rate for layer in held.layers if hasattr(layer, "rate")}
    assert rates == {"drop_1": 0.3, "drop_2": 0.6, "plain_dropout": 0}
    first = keras.Model(held.input, held.get_layer("drop_1").output)
    branches = np.concatenate([first(images, training=True).numpy() for _ in range(10)])
    dropped = (branches == 0).all(axis=(1, 2, 3))
    assert 0.2 < dropped.mean() < 0.4
    whole = np.tile(first(images, training=False), (10, 1, 1, 1))
    np.testing.assert_allclose(branches[~dropped], whole[~dropped] / 0.7, rtol=1e-5)
    assert np.array_equal(held(images, training=False), network(images, training=False))


def test_the_other_network_keeps_its_own_layers(network, images):
    hold_statistics(network, stochastic_depth=0.6)
    assert not any(isinstance(layer, BatchNormalization) for layer in network.layers)
    assert network.get_layer("plain_dropout").rate == 0.5


def test_without_branches_there_is_nothing_to_drop():
    pixels = keras.Input((SIZE, SIZE, 3))
    plain = keras.Model(pixels, keras.layers.Dropout(0.5)(keras.layers.Conv2D(2, 3)(pixels)))
    with pytest.raises(ValueError, match=r"stochastic_depth=0\.2 needs a backbone with branches"):
        hold_statistics(plain, stochastic_depth=0.2)
