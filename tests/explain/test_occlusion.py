"""Occlusion against a naive loop, in every form of images, and on blobs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline

from sktransfer import BackboneFeatures, KNNProbe
from sktransfer.explain import _occlusion, occlusion
from sktransfer.images import as_images


class Brightness(RegressorMixin, BaseEstimator):
    """Predicts the sums over two halves of images, and remembers what it was given."""

    def __init__(self, image_shape=None, pixel_range="auto"):
        self.image_shape = image_shape
        self.pixel_range = pixel_range

    def fit(self, X, y=None):
        self.seen_ = []
        self.input_size_ = (6, 6)
        return self

    def predict(self, X):
        self.seen_.append(X)
        images = as_images(X, image_shape=self.image_shape, pixel_range=self.pixel_range)
        images = images.take(slice(None)).astype(float)
        return np.array([[image[:3].sum(), image[3:].sum()] for image in images])


def naive(image, function, patch, stride, colour):
    """The weighted mean of what patches take from a function, pixel by pixel."""
    height, width = image.shape[:2]

    def starts(side):
        return sorted({*range(0, side - patch, stride), side - patch})

    drops = {}
    for top in starts(height):
        for left in starts(width):
            covered = image.astype(float)
            covered[top : top + patch, left : left + patch] = colour
            drops[top, left] = function(image.astype(float)) - function(covered)
    result = np.zeros((height, width))
    for row in range(height):
        for column in range(width):
            weights = {
                (top, left): min(row - top + 1, top + patch - row)
                * min(column - left + 1, left + patch - column)
                for top, left in drops
                if 0 <= row - top < patch and 0 <= column - left < patch
            }
            result[row, column] = sum(
                weight * drops[place] for place, weight in weights.items()
            ) / sum(weights.values())
    return result


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (3, 6, 6, 3), dtype=np.uint8)


@pytest.mark.parametrize(("patch", "stride"), [(2, 1), (3, None), (0.5, 2), (1, 1), (6, 1)])
def test_it_is_the_naive_mean_over_patches(patch, stride, images):
    rng = np.random.default_rng(1)
    model = LinearRegression().fit(images.reshape(3, -1), rng.normal(size=3))
    maps = occlusion(
        model,
        images.reshape(3, -1),
        patch=patch,
        stride=stride,
        fill=(10, 20, 30),
        image_shape=(6, 6, 3),
    )
    side = 3 if patch == 0.5 else patch

    def predict(image):
        return model.predict(image.reshape(1, -1))[0]

    expected = [
        naive(image, predict, side, stride or -(-side // 2), (10, 20, 30)) for image in images
    ]
    np.testing.assert_allclose(maps, expected, rtol=1e-5, atol=1e-6)


def test_a_patch_takes_what_lies_under_it(images):
    maps = occlusion(Brightness().fit(images), images, target=0, patch=2, stride=2, fill=0)
    sums = images.reshape(3, 3, 2, 3, 2, 3).sum(axis=(2, 4, 5))
    expected = sums.repeat(2, axis=1).repeat(2, axis=2)
    np.testing.assert_array_equal(maps[:, :2], expected[:, :2])
    np.testing.assert_array_equal(maps[:, 4:], 0)


def test_the_patch_shows_the_mean_colour_by_default(images):
    model = Brightness().fit(images)
    occlusion(model, images, target=0, patch=2, stride=2)
    first = model.seen_[1]
    np.testing.assert_array_equal(
        first[0, :2, :2], np.broadcast_to(np.rint(images[0].mean(axis=(0, 1))), (2, 2, 3))
    )
    np.testing.assert_array_equal(first[0, 2:], images[0, 2:])


def test_rows_of_a_frame_stay_rows_of_a_frame(images):
    grey = images[..., 0] / 255
    frame = pd.DataFrame(grey.reshape(3, 36), columns=[f"pixel {number}" for number in range(36)])
    model = Brightness(image_shape=(6, 6, 1), pixel_range=(0, 1)).fit(frame)
    maps = occlusion(model, frame, target=0, patch=2)
    assert all(given.columns.equals(frame.columns) for given in model.seen_)
    assert max(given.to_numpy().max() for given in model.seen_) <= 1
    model = Brightness(pixel_range=(0, 1)).fit(grey)
    np.testing.assert_allclose(occlusion(model, grey, target=0, patch=2), maps, atol=1e-6)
    assert {given.shape[1:] for given in model.seen_} == {(6, 6)}


@pytest.mark.parametrize("form", [list, pd.Series, lambda paths: pd.DataFrame({"file": paths})])
def test_files_are_covered_as_arrays(form, images, tmp_path):
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    model = Brightness().fit(images)
    expected = occlusion(model, images, target=0, patch=2)
    np.testing.assert_array_equal(occlusion(model, form(paths), target=0, patch=2), expected)
    if isinstance(form(paths), pd.DataFrame):
        assert list(model.seen_[-1].columns) == ["file"]


def test_bounded_batches_change_nothing(images, monkeypatch):
    model = Brightness().fit(images)
    maps = occlusion(model, images, target=1, patch=2)
    at_once = max(map(len, model.seen_))
    model.seen_.clear()
    monkeypatch.setattr(_occlusion, "BATCH_BYTES", 4 * images[0].nbytes)
    np.testing.assert_array_equal(occlusion(model, images, target=1, patch=2), maps)
    assert at_once == 25
    assert max(map(len, model.seen_)) == 4


def test_the_images_stay_as_they_are(images):
    before = images.copy()
    occlusion(Brightness().fit(images), images, target=0)
    np.testing.assert_array_equal(images, before)


def test_it_finds_the_blob_that_tells_the_class(blob_net, blobs):
    X, y, masks = (part[72:84] for part in blobs)
    maps = occlusion(blob_net, X, target=y, patch=6, stride=3)
    assert maps.dtype == np.float32
    positive = np.maximum(maps, 0)
    share = (positive * masks).sum(axis=(1, 2)) / positive.sum(axis=(1, 2))
    assert np.median(share) > 0.5, "a blob covers a sixteenth of its image"
    hottest = maps.reshape(len(maps), -1).argmax(axis=1)
    assert masks.reshape(len(masks), -1)[np.arange(len(masks)), hottest].mean() > 0.8


def test_the_default_target_is_the_most_probable_class(blob_net, blobs):
    X = blobs[0][:3]
    expected = occlusion(blob_net, X, target=blob_net.predict(X), patch=8)
    np.testing.assert_array_equal(occlusion(blob_net, X, patch=8), expected)


def test_neighbours_are_explained_and_sizes_may_be_mixed(small_images, small_labels):
    backbone = BackboneFeatures("residual", weights=None, input_size=12, random_state=0)
    estimator = make_pipeline(backbone, KNNProbe(3)).fit(small_images, small_labels)
    mixed = [small_images[0], small_images[1][:10], small_images[2][:, :14]]
    maps = occlusion(estimator, mixed, patch=0.25)
    assert maps.shape == (3, 12, 12)
    assert np.abs(maps).max() <= 1


def test_mixed_sizes_need_an_estimator_that_resizes(small_images, small_labels):
    class Pale(ClassifierMixin, BaseEstimator):
        def fit(self, X, y):
            self.classes_ = np.unique(y)
            return self

        def predict_proba(self, X):
            return np.full((len(X), 3), 1 / 3)

    estimator = Pale().fit(small_images, small_labels)
    with pytest.raises(ValueError, match="mixed sizes"):
        occlusion(estimator, [small_images[0], small_images[1][:10]])
    assert occlusion(estimator, list(small_images)).shape == (24, 16, 16)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"target": "blue"}, "is none of"),
        ({"patch": 0}, "patch must be"),
        ({"patch": 1.5}, "patch must be"),
        ({"patch": True}, "patch must be"),
        ({"patch": 25}, "patch=25 does not fit"),
        ({"stride": 0}, "stride must be"),
        ({"stride": 1.5}, "stride must be"),
        ({"fill": "black"}, 'fill must be "mean"'),
        ({"fill": (1, 2)}, "one for each of 3 channels"),
        ({"fill": np.nan}, "finite"),
        ({"fill": 300}, "out of the range of uint8"),
    ],
)
def test_impossible_wishes_are_refused(blob_net, blobs, parameters, message):
    with pytest.raises(ValueError, match=message):
        occlusion(blob_net, blobs[0][:2], **parameters)


def test_classifiers_have_to_tell_probabilities_in_columns(images):
    rows = images.reshape(3, -1)
    with pytest.raises(TypeError, match="predict_proba"):
        occlusion(RidgeClassifier().fit(rows, [0, 1, 1]), rows, image_shape=(6, 6, 3))
    several = MultiOutputClassifier(LogisticRegression())
    several.fit(rows, [[0, 1], [1, 0], [1, 1]])
    with pytest.raises(ValueError, match="one column of probabilities a class"):
        occlusion(several, rows, image_shape=(6, 6, 3))


def test_nothing_is_explained_before_fit(images):
    with pytest.raises(NotFittedError):
        occlusion(LogisticRegression(), images)
