"""Poolings beyond average and maximum: their numbers, in every engine, at every depth."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest
from sklearn.base import clone

from sktransfer import BackboneFeatures
from sktransfer.backbones._engine import build_engine
from sktransfer.backbones._generalized_mean import GeneralizedMeanPooling2D
from sktransfer.backbones._network import POOLINGS, NetworkRecipe, build_network
from sktransfer.backbones._weights import Weights

IMAGES = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
MAPS = np.random.default_rng(1).normal(size=(3, 4, 5, 6)).astype(np.float32)
RECIPE = NetworkRecipe(
    backbone="mobilenet",
    weights=Weights("mobilenet"),
    image_size=(32, 32),
    input_size=(64, 64),
    preprocessing="backbone",
    interpolation="bilinear",
    pooling="avg",
    seed=1,
)
DEPTHS = ("conv1_relu", "conv_pw_2_relu")  # random weights make deeper features tiny


def generalized_mean(maps: np.ndarray, power: float) -> np.ndarray:
    raised = np.maximum(maps.astype(float), 1e-6) ** power
    return raised.mean(axis=(1, 2)) ** (1 / power)


@pytest.mark.parametrize("power", [1.0, 3.0, 4.5])
def test_generalized_mean(power):
    pooled = GeneralizedMeanPooling2D(power)(MAPS)
    assert pooled.shape == (3, 6)
    np.testing.assert_allclose(pooled, generalized_mean(MAPS, power), rtol=1e-5)


def test_generalized_mean_goes_from_the_average_to_the_maximum():
    maps = np.abs(MAPS)
    powers = [np.asarray(GeneralizedMeanPooling2D(power)(maps)) for power in (1.5, 3.0, 20.0)]
    ascending = [maps.mean(axis=(1, 2)), *powers, maps.max(axis=(1, 2))]
    assert (np.diff(ascending, axis=0) > 0).all()


def test_negative_values_count_as_nearly_zero():
    pooled = GeneralizedMeanPooling2D()(-np.abs(MAPS))
    np.testing.assert_allclose(pooled, np.full((3, 6), 1e-6), rtol=1e-4)


def test_generalized_mean_of_bfloat16_is_computed_in_float32():
    short = keras.ops.cast(np.abs(MAPS), "bfloat16")
    pooled = GeneralizedMeanPooling2D(dtype="float32")(short)
    assert pooled.dtype == "float32"
    expected = generalized_mean(np.asarray(keras.ops.cast(short, "float32")), 3.0)
    np.testing.assert_allclose(pooled, expected, rtol=1e-5)


def test_generalized_mean_is_made_again_from_its_configuration():
    pixels = keras.Input((None, None, 6))
    network = keras.Model(pixels, GeneralizedMeanPooling2D(2.5)(pixels))
    assert network.output_shape == (None, 6)
    again = keras.Model.from_config(network.get_config())
    np.testing.assert_array_equal(again(MAPS), network(MAPS))


@pytest.mark.parametrize("layers", [DEPTHS[:1], DEPTHS], ids=["one", "several"])
@pytest.mark.parametrize("pooling", ["avg+max", "gem"])
@pytest.mark.parametrize(
    ("engine", "precision", "tolerance"),
    [
        ("tensorflow", "float32", 1e-5),
        ("tensorflow", "bfloat16", 0.05),
        ("openvino", "float32", 1e-4),
    ],
)
def test_engines_pool_as_the_network_does(pooling, layers, engine, precision, tolerance):
    if engine == "openvino":
        pytest.importorskip("openvino", reason="an optional engine")
    recipe = replace(RECIPE, pooling=pooling, layers=layers)
    expected = np.asarray(build_network(recipe)(IMAGES.astype(np.float32), training=False))
    made = build_engine(replace(recipe, engine=engine, precision=precision))
    features = np.asarray(made.run(IMAGES))
    assert features.dtype == np.float32
    assert features.shape == (4, made.n_features)
    scale = np.abs(expected).max()  # random weights make features tiny
    np.testing.assert_allclose(features / scale, expected / scale, atol=tolerance)


def test_both_poolings_stand_beside_each_other_layer_by_layer():
    def features(pooling, layers=DEPTHS):
        return np.asarray(build_engine(replace(RECIPE, pooling=pooling, layers=layers)).run(IMAGES))

    parts = [features(pooling, (layer,)) for layer in DEPTHS for pooling in ("avg", "max")]
    np.testing.assert_allclose(features("avg+max"), np.concatenate(parts, axis=1), rtol=1e-5)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_transformers_take_every_pooling(pooling):
    features = BackboneFeatures(
        "mobilenet",
        weights=None,
        input_size=32,
        layers="conv_pw_2_relu",
        pooling=pooling,
        batch_size=4,
        random_state=0,
    )
    rows = clone(features).fit_transform(IMAGES)
    n_features = {"avg+max": 256, "flatten": 8192}.get(pooling, 128)
    assert rows.shape == (4, n_features)
    assert len(np.unique(rows, axis=0)) == 4
    assert len(features.fit(IMAGES).get_feature_names_out()) == n_features
