"""Arrays as the bytes of ``.npy`` files, which hold numbers and text and nothing else."""

from __future__ import annotations

import hashlib
import io
import math
from typing import Any

import numpy as np

from sktransfer._errors import PersistenceError

_KINDS = "biufcU"
"""Of dtypes: booleans, integers, floats, complex numbers and text."""


def is_kept(dtype: np.dtype) -> bool:
    """Return whether arrays of a type are written; of a type of no bytes they have no bound."""
    return dtype.kind in _KINDS and dtype.itemsize > 0


def as_npy(array: np.ndarray) -> bytes:
    """Write an array of a type that is kept."""
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, allow_pickle=False)
    return stream.getvalue()


def described(array: np.ndarray, data: bytes) -> dict[str, Any]:
    """Return what the manifest says of an array and of its bytes."""
    return {
        "dtype": array.dtype.str,
        "shape": list(array.shape),
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def from_npy(name: str, data: bytes, description: Any) -> np.ndarray:
    """Read an array that is just what the manifest says, and as long as it says itself."""
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        if version == (1, 0):
            shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(stream)
        else:  # numpy writes it for long headers, and 3.0 for names that arrays here do not have
            shape, fortran_order, dtype = np.lib.format.read_array_header_2_0(stream)
    except Exception as error:  # the header is text that NumPy parses: it fails in many ways
        raise PersistenceError(f"{name} is no .npy file: {error}") from error
    if not is_kept(dtype):
        raise PersistenceError(f"{name} has dtype {dtype}, which is no number and no text")
    start = stream.tell()
    if dtype.itemsize * math.prod(shape) != len(data) - start:
        raise PersistenceError(
            f"{name} holds {len(data) - start} bytes, which are no {dtype} of shape {shape}"
        )
    values = np.frombuffer(data, dtype, math.prod(shape), start)
    array = values.reshape(shape, order="F" if fortran_order else "C").copy(order="K")
    if described(array, data) != description:
        raise PersistenceError(f"{name} is not the array of the manifest: {description}")
    return array
