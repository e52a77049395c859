"""The network from scratch: its layers, its images, and that augmentation stays in training."""

from __future__ import annotations

import pickle

import keras
import numpy as np
import pytest

from sktransfer import ConvNetClassifier, ImageAugmentation
from sktransfer._errors import ImageError


def small(**parameters):
    return ConvNetClassifier(
        **{
            "n_blocks": 1,
            "filters": 4,
            "hidden_layer_sizes": (8,),
            "epochs": 1,
            "batch_size": 8,
            "random_state": 0,
            **parameters,
        }
    )


@pytest.fixture(scope="module")
def noise():
    """12 images of noise in three classes, uint8 (12, 16, 16, 3)."""
    X = np.random.default_rng(0).integers(0, 256, (12, 16, 16, 3), dtype=np.uint8)
    return X, np.tile(["ant", "bee", "cat"], 4)


def layers_of(estimator, kind):
    return [layer for layer in estimator.model_.layers if isinstance(layer, kind)]


# Architecture ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n_blocks", "total"), [(2, 442_026), (1, 1_981_066)])
def test_parameters_at_32x32_with_ten_classes(not_trained, n_blocks, total):
    X = np.zeros((20, 32, 32, 3), np.uint8)
    fitted = ConvNetClassifier(n_blocks, random_state=0).fit(X, np.arange(20) % 10)
    assert fitted.parameter_counts_ == {"total": total, "trainable": total, "non_trainable": 0}


def test_a_block_is_convolution_activation_and_pooling(noise, not_trained):
    fitted = small(n_blocks=2).fit(*noise)
    assert fitted.layer_table()["type"].tolist() == [
        "InputLayer",
        "Rescaling",
        *["Conv2D", "Activation", "MaxPooling2D"] * 2,
        "Flatten",
        *["Dense", "Activation", "Dense"],
    ]
    (flatten,) = layers_of(fitted, keras.layers.Flatten)
    assert flatten.output.shape == (None, 2 * 2 * 4)


def test_blocks_follow_their_parameters(noise, not_trained):
    fitted = small(
        n_blocks=2,
        filters=[4, 6],
        kernel_size=5,
        padding="same",
        batch_normalization=True,
        conv_dropout=0.2,
        activation="elu",
        l2=0.1,
        hidden_layer_sizes=(),
    ).fit(*noise)
    block = ["Conv2D", "BatchNormalization", "Activation", "MaxPooling2D", "Dropout"]
    assert fitted.layer_table()["type"].tolist()[2:] == [*block * 2, "Flatten", "Dense"]
    convolutions = layers_of(fitted, keras.layers.Conv2D)
    assert [layer.filters for layer in convolutions] == [4, 6]
    assert [layer.output.shape[1:3] for layer in convolutions] == [(16, 16), (8, 8)]
    assert all(layer.kernel_size == (5, 5) and not layer.use_bias for layer in convolutions)
    assert all(layer.rate == 0.2 for layer in layers_of(fitted, keras.layers.Dropout))
    squares = sum(
        float((layer.kernel.numpy() ** 2).sum())
        for layer in [*convolutions, *layers_of(fitted, keras.layers.Dense)]
    )
    assert float(sum(fitted.model_.losses)) == pytest.approx(0.1 * squares, rel=1e-5)


def test_blocks_may_have_several_convolutions_before_they_pool(noise, not_trained):
    fitted = small(n_blocks=2, convs_per_block=2, filters=[4, 6], pooling="avg").fit(*noise)
    convolutions = layers_of(fitted, keras.layers.Conv2D)
    assert [layer.filters for layer in convolutions] == [4, 4, 6, 6]
    assert [layer.output.shape[1] for layer in convolutions] == [14, 12, 4, 2]
    assert layers_of(fitted, keras.layers.GlobalAveragePooling2D)[0].output.shape == (None, 6)


def test_blocks_compute_in_bfloat16_and_keep_weights_in_float32(noise):
    X, y = noise
    fitted = small(precision="bfloat16", epochs=1).fit(X, y)
    convolution = layers_of(fitted, keras.layers.Conv2D)[0]
    assert (convolution.compute_dtype, convolution.kernel.dtype) == ("bfloat16", "float32")
    np.testing.assert_allclose(fitted.predict_proba(X).sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_blocks": 2, "convs_per_block": 4}, "too small for n_blocks=2: block 2 is left with"),
        ({"n_blocks": 2, "filters": [4]}, "one for each of n_blocks=2"),
        ({"filters": [0]}, "filters must hold positive integers"),
        ({"n_blocks": 4}, "too small for n_blocks=4: block 3 is left with 2 pixels"),
        ({"n_blocks": 5, "padding": "same"}, "block 5 is left with 1 pixels"),
        ({"input_size": (0, 4)}, "input_size must be a positive integer"),
    ],
)
def test_a_network_that_cannot_be_is_refused(noise, not_trained, parameters, message):
    with pytest.raises(ValueError, match=message):
        small(**parameters).fit(*noise)
    assert not not_trained


# Images ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fitted(noise):
    return small(epochs=2).fit(*noise)


def test_colours_are_learned(small_images, small_labels):
    net = small(epochs=12, learning_rate=0.01).fit(small_images, small_labels)
    assert net.score(small_images, small_labels) > 0.9


def test_the_network_takes_pixels_as_they_come(fitted, noise):
    X, _ = noise
    np.testing.assert_allclose(fitted.model_(X), fitted.predict_proba(X), rtol=1e-5, atol=1e-6)


def test_a_declared_range_changes_nothing(fitted, noise):
    X, y = noise
    of_floats = small(epochs=2, pixel_range=(0, 1)).fit(X / np.float32(255), y)
    np.testing.assert_allclose(
        of_floats.predict_proba(X / np.float32(255)), fitted.predict_proba(X), rtol=1e-3
    )


def test_scaled_pixels_are_used_as_they_are(noise, not_trained):
    X, y = noise
    net = small(pixel_range=None).fit(X - 100.0, y)
    assert "Rescaling" not in net.layer_table()["type"].tolist()


def test_images_are_resized_within_the_network(noise, not_trained):
    X, y = noise
    net = small(input_size=(8, 10), interpolation="nearest").fit(X, y)
    assert net.input_size_ == (8, 10)
    assert layers_of(net, keras.layers.Conv2D)[0].input.shape[1:3] == (8, 10)
    np.testing.assert_allclose(net.model_(X), net.predict_proba(X), rtol=1e-5, atol=1e-6)


def test_images_of_mixed_sizes_need_a_size(noise, not_trained):
    X, y = noise
    mixed = [*X[:6], *X[6:, :12]]
    with pytest.raises(ValueError, match="mixed sizes"):
        small().fit(mixed, y)
    net = small(input_size=16).fit(mixed, y)
    np.testing.assert_allclose(net.predict_proba(mixed)[:6], net.predict_proba(X)[:6], rtol=1e-5)


def test_one_image_is_predicted_as_it_is_among_others(fitted, noise):
    X, _ = noise
    assert fitted.predict_proba(X[:1]).shape == (1, 3)
    np.testing.assert_array_equal(fitted.predict_proba(X[5:6]), fitted.predict_proba(X)[5:6])


def test_a_damaged_image_is_named_in_training(images_one_damaged):
    with pytest.raises(ImageError, match=r"X\[7\]"):
        small().fit(*images_one_damaged)


def test_a_damaged_image_of_weight_zero_is_not_looked_at(images_one_damaged):
    files, y = images_one_damaged
    weights = np.ones(20)
    weights[7] = 0
    assert small().fit(files, y, sample_weight=weights).n_iter_ == 1


def test_parameters_set_behind_a_fit_wait_for_the_next(noise):
    X, y = noise
    net = small().fit(X, y)
    expected = net.predict_proba(X)
    net.set_params(n_blocks=3, filters=[1, 2, 3], input_size=9, augmentation=ImageAugmentation())
    np.testing.assert_array_equal(net.predict_proba(X), expected)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(net)).predict_proba(X), expected)


# Augmentation ------------------------------------------------------------------------------------


def values(batches):
    """The grey level of each flat image."""
    return np.concatenate([batch[:, 0, 0, 0] for batch in batches])


def test_augmentation_sees_each_training_image_once_an_epoch(numbered_images, marking):
    X, y = numbered_images
    small(augmentation=marking, epochs=2).fit(X, y)
    seen = values(marking.seen)
    # One row more tells the shape of a batch, and batches are made ahead of the training.
    assert set(seen) == set(range(0, 200, 10))
    assert sorted(seen[1:41]) == sorted([*range(0, 200, 10)] * 2)


@pytest.mark.parametrize("given", [False, True], ids=["set aside", "given"])
def test_augmentation_never_sees_validation_data(numbered_images, marking, not_trained, given):
    X, y = numbered_images
    validation = {"X_val": X[:4] + 5, "y_val": y[:4]} if given else {}
    small(augmentation=marking, validation_split=0.25).fit(X, y, **validation)
    (call,) = not_trained
    for examples in (call.training, call.validation):
        list(examples.batches(np.arange(len(examples)), 4, epoch=0))
    evaluated = values([call.validation.rows.take(np.arange(len(call.validation)))])
    assert not set(evaluated) & set(values(marking.seen))
    if given:
        np.testing.assert_array_equal(call.validation.rows.take(np.arange(4)), X[:4] + 5)
    else:
        assert len(evaluated) == 5
        assert set(evaluated) <= set(X[:, 0, 0, 0]), "not one grey level brighter"
    trained = values([call.training.rows.take(np.arange(len(call.training)))])
    assert set(trained) == {value + 1 for value in values(marking.seen)}


def test_augmentation_never_sees_what_is_predicted(numbered_images, marking):
    X, y = numbered_images
    net = small(augmentation=marking).fit(X, y)
    marking.seen.clear()
    net.predict(X)
    net.predict_proba(X)
    net.score(X, y)
    assert marking.seen == []


def test_images_are_never_changed(noise):
    X, y = noise
    as_floats = X.astype(np.float32)
    augmentation = ImageAugmentation(rotation=20, brightness=0.3, horizontal_flip=True)
    small(augmentation=augmentation, pixel_range=(0, 255)).fit(as_floats, y).predict(as_floats)
    np.testing.assert_array_equal(as_floats, X)


def test_changes_of_light_need_to_know_the_range(noise, not_trained):
    X, y = noise
    net = small(augmentation=ImageAugmentation(brightness=0.2), pixel_range=None)
    with pytest.raises(ValueError, match="light or colour"):
        net.fit(X / 7.0, y)
