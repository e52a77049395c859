"""Numbers against float64 by NumPy alone, scores against scikit-learn, and images at the edges."""

from __future__ import annotations

import warnings
from functools import cache

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    f1_score,
    log_loss,
    mean_squared_error,
    roc_auc_score,
    top_k_accuracy_score,
)

from sktransfer import (
    BackboneFeatures,
    ConvNetClassifier,
    FineTuneClassifier,
    ImageAugmentation,
    list_backbones,
    list_strategies,
    make_strategy,
)
from sktransfer.backbones._inference import run_padded
from sktransfer.evaluation import score_predictions
from tests._tiny_backbones import registered, tiny_spec

# A network by NumPy --------------------------------------------------------------------------

EPSILON = 1e-3


@cache
def tiny_weights() -> dict[str, list[np.ndarray]]:
    """Draw the weights of a convolution, a depthwise and a pointwise one, each with a norm."""
    rng = np.random.default_rng(0)

    def norm(n: int) -> list[np.ndarray]:
        gamma, variance = rng.uniform(0.5, 2, n), rng.uniform(0.2, 3, n)
        return [gamma, rng.normal(size=n), rng.normal(size=n), variance]

    weights = {
        "stem": [rng.normal(scale=0.5, size=(3, 3, 3, 6))],
        "stem_bn": norm(6),
        "depthwise": [rng.normal(scale=0.5, size=(3, 3, 6, 1))],
        "depthwise_bn": norm(6),
        "pointwise": [rng.normal(scale=0.5, size=(1, 1, 6, 16)), rng.normal(size=16)],
        "pointwise_bn": norm(16),
    }
    return {name: [a.astype(np.float32) for a in arrays] for name, arrays in weights.items()}


def build_tiny(include_top, weights, input_shape):
    def normalized(tensor, name):
        tensor = keras.layers.BatchNormalization(epsilon=EPSILON, name=f"{name}_bn")(tensor)
        return keras.layers.ReLU(6.0, name=f"{name}_relu")(tensor)

    same = {"padding": "same"}
    images = keras.Input(input_shape)
    tensor = keras.layers.Conv2D(6, 3, strides=2, use_bias=False, name="stem", **same)(images)
    tensor = normalized(tensor, "stem")
    tensor = keras.layers.DepthwiseConv2D(3, use_bias=False, name="depthwise", **same)(tensor)
    tensor = normalized(tensor, "depthwise")
    tensor = normalized(keras.layers.Conv2D(16, 1, name="pointwise")(tensor), "pointwise")
    network = keras.Model(images, keras.layers.MaxPooling2D(2, name="pool")(tensor))
    for name, arrays in tiny_weights().items():
        network.get_layer(name).set_weights(arrays)
    return network


@pytest.fixture(scope="module", autouse=True)
def tiny_backbone():
    spec = tiny_spec(
        "tiny_numerics",
        f"{__name__}:build_tiny",
        n_features=16,
        n_parameters=440,
        last_block="pointwise",
    )
    with registered(spec):
        yield


def padded(images: np.ndarray, stride: int) -> np.ndarray:
    """Add the border of zeros of a 3x3 kernel with padding "same": the odd row comes last."""
    borders = [(0, 0)]
    for side in images.shape[1:3]:
        total = max((-(-side // stride) - 1) * stride + 3 - side, 0)
        borders.append((total // 2, total - total // 2))
    return np.pad(images, [*borders, (0, 0)])


def patches(images: np.ndarray, stride: int) -> np.ndarray:
    """Return the 3x3 neighbourhoods, (n, height, width, channels, 3, 3)."""
    windows = np.lib.stride_tricks.sliding_window_view(padded(images, stride), (3, 3), (1, 2))
    return windows[:, ::stride, ::stride]


def norm_and_relu6(maps: np.ndarray, norm: list[np.ndarray]) -> np.ndarray:
    gamma, beta, mean, variance = norm
    return np.clip((maps - mean) / np.sqrt(variance + EPSILON) * gamma + beta, 0, 6)


def feature_maps(images: np.ndarray, weights: dict[str, list[np.ndarray]]) -> np.ndarray:
    """Compute the network's feature maps of pixels of 0 to 255, in float64 throughout."""
    exact = {name: [a.astype(np.float64) for a in arrays] for name, arrays in weights.items()}
    maps = images.astype(np.float64) / 127.5 - 1
    maps = np.einsum("nhwcij,ijco->nhwo", patches(maps, 2), exact["stem"][0])
    maps = norm_and_relu6(maps, exact["stem_bn"])
    maps = np.einsum("nhwcij,ijcm->nhwc", patches(maps, 1), exact["depthwise"][0])
    maps = norm_and_relu6(maps, exact["depthwise_bn"])
    maps = maps @ exact["pointwise"][0][0, 0] + exact["pointwise"][1]
    maps = norm_and_relu6(maps, exact["pointwise_bn"])
    n, height, width, channels = maps.shape
    quarters = maps[:, : height // 2 * 2, : width // 2 * 2]
    return quarters.reshape(n, height // 2, 2, width // 2, 2, channels).max(axis=(2, 4))


POOLINGS = {
    "avg": lambda maps: maps.mean(axis=(1, 2)),
    "max": lambda maps: maps.max(axis=(1, 2)),
    "avg+max": lambda maps: np.hstack([maps.mean(axis=(1, 2)), maps.max(axis=(1, 2))]),
    "flatten": lambda maps: maps.reshape(len(maps), -1),
}


def tiny_features(**parameters) -> BackboneFeatures:
    return BackboneFeatures("tiny_numerics", weights=None, batch_size=4, **parameters)


def random_images(n: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (n, height, width, 3), dtype=np.uint8)


def largest_error(found: np.ndarray, exact: np.ndarray) -> float:
    """Return the largest deviation, as a fraction of the largest value."""
    return float(np.abs(found - exact).max() / np.abs(exact).max())


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("size", [(16, 16), (17, 12)])
def test_folded_features_are_those_of_numpy(pooling, size):
    images = random_images(6, *size)
    exact = POOLINGS[pooling](feature_maps(images, tiny_weights()))
    assert ((exact > 0) & (exact < 6)).mean() > 0.3  # not clipped

    found = tiny_features(pooling=pooling, cache=None).fit_transform(images)

    assert found.shape == exact.shape
    assert largest_error(found, exact) < 2e-6


@pytest.mark.parametrize("pooling", POOLINGS)
def test_bfloat16_features_are_those_of_numpy_to_two_digits(pooling):
    images = random_images(6, 16, 16)
    exact = POOLINGS[pooling](feature_maps(images, tiny_weights()))

    found = tiny_features(pooling=pooling, precision="bfloat16", cache=None).fit_transform(images)

    # Eight bits are right, less what a few layers lose; and no more than eight are there.
    assert 1e-4 < largest_error(found, exact) < 3e-2


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_cached_features_have_the_bits_of_computed_ones(precision, tmp_path):
    images = random_images(6, 16, 16)
    computed = tiny_features(precision=precision, cache=None).fit_transform(images)
    for cache_ in ("auto", tmp_path):
        features = tiny_features(precision=precision, cache=cache_).fit(images)
        features.transform(images[::2])  # some of them wait in the cache, others do not
        np.testing.assert_array_equal(features.transform(images), computed)
        np.testing.assert_array_equal(features.transform(images[::-1]), computed[::-1])


# Read before any test adds a network of its own.
FEATURES = list_backbones()["features"]


def test_backbones_have_features_that_do_not_depend_on_the_place_in_the_batch():
    """TensorFlow averages eight channels at a time; others round by where in a batch they lie."""
    assert (FEATURES % 8 == 0).all()


@pytest.mark.parametrize("unfreeze", ["head", "all"])
def test_probabilities_are_those_of_numpy(unfreeze):
    images, labels = random_images(12, 16, 16), ["ant", "bee", "cow"] * 4
    model = FineTuneClassifier(
        "tiny_numerics", weights=None, unfreeze=unfreeze, epochs=2, random_state=0
    ).fit(images, labels)
    backbone = model.model_.get_layer("backbone")
    weights = {name: backbone.get_layer(name).get_weights() for name in tiny_weights()}
    trained = any(
        not np.array_equal(new, old)
        for name, arrays in tiny_weights().items()
        for new, old in zip(weights[name], arrays, strict=True)
    )
    assert trained == (unfreeze == "all")

    kernel, bias = model.model_.get_layer("head").get_layer("predictions").get_weights()
    scores = feature_maps(images, weights).mean(axis=(1, 2)) @ kernel.astype(np.float64) + bias
    exact = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)

    np.testing.assert_allclose(model.predict_proba(images), exact, rtol=2e-5)


# Scores ----------------------------------------------------------------------------------------


@st.composite
def predictions(draw) -> tuple[np.ndarray, np.ndarray]:
    """Draw the columns of true classes, and probabilities that are often equal, or certain."""
    n_classes = draw(st.integers(2, 7))
    n = draw(st.integers(1, 25))
    present = draw(st.lists(st.integers(0, n_classes - 1), min_size=1, unique=True))
    y = np.array(draw(st.lists(st.sampled_from(present), min_size=n, max_size=n)))
    kind = draw(st.sampled_from(["any", "any", "perfect", "wrong", "constant"]))
    if kind == "perfect":
        return y, np.eye(n_classes)[y]
    if kind == "wrong":
        return y, np.eye(n_classes)[(y + 1) % n_classes]
    if kind == "constant":
        return y, np.full((n, n_classes), 1 / n_classes)
    counts = draw(
        st.lists(
            st.lists(st.integers(0, 4), min_size=n_classes, max_size=n_classes).filter(any),
            min_size=n,
            max_size=n,
        )
    )
    return y, np.array(counts) / np.sum(counts, axis=1, keepdims=True)


def mean_area(y: np.ndarray, proba: np.ndarray, pairs: list[tuple[int, list[int]]]) -> float:
    """Average scikit-learn's areas of classes against others."""
    areas = []
    for label, others in pairs:
        rows = np.isin(y, [label, *others])
        areas.append(roc_auc_score(y[rows] == label, proba[rows, label]))
    return float(np.mean(areas)) if areas else float("nan")


@given(predictions())
@settings(max_examples=60)
def test_scores_are_those_of_scikit_learn_whatever_is_predicted(drawn):
    y, proba = drawn
    n_classes = proba.shape[1]
    columns, present = np.arange(n_classes), np.unique(y).tolist()
    predicted = proba.argmax(axis=1)
    first_of_equals = proba - 1e-9 * columns
    k = min(5, n_classes - 1)
    others = {a: [b for b in present if b != a] for a in present}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns of predicted classes that are not true
        expected = {
            "accuracy": accuracy_score(y, predicted),
            "top_k_accuracy": top_k_accuracy_score(y, first_of_equals, k=k, labels=columns)
            if n_classes > 2
            else accuracy_score(y, predicted),
            "balanced_accuracy": balanced_accuracy_score(y, predicted),
            "f1_micro": f1_score(y, predicted, average="micro"),
            "f1_macro": f1_score(y, predicted, average="macro"),
            "roc_auc_ovr": mean_area(y, proba, [(a, o) for a, o in others.items() if o]),
            "roc_auc_ovo": mean_area(y, proba, [(a, [b]) for a, o in others.items() for b in o]),
            "log_loss": log_loss(y, proba, labels=columns),
            "brier": n_classes * mean_squared_error(np.eye(n_classes)[y], proba),
        }
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = score_predictions(y, proba, columns)

    error = found.pop("expected_calibration_error")
    assert 0 <= error <= 1
    assert found == pytest.approx(expected, nan_ok=True)


# Images at the edges ---------------------------------------------------------------------------


def checkerboard(size: int) -> np.ndarray:
    rows, columns = np.mgrid[:size, :size]
    return np.repeat((255 * ((rows + columns) % 2))[..., None], 3, axis=-1)


EDGES = np.stack(
    [
        np.zeros((16, 16, 3)),
        np.full((16, 16, 3), 255),
        np.full((16, 16, 3), 128),
        checkerboard(16),
        255 - checkerboard(16),
        np.eye(16)[..., None] * [255, 0, 0],
    ]
).astype(np.uint8)
SEEDED = {"epochs": 2, "batch_size": 4, "random_state": 0}
TINY = {"backbone": "tiny_numerics", "weights": None, "input_size": 16}
MODELS = {
    "features": BackboneFeatures(**TINY, batch_size=4),
    "frozen": FineTuneClassifier(**TINY, **SEEDED),
    "fine-tuned": FineTuneClassifier(unfreeze="all", batch_norm="train", **TINY, **SEEDED),
    "convnet": ConvNetClassifier(
        1, filters=4, batch_normalization=True, hidden_layer_sizes=(8,), input_size=16, **SEEDED
    ),
}


def answer(model, X) -> np.ndarray:
    return model.predict_proba(X) if hasattr(model, "classes_") else model.transform(X)


@pytest.fixture(scope="module", params=MODELS)
def model(request, tiny_backbone):
    """Each model, fitted on images of nothing in particular."""
    return MODELS[request.param].fit(random_images(12, 16, 16), ["ant", "bee", "cow"] * 4)


def test_images_at_the_edges_have_finite_answers_of_their_own(model):
    together = answer(model, EDGES)
    assert np.isfinite(together).all()
    assert len(np.unique(together, axis=0)) >= 5  # the two checkerboards may look alike
    for place in range(len(EDGES)):
        np.testing.assert_array_equal(answer(model, EDGES[[place]]), together[[place]])
    np.testing.assert_array_equal(answer(model, np.concatenate([EDGES] * 7))[-6:], together)


def test_floats_in_a_range_are_their_integers(model):
    found = answer(model, EDGES)
    as_it_was = model.pixel_range
    try:
        model.set_params(pixel_range=(0, 255))
        np.testing.assert_array_equal(answer(model, EDGES.astype(np.float64)), found)
        model.set_params(pixel_range=(0, 1))
        for dtype in (np.float32, np.float64):
            scaled = EDGES.astype(dtype) / 255
            np.testing.assert_allclose(answer(model, scaled), found, rtol=1e-5, atol=1e-6)
    finally:
        model.set_params(pixel_range=as_it_was)


@pytest.mark.parametrize("value", [0, 1, 127, 254, 255])
def test_images_of_one_pixel_are_flat_images(model, value):
    pixel = np.full((1, 1, 1, 3), value, np.uint8)
    flat = np.full((1, 16, 16, 3), value, np.uint8)
    np.testing.assert_array_equal(answer(model, pixel), answer(model, flat))


@pytest.mark.parametrize("name", list_strategies()["name"])
@pytest.mark.parametrize("value", [0, 255])
def test_fits_on_images_without_any_difference_are_finite(name, value):
    network = {} if name in ("linear_probe", "knn") else {"epochs": 1, "hidden_layer_sizes": (4,)}
    if name.startswith("cnn"):
        network |= {"n_blocks": 1, "convs_per_block": 1, "filters": 4}
    if name.endswith("+augment"):
        network |= {"augmentation": ImageAugmentation.preset("strong")}
    strategy = make_strategy(name, "tiny_numerics", weights=None, input_size=16, **network)
    X = np.full((12, 16, 16, 3), value, np.uint8)

    probabilities = strategy.fit(X, ["ant", "bee", "cow"] * 4).predict_proba(EDGES)

    assert np.isfinite(probabilities).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


# Numbers that are no pixels ----------------------------------------------------------------------


@pytest.mark.parametrize("size", [1e3, 1e10, 1e29])
def test_large_numbers_come_through_the_network_right(size):
    images = (np.random.default_rng(2).normal(size=(4, 16, 16, 3)) * size).astype(np.float32)
    # What the network takes for -1 to 1 is undone here, as nothing is scaled for ``None``.
    exact = feature_maps((images.astype(np.float64) + 1) * 127.5, tiny_weights()).mean(axis=(1, 2))

    found = tiny_features(pixel_range=None).fit_transform(images)

    assert largest_error(found, exact) < 1e-5


@pytest.mark.parametrize("value", [2e30, -3e38])
def test_numbers_that_overflow_in_a_network_are_an_error(model, value):
    images = np.zeros((2, 16, 16, 3), np.float32)
    images[1, 3, 4, 0] = value
    scaled = clone(model).set_params(pixel_range=None)
    with pytest.raises(ValueError, match="with pixel_range=None pixels lie in -1e"):
        scaled.fit(images, ["ant", "bee"])
    scaled.fit(random_images(12, 16, 16) / 255, ["ant", "bee", "cow"] * 4)
    with pytest.raises(ValueError, match="with pixel_range=None pixels lie in -1e"):
        answer(scaled, images)


def test_results_that_are_not_finite_are_an_error():
    def overflowing(rows):
        return np.where(rows > 1e20, np.inf, rows)

    with pytest.raises(ValueError, match=r"not finite: X holds numbers.*1e\+30"):
        run_padded(overflowing, np.full((1, 4), 1e30, np.float32), 2)
