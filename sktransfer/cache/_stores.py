"""Which store is meant: what an estimator's parameter `cache` stands for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from sktransfer.cache._disk_store import DISK_BYTES, DiskStore
from sktransfer.cache._feature_store import memory_store


class Store(Protocol):
    """What rows are kept in, in memory or on disk."""

    def get(self, keys: Sequence[bytes]) -> list[np.ndarray | None]:
        """Return the row of each key, None where there is none."""

    def put(self, keys: Sequence[bytes], rows: np.ndarray) -> None:
        """Keep each row under its key."""


_disk_stores: dict[Path, DiskStore] = {}


def disk_store(path: str | os.PathLike[str]) -> DiskStore:
    """Return the store of a folder that the whole process shares, bounded by `disk_bytes`."""
    store = DiskStore(path, disk_bytes())
    return _disk_stores.setdefault(store.path, store)


def disk_bytes() -> int:
    """Return the bound of stores on disk: ``SKTRANSFER_CACHE_BYTES``, else 10 GiB."""
    text = os.environ.get("SKTRANSFER_CACHE_BYTES") or str(DISK_BYTES)
    if not text.isdecimal():
        raise ValueError(f"SKTRANSFER_CACHE_BYTES must be a whole number of bytes, got {text!r}")
    return int(text)


def open_store(cache: str | os.PathLike[str] | None) -> Store | None:
    """Return the store that a parameter `cache` stands for.

    Parameters
    ----------
    cache : {"auto"}, str, path-like or None
        "auto" is the process' store in memory, None no store, anything else a folder on disk.

    Returns
    -------
    Store or None

    Raises
    ------
    ValueError
        If `cache` is empty or the path of a file, or ``SKTRANSFER_CACHE_BYTES`` is no number.

    Examples
    --------
    >>> from sktransfer.cache import memory_store, open_store
    >>> open_store("auto") is memory_store()
    True
    >>> open_store("features") is open_store("./features")
    True
    """
    if cache is None:
        return None
    if not os.fspath(cache):
        raise ValueError('cache must be "auto", the path of a folder or None, got an empty path')
    return memory_store() if cache == "auto" else disk_store(cache)
