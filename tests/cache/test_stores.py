"""What all stores of features have in common: rows, bound, order, threads."""

from __future__ import annotations

import itertools
import os
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sktransfer.cache import (
    DiskStore,
    FeatureStore,
    _feature_store,
    disk_store,
    memory_store,
    open_store,
)

WIDTH = 4
ROW_BYTES = 4 * WIDTH


@pytest.fixture(params=["memory", "disk"])
def new_store(request, tmp_path):
    """What makes an empty store of a kind, given its bound."""
    folders = itertools.count()

    def new(max_bytes: int) -> FeatureStore | DiskStore:
        if request.param == "memory":
            return FeatureStore(max_bytes)
        return DiskStore(tmp_path / str(next(folders)), max_bytes)

    return new


def key_of(number: int) -> bytes:
    return number.to_bytes(2, "big")


def row_of(number: int) -> np.ndarray:
    return np.full(WIDTH, number, dtype=np.float32)


def put(store, *numbers: int) -> None:
    store.put([key_of(n) for n in numbers], np.stack([row_of(n) for n in numbers]))


def kept(store, *numbers: int) -> list[bool]:
    """Whether each row is there; asking is using."""
    return [row is not None for row in store.get([key_of(n) for n in numbers])]


# Rows ------------------------------------------------------------------------------------------


def test_rows_come_back_in_the_order_of_the_keys(new_store):
    store = new_store(10 * ROW_BYTES)
    put(store, 1, 2, 3)
    rows = store.get([key_of(3), key_of(7), key_of(1), key_of(3)])
    assert rows[1] is None
    np.testing.assert_array_equal([rows[0], rows[2], rows[3]], [row_of(3), row_of(1), row_of(3)])


def test_rows_are_copies(new_store):
    store = new_store(10 * ROW_BYTES)
    rows = np.stack([row_of(1), row_of(2)])
    store.put([key_of(1), key_of(2)], rows)
    rows[:] = -1
    np.testing.assert_array_equal(store.get([key_of(1)])[0], row_of(1))


def test_bytes_and_length_count_each_key_once(new_store):
    store = new_store(10 * ROW_BYTES)
    put(store, 1, 2)
    put(store, 2, 3)
    assert len(store) == 3
    assert store.n_bytes == 3 * ROW_BYTES


def test_clear_forgets_everything(new_store):
    store = new_store(10 * ROW_BYTES)
    put(store, 1, 2)
    store.clear()
    assert (len(store), store.n_bytes) == (0, 0)
    assert kept(store, 1, 2) == [False, False]


def test_keys_and_rows_must_be_equally_many(new_store):
    with pytest.raises(ValueError, match="shorter"):
        new_store(ROW_BYTES).put([key_of(1), key_of(2)], row_of(1)[np.newaxis])


# Bound -----------------------------------------------------------------------------------------


def test_oldest_rows_go_first(new_store):
    store = new_store(3 * ROW_BYTES)
    put(store, 1, 2, 3)
    put(store, 4)
    assert kept(store, 1, 2, 3, 4) == [False, True, True, True]


def test_rows_in_use_stay(new_store):
    store = new_store(3 * ROW_BYTES)
    put(store, 1, 2, 3)
    assert kept(store, 1) == [True]
    put(store, 4)
    assert kept(store, 1, 2, 3, 4) == [True, False, True, True]


def test_bound_is_exact(new_store):
    store = new_store(3 * ROW_BYTES)
    put(store, 1, 2, 3)
    assert store.n_bytes == store.max_bytes
    assert len(store) == 3
    smaller = new_store(3 * ROW_BYTES - 1)
    put(smaller, 1, 2, 3)
    assert len(smaller) == 2


def test_a_row_larger_than_the_bound_is_not_kept(new_store):
    store = new_store(ROW_BYTES - 1)
    put(store, 1)
    assert (len(store), store.n_bytes) == (0, 0)


@given(
    max_rows=st.integers(0, 6),
    calls=st.lists(
        st.tuples(st.sampled_from(["get", "put"]), st.lists(st.integers(0, 9), min_size=1)),
        max_size=30,
    ),
)
def test_store_in_memory_is_a_plain_lru(max_rows, calls):
    check_lru(FeatureStore(max_rows * ROW_BYTES), max_rows, calls)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    max_rows=st.integers(0, 6),
    pairs=st.lists(
        st.tuples(st.integers(0, 9), st.lists(st.integers(0, 9), min_size=1)), max_size=10
    ),
)
def test_reads_between_puts_count(new_store, max_rows, pairs):
    calls = [call for read, written in pairs for call in (("get", [read]), ("put", written))]
    check_lru(new_store(max_rows * ROW_BYTES), max_rows, calls)


def check_lru(store, max_rows, calls):
    """Compare a store with a model, after each of the calls."""
    model: OrderedDict[int, None] = OrderedDict()
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


def test_threads_share_a_store_safely(new_store):
    store = new_store(50 * ROW_BYTES)

    def work(seed: int) -> bool:
        rng = np.random.default_rng(seed)
        for _ in range(30):
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


# The store that is meant -----------------------------------------------------------------------


def test_the_process_has_one_store_in_memory_and_one_a_folder(tmp_path, monkeypatch):
    assert isinstance(memory_store(), FeatureStore)
    assert memory_store() is memory_store()
    assert type(memory_store().max_bytes) is int
    monkeypatch.chdir(tmp_path)
    assert disk_store("a") is disk_store(tmp_path / "b" / ".." / "a")
    assert disk_store("a") is not disk_store("b")
    assert not os.listdir(tmp_path), "nothing is made before it is used"


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (["max"], 1 << 40),
        (["1048576\n"], 1 << 20),
        (["9223372036854771712", "4096"], 4096),
        ([], 1 << 40),
    ],
)
def test_memory_is_that_of_the_container(told, expected, tmp_path, monkeypatch):
    files = [tmp_path / str(number) for number in range(2)]
    for file, text in zip(files, told, strict=False):
        file.write_text(text)
    monkeypatch.setattr(_feature_store, "_LIMITS", files)
    monkeypatch.setattr(
        _feature_store.psutil, "virtual_memory", lambda: SimpleNamespace(total=1 << 40)
    )
    assert _feature_store._memory() == expected


def test_parameter_stands_for_a_store(tmp_path):
    assert open_store(None) is None
    assert open_store("auto") is memory_store()
    assert open_store(str(tmp_path)) is open_store(tmp_path) is disk_store(tmp_path)


def test_bound_on_disk_is_that_of_the_environment(tmp_path, monkeypatch):
    monkeypatch.delenv("SKTRANSFER_CACHE_BYTES", raising=False)
    assert disk_store(tmp_path / "default").max_bytes == 10 * 1024**3
    monkeypatch.setenv("SKTRANSFER_CACHE_BYTES", "4096")
    assert disk_store(tmp_path).max_bytes == 4096
    monkeypatch.setenv("SKTRANSFER_CACHE_BYTES", "10 GiB")
    with pytest.raises(ValueError, match="SKTRANSFER_CACHE_BYTES must be a whole number"):
        disk_store(tmp_path / "other")


def test_cache_must_be_a_folder(tmp_path):
    (tmp_path / "file").write_bytes(b"mine")
    with pytest.raises(ValueError, match="must be a folder, got the file"):
        open_store(tmp_path / "file")
    with pytest.raises(ValueError, match="got an empty path"):
        open_store("")
