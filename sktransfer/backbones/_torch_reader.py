"""Reads files of PyTorch weights without PyTorch, and without running what is in them.

Files of the legacy format (before PyTorch 1.6) are four pickles (a magic number, the version of
the format, facts about the writing machine, and the object), then the names of the storages, then
each storage as its length and its bytes. A pickle is a program; here it may build ordered
dictionaries and references to arrays and can name nothing else.
"""

from __future__ import annotations

import io
import math
import pickle
import struct
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sktransfer._errors import WeightsError

__all__ = ["read_torch_weights"]

_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
_PROTOCOL_VERSION = 1001
_LENGTH = struct.Struct("<q")
_ZIP_SIGNATURE = b"PK\x03\x04"


@dataclass(frozen=True)
class _Storage:
    """A run of `length` numbers, stored under `key`."""

    key: str
    dtype: np.dtype
    length: int


@dataclass(frozen=True)
class _Tensor:
    """An array as a view of a storage; offset and strides count elements."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def _rebuild_tensor(
    storage: Any,
    offset: Any,
    shape: Any,
    strides: Any,
    requires_grad: Any = False,
    backward_hooks: Any = None,
) -> _Tensor:
    """Stand in for ``torch._utils._rebuild_tensor_v2``; `_view` checks what is kept here."""
    return _Tensor(storage, offset, shape, strides)


_ALLOWED_GLOBALS = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch", "FloatStorage"): np.dtype("<f4"),
    ("torch", "LongStorage"): np.dtype("<i8"),
}


class _RestrictedUnpickler(pickle.Unpickler):
    """An unpickler for which nothing exists but ordered dictionaries and arrays."""

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED_GLOBALS[module, name]
        except KeyError:
            raise WeightsError(
                f"the file asks for {module}.{name}, which weights have no need of"
            ) from None

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, key, _device, length, view = pid
        if kind != "storage" or not isinstance(dtype, np.dtype) or view is not None:
            raise WeightsError(f"the file refers to an object that is no plain storage: {kind!r}")
        if not isinstance(key, str) or not _is_count(length):
            raise WeightsError(f"the file describes a storage wrongly: {key!r}, {length!r}")
        return _Storage(key, dtype, length)


def read_torch_weights(path: str | Path) -> dict[str, np.ndarray]:
    """Read a file of weights in PyTorch's legacy format.

    Parameters
    ----------
    path : path
        The file, as ``torch.save(module.state_dict(), path)`` wrote it before PyTorch 1.6.

    Returns
    -------
    arrays : dict of str to ndarray
        float32 and int64 arrays by name, in the file's order; they share no memory.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    WeightsError
        If the file is damaged, of another format, or asks for anything besides arrays. Nothing in
        the file is run.
    """
    content = Path(path).read_bytes()
    if content.startswith(_ZIP_SIGNATURE):
        raise WeightsError(f"{path} is in PyTorch's zip format; only the legacy format is read")
    try:
        return _read(io.BytesIO(content))
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from None
    # A damaged pickle can fail in any of its instructions.
    except Exception as error:
        raise WeightsError(
            f"{path} is no readable file of PyTorch weights ({type(error).__name__}: {error})"
        ) from error


def _read(stream: io.BytesIO) -> dict[str, np.ndarray]:
    """Read the parts of the file in their order."""
    if _unpickle(stream) != _MAGIC_NUMBER:
        raise WeightsError("this is no PyTorch file")
    if _unpickle(stream) != _PROTOCOL_VERSION:
        raise WeightsError("unknown version of PyTorch's legacy format")
    if _unpickle(stream)["little_endian"] is not True:
        raise WeightsError("the file was written on a big-endian machine")
    tensors = _unpickle(stream)
    if not isinstance(tensors, dict):
        raise WeightsError(f"expected a dictionary of arrays, got {type(tensors).__name__}")
    for name, tensor in tensors.items():
        if not isinstance(name, str) or not isinstance(tensor, _Tensor):
            raise WeightsError(f"entry {name!r} is no named array")
    storages = _read_storages(stream, _unpickle(stream), _declared_storages(tensors))
    return {name: _view(name, tensor, storages) for name, tensor in tensors.items()}


def _unpickle(stream: io.BytesIO) -> Any:
    return _RestrictedUnpickler(stream).load()


def _declared_storages(tensors: dict[str, _Tensor]) -> dict[str, _Storage]:
    """Collect the storages behind `tensors` by key; one key has one description."""
    declared: dict[str, _Storage] = {}
    for name, tensor in tensors.items():
        storage = tensor.storage
        known = isinstance(storage, _Storage) and declared.setdefault(storage.key, storage)
        if known != storage:
            raise WeightsError(f"array {name!r} has no proper storage")
    return declared


def _read_storages(
    stream: io.BytesIO, keys: Any, declared: dict[str, _Storage]
) -> dict[str, np.ndarray]:
    """Read the storages, which stand in the order of `keys` up to the end of the file."""
    if not isinstance(keys, list) or len(keys) != len(declared) or set(keys) != set(declared):
        raise WeightsError("the storages of the file are not those of its arrays")
    storages = {}
    for key in keys:
        storage = declared[key]
        (length,) = _LENGTH.unpack(stream.read(_LENGTH.size))
        if length != storage.length:
            raise WeightsError(f"storage {key!r} has {length} elements instead of {storage.length}")
        data = stream.read(length * storage.dtype.itemsize)
        if len(data) != length * storage.dtype.itemsize:
            raise WeightsError("the file is cut short")
        storages[key] = np.frombuffer(data, storage.dtype)
    if stream.read(1):
        raise WeightsError("there is data after the last array")
    return storages


def _view(name: str, tensor: _Tensor, storages: dict[str, np.ndarray]) -> np.ndarray:
    """Copy the array out of its storage, having checked that it lies within."""
    storage = storages[tensor.storage.key]
    shape, strides, offset = tensor.shape, tensor.strides, tensor.offset
    if (
        not (isinstance(shape, tuple) and isinstance(strides, tuple) and len(shape) == len(strides))
        or not all(map(_is_count, (*shape, *strides, offset)))
        # Zero strides could make a large array of a small storage.
        or math.prod(shape) > storage.size
        or offset + _extent(shape, strides) > storage.size
    ):
        raise WeightsError(f"array {name!r} does not lie within its storage")
    strides_in_bytes = [stride * storage.itemsize for stride in strides]
    return np.lib.stride_tricks.as_strided(storage[offset:], shape, strides_in_bytes).copy()


def _extent(shape: tuple[int, ...], strides: tuple[int, ...]) -> int:
    """Count the elements from the first to the last of an array, both included."""
    if 0 in shape:
        return 0
    return 1 + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0
