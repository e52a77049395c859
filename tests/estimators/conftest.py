"""What the tests of the estimators share: tiny backbones, tiny data, and eyes on the training."""

from __future__ import annotations

import io
from dataclasses import replace
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from PIL import Image

from sktransfer.estimators import _base
from sktransfer.images import ImageAugmentation
from tests._tiny_backbones import registered, tiny_spec


def build_tiny(include_top, weights, input_shape, dropout=0.5):
    """Two convolutions with batch normalization whose moving statistics are no identities."""

    def normalized(tensor, name):
        tensor = keras.layers.BatchNormalization(
            moving_mean_initializer=keras.initializers.RandomNormal(stddev=0.3),
            moving_variance_initializer=keras.initializers.RandomUniform(0.3, 0.6),
            name=f"{name}_bn",
        )(tensor)
        return keras.layers.ReLU(name=f"{name}_relu")(tensor)

    images = keras.Input(input_shape)
    tensor = keras.layers.Conv2D(4, 3, strides=2, padding="same", use_bias=False, name="stem_conv")(
        images
    )
    tensor = normalized(tensor, "stem")
    tensor = keras.layers.Conv2D(
        8, 3, strides=2, padding="same", use_bias=False, name="block_conv"
    )(tensor)
    tensor = normalized(tensor, "block")
    if dropout:
        tensor = keras.layers.Dropout(dropout, name="block_dropout")(tensor)
    return keras.Model(images, tensor)


def build_tiny_without_dropout(include_top, weights, input_shape):
    return build_tiny(include_top, weights, input_shape, dropout=0)


@pytest.fixture(scope="package", autouse=True)
def tiny_backbones():
    """Register "tiny" and, without dropout, "tiny_plain" while these tests run."""
    tiny = tiny_spec(
        "tiny", f"{__name__}:build_tiny", n_features=8, n_parameters=444, last_block="block_conv"
    )
    plain = replace(tiny, name="tiny_plain", builder=f"{__name__}:build_tiny_without_dropout")
    with registered(tiny, plain):
        yield


@pytest.fixture(scope="session")
def blobs():
    """60 points of 4 features in 3 classes that lines tell apart."""
    rng = np.random.default_rng(0)
    y = np.tile(["ant", "bee", "cat"], 20)
    centres = {"ant": (3, 0, 0, 1), "bee": (0, 3, 0, 1), "cat": (0, 0, 3, 1)}
    X = np.array([centres[name] for name in y]) + rng.normal(scale=0.4, size=(60, 4))
    return X.astype(np.float32), y


@pytest.fixture(scope="session")
def numbered_images():
    """20 images of one flat colour each, image i of value 10 i, in two classes."""
    values = 10 * np.arange(20, dtype=np.uint8)
    X = np.repeat(values, 8 * 8 * 3).reshape(20, 8, 8, 3)
    return X, np.tile(["even", "odd"], 10)


@pytest.fixture(scope="session")
def images_one_damaged(numbered_images):
    """The same as encoded files, the eighth of which breaks off behind its header."""
    noise = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    X, y = numbered_images
    files = []
    for image in [*X[:7].repeat(2, 1).repeat(2, 2), noise, *X[8:].repeat(2, 1).repeat(2, 2)]:
        stream = io.BytesIO()
        Image.fromarray(image).save(stream, "PNG")
        files.append(stream.getvalue())
    files[7] = files[7][: len(files[7]) // 2]
    return files, y


@pytest.fixture
def not_trained(monkeypatch):
    """Let estimators do everything but train; the list of what they would have trained on."""
    calls = []

    def record(network, training, validation, plan):
        calls.append(
            SimpleNamespace(network=network, training=training, validation=validation, **vars(plan))
        )
        return {"loss": [0.0] * plan.epochs}, [0.0] * plan.epochs

    monkeypatch.setattr(_base, "train", record)
    monkeypatch.setattr(_base, "train_on_features", record)
    return calls


class Marking(ImageAugmentation):
    """An augmentation that hands on what it gets, one grey level brighter, and remembers it."""

    seen: list[np.ndarray] = []

    def augment(self, images, *, seed, ids):
        self.seen.append(np.array(images))
        return np.asarray(images, dtype=np.float32) + 1


@pytest.fixture
def marking():
    Marking.seen.clear()
    return Marking()


class _Watch(keras.callbacks.Callback):
    """Call `look(model)` when training begins and after each batch and epoch, as asked for."""

    def __init__(self, look, moment):
        super().__init__()
        self.look = look
        self.moment = moment

    def on_train_begin(self, logs=None):
        if self.moment == "train_begin":
            self.look(self.model)

    def on_train_batch_end(self, batch, logs=None):
        if self.moment == "batch_end":
            self.look(self.model)

    def on_epoch_end(self, epoch, logs=None):
        if self.moment == "epoch_end":
            self.look(self.model)


@pytest.fixture(scope="session")
def watch():
    """Make a callback that calls a function of the model at a moment of training.

    A callback is copied for each fit, a function is not: what it writes to can be read afterwards.
    """
    return _Watch
