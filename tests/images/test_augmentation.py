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

from sktransfer.images import _augmentation
from sktransfer.images._augmentation import PRESETS, ImageAugmentation
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
    columns = _augmentation._uniforms(seed, ids.astype(np.uint64)).T
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
        for u in (dict(zip(_augmentation._DRAWS, column, strict=True)) for column in columns)
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
    augmentation = ImageAugmentation(
        **EVERYTHING, brightness=0.5, contrast=0.5, fill_mode=fill_mode
    )
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


def test_the_draws_of_a_seed_stay_the_same_from_version_to_version():
    draws = _augmentation._uniforms(7, np.array([0, 41], dtype=np.uint64))
    expected = [[0.409179, 0.641296], [0.996737, 0.201214], [0.101393, 0.697608]]
    np.testing.assert_allclose(draws[:3], expected, rtol=0, atol=5e-7)


def test_the_hash_is_splitmix64():
    # The first outputs of the published generator for the seed 1234567.
    gamma = int(_augmentation._GOLDEN_GAMMA)
    states = np.array([(1234567 + i * gamma) % 2**64 for i in range(3)], dtype=np.uint64)
    assert _augmentation._splitmix64(states).tolist() == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(), first=st.integers(0, 2**63 - 5000))
def test_draws_fill_their_ranges_evenly_whatever_the_seed_and_the_ids(seed, first):
    ids = first + np.arange(4000, dtype=np.uint64)
    draws = _augmentation._uniforms(_augmentation._checked_seed(seed), ids)
    assert draws.min() >= 0
    assert draws.max() < 1
    # Each bin expects 400, with a standard deviation of 19.
    counts = np.stack([np.histogram(row, bins=10, range=(0, 1))[0] for row in draws])
    assert np.abs(counts - 400).max() < 120
    correlations = np.corrcoef(draws) - np.eye(len(draws))
    assert np.abs(correlations).max() < 0.1
    assert np.abs(np.mean((draws[:, 1:] - 0.5) * (draws[:, :-1] - 0.5))) < 0.01


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


@pytest.mark.parametrize("fill_mode", FILL_MODES)
def test_an_image_of_one_value_stays_exactly_so(fill_mode):
    images = np.full((40, 16, 16, 3), 200.7, np.float32)
    augmentation = ImageAugmentation(**EVERYTHING, fill_mode=fill_mode, fill_value=200.7)
    np.testing.assert_array_equal(augmentation.augment(images, seed=0, ids=np.arange(40)), images)


@pytest.mark.parametrize("fill_mode", FILL_MODES)
def test_values_stay_within_0_to_255(fill_mode):
    images = np.random.default_rng(0).choice([0, 255], (50, 8, 8, 3)).astype(np.uint8)
    for parameters in (EVERYTHING, {**EVERYTHING, "brightness": 1.0, "contrast": 1.0}):
        augmented = ImageAugmentation(**parameters, fill_mode=fill_mode).augment(
            images, seed=0, ids=np.arange(50)
        )
        assert augmented.dtype == np.float32
        assert augmented.min() >= 0
        assert augmented.max() <= 255


def test_geometry_keeps_pixels_of_any_scale_within_each_image_s_own_range():
    images = np.random.default_rng(0).normal(0, 1000, (30, 8, 8, 3)).astype(np.float32)
    augmented = ImageAugmentation(**EVERYTHING).augment(images, seed=0, ids=np.arange(30))
    assert (augmented.min(axis=(1, 2, 3)) >= images.min(axis=(1, 2, 3))).all()
    assert (augmented.max(axis=(1, 2, 3)) <= images.max(axis=(1, 2, 3))).all()
    assert augmented.min() < -1000


def test_the_caller_s_images_are_not_written_to():
    images = photographs(4, 8, 8).astype(np.float32)
    before = images.copy()
    ImageAugmentation(**EVERYTHING, brightness=0.5, fill_mode="constant").augment(
        images, seed=0, ids=np.arange(4)
    )
    ImageAugmentation(contrast=0.5).augment(images, seed=0, ids=np.arange(4))
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
