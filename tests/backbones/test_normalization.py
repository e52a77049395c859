"""Normalization whose weights count wherever they come from: files, copies and calls."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest

from sktransfer import FineTuneClassifier, load, save
from sktransfer.backbones._engine import build_engine
from sktransfer.backbones._network import NetworkRecipe, build_backbone, build_network
from sktransfer.backbones._normalization import Normalization, follow_weights
from sktransfer.backbones._registry import IDENTITY
from sktransfer.backbones._weights import resolve_weights
from sktransfer.estimators._forward import predict_blocks
from tests._tiny_backbones import registered, tiny_spec

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SIZE = 8
MEAN, VARIANCE = np.array([124.0, 116.0, 104.0]), np.array([3400.0, 3300.0, 3500.0])
IMAGES = np.random.default_rng(0).integers(0, 256, (12, SIZE, SIZE, 3), dtype=np.uint8)
LABELS = np.array(["cat", "dog"] * 6)


def build_normalizing(include_top, weights, input_shape):
    """A convolution behind a layer that normalizes pixels by its weights, as EfficientNet does."""
    pixels = keras.Input(input_shape)
    tensor = keras.layers.Normalization(name="normalization")(pixels)
    tensor = keras.layers.Conv2D(4, 3, name="convolution")(tensor)
    tensor = keras.layers.BatchNormalization(name="norm")(tensor)
    return keras.Model(pixels, keras.layers.ReLU(name="activation")(tensor))


SPEC = tiny_spec(
    "normalizing",
    f"{__name__}:build_normalizing",
    preprocessing=IDENTITY,
    n_features=4,
    n_parameters=135,
    last_block="activation",
)


@pytest.fixture(scope="module", autouse=True)
def known():
    with registered(SPEC):
        yield


@pytest.fixture(scope="module", params=["file.weights.h5", "file.h5"])
def weights(request, tmp_path_factory):
    """A file in which pixels are normalized, in Keras' newer and older format."""
    network = build_normalizing(False, None, (SIZE, SIZE, 3))
    network.get_layer("normalization").set_weights([MEAN, VARIANCE, np.array(0)])
    path = tmp_path_factory.mktemp("weights") / request.param
    network.save_weights(path) if path.name.endswith(".weights.h5") else network.save(path)
    return path


@pytest.fixture
def recipe(weights):
    size = (SIZE, SIZE)
    found = resolve_weights(SPEC, weights)
    return NetworkRecipe(SPEC.name, found, size, size, "backbone", "bilinear", "avg")


def normalized(network):
    """Return what a network's convolution is given of the images."""
    convolution = network.get_layer("convolution")
    return keras.Model(network.inputs[0], convolution.input)(IMAGES.astype(np.float32)).numpy()


def assert_close(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)


def test_weights_of_a_file_count(recipe):
    assert_close(normalized(build_backbone(recipe)), (IMAGES - MEAN) / np.sqrt(VARIANCE))


@pytest.mark.parametrize("training_mode", [False, True])
def test_networks_that_train_see_pixels_as_frozen_ones_do(training_mode, recipe):
    trained = build_network(recipe, training_mode=training_mode)
    expected = build_engine(recipe).run(IMAGES)
    assert_close(trained(IMAGES.astype(np.float32), training=False), expected)
    assert_close(predict_blocks(trained, [IMAGES.astype(np.float32)], len(IMAGES)), expected)


def test_networks_of_lower_precision_see_the_same_pixels(recipe):
    short = build_network(replace(recipe, precision="bfloat16")).get_layer("backbone")
    assert_close(normalized(short), (IMAGES - MEAN) / np.sqrt(VARIANCE))


def test_fine_tuned_networks_predict_alike_when_they_are_restored(weights, tmp_path):
    tuned = FineTuneClassifier(
        SPEC.name, weights=weights, unfreeze="all", epochs=1, random_state=0, cache=None
    ).fit(IMAGES, LABELS)
    pixels = normalized(tuned.model_.get_layer("backbone"))
    assert_close(pixels, (IMAGES - MEAN) / np.sqrt(VARIANCE))
    expected = tuned.predict_proba(IMAGES)
    assert_close(expected, tuned.model_(IMAGES.astype(np.float32), training=False))
    save(tuned, tmp_path / "tuned.zip")
    np.testing.assert_array_equal(load(tmp_path / "tuned.zip").predict_proba(IMAGES), expected)


def test_what_a_layer_was_adapted_to_is_kept():
    network = build_normalizing(False, None, (SIZE, SIZE, 3))
    network.get_layer("normalization").adapt(IMAGES.astype(np.float32))
    expected = normalized(network)
    followed = follow_weights(network)
    assert_close(normalized(followed), expected)
    assert isinstance(followed.get_layer("normalization"), Normalization)
    followed.get_layer("normalization").set_weights([MEAN, VARIANCE, np.array(0)])
    assert_close(normalized(followed), (IMAGES - MEAN) / np.sqrt(VARIANCE))


def test_networks_without_such_layers_stay_as_they_are():
    pixels = keras.Input((SIZE, SIZE, 3))
    constant = keras.layers.Normalization(mean=[1.0, 2, 3], variance=[1.0, 2, 3])(pixels)
    network = keras.Model(pixels, constant)
    assert follow_weights(network) is network
