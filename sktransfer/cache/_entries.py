"""What a row is on disk: its bytes, how to read them, and a digest of both and of its key."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np

_NUMBERS = "biufc"  # kinds of dtype whose bytes say all


class Entry(NamedTuple):
    """A row as it is written; a damaged file may give anything in place of the bytes."""

    key: bytes
    layout: bytes
    digest: bytes
    value: bytes


def pack(key: bytes, row: np.ndarray) -> Entry:
    """Write a row of numbers, of any shape."""
    if row.dtype.kind not in _NUMBERS:
        raise TypeError(f"rows must be numbers to be kept on disk, got dtype {row.dtype}")
    layout = " ".join([row.dtype.str, *map(str, row.shape)]).encode()
    value = row.tobytes()
    return Entry(key, layout, _digest(key, layout, value), value)


def unpack(entry: Entry) -> np.ndarray | None:
    """Read a row, read-only; None where it is not what was written under its key."""
    if not all(isinstance(part, bytes) for part in entry):
        return None
    if _digest(entry.key, entry.layout, entry.value) != entry.digest:
        return None
    dtype, *shape = entry.layout.decode().split()
    return np.frombuffer(entry.value, dtype=dtype).reshape([int(length) for length in shape])


def _digest(key: bytes, layout: bytes, value: bytes) -> bytes:
    """Hash all parts of a row; the lengths keep them apart."""
    digest = hashlib.blake2b(b"%d %d " % (len(key), len(layout)), digest_size=16)
    digest.update(key)
    digest.update(layout)
    digest.update(value)
    return digest.digest()
