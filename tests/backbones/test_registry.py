"""The registry's data against Keras itself."""

from __future__ import annotations

import importlib
import inspect
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from sktransfer.backbones._registry import (
    BackboneSpec,
    Preprocessing,
    get_backbone,
    list_backbones,
    register_backbone,
)

SMALL = ["mobilenet", "mobilenet_v2", "mobilenet_v3_small", "vgg16", "efficientnet_lite0"]
ALL = list(list_backbones().index)
# ResNetV2 halves the resolution in the last three weighted layers of a stage, Xception in two.
N_LAYERS_OF_A_WAY_DOWN = 3

# Module of keras.applications that holds the preprocessing of a family.
MODULES = {
    "VGG": "vgg16",
    "MobileNet": "mobilenet",
    "MobileNetV2": "mobilenet_v2",
    "MobileNetV3": "mobilenet_v3",
    "ResNet": "resnet",
    "ResNetV2": "resnet_v2",
    "Inception": "inception_v3",
    "Xception": "xception",
    "DenseNet": "densenet",
    "NASNet": "nasnet",
    "EfficientNet": "efficientnet",
    "EfficientNetV2": "efficientnet_v2",
    "ConvNeXt": "convnext",
}


@pytest.fixture
def registry(monkeypatch):
    """A copy of the registry, so that a test may add to it."""
    from sktransfer.backbones import _registry

    monkeypatch.setattr(_registry, "_REGISTRY", dict(_registry._REGISTRY))


def test_every_keras_application_has_an_entry():
    import keras

    published = {
        f"keras.applications:{name}"
        for name, _ in inspect.getmembers(keras.applications, inspect.isfunction)
    }
    builders = {get_backbone(name).builder for name in ALL}
    assert published <= builders
    assert {builder for builder in builders if builder.startswith("keras.")} <= published


@pytest.mark.parametrize(
    "name", [name if name in SMALL else pytest.param(name, marks=pytest.mark.slow) for name in ALL]
)
def test_entry_agrees_with_the_network(name):
    spec = get_backbone(name)
    network = spec.build((spec.recommended_size, spec.recommended_size, 3))
    assert network.output.shape[-1] == spec.n_features
    assert network.count_params() == spec.n_parameters
    assert_begins_last_stage(network, spec.last_block)


def assert_begins_last_stage(network, last_block):
    """Before it, nothing but the way down is at the last resolution; after it, nothing else."""
    start = [layer.name for layer in network.layers].index(last_block)
    before = sides_of_weighted_maps(network.layers[:start])
    after = sides_of_weighted_maps(network.layers[start:])
    last_side = after[-1]
    assert before.count(last_side) <= N_LAYERS_OF_A_WAY_DOWN
    assert set(after) <= {last_side, min(before, key=lambda side: (side <= last_side, side))}


def sides_of_weighted_maps(layers):
    """Heights of the layers' feature maps, without squeeze-and-excitation's single positions."""
    maps = [layer.output.shape for layer in layers if layer.weights]
    return [shape[1] for shape in maps if len(shape) == 4 and shape[1] > 1]


@pytest.mark.parametrize("family", MODULES)
def test_preprocessing_is_that_of_keras(family):
    module = importlib.import_module(f"keras.applications.{MODULES[family]}")
    images = np.random.default_rng(0).uniform(0, 255, (2, 4, 5, 3)).astype(np.float32)
    expected = np.asarray(module.preprocess_input(images.copy()))
    table = list_backbones()
    for name in table.index[table["family"] == family]:
        actual = get_backbone(name).preprocessing.apply(images)
        assert actual.dtype == np.float32
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-4)


def test_preprocessing_of_lite():
    images = np.array([[[[0, 127, 255]]]], dtype=np.uint8)
    actual = get_backbone("efficientnet_lite0").preprocessing.apply(images)
    np.testing.assert_array_equal(actual, np.float32([[[[-127 / 128, 0, 1]]]]))


def test_bgr_turns_the_channels_before_the_mean_is_taken():
    preprocessing = Preprocessing("test", mean=(1, 2, 3), std=(1, 2, 4), bgr=True)
    np.testing.assert_array_equal(preprocessing.apply([10, 20, 31]), [30, 9, 1.75])


def test_weights_files_are_those_of_keras(monkeypatch):
    """Let Keras ask for its files, and compare what it asks for."""
    import keras

    asked = {}

    def get_file(name, origin, cache_subdir, file_hash=None):
        asked[name] = (origin, file_hash)
        raise InterruptedError

    for name in SMALL:
        spec = get_backbone(name)
        module, function = spec.builder.split(":")
        if module != "keras.applications":
            continue
        builder = getattr(keras.applications, function)
        monkeypatch.setattr(inspect.getmodule(builder).file_utils, "get_file", get_file)
        with pytest.raises(InterruptedError):
            builder(include_top=False, input_shape=(224, 224, 3))
        assert asked[spec.weights.file_name] == (spec.weights.url, spec.weights.hash)


def test_hashes_have_the_length_of_their_algorithm_and_urls_differ():
    files = [get_backbone(name).weights for name in ALL]
    lengths = {"md5": 32, "sha256": 64}
    for file in files:
        assert file.hash is None or len(file.hash) == lengths[file.hash_algorithm]
    urls = [file.url for file in files if file.url]
    hashes = [file.hash for file in files if file.hash]
    assert len(set(urls)) == len(urls)
    assert len(set(hashes)) == len(hashes)


def test_efficientnet_scales_its_input_as_keras_does_for_imagenet(monkeypatch, tmp_path):
    """Keras inserts a layer only when it is asked for "imagenet"; here it always stands."""
    import keras
    from keras.src.applications import efficientnet

    path = tmp_path / "b0.weights.h5"
    ours = get_backbone("efficientnet_b0").build((32, 32, 3))
    ours.save_weights(path)
    monkeypatch.setattr(efficientnet.file_utils, "get_file", lambda *args, **kwargs: str(path))
    theirs = keras.applications.EfficientNetB0(include_top=False, input_shape=(32, 32, 3))
    images = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3)).astype(np.float32)
    np.testing.assert_allclose(
        ours(images, training=False), theirs(images, training=False), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("shape", [(31, 64, 3), (64, 31, 3)])
def test_build_refuses_a_small_input(shape):
    with pytest.raises(ValueError, match=r"input_shape of backbone 'vgg16' .* 32 x 32"):
        get_backbone("vgg16").build(shape)


@pytest.mark.parametrize("shape", [(64, 64), (64, 64, 1), (2, 64, 64, 3)])
def test_build_refuses_other_shapes(shape):
    with pytest.raises(ValueError, match=r"\(height, width, 3\)"):
        get_backbone("vgg16").build(shape)


def test_build_takes_images_of_varying_size():
    assert get_backbone("mobilenet").build((None, None, 3)).output.shape == (None, None, None, 1024)


def test_sizes_are_in_order():
    table = list_backbones()
    assert (table["min_size"] <= table["recommended_size"]).all()
    assert (table["recommended_size"] <= table["native_size"]).all()


def test_list_backbones_has_one_row_each():
    table = list_backbones()
    assert isinstance(table, pd.DataFrame)
    assert table.index.name == "name"
    assert table.index.is_unique
    assert {"vgg16", "resnet50_v2", "efficientnet_v2_b0", "convnext_tiny"} <= set(table.index)
    assert table.loc["vgg16", "weights_mb"] == pytest.approx(58.9)
    assert table["top1"].between(60, 90).all()


@pytest.mark.parametrize("name", ["vgg_16", "VGG16x", None, ["vgg16"]])
def test_unknown_backbone(name):
    with pytest.raises(ValueError, match=r"Unknown backbone"):
        get_backbone(name)


def test_unknown_backbone_names_the_near_ones():
    with pytest.raises(ValueError, match=r"did you mean.*'resnet50'"):
        get_backbone("resnet_50")


def test_register_backbone(registry):
    spec = replace(get_backbone("vgg16"), name="mine", top1=None, weights=None)
    register_backbone(spec)
    register_backbone(replace(spec))
    assert get_backbone("mine") is spec
    assert np.isnan(list_backbones().loc["mine", "top1"])


def test_register_backbone_refuses_a_taken_name(registry):
    with pytest.raises(ValueError, match="'vgg16' is taken by a backbone that differs in top1"):
        register_backbone(replace(get_backbone("vgg16"), top1=99.0))
    assert get_backbone("vgg16").top1 == 71.3


def test_register_backbone_refuses_other_types(registry):
    with pytest.raises(TypeError, match="spec must be a BackboneSpec, got str"):
        register_backbone("vgg16")


def test_entries_are_frozen():
    with pytest.raises(AttributeError):
        get_backbone("vgg16").top1 = 99.0
    assert isinstance(get_backbone("vgg16"), BackboneSpec)
