"""Batches that are too large for memory are halved, and features are those of smaller batches."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import warnings
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from sktransfer import BackboneFeatures
from sktransfer.backbones import _affordable, _extraction
from sktransfer.exceptions import UnreadableImagesWarning

ROOT = Path(__file__).resolve().parents[2]
IMAGES = np.random.default_rng(0).integers(0, 256, (10, 32, 32, 3), dtype=np.uint8)


def features(**parameters) -> BackboneFeatures:
    """A small network of random weights, which needs no file."""
    common = {"weights": None, "input_size": 32, "random_state": 0, "cache": None}
    return BackboneFeatures("mobilenet", **{"batch_size": 8, **common, **parameters})


def no_memory() -> None:
    raise MemoryError


def no_memory_for_tensorflow() -> None:
    tf.zeros(1 << 50)


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch):
    monkeypatch.setattr(_affordable, "_affordable", {})


@pytest.fixture
def limit(monkeypatch):
    """Let memory be enough for so many images, and return the batch sizes that are tried."""

    def set_limit(n, fail=no_memory):
        tried = []

        def limited(run, rows, batch_size):
            tried.append(batch_size)
            if batch_size > n:
                fail()
            return run_padded(run, rows, batch_size)

        monkeypatch.setattr(_extraction, "run_padded", limited)
        return tried

    run_padded = _extraction.run_padded
    return set_limit


@pytest.mark.parametrize("fail", [no_memory, no_memory_for_tensorflow])
def test_batches_are_halved_until_memory_is_enough(limit, fail):
    expected = features(batch_size=2).fit_transform(IMAGES)
    tried = limit(3, fail)

    with pytest.warns(RuntimeWarning, match=r"of 8 images in mobilenet.*batch_size=2") as told:
        found = features().fit_transform(IMAGES)

    assert len(told) == 1
    assert tried == [8, 4, *[2] * 5]
    np.testing.assert_array_equal(found, expected)


def test_it_is_told_once_and_known_from_then_on(limit):
    tried = limit(4)
    with pytest.warns(RuntimeWarning, match="batch_size=4"):
        fitted = features().fit(IMAGES)
        fitted.transform(IMAGES)
    tried.clear()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted.transform(IMAGES)
        features(batch_size=128).fit_transform(IMAGES)
        features(batch_size=2).fit_transform(IMAGES)

    assert tried == [4] * 3 + [4] * 3 + [2] * 5


def test_features_are_all_of_one_batch_size_wherever_memory_ends(monkeypatch):
    calls = []

    def ends_at_the_third_batch(run, rows, batch_size):
        calls.append(batch_size)
        if len(calls) == 3:
            raise MemoryError
        return np.full((len(rows), 1024), batch_size, dtype=np.float32)

    monkeypatch.setattr(_extraction, "run_padded", ends_at_the_third_batch)
    with pytest.warns(RuntimeWarning, match="batch_size=2"):
        found = features(batch_size=4).fit_transform(IMAGES)

    assert calls == [4, 4, 4, *[2] * 5]
    assert (found == 2).all()


def test_the_cache_keeps_the_features_of_each_batch_size_apart(limit, tmp_path):
    large = features(cache=tmp_path).fit_transform(IMAGES)
    tried = limit(4)
    more = np.concatenate([IMAGES, 255 - IMAGES])
    with pytest.warns(RuntimeWarning, match="batch_size=4"):
        small = features(cache=tmp_path).fit_transform(more)

    assert tried == [8, *[4] * 5]
    np.testing.assert_array_equal(small, features(batch_size=4).fit_transform(more))
    np.testing.assert_allclose(small[:10], large, atol=1e-5 * large.max())


def test_images_that_cannot_be_read_are_told_once(limit):
    limit(4)
    items = [*IMAGES[:9], b"no image"]

    with pytest.warns() as told:
        found = features(on_error="nan").fit(IMAGES).transform(items)

    kinds = [warning.category for warning in told]
    assert sorted(kinds, key=str) == [RuntimeWarning, UnreadableImagesWarning]
    assert np.isnan(found).all(axis=1).tolist() == [False] * 9 + [True]


@pytest.mark.parametrize("fail", [no_memory, no_memory_for_tensorflow])
def test_one_image_that_is_too_large_is_an_error_with_advice(limit, fail):
    tried = limit(0, fail)

    with pytest.raises(MemoryError, match=r"one image of 32x32 .*mobilenet.*smaller input_size"):
        features().fit_transform(IMAGES)

    assert tried == [8, 4, 2, 1]


def test_other_errors_are_left_alone(limit):
    def fail():
        raise RuntimeError("something else")

    tried = limit(0, fail)
    with pytest.raises(RuntimeError, match="something else"):
        features().fit_transform(IMAGES)
    assert tried == [8]


LITTLE_MEMORY = """
    import os, resource
    from pathlib import Path

    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # each thread takes memory of its own
    import numpy as np
    from sktransfer import BackboneFeatures

    images = np.random.default_rng(0).integers(0, 256, (512, 64, 64, 3), dtype=np.uint8)
    features = BackboneFeatures(
        "mobilenet", weights=None, input_size=128, random_state=0, engine="openvino",
        batch_size=1, cache=None,
    ).fit(images[:1])
    features.transform(images[:1])
    features.batch_size_ = 512
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, 2 * (held + (600 << 20),))
    features.transform(images)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits the memory of a process on Linux")
def test_a_process_of_little_memory_goes_on():
    pytest.importorskip("openvino")
    command = [sys.executable, "-W", "always", "-c", textwrap.dedent(LITTLE_MEMORY)]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)

    assert done.returncode == 0, done.stderr
    assert done.stderr.count("memory is not enough for batches of 512 images") == 1
