from __future__ import annotations

import sys

import numpy as np
import pytest

from sktransfer.datasets import _photo_patches, load_photo_patches


@pytest.fixture
def coordinate_photographs(monkeypatch):
    """Photographs whose pixels tell where they are: (row, column // 256, column % 256)."""

    def photograph(height, width):
        rows, columns = np.mgrid[:height, :width]
        return np.stack([rows, columns // 256, columns % 256], axis=2).astype(np.uint8)

    photographs = {
        "narrow": photograph(60, 101),
        "square": photograph(200, 200),
        "wide": photograph(64, 977),
    }
    monkeypatch.setattr(_photo_patches, "_photographs", lambda: photographs)
    return photographs


def columns_in(patches):
    return set((256 * patches[..., 1].astype(int) + patches[..., 2]).ravel())


def corners_of(patches):
    return {tuple(corner) for corner in patches[:, 0, 0]}


def test_shapes_dtypes_and_labels(photo_patches):
    n_classes = len(photo_patches.target_names)
    assert n_classes >= 10
    assert photo_patches.X_train.shape == (10 * n_classes, 48, 48, 3)
    assert photo_patches.X_test.shape == (6 * n_classes, 48, 48, 3)
    assert photo_patches.X_train.dtype == photo_patches.X_test.dtype == np.uint8
    assert photo_patches.target_names == sorted(photo_patches.target_names)
    for y, per_class in ((photo_patches.y_train, 10), (photo_patches.y_test, 6)):
        assert y.dtype.kind == "U"
        names, counts = np.unique(y, return_counts=True)
        assert names.tolist() == photo_patches.target_names
        assert set(counts) == {per_class}


def test_grey_photographs_have_three_equal_channels(photo_patches):
    camera = photo_patches.X_train[photo_patches.y_train == "camera"]
    np.testing.assert_array_equal(camera[..., 0], camera[..., 2])
    rocket = photo_patches.X_train[photo_patches.y_train == "rocket"]
    assert (rocket[..., 0] != rocket[..., 2]).any()


def test_description_tells_classes_and_warns(photo_patches):
    assert "chelsea" in photo_patches.DESCR
    assert "scores flatter" in photo_patches.DESCR


def test_train_and_test_share_no_pixel(coordinate_photographs):
    patches = load_photo_patches(size=12, train_per_class=400, test_per_class=200)
    for name, photograph in coordinate_photographs.items():
        train = columns_in(patches.X_train[patches.y_train == name])
        test = columns_in(patches.X_test[patches.y_test == name])
        assert max(train) < min(test)
        assert len(train) + len(test) > 0.9 * photograph.shape[1]


def test_patches_are_contiguous_squares(coordinate_photographs):
    patches = load_photo_patches(size=9, train_per_class=5, test_per_class=5)
    rows = patches.X_train[..., 0].astype(int)
    columns = 256 * patches.X_train[..., 1].astype(int) + patches.X_train[..., 2]
    assert (np.diff(rows, axis=1) == 1).all()
    assert (np.diff(columns, axis=2) == 1).all()


def test_no_position_is_cut_twice(coordinate_photographs):
    # The test part of "narrow" is 60 x 39: 22 x 1 positions for patches of 39 x 39.
    patches = load_photo_patches(size=39, train_per_class=22, test_per_class=22)
    narrow = patches.X_test[patches.y_test == "narrow"]
    assert len(corners_of(narrow)) == 22


def test_same_seed_same_patches_other_seed_other_patches(coordinate_photographs):
    sizes = {"size": 8, "train_per_class": 5, "test_per_class": 4}
    first, again = load_photo_patches(**sizes), load_photo_patches(**sizes)
    other = load_photo_patches(**sizes, random_state=1)
    np.testing.assert_array_equal(first.X_train, again.X_train)
    np.testing.assert_array_equal(first.X_test, again.X_test)
    assert (first.X_train != other.X_train).any()


def test_test_patches_do_not_depend_on_the_number_of_training_patches(coordinate_photographs):
    few = load_photo_patches(size=8, train_per_class=2)
    many = load_photo_patches(size=8, train_per_class=50)
    np.testing.assert_array_equal(few.X_test, many.X_test)


@pytest.mark.parametrize(
    "arguments", [{"size": 61}, {"size": 40}, {"size": 39, "test_per_class": 23}]
)
def test_too_large_or_too_many_patches_name_the_photograph(coordinate_photographs, arguments):
    with pytest.raises(ValueError, match=r"size=\d+ .* 60 x 39 pixels of 'narrow' hold"):
        load_photo_patches(**arguments)


@pytest.mark.parametrize("name", ["size", "train_per_class", "test_per_class"])
def test_counts_must_be_positive_integers(name):
    with pytest.raises(ValueError, match=name):
        load_photo_patches(**{name: 0})
    with pytest.raises(TypeError, match=name):
        load_photo_patches(**{name: 2.5})


def test_missing_scikit_image_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(ImportError, match=r'pip install "sktransfer\[demo\]"'):
        load_photo_patches()
