"""Changes of light and colour: Pillow and the standard library are the measure.

Pillow computes in whole numbers: it cuts the fraction off its result, and for contrast, colour and
sharpness it rounds the image first that is blended in.
"""

from __future__ import annotations

import colorsys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageEnhance, ImageOps

from sktransfer.images import _photometry as photometry

IMAGES = arrays(np.uint8, st.tuples(st.just(1), st.integers(1, 30), st.integers(1, 30), st.just(3)))
FACTORS = st.floats(0.01, 1.99)


def noise(side=40):
    """Six square images: of the full range, dark, dull, of one flat channel, a ramp, full again."""
    images = np.random.default_rng(0).integers(0, 256, (6, side, side, 3), dtype=np.uint8)
    images[1] //= 3
    images[2] = images[2] // 4 + 70
    images[3, :, :, 1] = 7
    images[4] = np.arange(side)[:, None]
    return images


def with_pillow(function, images):
    return np.stack([np.asarray(function(Image.fromarray(image))) for image in images]).astype(
        float
    )


def assert_near_pillow(changed, expected, atol):
    assert changed.dtype == np.float32
    np.testing.assert_allclose(changed, expected, rtol=0, atol=atol)


@settings(max_examples=60)
@given(images=IMAGES)
@pytest.mark.parametrize(
    ("name", "atol"),
    [("autocontrast", 1), ("equalize", 0)],
)
def test_histograms_are_stretched_as_by_pillow(name, atol, images):
    function = {"autocontrast": photometry.auto_contrast, "equalize": photometry.equalize}[name]
    expected = with_pillow(getattr(ImageOps, name), images)
    assert_near_pillow(function(images.astype(np.float32)), expected, atol)


@pytest.mark.parametrize("side", [40, 300])
def test_histograms_of_many_pixels_are_stretched_as_by_pillow(side):
    images = noise(side)
    floats = images.astype(np.float32)
    assert_near_pillow(photometry.equalize(floats), with_pillow(ImageOps.equalize, images), 0)
    assert_near_pillow(
        photometry.auto_contrast(floats), with_pillow(ImageOps.autocontrast, images), 1
    )


@settings(max_examples=60)
@given(images=IMAGES, threshold=st.integers(0, 256), bits=st.integers(1, 8))
def test_solarize_and_posterize_are_pillow_s(images, threshold, bits):
    floats = images.astype(np.float32)
    assert_near_pillow(
        photometry.solarize(floats, np.array([threshold])),
        with_pillow(lambda image: ImageOps.solarize(image, threshold), images),
        0,
    )
    assert_near_pillow(
        photometry.posterize(floats, np.array([bits])),
        with_pillow(lambda image: ImageOps.posterize(image, bits), images),
        0,
    )


ENHANCERS = [
    # A blend of factor f with an image that is rounded adds |1 - f| / 2 to the fraction cut off.
    (photometry.change_brightness, ImageEnhance.Brightness, 1),
    (photometry.change_saturation, ImageEnhance.Color, 1.5),
    (photometry.change_sharpness, ImageEnhance.Sharpness, 1.5),
    # The mean, of rounded greys, is rounded once more.
    (photometry.change_contrast, ImageEnhance.Contrast, 2),
]


@settings(max_examples=40)
@given(images=IMAGES, factor=FACTORS)
@pytest.mark.parametrize(("function", "enhancer", "atol"), ENHANCERS)
def test_factors_do_what_pillow_s_do(function, enhancer, atol, images, factor):
    expected = with_pillow(lambda image: enhancer(image).enhance(factor), images)
    assert_near_pillow(function(images.astype(np.float32), np.array([factor])), expected, atol)


@pytest.mark.parametrize(("function", "enhancer", "atol"), ENHANCERS)
def test_each_image_has_its_own_factor(function, enhancer, atol):
    images, factors = noise(), np.linspace(0.01, 1.99, 6)
    changed = function(images.astype(np.float32), factors)
    for image, factor, found in zip(images, factors, changed, strict=True):
        expected = np.asarray(enhancer(Image.fromarray(image)).enhance(factor))
        assert_near_pillow(found, expected, atol)


@pytest.mark.parametrize("function", [function for function, _, _ in ENHANCERS])
def test_a_factor_of_one_changes_nothing(function):
    images = noise().astype(np.float32)
    np.testing.assert_allclose(function(images, np.ones(6)), images, atol=1e-4)


@pytest.mark.parametrize("shape", [(1, 5, 3, 1), (3, 3, 3, 4)])
def test_colours_are_of_three_channels(shape):
    photometry.check_rgb(np.zeros((1, 5, 4, 3)))
    with pytest.raises(ValueError, match="must have 3 channels"):
        photometry.check_rgb(np.zeros(shape))


def test_a_factor_of_zero_leaves_black_or_grey():
    images, zeros = noise().astype(np.float32), np.zeros(6)
    assert photometry.change_brightness(images, zeros).max() == 0
    assert np.ptp(photometry.change_contrast(images, zeros), axis=(1, 2, 3)).max() < 1e-4
    assert np.ptp(photometry.change_saturation(images, zeros), axis=-1).max() < 1e-4


@given(
    colour=st.tuples(*[st.integers(0, 255)] * 3),
    turn=st.floats(-0.5, 0.5, allow_subnormal=False),
)
def test_hue_is_that_of_the_standard_library(colour, turn):
    images = np.array(colour, np.float32).reshape(1, 1, 1, 3)
    hue, saturation, value = colorsys.rgb_to_hsv(*(number / 255 for number in colour))
    expected = 255 * np.array(colorsys.hsv_to_rgb((hue + turn) % 1, saturation, value))
    changed = photometry.change_hue(images, np.array([turn]))
    assert changed.dtype == np.float32
    np.testing.assert_allclose(changed[0, 0, 0], expected, rtol=0, atol=0.01)


def test_a_third_of_a_turn_makes_red_green_and_green_blue():
    images = np.array([[[[250, 10, 10], [10, 250, 10], [90, 90, 90]]]], np.float32)
    turned = photometry.change_hue(images, np.array([1 / 3]))
    expected = [[[[10, 250, 10], [10, 10, 250], [90, 90, 90]]]]
    np.testing.assert_allclose(turned, expected, rtol=0, atol=0.01)


@pytest.mark.parametrize("height, width", [(1, 5), (2, 2), (5, 1)])
def test_images_without_inner_pixels_cannot_be_sharpened(height, width):
    images = noise()[:1, :height, :width].astype(np.float32)
    np.testing.assert_array_equal(photometry.change_sharpness(images, np.array([1.9])), images)


def test_fractions_are_kept_except_where_whole_numbers_are_the_point():
    images = np.full((1, 4, 4, 3), 100.25, np.float32)
    images[0, 0, 0] = 50.5
    assert photometry.auto_contrast(images).max() == pytest.approx(255)
    assert photometry.solarize(images, np.array([60])).max() == 154.75
    assert set(np.unique(photometry.posterize(images, np.array([8])))) == {50, 100}
    assert set(np.unique(photometry.equalize(images))) == {50, 100}


def test_equalize_takes_values_a_little_beyond_the_range_for_its_ends():
    images = np.linspace(-0.4, 255.4, 1200, dtype=np.float32).reshape(1, 20, 20, 3)
    within = photometry.equalize(images.clip(0, 255))
    np.testing.assert_array_equal(photometry.equalize(images), within)
