"""The engine: the numbers of the plain network, in either precision, at any depth."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest
from joblib import Parallel, delayed

from sktransfer.backbones import _engine
from sktransfer.backbones._engine import N_SHARED, build_engine, shared_engine
from sktransfer.backbones._inference import LARGEST_BATCH, choose_batch_size
from sktransfer.backbones._network import NetworkRecipe, build_backbone, build_network
from sktransfer.backbones._registry import get_backbone
from sktransfer.backbones._weights import Weights

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
DEPTHS = ("conv_pw_5_relu", "conv_pw_13_relu")
IMAGES = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)


@pytest.fixture
def no_shared_engines(monkeypatch):
    """A process that has built no network yet."""
    monkeypatch.setattr(_engine, "_shared", type(_engine._shared)())


def assert_close(features: np.ndarray, expected: np.ndarray, tolerance: float) -> None:
    """Compare on the scale of the features, which random weights make tiny."""
    scale = np.abs(expected).max()
    np.testing.assert_allclose(features / scale, expected / scale, atol=tolerance)


# What it computes ------------------------------------------------------------------------------


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-5), ("bfloat16", 0.05)])
@pytest.mark.parametrize(
    ("backbone", "layers"),
    [
        ("mobilenet", None),
        ("mobilenet", DEPTHS),
        ("efficientnet_lite0", None),
        ("mobilenet_v3_small", None),
    ],
)
def test_engine_computes_what_the_network_does(backbone, precision, tolerance, layers):
    recipe = replace(RECIPE, backbone=backbone, weights=Weights(backbone), layers=layers)
    expected = np.asarray(build_network(recipe)(IMAGES.astype(np.float32), training=False))
    engine = build_engine(replace(recipe, precision=precision))
    features = np.asarray(engine.run(IMAGES))
    assert features.dtype == np.float32
    assert features.shape == (4, engine.n_features)
    assert_close(features, expected, tolerance)


def test_floats_have_the_features_of_their_integers():
    engine = build_engine(RECIPE)
    np.testing.assert_array_equal(engine.run(IMAGES), engine.run(IMAGES.astype(np.float32)))


def test_bfloat16_computes_in_bfloat16_with_the_same_weights():
    plain, short = build_backbone(RECIPE), build_backbone(replace(RECIPE, precision="bfloat16"))
    assert short.get_layer("conv_pw_5").compute_dtype == "bfloat16"
    assert all(map(np.array_equal, short.get_weights(), plain.get_weights()))
    assert keras.config.dtype_policy().name == "float32"


def test_networks_that_train_compute_only_products_in_bfloat16():
    recipe = replace(RECIPE, precision="bfloat16")
    trained = build_network(recipe).get_layer("backbone")
    precisions = {type(layer).__name__: layer.compute_dtype for layer in trained.layers}
    assert {name for name, precision in precisions.items() if precision == "bfloat16"} == {"Conv2D"}
    assert {"BatchNormalization", "DepthwiseConv2D", "ReLU"} <= precisions.keys()
    plain = build_network(RECIPE)
    assert all(map(np.array_equal, trained.get_weights(), plain.get_weights()))
    pixels = IMAGES.astype(np.float32)
    assert_close(np.asarray(build_network(recipe)(pixels)), np.asarray(plain(pixels)), 0.05)


def test_features_do_not_depend_on_the_policy_of_keras():
    expected = build_engine(RECIPE).run(IMAGES)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        features = build_engine(RECIPE).run(IMAGES)
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy("float32")
    np.testing.assert_array_equal(features, expected)


@pytest.mark.parametrize("backbone", ["efficientnet_b0", "efficientnet_v2_b0"])
def test_pixels_are_scaled_in_float32(backbone):
    recipe = replace(RECIPE, backbone=backbone, weights=Weights(backbone), precision="bfloat16")
    scaling = [
        layer
        for layer in build_backbone(recipe).layers
        if isinstance(layer, (keras.layers.Rescaling, keras.layers.Normalization))
    ]
    assert scaling
    assert {layer.compute_dtype for layer in scaling} == {"float32"}


def test_depths_are_those_of_the_layers_in_their_order():
    both = np.asarray(build_engine(replace(RECIPE, layers=DEPTHS)).run(IMAGES))
    alone = [
        np.asarray(build_engine(replace(RECIPE, layers=(name,))).run(IMAGES)) for name in DEPTHS
    ]
    assert [part.shape[1] for part in alone] == [256, 1024]
    assert_close(both, np.concatenate(alone, axis=1), 1e-6)
    assert_close(alone[1], np.asarray(build_engine(RECIPE).run(IMAGES)), 1e-6)


def test_convolution_whose_norm_is_folded_is_still_found_at_its_depth():
    recipe = replace(RECIPE, layers=("conv_pw_5", "conv_pw_5_bn", "conv_pw_13_relu"))
    expected = np.asarray(build_network(recipe)(IMAGES.astype(np.float32), training=False))
    assert_close(np.asarray(build_engine(recipe).run(IMAGES)), expected, 1e-5)


def test_unknown_layer_is_named_with_near_matches():
    with pytest.raises(ValueError, match=r"conv_pw_5_rel.*did you mean 'conv_pw_5_relu'"):
        build_backbone(replace(RECIPE, layers=("conv_pw_5_rel",)))


def test_layer_without_a_feature_map_is_an_error():
    recipe = replace(
        RECIPE, backbone="efficientnet_b0", weights=Weights("b"), layers=("block1a_se_squeeze",)
    )
    with pytest.raises(ValueError, match=r"block1a_se_squeeze.*no feature map"):
        build_backbone(recipe)


# What is known of it ---------------------------------------------------------------------------


def test_engine_describes_the_network_as_its_authors_do():
    engine = build_engine(RECIPE)
    n_parameters = get_backbone("mobilenet").n_parameters
    assert engine.n_features == 1024
    assert engine.parameter_counts == {
        "total": n_parameters,
        "trainable": 0,
        "non_trainable": n_parameters,
    }


def test_batches_are_smaller_where_activations_are_larger():
    def batch_size(size: int) -> int:
        return choose_batch_size(get_backbone("mobilenet").build((size, size, 3)))

    assert batch_size(32) == LARGEST_BATCH
    sizes = [batch_size(size) for size in (224, 448, 896)]
    assert sizes == sorted(set(sizes), reverse=True)
    assert all(size & (size - 1) == 0 for size in sizes)


# Sharing ---------------------------------------------------------------------------------------


def test_equal_recipes_share_one_engine(no_shared_engines):
    first = shared_engine(RECIPE)
    assert shared_engine(replace(RECIPE)) is first
    assert shared_engine(replace(RECIPE, pooling="max")) is not first


def test_threads_that_ask_at_once_build_one_engine(no_shared_engines):
    shared = Parallel(4, prefer="threads")(delayed(shared_engine)(RECIPE) for _ in range(4))
    assert len(set(map(id, shared))) == 1


def test_few_engines_are_kept_the_least_recently_used_goes(no_shared_engines, monkeypatch):
    monkeypatch.setattr(_engine, "build_engine", lambda recipe: object())
    recipes = [replace(RECIPE, seed=seed) for seed in range(N_SHARED + 1)]
    engines = [shared_engine(recipe) for recipe in recipes[:N_SHARED]]
    assert shared_engine(recipes[0]) is engines[0]
    shared_engine(recipes[N_SHARED])
    assert len(_engine._shared) == N_SHARED
    assert shared_engine(recipes[0]) is engines[0]
    assert shared_engine(recipes[1]) is not engines[1]
