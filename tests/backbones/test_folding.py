"""Folded batch normalization: the same numbers, of every network of the registry."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from sktransfer import list_backbones
from sktransfer.backbones import get_backbone
from sktransfer.backbones._folding import fold_batch_norms

SMALL = ("efficientnet_lite0", "mobilenet", "mobilenet_v3_small")


def randomize_norms(network: keras.Model) -> None:
    """Draw statistics: those of a fresh network are identities, and would prove nothing.

    Scales are small, or deep networks would enlarge the last bit of a float32 to all there is.
    """
    rng = np.random.default_rng(0)
    ranges = {
        "gamma": (0.2, 0.6),
        "beta": (-0.3, 0.3),
        "moving_mean": (-0.3, 0.3),
        "moving_variance": (0.5, 1.5),
    }
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            for name, (low, high) in ranges.items():
                if (weight := getattr(layer, name)) is not None:
                    weight.assign(rng.uniform(low, high, weight.shape))


def outputs_of(network: keras.Model, height: int, width: int) -> np.ndarray:
    images = np.random.default_rng(1).normal(size=(2, height, width, 3)).astype(np.float32)
    return np.asarray(network(images, training=False))


def n_norms(network: keras.Model) -> int:
    return sum(isinstance(layer, keras.layers.BatchNormalization) for layer in network.layers)


@pytest.mark.parametrize(
    "name",
    [
        name if name in SMALL else pytest.param(name, marks=pytest.mark.slow)
        for name in list_backbones().index
    ],
)
def test_folded_network_computes_the_same(name):
    spec = get_backbone(name)
    network = spec.build((spec.min_size, spec.min_size, 3))
    randomize_norms(network)
    expected = outputs_of(network, spec.min_size, spec.min_size)
    before = n_norms(network)
    folded = fold_batch_norms(network)
    difference = outputs_of(folded, spec.min_size, spec.min_size) - expected
    assert np.linalg.norm(difference) < 1e-4 * np.linalg.norm(expected)
    assert n_norms(folded) < before or before == 0


@pytest.mark.parametrize("name", SMALL)
def test_nothing_is_left_where_every_norm_follows_a_convolution(name):
    network = get_backbone(name).build((64, 64, 3))
    assert n_norms(network) > 0
    assert n_norms(fold_batch_norms(network)) == 0


LAYERS = {
    "Conv2D": lambda **options: keras.layers.Conv2D(4, 3, **options),
    "Conv2D in groups": lambda **options: keras.layers.Conv2D(6, 3, groups=3, **options),
    "DepthwiseConv2D": lambda **options: keras.layers.DepthwiseConv2D(3, **options),
    "DepthwiseConv2D twice": lambda **options: keras.layers.DepthwiseConv2D(
        3, depth_multiplier=2, **options
    ),
    "SeparableConv2D": lambda **options: keras.layers.SeparableConv2D(4, 3, **options),
    "Dense": lambda **options: keras.layers.Dense(4, **options),
}


@pytest.mark.parametrize("use_bias", [False, True])
@pytest.mark.parametrize("scale_and_center", [False, True])
@pytest.mark.parametrize("name", LAYERS)
def test_layer_takes_its_norm_over(name, use_bias, scale_and_center):
    images = keras.Input((6, 5, 3))
    options = {"use_bias": use_bias}
    if use_bias:
        options["bias_initializer"] = "random_normal"
    tensor = LAYERS[name](**options)(images)
    tensor = keras.layers.BatchNormalization(scale=scale_and_center, center=scale_and_center)(
        tensor
    )
    network = keras.Model(images, keras.layers.ReLU()(tensor))
    randomize_norms(network)
    expected = outputs_of(network, 6, 5)
    folded = fold_batch_norms(network)
    assert n_norms(folded) == 0
    np.testing.assert_allclose(outputs_of(folded, 6, 5), expected, atol=1e-5)


def with_activation(images):
    tensor = keras.layers.Conv2D(4, 3, activation="relu")(images)
    return keras.layers.BatchNormalization()(tensor)


def used_twice(images):
    tensor = keras.layers.Conv2D(4, 3)(images)
    return keras.layers.Add()([tensor, keras.layers.BatchNormalization()(tensor)])


def also_an_output(images):
    tensor = keras.layers.Conv2D(4, 3)(images)
    return [keras.layers.BatchNormalization()(tensor), tensor]


def another_axis(images):
    return keras.layers.BatchNormalization(axis=1)(keras.layers.Conv2D(4, 3)(images))


def behind_a_sum(images):
    tensor = keras.layers.Conv2D(4, 3)(images)
    return keras.layers.BatchNormalization()(keras.layers.Add()([tensor, tensor]))


@pytest.mark.parametrize(
    "layers", [with_activation, used_twice, also_an_output, another_axis, behind_a_sum]
)
def test_norm_stays_where_folding_would_change_something_else(layers):
    images = keras.Input((6, 5, 3))
    network = keras.Model(images, layers(images))
    randomize_norms(network)
    pixels = np.random.default_rng(1).normal(size=(2, 6, 5, 3)).astype(np.float32)
    expected = network(pixels, training=False)
    folded = fold_batch_norms(network)
    assert n_norms(folded) == 1
    for actual, wanted in zip(
        keras.tree.flatten(folded(pixels, training=False)),
        keras.tree.flatten(expected),
        strict=True,
    ):
        np.testing.assert_allclose(actual, wanted, atol=1e-6)


def test_nothing_random_is_left_in_a_folded_network():
    network = get_backbone("efficientnet_v2_b0").build((32, 32, 3))
    assert any(isinstance(layer, keras.layers.Dropout) for layer in network.layers)
    folded = fold_batch_norms(network)
    assert not any(isinstance(layer, keras.layers.Dropout) for layer in folded.layers)
