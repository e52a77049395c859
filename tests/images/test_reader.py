"""Reading images into one array."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn import config_context
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sktransfer._errors import ImageError
from sktransfer.images import ImageReader
from sktransfer.images._resize import resize


@pytest.fixture
def pixels() -> np.ndarray:
    """More images than are read at a time, uint8 (300, 4, 5, 3)."""
    return np.random.default_rng(0).integers(0, 256, (300, 4, 5, 3), dtype=np.uint8)


@pytest.fixture
def paths(pixels, tmp_path) -> list[str]:
    """The same, as files."""
    for k, image in enumerate(pixels):
        Image.fromarray(image).save(tmp_path / f"{k:03d}.png")
    return sorted(map(str, tmp_path.iterdir()))


def test_reads_files_in_order(paths, pixels):
    images = ImageReader().fit_transform(paths)
    assert images.dtype == np.uint8
    np.testing.assert_array_equal(images, pixels)


def test_needs_no_fit(paths, pixels):
    np.testing.assert_array_equal(ImageReader().transform(paths[:3]), pixels[:3])


def test_arrays_are_copied(pixels):
    before = pixels.copy()
    images = ImageReader().fit_transform(pixels)
    images[:] = 0
    np.testing.assert_array_equal(pixels, before)


def test_grey_arrays_become_rgb(pixels):
    images = ImageReader().fit_transform(pixels[..., 0])
    np.testing.assert_array_equal(images, np.stack([pixels[..., 0]] * 3, axis=-1))


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "lanczos3"])
def test_resized_values_are_rounded_within_their_range(pixels, interpolation):
    images = ImageReader(size=(9, 7), interpolation=interpolation).fit_transform(pixels)
    exact = resize(pixels, (9, 7), interpolation)
    assert images.shape == (300, 9, 7, 3)
    np.testing.assert_allclose(images, np.clip(exact, 0, 255), atol=0.5)


def test_mixed_sizes_need_a_size(pixels):
    X = [pixels[0], np.zeros((8, 8, 3), np.uint8)]
    with pytest.raises(ValueError, match=r"X\[1\].*\(8, 8\).*size"):
        ImageReader().fit(X)
    assert ImageReader(size=[8, 8]).fit_transform(X).shape == (2, 8, 8, 3)


def test_fit_finds_missing_files(paths):
    with pytest.raises(ImageError, match=r"X\[1\] \('gone\.png'\)"):
        ImageReader().fit([paths[0], "gone.png"])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"size": 32}, "'size' parameter"),
        ({"size": (32,)}, "two positive integers"),
        ({"size": (0, 32)}, "two positive integers"),
        ({"interpolation": "linear"}, "'interpolation' parameter"),
    ],
)
def test_parameters_are_checked(pixels, parameters, message):
    with pytest.raises(ValueError, match=message):
        ImageReader(**parameters).fit(pixels)
    with pytest.raises(ValueError, match=message):
        ImageReader(**parameters).transform(pixels)


def test_floats_are_refused(pixels):
    with pytest.raises(ValueError, match="floats do not tell"):
        ImageReader().fit(pixels / 255)


def test_works_in_a_pipeline_that_asks_for_frames(paths, pixels):
    flatten = FunctionTransformer(lambda images: pd.DataFrame(images.reshape(len(images), -1)))
    pipeline = make_pipeline(clone(ImageReader()), flatten).set_output(transform="pandas")
    rows = pipeline.fit_transform(pd.DataFrame({"path": paths}))
    np.testing.assert_array_equal(rows, pixels.reshape(300, -1))


def test_gives_an_array_whatever_is_asked_of_transformers(pixels):
    with config_context(transform_output="pandas"):
        assert isinstance(ImageReader().fit_transform(pixels), np.ndarray)
