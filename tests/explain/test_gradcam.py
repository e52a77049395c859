"""Grad-CAM against naive computations, against the map that a closed form gives, and on blobs."""

from __future__ import annotations

import io

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from sklearn.base import is_classifier
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler

from sktransfer import (
    BackboneFeatures,
    DenseHead,
    DenseHeadRegressor,
    FineTuneClassifier,
    FineTuneRegressor,
    KNNProbe,
    LDAProbe,
    LinearProbe,
    RidgeProbe,
)
from sktransfer.explain import grad_cam
from sktransfer.explain._differentiable import as_scored_network
from sktransfer.images._resize import resize

QUICK = {"epochs": 2, "random_state": 0}


def features(**parameters):
    return BackboneFeatures("residual", weights=None, random_state=0, **parameters)


def fine_tuner(**parameters):
    return FineTuneClassifier("residual", weights=None, **{**QUICK, **parameters})


def to_size_and_one(small, size):
    maps = resize(np.maximum(small, 0)[..., None].astype(np.float32), size)[..., 0]
    largest = maps.max(axis=(1, 2), keepdims=True)
    assert (largest > 0).mean() > 0.3, "most maps are empty, and compare nothing"
    return maps / np.where(largest > 0, largest, 1)


def naive_weighted_sum(network, layer, pixels, position):
    """Grad-CAM, image by image and channel by channel, of a network that is one flat graph."""
    predictions = network.get_layer("predictions")
    probe = keras.Model(network.input, [network.get_layer(layer).output, predictions.input])
    sums = []
    for image in pixels.astype(np.float32):
        with tf.GradientTape() as tape:
            source = tf.Variable(image[None])
            maps, rows = probe(source, training=False)
            score = (rows @ predictions.kernel + predictions.bias)[0, position]
        gradient = tape.gradient(score, maps)[0].numpy()
        maps = maps[0].numpy()
        total = np.zeros(maps.shape[:2])
        for channel in range(maps.shape[2]):
            total += gradient[..., channel].mean() * maps[..., channel]
        sums.append(total)
    return np.stack(sums)


def from_stem(estimator, stem):
    """The scores that the maps of the first layer of "residual" lead to, step by step."""
    backbone = estimator.model_.get_layer("backbone")
    branch = backbone.get_layer("residual_norm")(backbone.get_layer("residual_branch")(stem))
    joined = tf.nn.relu(stem + branch)
    last = joined if estimator.layers else tf.nn.max_pool2d(joined, 2, 2, "VALID")
    rows = tf.reduce_mean(last, (1, 2))
    if estimator.layers:
        rows = tf.concat([tf.reduce_mean(stem, (1, 2)), rows], axis=1)
    head = estimator.model_.get_layer("head").get_layer("predictions")
    return rows @ head.kernel + head.bias


def test_it_is_the_naive_sum_of_weighted_channels(blob_net, blobs):
    X = blobs[0][72:80]
    convolutions = [
        layer.name
        for layer in blob_net.model_.layers
        if isinstance(layer, keras.layers.Activation) and len(layer.output.shape) == 4
    ]
    for layer in (None, convolutions[0]):
        maps = grad_cam(blob_net, X, target="red", layer=layer)
        naive = naive_weighted_sum(blob_net.model_, layer or convolutions[-1], X, position=1)
        np.testing.assert_allclose(maps, to_size_and_one(naive, (24, 24)), atol=1e-5)


def test_behind_average_pooling_it_is_the_map_weighted_by_the_head(small_images, small_labels):
    # Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016: CAM
    estimator = fine_tuner(layers="residual_relu").fit(small_images, small_labels)
    backbone = estimator.model_.get_layer("backbone")
    maps = backbone(small_images.astype(np.float32) / 127.5 - 1, training=False).numpy()
    kernel = estimator.model_.get_layer("head").get_layer("predictions").kernel.numpy()
    expected = to_size_and_one(maps @ kernel[:, 2], (16, 16))
    np.testing.assert_allclose(grad_cam(estimator, small_images, target="sky"), expected, atol=1e-5)


@pytest.mark.parametrize("layers", [None, ("residual_stem", "residual_relu")])
def test_a_layer_below_a_shortcut_is_looked_through_on_both_ways(
    small_images, small_labels, layers
):
    estimator = fine_tuner(layers=layers).fit(small_images, small_labels)
    stem = estimator.model_.get_layer("backbone").get_layer("residual_stem")
    stem_map = stem(tf.constant(small_images.astype(np.float32) / 127.5 - 1))
    expected, maps = [], []
    for position, target in enumerate(estimator.classes_):
        with tf.GradientTape() as tape:
            tape.watch(stem_map)
            score = from_stem(estimator, stem_map)[:, position]
        weights = tape.gradient(score, stem_map).numpy().mean(axis=(1, 2), keepdims=True)
        expected.append((weights * stem_map.numpy()).sum(axis=-1))
        maps.append(grad_cam(estimator, small_images, target=target, layer="residual_stem"))
    expected = to_size_and_one(np.concatenate(expected), (16, 16))
    np.testing.assert_allclose(np.concatenate(maps), expected, atol=1e-5)


def test_of_several_layers_the_deepest_is_the_default(small_images, small_labels):
    estimator = fine_tuner(layers=("residual_stem", "residual_relu"))
    estimator.fit(small_images, small_labels)
    deepest = grad_cam(estimator, small_images, layer="residual_relu")
    np.testing.assert_array_equal(grad_cam(estimator, small_images), deepest)


def test_the_last_map_is_taken_before_it_is_pooled(small_images, small_labels):
    estimator = fine_tuner().fit(small_images, small_labels)
    before = grad_cam(estimator, small_images, layer="residual_relu")
    np.testing.assert_array_equal(grad_cam(estimator, small_images), before)
    after = grad_cam(estimator, small_images, layer="residual_pool")
    assert np.abs(after - before).max() > 0.1


def test_it_finds_the_blob_that_tells_the_class(blob_net, blobs):
    X, y, masks = (part[72:] for part in blobs)
    assert blob_net.score(X, y) > 0.9
    maps = grad_cam(blob_net, X, target=y)
    assert maps.shape == (24, 24, 24)
    assert maps.dtype == np.float32
    share = (maps * masks).sum(axis=(1, 2)) / maps.sum(axis=(1, 2))
    assert np.median(share) > 0.35, "a blob covers a sixteenth of its image"
    hottest = maps.reshape(len(maps), -1).argmax(axis=1)
    assert masks.reshape(len(masks), -1)[np.arange(len(masks)), hottest].mean() > 0.9


def test_maps_reach_from_zero_to_one(blob_net, blobs):
    maps = grad_cam(blob_net, blobs[0][:10])
    assert maps.min() >= 0
    np.testing.assert_array_equal(maps.max(axis=(1, 2)), 1)


def test_where_nothing_speaks_for_a_class_the_map_is_zero(small_images, small_labels):
    estimator = fine_tuner(layers="residual_relu").fit(small_images, small_labels)
    head = estimator.model_.get_layer("head")
    head.set_weights([np.full((4, 3), -1.0), np.zeros(3)])
    np.testing.assert_array_equal(grad_cam(estimator, small_images), 0)


def test_the_default_target_is_the_predicted_class(blob_net, blobs):
    X = blobs[0][:12]
    by_default = grad_cam(blob_net, X)
    np.testing.assert_array_equal(by_default, grad_cam(blob_net, X, target=blob_net.predict(X)))
    assert np.abs(by_default - grad_cam(blob_net, X, target="green")).max() > 0.1


def test_neither_the_batch_nor_the_other_images_matter(blob_net, blobs):
    X = blobs[0][:9]
    maps = grad_cam(blob_net, X)
    np.testing.assert_allclose(grad_cam(blob_net, X, batch_size=2), maps, atol=1e-5)
    np.testing.assert_allclose(grad_cam(blob_net, X[4:5]), maps[4:5], atol=1e-5)


def test_files_and_arrays_and_floats_have_the_same_maps(small_images, small_labels, tmp_path):
    estimator = make_pipeline(features(), LinearProbe()).fit(small_images, small_labels)
    maps = grad_cam(estimator, small_images)
    paths = [tmp_path / f"{number}.png" for number in range(len(small_images))]
    for path, image in zip(paths, small_images, strict=True):
        Image.fromarray(image).save(path)
    np.testing.assert_array_equal(grad_cam(estimator, paths), maps)
    estimator[0].set_params(pixel_range=(0, 1))
    np.testing.assert_allclose(grad_cam(estimator, small_images / 255), maps, atol=1e-5)


def test_rows_of_grey_pixels_are_images_too():
    rows = np.random.default_rng(0).integers(0, 256, (12, 100))
    backbone = features(image_shape=(10, 10, 1), input_size=16)
    estimator = make_pipeline(backbone, LinearProbe()).fit(rows, ["a", "b"] * 6)
    assert grad_cam(estimator, rows).shape == (12, 10, 10)


def test_maps_of_mixed_sizes_have_the_size_of_the_input(small_images, small_labels):
    estimator = make_pipeline(features(input_size=12), LinearProbe())
    estimator.fit(small_images, small_labels)
    mixed = [small_images[0], small_images[1][:10], small_images[2][:, :14]]
    assert grad_cam(estimator, mixed).shape == (3, 12, 12)
    assert grad_cam(estimator, small_images[:3, :14]).shape == (3, 14, 16)


def test_a_pipeline_and_a_fine_tuned_network_of_one_head_agree(small_images, small_labels):
    pipeline = make_pipeline(features(), DenseHead((5,), **QUICK)).fit(small_images, small_labels)
    tuned = fine_tuner(hidden_layer_sizes=(5,)).fit(small_images, small_labels)
    tuned.model_.get_layer("head").set_weights(pipeline[-1].model_.get_weights())
    expected = grad_cam(pipeline, small_images)
    np.testing.assert_allclose(grad_cam(tuned, small_images), expected, atol=1e-4)
    assert expected.std() > 0.1


def scores_by(estimator, X):
    """The scores that grad_cam differentiates, of all images."""
    network = as_scored_network(estimator, X)
    pixels = tf.cast(network.images.take(slice(None)), tf.float32)
    trunk = network.trunk(network.prepare(pixels), training=False)
    return network.head(keras.tree.flatten(trunk)).numpy()


@pytest.mark.parametrize(
    "steps",
    [
        [DenseHead((6,), batch_normalization=True, **QUICK)],
        [StandardScaler(), DenseHead((6,), **QUICK)],
        [LinearProbe()],
        [StandardScaler(), PCA(3, whiten=True), LinearProbe(C=1.0)],
        ["passthrough", LDAProbe()],
        [SelectKBest(k=3), RidgeProbe()],
        [make_pipeline(StandardScaler(), LogisticRegression())],
    ],
)
@pytest.mark.parametrize("pooling", ["avg+max", "flatten"])
def test_scores_are_those_of_the_pipeline(steps, pooling, small_images, small_labels):
    estimator = make_pipeline(features(pooling=pooling), *steps).fit(small_images, small_labels)
    scores = scores_by(estimator, small_images)
    if hasattr(estimator, "decision_function"):
        expected = estimator.decision_function(small_images)
        np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-4)
    else:
        probabilities = tf.nn.softmax(scores).numpy()
        np.testing.assert_allclose(probabilities, estimator.predict_proba(small_images), atol=1e-4)
    predicted = estimator.classes_[scores.argmax(axis=1)]
    np.testing.assert_array_equal(predicted, estimator.predict(small_images))


def test_scores_of_two_classes_are_opposite(small_images, small_labels):
    keep = small_labels != "sky"
    estimator = make_pipeline(features(), LinearProbe()).fit(small_images[keep], small_labels[keep])
    expected = estimator.decision_function(small_images)
    np.testing.assert_allclose(
        scores_by(estimator, small_images), np.stack([-expected, expected], axis=1), atol=1e-4
    )


def test_scores_are_those_of_a_search_over_frames(small_images, small_labels):
    pipeline = make_pipeline(features(), StandardScaler(), LinearProbe())
    pipeline.set_output(transform="pandas")
    search = GridSearchCV(pipeline, {"linearprobe__C": [0.1, 1.0]}, cv=2)
    search.fit(small_images, small_labels)
    expected = search.decision_function(small_images)
    np.testing.assert_allclose(scores_by(search, small_images), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("last", [Ridge(), DenseHeadRegressor((4,), **QUICK)])
def test_regressors_are_explained_by_their_outputs(last, small_images):
    one, two = np.linspace(0, 1, 24), np.linspace(0, 1, 48).reshape(24, 2)
    estimator = make_pipeline(features(), last).fit(small_images, one)
    assert not is_classifier(estimator)
    scores = scores_by(estimator, small_images)
    np.testing.assert_allclose(scores[:, 0], estimator.predict(small_images), atol=1e-4)
    np.testing.assert_array_equal(
        grad_cam(estimator, small_images), grad_cam(estimator, small_images, target=0)
    )
    estimator.fit(small_images, two)
    with pytest.raises(ValueError, match="number of an output, 0 to 1"):
        grad_cam(estimator, small_images)
    assert grad_cam(estimator, small_images, target=1).shape == (24, 16, 16)


def test_a_fine_tuned_regressor_is_explained(small_images):
    tuned = FineTuneRegressor("residual", weights=None, **QUICK)
    tuned.fit(small_images, np.linspace(0, 1, 24))
    np.testing.assert_allclose(
        scores_by(tuned, small_images)[:, 0], tuned.predict(small_images), atol=1e-4
    )


def test_half_precision_gives_nearly_the_same_maps(small_images, small_labels):
    estimator = make_pipeline(features(), LinearProbe()).fit(small_images, small_labels)
    halved = make_pipeline(features(precision="bfloat16"), estimator[-1])
    halved[0].fit(small_images)
    maps = grad_cam(halved, small_images, target="sky")
    expected = grad_cam(estimator, small_images, target="sky")
    assert np.abs(maps - expected).mean() < 0.05


def test_labels_have_maps_of_their_own(small_images):
    labels = np.random.default_rng(0).integers(0, 2, (24, 3))
    tuned = fine_tuner().fit(small_images, labels)
    assert grad_cam(tuned, small_images, target=2).shape == (24, 16, 16)


def test_bytes_that_are_one_image_a_file(blob_net, blobs):
    stream = io.BytesIO()
    Image.fromarray(blobs[0][0]).save(stream, "PNG")
    expected = grad_cam(blob_net, blobs[0][:1])
    np.testing.assert_array_equal(grad_cam(blob_net, [stream.getvalue()]), expected)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"target": "blue"}, r"target holds \['blue'\], which is none of \['green'"),
        ({"target": ["red", "green"]}, "one for each of 4 images"),
        ({"layer": "residual"}, "Unknown layer 'residual'"),
        ({"batch_size": 0}, "batch_size"),
    ],
)
def test_impossible_wishes_are_refused(blob_net, blobs, parameters, message):
    with pytest.raises(ValueError, match=message):
        grad_cam(blob_net, blobs[0][:4], **parameters)


def test_a_layer_has_to_make_a_feature_map(blob_net, blobs):
    (pooling,) = (
        layer.name
        for layer in blob_net.model_.layers
        if isinstance(layer, keras.layers.GlobalAveragePooling2D)
    )
    with pytest.raises(ValueError, match=f"layer='{pooling}' makes no feature map"):
        grad_cam(blob_net, blobs[0][:4], layer=pooling)


@pytest.mark.parametrize("steps", [[KNNProbe(3)], [Normalizer(), LinearProbe()]])
def test_what_has_no_gradient_is_for_occlusion(steps, small_images, small_labels):
    estimator = make_pipeline(features(), *steps).fit(small_images, small_labels)
    with pytest.raises(TypeError, match="occlusion takes whatever predicts"):
        grad_cam(estimator, small_images)


def test_other_estimators_are_for_occlusion(small_images, small_labels):
    model = LogisticRegression().fit(small_images.reshape(24, -1), small_labels)
    with pytest.raises(TypeError, match="got LogisticRegression"):
        grad_cam(model, small_images)


@pytest.mark.parametrize("estimator", [fine_tuner(), make_pipeline(features(), LinearProbe())])
def test_nothing_is_explained_before_fit(estimator, small_images):
    with pytest.raises(NotFittedError):
        grad_cam(estimator, small_images)
