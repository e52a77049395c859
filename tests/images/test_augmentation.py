"""Augmentation: Keras' ImageDataGenerator is the measure; seed and id are all that counts."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, clone
from sklearn.datasets import load_sample_image
from sklearn.pipeline import Pipeline

from sktransfer.images._augmentation import _DRAWS, PRESETS, ImageAugmentation
from sktransfer.images._draws import uniforms
from sktransfer.images._warp import FILL_MODES, affine_warp

EVERYTHING = {
    "rotation": 60,
    "width_shift": 0.4,
    "height_shift": 0.3,
    "shear": 30,
    "zoom": 0.4,
    "horizontal_flip": True,
    "vertical_flip": True,
}
COLOURS = {"brightness": 0.5, "contrast": 0.5, "saturation": 0.5, "hue": 0.3}
CROP_AND_ERASE = {"crop_scale": 0.3, "erasing": 0.6}


def photographs(n, height, width, seed=0):
    """Crops of a photograph at a fourth of its size, uint8 (n, height, width, 3)."""
    photograph = load_sample_image("china.jpg")[::4, ::4]
    rng = np.random.default_rng(seed)
    tops = rng.integers(photograph.shape[0] - height + 1, size=n)
    lefts = rng.integers(photograph.shape[1] - width + 1, size=n)
    return np.stack(
        [photograph[t : t + height, k : k + width] for t, k in zip(tops, lefts, strict=True)]
    )


def draws_as_keras_takes_them(augmentation, seed, ids, size):
    """The drawn parameters of each image, as Keras' ``apply_transform`` takes them."""
    height, width = size
    a = augmentation
    columns = uniforms(seed, ids.astype(np.uint64), len(_DRAWS)).T
    return [
        {
            "theta": a.rotation * (2 * u["rotation"] - 1),
            "tx": a.width_shift * width * (2 * u["width_shift"] - 1),
            "ty": a.height_shift * height * (2 * u["height_shift"] - 1),
            "shear": a.shear * (2 * u["shear"] - 1),
            "zx": 1 + a.zoom * (2 * u["zoom_x"] - 1),
            "zy": 1 + a.zoom * (2 * u["zoom_y"] - 1),
            "flip_horizontal": a.horizontal_flip and u["horizontal_flip"] < 0.5,
            "flip_vertical": a.vertical_flip and u["vertical_flip"] < 0.5,
        }
        for u in (dict(zip(_DRAWS, column, strict=True)) for column in columns)
    ]


@pytest.fixture
def keras_centre_of_height_and_width(monkeypatch):
    """Hand Keras' centre its (width, height) in the order in which its matrix uses them."""
    from keras.src.legacy.preprocessing import image

    original = image.transform_matrix_offset_center
    monkeypatch.setattr(
        image, "transform_matrix_offset_center", lambda matrix, h, w: original(matrix, w, h)
    )


def with_keras(images, transforms, fill_mode, fill_value):
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    generator = ImageDataGenerator(
        fill_mode=fill_mode, cval=fill_value, data_format="channels_last", dtype="float32"
    )
    floats = images.astype(np.float32)
    return np.stack(
        [generator.apply_transform(x, t) for x, t in zip(floats, transforms, strict=True)]
    )


ignore_keras_way_into_scipy = pytest.mark.filterwarnings(
    "ignore:Please import `affine_transform`:DeprecationWarning"
)


def assert_equals_keras(size, fill_mode):
    images, ids = photographs(200, *size), np.arange(200)
    augmentation = ImageAugmentation(**EVERYTHING, fill_mode=fill_mode, fill_value=77.0)
    transforms = draws_as_keras_takes_them(augmentation, 5, ids, size)
    np.testing.assert_allclose(
        augmentation.augment(images, seed=5, ids=ids),
        with_keras(images, transforms, fill_mode, 77.0),
        rtol=0,
        atol=0.01,
    )


@ignore_keras_way_into_scipy
@pytest.mark.parametrize("fill_mode", FILL_MODES)
def test_square_images_are_warped_and_flipped_as_by_keras(fill_mode):
    assert_equals_keras((24, 24), fill_mode)


@ignore_keras_way_into_scipy
@pytest.mark.parametrize("size", [(17, 23), (30, 11)])
@pytest.mark.parametrize("fill_mode", FILL_MODES)
@pytest.mark.usefixtures("keras_centre_of_height_and_width")
def test_other_images_are_warped_as_by_keras_with_its_centre_put_right(fill_mode, size):
    assert_equals_keras(size, fill_mode)


@pytest.mark.parametrize("fill_mode", FILL_MODES)
@settings(max_examples=60, deadline=None)
@given(
    entries=st.lists(st.floats(-3, 3), min_size=4, max_size=4),
    offset=st.lists(st.floats(-60, 60), min_size=2, max_size=2),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
)
def test_any_affine_map_gives_what_scipy_gives(fill_mode, entries, offset, height, width):
    from scipy.ndimage import affine_transform

    image = np.random.default_rng(0).uniform(0, 255, (height, width, 1)).astype(np.float32)
    matrix = np.column_stack([np.reshape(entries, (2, 2)), offset])
    warped = affine_warp(image[None], matrix[None], fill_mode=fill_mode, fill_value=9.0)
    expected = affine_transform(
        image[..., 0],
        matrix[::-1, [1, 0]],
        matrix[::-1, 2],
        order=1,
        mode=fill_mode,
        cval=9.0,
    )
    np.testing.assert_allclose(warped[0, ..., 0], expected, rtol=0, atol=0.01)


@pytest.mark.parametrize("axis, name", [(2, "horizontal_flip"), (1, "vertical_flip")])
@pytest.mark.parametrize("fill_mode", FILL_MODES)
def test_flips_mirror_half_of_the_images_exactly(axis, name, fill_mode):
    images = photographs(400, 7, 10)
    flipped = ImageAugmentation(**{name: True}, fill_mode=fill_mode).augment(
        images, seed=1, ids=np.arange(400)
    )
    mirrored = (flipped == np.flip(images, axis)).all(axis=(1, 2, 3))
    untouched = (flipped == images).all(axis=(1, 2, 3))
    assert (mirrored ^ untouched).all()
    assert 150 < mirrored.sum() < 250


@pytest.mark.parametrize(
    "name, shift, moved", [("width_shift", 2, (0, 2)), ("height_shift", 0.25, (2, 0))]
)
def test_shifts_move_along_the_axis_in_their_name_by_up_to_their_size(name, shift, moved):
    images = np.zeros((300, 9, 9, 1), np.float32)
    images[:, 4, 4] = 255
    augmentation = ImageAugmentation(**{name: shift}, fill_mode="constant")
    shifted = augmentation.augment(images, seed=0, ids=np.arange(300))[..., 0]
    total = shifted.sum(axis=(1, 2))
    rows = (shifted.sum(axis=2) @ np.arange(9)) / total - 4
    columns = (shifted.sum(axis=1) @ np.arange(9)) / total - 4
    # A fraction of 9 pixels for the height, whole pixels for the width.
    reach = np.array([2.25 if moved[0] else 0, 2 if moved[1] else 0])
    for displacement, largest in zip((rows, columns), reach, strict=True):
        assert np.abs(displacement).max() <= largest + 1e-4
        assert displacement.max() >= 0.95 * largest
        assert displacement.min() <= -0.95 * largest


def test_an_augmentation_that_is_switched_off_leaves_the_images_as_they_are():
    images = photographs(3, 8, 8)
    same = ImageAugmentation().augment(images, seed=0, ids=[0, 1, 2])
    assert same.dtype == np.float32
    np.testing.assert_array_equal(same, images)


@pytest.mark.parametrize("fill_mode", FILL_MODES)
def test_an_image_does_not_depend_on_its_neighbours_or_their_order(fill_mode):
    images, ids = photographs(12, 9, 14), np.arange(100, 112)
    augmentation = ImageAugmentation(**EVERYTHING, **COLOURS, **CROP_AND_ERASE, fill_mode=fill_mode)
    together = augmentation.augment(images, seed=3, ids=ids)
    order = np.random.default_rng(0).permutation(12)
    shuffled = augmentation.augment(images[order], seed=3, ids=ids[order])
    np.testing.assert_array_equal(shuffled, together[order])
    for i in range(12):
        alone = augmentation.augment(images[i : i + 1], seed=3, ids=ids[i : i + 1])
        np.testing.assert_array_equal(alone[0], together[i])


def test_other_seeds_and_other_ids_give_other_images():
    image = photographs(1, 16, 16)
    views = ImageAugmentation(**EVERYTHING).augment(
        np.repeat(image, 20, axis=0), seed=0, ids=np.arange(20)
    )
    reseeded = ImageAugmentation(**EVERYTHING).augment(image, seed=1, ids=[0])
    everything = np.concatenate([views, reseeded]).reshape(21, -1)
    assert len(np.unique(everything, axis=0)) == 21


def test_the_draws_of_older_parameters_keep_their_places():
    assert _DRAWS[:10] == (
        "rotation",
        "width_shift",
        "height_shift",
        "shear",
        "zoom_x",
        "zoom_y",
        "horizontal_flip",
        "vertical_flip",
        "brightness",
        "contrast",
    )


def test_switching_on_one_change_does_not_change_the_draws_of_another():
    images, ids = photographs(5, 8, 8), np.arange(5)
    brighter = ImageAugmentation(brightness=0.3).augment(images, seed=0, ids=ids)
    both = ImageAugmentation(brightness=0.3, horizontal_flip=True).augment(images, seed=0, ids=ids)
    for one, other in zip(brighter, both, strict=True):
        assert np.allclose(one, other) or np.allclose(one[:, ::-1], other)


def test_brightness_multiplies_pixels_by_factors_that_fill_their_range():
    images = np.full((2000, 2, 2, 3), 100, np.uint8)
    augmented = ImageAugmentation(brightness=0.4).augment(images, seed=0, ids=np.arange(2000))
    factors = augmented[:, 0, 0, 0] / 100
    np.testing.assert_allclose(augmented, augmented[:, :1, :1, :1].repeat(3, -1) + 0 * augmented)
    assert 0.6 <= factors.min() < 0.61
    assert 1.39 < factors.max() <= 1.4
    assert factors.mean() == pytest.approx(1, abs=0.02)


def test_contrast_keeps_the_mean_and_scales_the_distances_to_it():
    rng = np.random.default_rng(0)
    images = np.repeat(rng.uniform(80, 170, (1, 5, 4, 3)), 2000, axis=0).astype(np.float32)
    augmented = ImageAugmentation(contrast=0.5).augment(images, seed=0, ids=np.arange(2000))
    np.testing.assert_allclose(
        augmented.mean(axis=(1, 2, 3)), images.mean(axis=(1, 2, 3)), rtol=1e-5
    )
    factors = augmented.std(axis=(1, 2, 3)) / images.std(axis=(1, 2, 3))
    assert 0.5 - 1e-4 <= factors.min() < 0.51
    assert 1.49 < factors.max() <= 1.5 + 1e-4


def test_contrast_is_about_the_mean_of_the_brightened_image():
    images, ids = photographs(20, 6, 6) // 4 + 96, np.arange(20)
    brightened = ImageAugmentation(brightness=0.2).augment(images, seed=0, ids=ids)
    both = ImageAugmentation(brightness=0.2, contrast=0.2).augment(images, seed=0, ids=ids)
    means = brightened.mean(axis=(1, 2, 3))
    np.testing.assert_allclose(both.mean(axis=(1, 2, 3)), means, rtol=1e-5)
    assert np.ptp(means / images.mean(axis=(1, 2, 3))) > 0.2


def ramps(n, height, width):
    """Images whose red is the pixel's column and whose green is its row: they tell of a map."""
    image = np.zeros((height, width, 3), np.float32)
    image[..., 0] = np.arange(width)
    image[..., 1] = np.arange(height)[:, None]
    return np.repeat(image[None], n, axis=0)


def crop_boxes(augmented):
    """Read (left, upper, right, lower), in pixels, off ramps that were cropped."""
    height, width = augmented.shape[1:3]
    x, y = augmented[:, 0, :, 0].astype(float), augmented[:, :, 0, 1].astype(float)
    # In the middle no point lies beyond the centres of the outer pixels.
    step_x = x[:, width // 2] - x[:, width // 2 - 1]
    step_y = y[:, height // 2] - y[:, height // 2 - 1]
    left = x[:, width // 2] + 0.5 - step_x * (width // 2 + 0.5)
    upper = y[:, height // 2] + 0.5 - step_y * (height // 2 + 0.5)
    return np.stack([left, upper, left + step_x * width, upper + step_y * height], axis=1)


def test_crops_are_what_pillow_resizes_to_the_whole_image():
    from PIL import Image

    images = photographs(60, 24, 31).astype(np.float32)
    augmentation = ImageAugmentation(crop_scale=0.1, crop_ratio=(0.5, 2))
    boxes = crop_boxes(augmentation.augment(ramps(60, 24, 31), seed=2, ids=np.arange(60)))
    cropped = augmentation.augment(images, seed=2, ids=np.arange(60))
    for image, box, crop in zip(images, boxes, cropped, strict=True):
        box = np.clip(box, 0, [31, 24, 31, 24])  # read with an error of rounding
        expected = [
            Image.fromarray(channel).resize((31, 24), Image.Resampling.BILINEAR, box=tuple(box))
            for channel in np.moveaxis(image, -1, 0)
        ]
        np.testing.assert_allclose(crop, np.stack(expected, axis=-1), rtol=0, atol=0.05)


@pytest.mark.parametrize("size", [(40, 40), (30, 50)])
def test_crops_fill_their_ranges_of_area_ratio_and_place(size):
    height, width = size
    augmentation = ImageAugmentation(crop_scale=0.25, crop_ratio=(0.8, 1.5))
    augmented = augmentation.augment(ramps(2000, *size), seed=0, ids=np.arange(2000))
    left, upper, right, lower = crop_boxes(augmented).T
    areas = (right - left) * (lower - upper) / (height * width)
    ratios = (right - left) / (lower - upper)
    assert min(left.min(), upper.min()) > -1e-3
    assert (right - width).max() < 1e-3
    assert (lower - height).max() < 1e-3
    counts, _ = np.histogram(areas, bins=10, range=(0.25, 1))
    assert counts.sum() == 2000
    assert np.abs(counts - 200).max() < 80  # a standard deviation is 13
    # The nearest ratio that fits is that of the image where the area is all of it.
    assert min(0.8, width / height) - 1e-3 < ratios.min() < 0.83
    assert 1.45 < ratios.max() < max(1.5, width / height) + 1e-3
    for start, end, side in ((left, right, width), (upper, lower, height)):
        room = side - (end - start)
        places = (start / np.where(room > 1, room, 1))[room > 1]
        shares = np.histogram(places, bins=4, range=(0, 1))[0] / len(places)
        assert np.abs(shares - 0.25).max() < 0.06  # a standard deviation is 0.01


def test_a_crop_is_turned_and_shifted_after_it_was_taken():
    crop = {"crop_scale": 0.3}
    images = ramps(40, 30, 30)
    alone = ImageAugmentation(**crop).augment(images, seed=0, ids=np.arange(40))
    flipped = ImageAugmentation(**crop, horizontal_flip=True).augment(
        images, seed=0, ids=np.arange(40)
    )
    mirrored = np.isclose(flipped, alone[:, :, ::-1], atol=1e-3).all(axis=(1, 2, 3))
    untouched = np.isclose(flipped, alone, atol=1e-3).all(axis=(1, 2, 3))
    assert (mirrored ^ untouched).all()
    assert 10 < mirrored.sum() < 30


def test_saturation_scales_the_distances_to_grey():
    images, ids = photographs(300, 6, 6) // 4 + 96, np.arange(300)
    augmented = ImageAugmentation(saturation=0.6).augment(images, seed=0, ids=ids)
    luma = np.array([0.299, 0.587, 0.114])
    grey = images @ luma
    np.testing.assert_allclose(augmented @ luma, grey, rtol=1e-5)
    colour = images - grey[..., None]
    factors = ((augmented - grey[..., None]) * colour).sum(axis=(1, 2, 3)) / (colour**2).sum(
        axis=(1, 2, 3)
    )
    np.testing.assert_allclose(
        augmented, grey[..., None] + factors[:, None, None, None] * colour, atol=1e-3
    )
    assert 0.4 - 1e-4 <= factors.min() < 0.42
    assert 1.58 < factors.max() <= 1.6 + 1e-4


def test_hue_turns_the_circle_of_colours_by_up_to_its_fraction():
    import colorsys

    red = np.zeros((400, 1, 1, 3), np.float32)
    red[..., 0] = 255
    augmented = ImageAugmentation(hue=0.25).augment(red, seed=0, ids=np.arange(400))
    hues = np.array([colorsys.rgb_to_hsv(*colour)[0] for colour in augmented[:, 0, 0] / 255])
    turns = (hues + 0.5) % 1 - 0.5
    assert -0.25 <= turns.min() < -0.24
    assert 0.24 < turns.max() <= 0.25
    assert turns.mean() == pytest.approx(0, abs=0.03)


@pytest.mark.parametrize("name", ["saturation", "hue"])
def test_colours_need_three_channels(name):
    with pytest.raises(
        ValueError, match=r"images must have 3 channels .* got shape \(2, 4, 4, 1\)"
    ):
        ImageAugmentation(**{name: 0.1}).augment(np.zeros((2, 4, 4, 1)), seed=0, ids=[0, 1])


def test_erasing_puts_the_mean_colour_into_one_rectangle_of_some_of_the_images():
    images, ids = photographs(1000, 20, 30).astype(np.float32), np.arange(1000)
    augmented = ImageAugmentation(erasing=0.4, erasing_scale=(0.05, 0.3)).augment(
        images, seed=0, ids=ids
    )
    means = images.mean(axis=(1, 2), dtype=np.float64)
    changed = (augmented != images).any(axis=-1)
    erased = changed.any(axis=(1, 2))
    assert 340 < erased.sum() < 460  # a standard deviation is 15
    areas, ratios, centres = [], [], []
    for i in np.flatnonzero(erased):
        rows, columns = (
            np.flatnonzero(changed[i].any(axis=1)),
            np.flatnonzero(changed[i].any(axis=0)),
        )
        patch = augmented[i, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        np.testing.assert_allclose(patch, np.broadcast_to(means[i], patch.shape), rtol=1e-4)
        height, width = patch.shape[:2]
        areas.append(height * width / 600)
        ratios.append(width / height)
        centres.append([rows.mean() / 19, columns.mean() / 29])
    # Sides are whole pixels: of 5 or so, half a pixel is a tenth.
    assert 0.03 < min(areas) < 0.07
    assert 0.27 < max(areas) < 0.34
    assert np.mean(areas) == pytest.approx(0.175, abs=0.02)
    assert 0.25 < min(ratios) < 0.4
    assert 2.5 < max(ratios) < 4
    np.testing.assert_allclose(np.mean(centres, axis=0), 0.5, atol=0.04)


def test_erasing_works_on_pixels_of_any_scale_and_of_any_number_of_channels():
    images = np.random.default_rng(0).normal(0, 1000, (30, 9, 9, 2)).astype(np.float32)
    augmented = ImageAugmentation(erasing=1.0).augment(images, seed=0, ids=np.arange(30))
    assert (augmented != images).any(axis=(1, 2, 3)).all()
    assert (augmented == images).any(axis=(1, 2, 3)).all()
    all_of_it = ImageAugmentation(erasing=1.0, erasing_scale=(1, 1))
    np.testing.assert_allclose(
        all_of_it.augment(images, seed=0, ids=np.arange(30)),
        np.broadcast_to(images.mean(axis=(1, 2), keepdims=True), images.shape),
        atol=0.01,
    )


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation", "hue"])
def test_light_and_colour_need_pixels_of_a_known_range(name):
    assert ImageAugmentation(**{name: 0.1}).needs_pixel_range is True


def test_geometry_and_erasing_take_pixels_on_any_scale():
    assert ImageAugmentation(**EVERYTHING, **CROP_AND_ERASE).needs_pixel_range is False


@pytest.mark.parametrize("fill_mode", FILL_MODES)
def test_an_image_of_one_value_stays_exactly_so(fill_mode):
    images = np.full((40, 16, 16, 3), 200.7, np.float32)
    augmentation = ImageAugmentation(**EVERYTHING, fill_mode=fill_mode, fill_value=200.7)
    np.testing.assert_array_equal(augmentation.augment(images, seed=0, ids=np.arange(40)), images)


@pytest.mark.parametrize("fill_mode", FILL_MODES)
def test_values_stay_within_0_to_255(fill_mode):
    images = np.random.default_rng(0).choice([0, 255], (50, 8, 8, 3)).astype(np.uint8)
    bright = {"brightness": 1.0, "contrast": 1.0}
    colourful = {"saturation": 1.0, "hue": 0.5}
    for parameters in (EVERYTHING, {**EVERYTHING, **bright, **CROP_AND_ERASE}, colourful):
        augmented = ImageAugmentation(**parameters, fill_mode=fill_mode).augment(
            images, seed=0, ids=np.arange(50)
        )
        assert augmented.dtype == np.float32
        assert augmented.min() >= 0
        assert augmented.max() <= 255


def test_geometry_keeps_pixels_of_any_scale_within_each_image_s_own_range():
    images = np.random.default_rng(0).normal(0, 1000, (30, 8, 8, 3)).astype(np.float32)
    augmented = ImageAugmentation(**EVERYTHING, **CROP_AND_ERASE).augment(
        images, seed=0, ids=np.arange(30)
    )
    assert (augmented.min(axis=(1, 2, 3)) >= images.min(axis=(1, 2, 3))).all()
    assert (augmented.max(axis=(1, 2, 3)) <= images.max(axis=(1, 2, 3))).all()
    assert augmented.min() < -1000


def test_the_caller_s_images_are_not_written_to():
    images = photographs(4, 8, 8).astype(np.float32)
    before = images.copy()
    for parameters in (
        {**EVERYTHING, "brightness": 0.5, "fill_mode": "constant"},
        {"contrast": 0.5},
        {"saturation": 0.5},
        {"hue": 0.5},
        {"erasing": 1.0},
    ):
        ImageAugmentation(**parameters).augment(images, seed=0, ids=np.arange(4))
    np.testing.assert_array_equal(images, before)


def test_an_empty_batch_stays_empty():
    empty = ImageAugmentation.preset("strong").augment(np.empty((0, 8, 9, 3)), seed=0, ids=[])
    assert empty.shape == (0, 8, 9, 3)
    assert empty.dtype == np.float32


@pytest.mark.parametrize(
    "name, bad, good",
    [
        ("rotation", [-1, 181, "45", None, np.nan], [0, 180]),
        ("width_shift", [-0.1, np.nan, np.inf], [0, 4]),
        ("height_shift", [-0.1, "1"], [0, 0.99]),
        ("shear", [-1, 90], [0, 89.9]),
        ("zoom", [-0.1, 1, (0.8, 1.2)], [0, 0.99]),
        ("horizontal_flip", ["yes", 0.5], [True, False]),
        ("vertical_flip", [None], [True, np.False_]),
        ("brightness", [-0.1, 1.1], [0, 1]),
        ("contrast", [-0.1, 1.1], [0, 1]),
        ("fill_mode", ["mirror", None], list(FILL_MODES)),
        ("fill_value", ["black", np.nan, np.inf], [-1.5, 255]),
        ("crop_scale", [0, 1.1, np.nan], [0.01, 1]),
        (
            "crop_ratio",
            [1.0, (1,), (0, 1), (2, 1), (1, 2, 3), ("1", "2"), (np.nan, 1), (1, np.inf), None],
            [(1, 1), [0.5, 2], (2, 3)],
        ),
        ("saturation", [-0.1, 1.1], [0, 1]),
        ("hue", [-0.1, 0.6], [0, 0.5]),
        ("erasing", [-0.1, 1.1], [0, 1]),
        ("erasing_scale", [0.3, (0, 0.1), (0.1, 1.1), (0.3, 0.2), "ab"], [(0.1, 0.1), [0.5, 1]]),
    ],
)
def test_parameters_out_of_their_range_are_named(name, bad, good):
    for value in good:
        ImageAugmentation(**{name: value}).validate()
    images = np.zeros((1, 4, 4, 3))
    for value in bad:
        augmentation = ImageAugmentation(**{name: value})
        with pytest.raises(ValueError, match=f"'{name}' parameter of ImageAugmentation must be"):
            augmentation.validate()
        with pytest.raises(ValueError, match=f"'{name}' parameter"):
            augmentation.augment(images, seed=0, ids=[0])


@pytest.mark.parametrize(
    "images, seed, ids, error, message",
    [
        (np.zeros((4, 4, 3)), 0, [0], ValueError, r"images must have shape .* got shape \(4, 4, 3"),
        (np.zeros((2, 4, 4, 3)), 0, [0], ValueError, r"ids must have shape \(2,\).* \(1,\)"),
        (np.zeros((1, 4, 4, 3)), 0, [0.5], TypeError, "ids must be integers, got dtype float64"),
        (np.zeros((1, 4, 4, 3)), 1.5, [0], TypeError, "seed must be an integer, got 1.5"),
        (np.zeros((1, 4, 4, 3)), None, [0], TypeError, "seed must be an integer, got None"),
    ],
)
def test_what_augment_cannot_use_is_named(images, seed, ids, error, message):
    with pytest.raises(error, match=message):
        ImageAugmentation(rotation=5).augment(images, seed=seed, ids=ids)


class Model(BaseEstimator):
    def __init__(self, augmentation=None):
        self.augmentation = augmentation


def test_it_is_cloned_shown_and_searched_like_any_estimator():
    augmentation = ImageAugmentation(rotation=5, fill_mode="wrap")
    assert clone(augmentation).get_params() == augmentation.get_params()
    assert repr(augmentation) == "ImageAugmentation(fill_mode='wrap', rotation=5)"
    pipeline = Pipeline([("model", Model(augmentation=augmentation))])
    copy = clone(pipeline).set_params(model__augmentation__rotation=30)
    assert copy["model"].augmentation.rotation == 30
    assert augmentation.rotation == 5
    with pytest.raises(ValueError, match="Invalid parameter 'rotaton'"):
        augmentation.set_params(rotaton=3)


def test_presets_are_valid_and_each_a_new_object():
    assert set(PRESETS) == {"study", "light", "standard", "strong"}
    for name in PRESETS:
        ImageAugmentation.preset(name).validate()
    ImageAugmentation.preset("light").set_params(rotation=90)
    assert ImageAugmentation.preset("light").rotation == 0
    assert (
        ImageAugmentation.preset("study").get_params()
        == ImageAugmentation(
            zoom=0.25,
            height_shift=0.25,
            width_shift=0.3,
            rotation=45,
            shear=0.25,
            horizontal_flip=True,
            fill_mode="nearest",
        ).get_params()
    )


def test_presets_go_from_light_to_strong():
    images, ids = photographs(40, 32, 32), np.arange(40)
    changes = [
        np.abs(ImageAugmentation.preset(name).augment(images, seed=0, ids=ids) - images).mean()
        for name in ("light", "standard", "strong")
    ]
    assert 0 < changes[0] < changes[1] < changes[2]


def test_an_unknown_preset_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match=r"Unknown augmentation preset 'studdy'; .*'study'"):
        ImageAugmentation.preset("studdy")


def pictures(figure):
    return [axes.get_images()[0].get_array() for axes in figure.axes]


def test_plot_shows_the_original_and_n_versions():
    image = photographs(1, 20, 30)[0]
    augmentation = ImageAugmentation.preset("strong")
    shown = pictures(augmentation.plot(image, n=3, seed=4))
    assert len(shown) == 4
    np.testing.assert_array_equal(shown[0], image)
    version = augmentation.augment(image[None], seed=4, ids=[2])[0]
    np.testing.assert_array_equal(shown[3], version.astype(np.uint8))


def test_plot_reads_grey_arrays_paths_and_pil_images(tmp_path):
    from PIL import Image

    grey = photographs(1, 12, 15)[0, ..., 0]
    path = tmp_path / "grey.png"
    Image.fromarray(grey).save(path)
    for image in (grey, grey.astype(float), path, str(path), Image.fromarray(grey)):
        shown = pictures(ImageAugmentation(vertical_flip=True).plot(image, n=1))
        np.testing.assert_array_equal(shown[0], np.repeat(grey[..., None], 3, axis=-1))


def test_plot_turns_photographs_upright(tmp_path):
    from PIL import Image

    path = tmp_path / "turned.png"
    exif = Image.Exif()
    exif[0x0112] = 6  # Orientation: to be turned by a quarter
    Image.fromarray(photographs(1, 12, 15)[0]).save(path, exif=exif)
    assert pictures(ImageAugmentation().plot(path, n=1))[0].shape == (15, 12, 3)


def test_plot_refuses_what_it_cannot_show():
    with pytest.raises(ValueError, match="n must be at least 1, got 0"):
        ImageAugmentation().plot(np.zeros((4, 4)), n=0)
    with pytest.raises(ValueError, match="7"):
        ImageAugmentation().plot(np.zeros((4, 4, 7)))
    with pytest.raises(ValueError, match="no-such-image"):
        ImageAugmentation().plot("no-such-image.png")


def test_importing_it_does_not_import_tensorflow_or_matplotlib():
    script = (
        "import sys; import sktransfer.images._augmentation;"
        "print([m for m in ('tensorflow', 'keras', 'matplotlib') if m in sys.modules])"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout
    assert loaded.strip() == "[]"
