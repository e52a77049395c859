"""A bounded store of rows of features, addressed by what they were computed from.

A key is a hash of an image's pixels and of everything that determines its features, so that rows
are found again whatever the order, the fold or the estimator that asks for them, and a change of
either can never be served an old row.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import psutil

LEAST_BYTES = 1 << 30
"""Bound of the store that a process shares on a small machine; on others it is a share."""
SHARE = 8
"""Of the machine's memory, one part in so many: 3 GiB of 24 keep 60,000 images in four depths."""

_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
"""Where Linux tells in a container what memory it has, in either version of control groups."""


class FeatureStore:
    """Rows by key, in memory; the least recently used go first when `max_bytes` is reached."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._rows: OrderedDict[bytes, np.ndarray] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def n_bytes(self) -> int:
        """Bytes of the rows that are kept."""
        return self._bytes

    def get(self, keys: Sequence[bytes]) -> list[np.ndarray | None]:
        """Return the row of each key, None where there is none."""
        with self._lock:
            rows = [self._rows.get(key) for key in keys]
            for key, row in zip(keys, rows, strict=True):
                if row is not None:
                    self._rows.move_to_end(key)
            return rows

    def put(self, keys: Sequence[bytes], rows: np.ndarray) -> None:
        """Keep a copy of each row under its key."""
        with self._lock:
            for key, row in zip(keys, rows, strict=True):
                if key not in self._rows:
                    self._rows[key] = row.copy()
                    self._bytes += row.nbytes
            while self._bytes > self.max_bytes:
                _, row = self._rows.popitem(last=False)
                self._bytes -= row.nbytes

    def clear(self) -> None:
        """Forget every row."""
        with self._lock:
            self._rows.clear()
            self._bytes = 0


def _memory() -> int:
    """Return the bytes of memory of the machine, or of the container where that has less."""
    memory = psutil.virtual_memory().total
    for file in _LIMITS:
        with contextlib.suppress(OSError, ValueError):  # there is no such file, or it says "max"
            memory = min(memory, int(Path(file).read_text()))
    return memory


_memory_store = FeatureStore(max(LEAST_BYTES, _memory() // SHARE))


def memory_store() -> FeatureStore:
    """Return the store that the whole process shares."""
    return _memory_store


def row_keys(images: np.ndarray, fingerprint: str) -> list[bytes]:
    """Hash each image of (n, h, w, c), its shape and type, under an extractor's fingerprint."""
    context = f"{fingerprint}|{images.shape[1:]}|{images.dtype}".encode()
    prefix = hashlib.blake2b(context, digest_size=20)
    keys = []
    for image in np.ascontiguousarray(images):
        of_image = prefix.copy()
        of_image.update(image.data)
        keys.append(of_image.digest())
    return keys
