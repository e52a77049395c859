"""The keys that rows go by."""

from __future__ import annotations

import hashlib

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from sktransfer.cache import row_keys

images = npst.arrays(
    np.uint8, st.tuples(st.integers(1, 5), st.integers(1, 4), st.integers(1, 4), st.just(3))
)


@given(images)
def test_keys_are_equal_exactly_where_pixels_are(batch):
    keys = row_keys(batch, "extractor")
    assert len(keys) == len(batch)
    for i, left in enumerate(batch):
        for j, right in enumerate(batch):
            assert (keys[i] == keys[j]) == np.array_equal(left, right)


@given(images, st.randoms(use_true_random=False))
def test_key_depends_on_the_image_alone(batch, random):
    order = random.sample(range(len(batch)), len(batch))
    keys = row_keys(batch, "extractor")
    assert row_keys(batch[order], "extractor") == [keys[k] for k in order]
    assert row_keys(batch[:1], "extractor") == keys[:1]


@given(images)
def test_key_does_not_depend_on_the_layout_in_memory(batch):
    keys = row_keys(batch, "extractor")
    assert row_keys(np.asfortranarray(batch), "extractor") == keys
    assert row_keys(np.repeat(batch, 2, axis=0)[::2], "extractor") == keys


@given(images)
def test_fingerprint_tells_extractors_apart(batch):
    assert not set(row_keys(batch, "one")) & set(row_keys(batch, "another"))


def test_shape_counts_where_bytes_are_the_same():
    batch = np.zeros((1, 2, 6, 3), dtype=np.uint8)
    assert row_keys(batch, "x") != row_keys(batch.reshape(1, 6, 2, 3), "x")


def test_dtype_counts_where_bytes_are_the_same():
    batch = np.zeros((1, 2, 2, 3), dtype=np.uint32)
    assert row_keys(batch, "x") != row_keys(batch.view(np.float32), "x")


def test_one_bit_counts():
    batch = np.random.default_rng(0).random((1, 8, 8, 3), dtype=np.float32)
    changed = batch.copy()
    changed[0, 7, 7, 2] = np.nextafter(changed[0, 7, 7, 2], np.float32(2))
    assert row_keys(batch, "x") != row_keys(changed, "x")


def test_keys_stay_what_they_were():
    """Or else no store on disk would have its rows any more."""
    batch = np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3)
    hashed = hashlib.blake2b(b"extractor|(2, 2, 3)|uint8" + bytes(range(12)), digest_size=20)
    assert row_keys(batch, "extractor") == [hashed.digest()]
