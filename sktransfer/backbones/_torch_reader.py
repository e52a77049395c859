"""Reads files of PyTorch weights without PyTorch, and without running what is in them.

Files of the legacy format (before PyTorch 1.6) are four pickles (a magic number, the version of
the format, facts about the writing machine, and the object), then the names of the storages, then
each storage as its length and its bytes. A pickle is a program; here it may build dictionaries and
references to arrays, and can name nothing else.
"""

from __future__ import annotations

import io
import math
import reprlib
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sktransfer._errors import WeightsError
from sktransfer.backbones._restricted_pickle import read_pickle

__all__ = ["read_torch_weights"]

_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
_PROTOCOL_VERSION = 1001
_LENGTH = struct.Struct("<q")
_ZIP_SIGNATURE = b"PK\x03\x04"
_MAX_BYTES = 1 << 30  # of a file; those that are published have tens of megabytes
_MAX_DIMENSIONS = 32


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
    """Stand in for ``torch._utils._rebuild_tensor_v2``; `_check_view` looks at what is kept."""
    return _Tensor(storage, offset, shape, strides)


def _refer(pid: Any) -> _Storage:
    """Make the storage that a pickle refers to."""
    kind, dtype, key, _device, length, view = pid
    if kind != "storage" or not isinstance(dtype, np.dtype) or view is not None:
        raise WeightsError("the file refers to an object that is no plain storage")
    if type(key) is not str or not _is_count(length):
        raise WeightsError("the file describes a storage wrongly")
    return _Storage(key, dtype, length)


def _ordered_dict() -> dict[str, Any]:
    """Stand in for ``collections.OrderedDict``, which is always begun empty."""
    return {}


_KNOWN = {
    "collections.OrderedDict": _ordered_dict,
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
    "torch.FloatStorage": np.dtype("<f4"),
    "torch.LongStorage": np.dtype("<i8"),
}


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
        the file is run, and the arrays together are no larger than the file.
    """
    size = Path(path).stat().st_size
    if size > _MAX_BYTES:
        raise WeightsError(f"{path} has {size} bytes; weights of at most {_MAX_BYTES} are read")
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
            f"{path} is no readable file of PyTorch weights "
            f"({type(error).__name__}: {str(error)[:200]})"
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
        if not isinstance(tensor, _Tensor):
            raise WeightsError(f"entry {reprlib.repr(name)} is no named array")
    storages = _read_storages(stream, _unpickle(stream), _declared_storages(tensors))
    for name, tensor in tensors.items():
        _check_view(name, tensor, storages[tensor.storage.key])
    _check_total(tensors, stream.tell())
    return {name: _view(tensor, storages[tensor.storage.key]) for name, tensor in tensors.items()}


def _unpickle(stream: io.BytesIO) -> Any:
    return read_pickle(stream, _KNOWN, _refer)


def _declared_storages(tensors: dict[str, _Tensor]) -> dict[str, _Storage]:
    """Collect the storages behind `tensors` by key; one key has one description."""
    declared: dict[str, _Storage] = {}
    for name, tensor in tensors.items():
        storage = tensor.storage
        known = isinstance(storage, _Storage) and declared.setdefault(storage.key, storage)
        if known != storage:
            raise WeightsError(f"array {reprlib.repr(name)} has no proper storage")
    return declared


def _read_storages(
    stream: io.BytesIO, keys: Any, declared: dict[str, _Storage]
) -> dict[str, np.ndarray]:
    """Read the storages, which stand in the order of `keys` up to the end of the file."""
    if (
        not isinstance(keys, list)
        or not all(type(key) is str for key in keys)
        or len(keys) != len(declared)
        or set(keys) != set(declared)
    ):
        raise WeightsError("the storages of the file are not those of its arrays")
    storages = {}
    for key in keys:
        storage = declared[key]
        (length,) = _LENGTH.unpack(stream.read(_LENGTH.size))
        if length != storage.length:
            raise WeightsError(
                f"storage {reprlib.repr(key)} has {length} elements instead of {storage.length}"
            )
        n_bytes = length * storage.dtype.itemsize
        if n_bytes > stream.getbuffer().nbytes - stream.tell():
            raise WeightsError("the file is cut short")
        storages[key] = np.frombuffer(stream.read(n_bytes), storage.dtype)
    if stream.read(1):
        raise WeightsError("there is data after the last array")
    return storages


def _check_view(name: str, tensor: _Tensor, storage: np.ndarray) -> None:
    """Refuse an array that does not lie within its storage."""
    shape, strides, offset = tensor.shape, tensor.strides, tensor.offset
    if (
        not (isinstance(shape, tuple) and isinstance(strides, tuple))
        or not len(shape) == len(strides) <= _MAX_DIMENSIONS
        or not all(map(_is_count, (*shape, *strides, offset)))
        # Zero strides could make a large array of a small storage.
        or math.prod(shape) > storage.size
        or offset + _extent(shape, strides) > storage.size
    ):
        raise WeightsError(f"array {reprlib.repr(name)} does not lie within its storage")


def _check_total(tensors: dict[str, _Tensor], file_size: int) -> None:
    """Refuse arrays which share storages until a small file fills the memory."""
    total = sum(math.prod(t.shape) * t.storage.dtype.itemsize for t in tensors.values())
    if total > file_size:
        raise WeightsError(f"its arrays would take {total} bytes, more than the file itself")


def _view(tensor: _Tensor, storage: np.ndarray) -> np.ndarray:
    """Copy an array out of its storage."""
    strides_in_bytes = [stride * storage.itemsize for stride in tensor.strides]
    view = np.lib.stride_tricks.as_strided(storage[tensor.offset :], tensor.shape, strides_in_bytes)
    return view.copy()


def _extent(shape: tuple[int, ...], strides: tuple[int, ...]) -> int:
    """Count the elements from the first to the last of an array, both included."""
    if 0 in shape:
        return 0
    return 1 + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0
