"""The network from pixels to features: its sizes, its layers, its one copy."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from sktransfer._errors import WeightsError
from sktransfer.backbones._network import (
    NetworkRecipe,
    build_network,
    check_input_size,
    choose_input_size,
    fit_sizes,
    pixel_input,
    preprocessing_layers,
    resize_layer,
)
from sktransfer.backbones._registry import get_backbone
from sktransfer.backbones._weights import Weights
from sktransfer.images import as_images
from sktransfer.images._resize import INTERPOLATIONS, resize

RECIPE = NetworkRecipe(
    backbone="mobilenet",
    weights=Weights("mobilenet"),
    image_size=(32, 32),
    input_size=(32, 32),
    preprocessing="backbone",
    interpolation="bilinear",
    pooling="avg",
    seed=1,
)

# One backbone of each way to scale pixels.
CONVENTIONS = {
    "caffe": "vgg16",
    "tf": "mobilenet",
    "torch": "densenet121",
    "lite": "efficientnet_lite0",
    "identity": "efficientnet_b0",
}


def random_images(n: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, height, width, 3), dtype=np.uint8)


def run(layers, images: np.ndarray) -> np.ndarray:
    """Apply layers, a function of a symbolic tensor, to images of any size."""
    pixels = keras.Input((None, None, 3))
    # Keras 3.10 makes no network without any layer.
    network = keras.Model(pixels, keras.layers.Identity()(layers(pixels)))
    return np.asarray(network(images, training=False))


# Sizes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "size", "expected"),
    [
        ("vgg16", (32, 32), (32, 32)),
        ("mobilenet", (32, 32), (96, 96)),
        ("mobilenet", (200, 48), (200, 96)),
        ("mobilenet", (120, 160), (120, 160)),
        ("inception_v3", (96, 96), (128, 128)),
    ],
)
def test_images_own_size_is_raised_to_the_recommended_one(name, size, expected):
    images = as_images(random_images(2, *size))
    assert choose_input_size(None, images, get_backbone(name)) == expected


@pytest.mark.parametrize("name", ["mobilenet", "inception_v3"])
def test_mixed_sizes_are_brought_to_the_native_one(name):
    images = as_images([random_images(1, 20, 30)[0], random_images(1, 40, 40)[0]])
    spec = get_backbone(name)
    assert choose_input_size(None, images, spec) == (spec.native_size, spec.native_size)


@pytest.mark.parametrize(
    ("given", "expected"),
    [(64, (64, 64)), ((64, 48), (64, 48)), ([48, 64], (48, 64)), (np.int64(32), (32, 32))],
)
def test_given_size_is_taken(given, expected):
    images = as_images(random_images(2, 32, 32))
    chosen = choose_input_size(given, images, get_backbone("mobilenet"))
    assert chosen == expected
    assert all(type(side) is int for side in chosen)


@pytest.mark.parametrize("given", [74, (128, 74)])
def test_size_that_the_backbone_cannot_take_is_an_error(given):
    images = as_images(random_images(2, 128, 128))
    with pytest.raises(ValueError, match=r"input_size=.*inception_v3.*at least 75"):
        choose_input_size(given, images, get_backbone("inception_v3"))


@pytest.mark.parametrize("size", [None, 1, 32, np.int32(8), (32, 48), [32, 48]])
def test_valid_input_sizes(size):
    check_input_size(size)


@pytest.mark.parametrize("size", [0, -32, 32.0, (32,), (32, 32, 3), (32, 0), (32, 32.5)])
def test_invalid_input_size_is_an_error(size):
    with pytest.raises(ValueError, match="input_size must be"):
        check_input_size(size)


def test_images_are_resized_on_their_own_only_where_the_network_does_not():
    images = as_images(random_images(2, 40, 40))
    assert fit_sizes(images, (40, 40), (32, 32), "bilinear") is images
    assert fit_sizes(images, (48, 48), (32, 32), "bilinear").size == (32, 32)


# Layers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_preprocessing_layers_do_what_the_registry_says(convention):
    spec = get_backbone(CONVENTIONS[convention])
    assert spec.preprocessing.name == convention
    images = random_images(3, 5, 4)
    layers = run(lambda pixels: preprocessing_layers(pixels, spec, "backbone"), images)
    expected = spec.preprocessing.apply(images)
    np.testing.assert_allclose(layers, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", CONVENTIONS.values())
def test_rescale_divides_whatever_the_backbone_expects(name):
    images = random_images(3, 5, 4)
    layers = run(lambda pixels: preprocessing_layers(pixels, get_backbone(name), "rescale"), images)
    np.testing.assert_allclose(layers, images / 255, rtol=1e-6)


@pytest.mark.parametrize("name", CONVENTIONS.values())
def test_scaled_pixels_are_left_alone(name):
    pixels = keras.Input((4, 4, 3))
    assert preprocessing_layers(pixels, get_backbone(name), None) is pixels


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("size", [(17, 33), (8, 9), (40, 12)], ids=["up", "down", "mixed"])
def test_network_resizes_as_images_are_resized(interpolation, size):
    images = random_images(3, 16, 24)
    layers = run(lambda pixels: resize_layer(pixels, (16, 24), size, interpolation), images)
    np.testing.assert_allclose(layers, resize(images, size, interpolation), rtol=1e-5, atol=1e-3)


def test_nothing_is_resized_that_has_its_size():
    pixels = pixel_input((32, 48), (32, 48))
    assert pixels.shape == (None, 32, 48, 3)
    assert resize_layer(pixels, (32, 48), (32, 48), "bilinear") is pixels


@pytest.mark.parametrize(
    ("pooling", "n_features"),
    [("avg", 1024), ("max", 1024), ("avg+max", 2048), ("gem", 1024), ("flatten", 4096)],
)
def test_poolings(pooling, n_features):
    recipe = replace(RECIPE, image_size=(64, 64), input_size=(64, 64), pooling=pooling)
    network = build_network(recipe)
    images = random_images(2, 64, 64)
    maps = network.get_layer("backbone")(get_backbone("mobilenet").preprocessing.apply(images))
    maps = np.asarray(maps)
    expected = {
        "avg": maps.mean(axis=(1, 2)),
        "max": maps.max(axis=(1, 2)),
        "avg+max": np.concatenate([maps.mean(axis=(1, 2)), maps.max(axis=(1, 2))], axis=1),
        "gem": np.cbrt((maps.clip(1e-6) ** 3).mean(axis=(1, 2))),
        "flatten": maps.reshape(2, -1),
    }[pooling]
    assert network.output_shape == (None, n_features)
    features = np.asarray(network(images, training=False))
    scale = np.abs(expected).max()  # random weights make features tiny
    np.testing.assert_allclose(features / scale, expected / scale, atol=1e-5)


# Recipes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"backbone": "mobilenet_v2"},
        {"image_size": (64, 64)},
        {"input_size": (64, 64)},
        {"preprocessing": "rescale"},
        {"preprocessing": None},
        {"interpolation": "bicubic"},
        {"pooling": "max"},
        {"layers": ("conv_pw_5_relu",)},
        {"precision": "bfloat16"},
        {"engine": "openvino"},
        {"seed": 2},
        {"weights": Weights("mobilenet", Path("a"), "0" * 64)},
    ],
    ids=lambda change: " ".join(change),
)
def test_fingerprint_tells_recipes_apart(change):
    assert replace(RECIPE, **change).fingerprint() != RECIPE.fingerprint()


def test_fingerprint_takes_weights_by_their_hash():
    def fingerprint(path: str, digest: str) -> str:
        weights = Weights("mobilenet", Path(path), digest)
        return replace(RECIPE, weights=weights).fingerprint()

    assert fingerprint("here/a.h5", "0" * 64) == fingerprint("there/b.h5", "0" * 64)
    assert fingerprint("here/a.h5", "0" * 64) != fingerprint("here/a.h5", "1" * 64)


def test_random_weights_follow_the_seed():
    first, again, other = (
        build_network(replace(RECIPE, seed=seed)).get_weights() for seed in (1, 1, 2)
    )
    assert all(map(np.array_equal, first, again))
    assert not all(map(np.array_equal, first, other))


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras' saving
def test_weights_that_moved_are_found_by_their_hash(monkeypatch, tmp_path):
    network = build_network(RECIPE)
    there = tmp_path / "mine.weights.h5"
    network.get_layer("backbone").save_weights(there)
    sha256 = hashlib.sha256(there.read_bytes()).hexdigest()
    monkeypatch.setenv("SKTRANSFER_WEIGHTS", str(tmp_path))

    moved = Weights("mobilenet", tmp_path / "gone" / there.name, sha256)
    found = build_network(replace(RECIPE, weights=moved, seed=2))
    assert all(map(np.array_equal, found.get_weights(), network.get_weights()))

    others = replace(moved, sha256="1" * 64)
    with pytest.raises(WeightsError, match=f"1111; {there} has SHA-256 {sha256}"):
        build_network(replace(RECIPE, weights=others))
