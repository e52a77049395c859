"""The store of features: bound, order, threads; and the keys that its rows go by."""

from __future__ import annotations

from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from sktransfer.cache import FeatureStore, memory_store, row_keys

WIDTH = 4
ROW_BYTES = 4 * WIDTH


def key_of(number: int) -> bytes:
    return number.to_bytes(2, "big")


def row_of(number: int) -> np.ndarray:
    return np.full(WIDTH, number, dtype=np.float32)


def put(store: FeatureStore, *numbers: int) -> None:
    store.put([key_of(n) for n in numbers], np.stack([row_of(n) for n in numbers]))


def kept(store: FeatureStore, *numbers: int) -> list[bool]:
    """Whether each row is there; asking is using."""
    return [row is not None for row in store.get([key_of(n) for n in numbers])]


# Rows ------------------------------------------------------------------------------------------


def test_rows_come_back_in_the_order_of_the_keys():
    store = FeatureStore(10 * ROW_BYTES)
    put(store, 1, 2, 3)
    rows = store.get([key_of(3), key_of(7), key_of(1), key_of(3)])
    assert rows[1] is None
    np.testing.assert_array_equal([rows[0], rows[2], rows[3]], [row_of(3), row_of(1), row_of(3)])


def test_rows_are_copies():
    store = FeatureStore(10 * ROW_BYTES)
    rows = np.stack([row_of(1), row_of(2)])
    store.put([key_of(1), key_of(2)], rows)
    rows[:] = -1
    np.testing.assert_array_equal(store.get([key_of(1)])[0], row_of(1))


def test_bytes_and_length_count_each_key_once():
    store = FeatureStore(10 * ROW_BYTES)
    put(store, 1, 2)
    put(store, 2, 3)
    assert len(store) == 3
    assert store.n_bytes == 3 * ROW_BYTES


def test_clear_forgets_everything():
    store = FeatureStore(10 * ROW_BYTES)
    put(store, 1, 2)
    store.clear()
    assert (len(store), store.n_bytes) == (0, 0)
    assert kept(store, 1, 2) == [False, False]


def test_keys_and_rows_must_be_equally_many():
    with pytest.raises(ValueError, match="shorter"):
        FeatureStore(ROW_BYTES).put([key_of(1), key_of(2)], row_of(1)[np.newaxis])


def test_the_process_has_one_store():
    assert memory_store() is memory_store()


# Bound -----------------------------------------------------------------------------------------


def test_oldest_rows_go_first():
    store = FeatureStore(3 * ROW_BYTES)
    put(store, 1, 2, 3)
    put(store, 4)
    assert kept(store, 1, 2, 3, 4) == [False, True, True, True]


def test_rows_in_use_stay():
    store = FeatureStore(3 * ROW_BYTES)
    put(store, 1, 2, 3)
    assert kept(store, 1) == [True]
    put(store, 4)
    assert kept(store, 1, 2, 3, 4) == [True, False, True, True]


def test_bound_is_exact():
    store = FeatureStore(3 * ROW_BYTES)
    put(store, 1, 2, 3)
    assert store.n_bytes == store.max_bytes
    assert len(store) == 3
    smaller = FeatureStore(3 * ROW_BYTES - 1)
    put(smaller, 1, 2, 3)
    assert len(smaller) == 2


def test_a_row_larger_than_the_bound_is_not_kept():
    store = FeatureStore(ROW_BYTES - 1)
    put(store, 1)
    assert (len(store), store.n_bytes) == (0, 0)


@given(
    max_rows=st.integers(0, 6),
    calls=st.lists(
        st.tuples(st.sampled_from(["get", "put"]), st.lists(st.integers(0, 9), min_size=1)),
        max_size=30,
    ),
)
def test_store_behaves_like_a_plain_lru(max_rows, calls):
    store, model = FeatureStore(max_rows * ROW_BYTES), OrderedDict()
    for call, numbers in calls:
        if call == "get":
            assert kept(store, *numbers) == [number in model for number in numbers]
            for number in numbers:
                if number in model:
                    model.move_to_end(number)
        else:
            put(store, *numbers)
            for number in numbers:
                model.setdefault(number)
            while len(model) > max_rows:
                model.popitem(last=False)
        assert len(store) == len(model)
        assert store.n_bytes == len(model) * ROW_BYTES


def test_threads_share_a_store_safely():
    store = FeatureStore(50 * ROW_BYTES)

    def work(seed: int) -> bool:
        rng = np.random.default_rng(seed)
        for _ in range(200):
            numbers = rng.integers(0, 100, 8).tolist()
            put(store, *numbers)
            rows = store.get([key_of(n) for n in numbers])
            for number, row in zip(numbers, rows, strict=True):
                if row is not None and not (row == number).all():
                    return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))
    assert store.n_bytes == len(store) * ROW_BYTES <= store.max_bytes


# Keys ------------------------------------------------------------------------------------------

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
