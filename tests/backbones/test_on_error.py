"""Features where some images cannot be read: rows of NaN, and all others as they were."""

from __future__ import annotations

import pickle
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from sktransfer import BackboneFeatures, MobileNetFeatures
from sktransfer._errors import ImageError, UnreadableImagesWarning
from sktransfer.cache import memory_store

N = 20
BAD = [0, 3, 7, 8, 18]


def cheap(cls=BackboneFeatures, **parameters) -> BackboneFeatures:
    """A small network of random weights, which bears unreadable images."""
    defaults = {"weights": None, "input_size": 32, "batch_size": 4, "random_state": 0}
    if cls is BackboneFeatures:
        defaults["backbone"] = "mobilenet"
    return cls(**{**defaults, "on_error": "nan", **parameters})


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    """20 different images, uint8 (20, 32, 32, 3), with some structure."""
    coarse = np.random.default_rng(0).integers(0, 256, (N, 4, 4, 3), dtype=np.uint8)
    return coarse.repeat(8, axis=1).repeat(8, axis=2)


@pytest.fixture
def paths(images, tmp_path) -> list[str]:
    """The same in files, of which five cannot be read, each in a way of its own."""
    paths = [str(tmp_path / f"{k:02d}.png") for k in range(N)]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    missing, cut, empty, text, other_size = (Path(paths[k]) for k in BAD)
    missing.unlink()
    cut.write_bytes(cut.read_bytes()[:-30])
    empty.write_bytes(b"")
    text.write_text("not found")
    Image.fromarray(np.zeros((64, 48, 3), np.uint8)).save(other_size)
    other_size.write_bytes(other_size.read_bytes()[:-30])  # its header is sound
    return paths


@pytest.fixture
def good(paths) -> list[str]:
    """The files that can be read."""
    return [path for k, path in enumerate(paths) if k not in BAD]


@pytest.fixture
def store():
    """The cache of the process, emptied."""
    memory_store().clear()
    yield memory_store()
    memory_store().clear()


def quietly(features, X) -> np.ndarray:
    """Transform without the warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnreadableImagesWarning)
        return features.transform(X)


def assert_rows(rows: np.ndarray, expected: np.ndarray) -> None:
    """Compare the rows of readable images bit for bit; all others are NaN."""
    assert rows.dtype == np.float32
    assert np.flatnonzero(np.isnan(rows).all(axis=1)).tolist() == BAD
    np.testing.assert_array_equal(np.delete(rows, BAD, axis=0), expected)


@pytest.mark.parametrize("cls", [BackboneFeatures, MobileNetFeatures])
@pytest.mark.parametrize("cache", ["auto", None])
@pytest.mark.parametrize("input_size", [32, None])
def test_other_rows_are_what_they_are_without_bad_files(paths, good, store, cls, cache, input_size):
    parameters = {"input_size": input_size, "cache": cache}
    expected = cheap(cls, on_error="raise", **parameters).fit(good).transform(good)
    store.clear()
    features = cheap(cls, **parameters).fit(paths)
    assert_rows(quietly(features, paths), expected)
    assert_rows(quietly(features, paths), expected)  # from the cache, where there is one


def test_images_of_mixed_sizes(paths, good):
    Image.fromarray(np.full((40, 24, 3), 90, np.uint8)).save(good[5])
    expected = cheap(on_error="raise").fit(good).transform(good)
    assert_rows(quietly(cheap().fit(paths), paths), expected)


def test_size_of_a_damaged_file_is_of_no_account(paths, good):
    features = cheap(input_size=None).fit(paths)
    assert features.image_size_ == (32, 32)
    assert features.input_size_ == cheap(input_size=None).fit(good).input_size_
    with pytest.raises(ValueError, match="fitted on images"):
        features.transform([*good, np.zeros((9, 9, 3), np.uint8)])


def test_nothing_of_bad_files_is_kept(paths, good, store):
    quietly(cheap().fit(paths), paths)
    assert len(store) == len(good)
    black = np.zeros((1, 32, 32, 3), np.uint8)  # what stands in for them
    expected = cheap(cache=None).fit_transform(black)
    np.testing.assert_array_equal(cheap().fit_transform(black), expected)
    assert_rows(quietly(cheap().fit(paths), paths), cheap().fit_transform(good))


def test_one_warning_tells_what_could_not_be_read(paths):
    features = cheap().fit(paths)
    with pytest.warns(UnreadableImagesWarning) as caught:
        features.transform(paths)
    [warning] = caught
    message = str(warning.message)
    assert "5 of 20 images cannot be read" in message
    assert all(repr(paths[k]) in message for k in BAD[:3])
    assert "and 2 more" in message
    table = warning.message.unreadable
    assert table["position"].tolist() == BAD
    assert table["file"].tolist() == [paths[k] for k in BAD]
    assert table["error"].tolist() == [
        "no such file",
        "PNG file is truncated",
        "not an image of a format that Pillow reads",
        "not an image of a format that Pillow reads",
        "PNG file is truncated",
    ]
    again = pickle.loads(pickle.dumps(warning.message))
    assert str(again) == message
    pd.testing.assert_frame_equal(again.unreadable, table)


def test_readable_images_give_no_warning(good):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cheap().fit(good).transform(good)


def test_transform_leaves_the_transformer_as_it_was(paths):
    features = cheap().fit(paths)
    before = joblib.hash(features)
    quietly(features, paths)
    assert joblib.hash(features) == before


def test_threads_share_a_transformer(paths, good):
    features = cheap(cache=None).fit(paths)
    expected = features.transform(good)
    start = threading.Barrier(2)

    def transform(X):
        start.wait(60)
        return features.transform(X)

    with warnings.catch_warnings(), ThreadPoolExecutor(2) as pool:
        warnings.simplefilter("ignore", UnreadableImagesWarning)
        bad, sound = pool.map(transform, [paths, good])
    assert_rows(bad, expected)
    np.testing.assert_array_equal(sound, expected)


def test_batch_in_which_nothing_can_be_read(paths, good):
    bad = [paths[k] for k in BAD]
    for input_size in (32, None):
        rows = quietly(cheap(input_size=input_size).fit(good), bad)
        assert rows.shape == (len(BAD), 1024)
        assert np.isnan(rows).all()
        with pytest.raises(ImageError, match="5 of 5 images cannot be read"):
            cheap(input_size=input_size).fit(bad)


def test_missing_paths_are_unreadable_images(good):
    frame = pd.DataFrame({"path": [good[0], None, good[1], np.nan]})
    rows = quietly(cheap().fit(frame), frame)
    assert np.isnan(rows).all(axis=1).tolist() == [False, True, False, True]


def test_arrays_are_as_ever(images):
    expected = cheap(on_error="raise").fit_transform(images)
    np.testing.assert_array_equal(cheap().fit_transform(images), expected)
    flat = cheap(image_shape=(32, 32, 3)).fit_transform(images.reshape(N, -1))
    np.testing.assert_array_equal(flat, expected)
    floats = np.full((2, 32, 32, 3), np.nan)
    with pytest.raises(ValueError, match="NaN"):
        cheap(pixel_range=(0, 1)).fit(floats)


def test_errors_are_raised_unless_borne(paths, good):
    features = cheap(on_error="raise").fit(good)
    with pytest.raises(ImageError, match=r"X\[0\] \('.*00\.png'\): no such file"):
        features.transform(paths)
    cut = Path(good[4])
    cut.write_bytes(cut.read_bytes()[:-30])
    with pytest.raises(ImageError, match=r"X\[4\] .*truncated"):
        features.transform(good)


def test_frames_keep_their_rows(paths):
    frame = quietly(clone(cheap()).set_output(transform="pandas").fit(paths), paths)
    assert isinstance(frame, pd.DataFrame)
    assert np.flatnonzero(frame.isna().all(axis=1)).tolist() == BAD


@pytest.mark.filterwarnings("ignore::sktransfer._errors.UnreadableImagesWarning")
def test_pipelines_that_take_nan_train_on_the_rest(paths):
    y = np.arange(N) % 2
    imputing = make_pipeline(cheap(), SimpleImputer(), LogisticRegression())
    assert imputing.fit(paths, y).predict(paths).shape == (N,)
    trees = make_pipeline(cheap(), HistGradientBoostingClassifier(max_iter=2))
    assert trees.fit(paths, y).predict(paths).shape == (N,)
    with pytest.raises(ValueError, match="NaN"):
        make_pipeline(cheap(), LogisticRegression()).fit(paths, y)
