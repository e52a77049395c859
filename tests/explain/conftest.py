"""What the tests of explanations share: a tiny backbone with a shortcut, and blobs to look for."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from sktransfer import ConvNetClassifier
from tests._tiny_backbones import registered, tiny_spec


def build_residual(include_top, weights, input_shape):
    """Two convolutions, the second one beside a shortcut, and max pooling at the end."""
    images = keras.Input(input_shape)
    stem = keras.layers.Conv2D(
        4, 3, strides=2, padding="same", activation="relu", name="residual_stem"
    )(images)
    branch = keras.layers.Conv2D(4, 3, padding="same", name="residual_branch")(stem)
    branch = keras.layers.BatchNormalization(
        moving_mean_initializer=keras.initializers.RandomNormal(stddev=0.3),
        moving_variance_initializer=keras.initializers.RandomUniform(0.3, 0.6),
        name="residual_norm",
    )(branch)
    # The sum is a bare operation, which a clone of the network shares with its original.
    joined = keras.layers.ReLU(name="residual_relu")(stem + branch)
    return keras.Model(images, keras.layers.MaxPooling2D(name="residual_pool")(joined))


@pytest.fixture(scope="package", autouse=True)
def residual_backbone():
    """Register "residual" while these tests run."""
    spec = tiny_spec(
        "residual",
        f"{__name__}:build_residual",
        n_features=4,
        n_parameters=276,
        last_block="residual_branch",
    )
    with registered(spec):
        yield


@pytest.fixture(scope="package")
def blobs():
    """96 images of grey noise with a blob: images, its colour, and the mask of its pixels."""
    rng = np.random.default_rng(0)
    images = rng.normal(128, 20, size=(96, 24, 24, 1)).repeat(3, axis=-1)
    labels = np.array(["green", "red", "violet"] * 32)
    colours = {"green": (40, 220, 40), "red": (220, 40, 40), "violet": (200, 40, 220)}
    masks = np.zeros((96, 24, 24), dtype=bool)
    for image, label, mask, (top, left) in zip(
        images, labels, masks, rng.integers(1, 17, size=(96, 2)), strict=True
    ):
        mask[top : top + 6, left : left + 6] = True
        image[mask] = colours[label]
    return images.clip(0, 255).astype(np.uint8), labels, masks


@pytest.fixture(scope="package")
def blob_net(blobs):
    """A network that tells the colours of blobs, and has seen the first 72 of them."""
    net = ConvNetClassifier(
        2,
        filters=8,
        padding="same",
        pooling="avg",
        hidden_layer_sizes=(),
        batch_normalization=True,
        batch_size=8,
        learning_rate=0.02,
        epochs=15,
        random_state=0,
    )
    X, y, _ = blobs
    return net.fit(X[:72], y[:72])
