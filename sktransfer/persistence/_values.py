"""Values as JSON, with arrays beside it.

Lists, text, truth values, None, finite numbers and dicts of plain names are written as they are,
all else as an object of one name that begins with "$". Estimators and the like stand in a list, in
which each refers to earlier ones only: they may be shared, and never form a cycle.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from sktransfer._errors import PersistenceError
from sktransfer.persistence._allowed import AllowedClasses
from sktransfer.persistence._arrays import is_kept
from sktransfer.persistence._kinds import put_together, take_apart

_SCALARS = "biuf"
"""Kinds of the NumPy scalars that are written as numbers."""

_WIDEST = 8
"""Bytes of a NumPy scalar that Python's numbers can hold."""


class Writer:
    """Turn values into JSON; `objects` and `arrays` grow on the way."""

    def __init__(self, allowed: AllowedClasses) -> None:
        self.objects: list[dict[str, Any]] = []
        self.arrays: list[np.ndarray] = []
        self._allowed = allowed
        self._place_of_array: dict[int, int] = {}
        self._place_of_object: dict[int, int] = {}
        self._within: set[int] = set()
        self._kept: list[Any] = []  # an id is that of a value only as long as it lives

    def write(self, value: Any, where: str) -> Any:
        """Return a value as JSON, or raise an error that says `where` it stands."""
        if value is None or type(value) in (bool, int, str):
            return value
        if type(value) is float:
            return value if math.isfinite(value) else {"$float": str(value)}
        if isinstance(value, PurePath):
            return {"$path": value.as_posix()}  # which every system reads
        if type(value) is bytes:
            return {"$bytes": base64.b64encode(value).decode("ascii")}
        if isinstance(value, np.generic):
            return self._scalar(value, where)
        if isinstance(value, np.ndarray):
            return self._array(value, where)
        with self._entered(value, where):
            if type(value) in (list, tuple, set):
                return self._sequence(value, where)
            if type(value) is dict:
                return self._dict(value, where)
            return self._object(value, where)

    @contextmanager
    def _entered(self, value: Any, where: str) -> Iterator[None]:
        """Refuse a value that is a part of itself."""
        if id(value) in self._within:
            raise PersistenceError(f"{where} refers back to what it is a part of")
        self._within.add(id(value))
        try:
            yield
        finally:
            self._within.remove(id(value))

    def _scalar(self, value: np.generic, where: str) -> dict[str, Any]:
        dtype = value.dtype
        if dtype.kind == "U":
            return {"$scalar": ["U", str(value)]}
        if dtype.kind not in _SCALARS or dtype.itemsize > _WIDEST:
            raise PersistenceError(f"{where} is a {type(value).__name__}, which cannot be saved")
        return {"$scalar": [dtype.str, self.write(value.item(), where)]}

    def _array(self, array: np.ndarray, where: str) -> dict[str, Any]:
        if array.dtype.kind == "O" and all(type(text) is str for text in array.flat):
            return {"$texts": [list(array.shape), array.ravel().tolist()]}
        if type(array) is not np.ndarray or not is_kept(array.dtype):
            raise PersistenceError(
                f"{where} is an array of {array.dtype}; numbers, truth values and text can be saved"
            )
        if id(array) not in self._place_of_array:
            self._place_of_array[id(array)] = len(self.arrays)
            self.arrays.append(array)
        return {"$array": self._place_of_array[id(array)]}

    def _sequence(self, values: Sequence | set, where: str) -> Any:
        items = [self.write(item, f"{where}[{place}]") for place, item in enumerate(values)]
        return items if isinstance(values, list) else {f"${type(values).__name__}": items}

    def _dict(self, values: dict, where: str) -> dict[str, Any]:
        pairs = [
            (self.write(key, f"a key of {where}"), self.write(item, f"{where}[{key!r}]"))
            for key, item in values.items()
        ]
        if all(type(key) is str and not key.startswith("$") for key in values):
            return dict(pairs)
        return {"$dict": [list(pair) for pair in pairs]}

    def _object(self, value: Any, where: str) -> dict[str, Any]:
        if id(value) not in self._place_of_object:
            name = self._allowed.name_of(value)
            if name is None:
                raise PersistenceError(
                    f"{where} is a {type(value).__module__}.{type(value).__qualname__}, which "
                    "cannot be saved; a class of your own must be among trusted"
                )
            parts = take_apart(value)
            self._kept.append((value, parts))
            written = {part: self.write(inner, f"{where}.{part}") for part, inner in parts.items()}
            self._place_of_object[id(value)] = len(self.objects)
            self.objects.append({"class": name, "parts": written})
        return {"$object": self._place_of_object[id(value)]}


class Reader:
    """Turn JSON back into values."""

    def __init__(self, allowed: AllowedClasses, arrays: Sequence[np.ndarray]) -> None:
        self._allowed = allowed
        self._arrays = arrays
        self._objects: list[Any] = []
        self._readers: dict[str, Callable[[Any], Any]] = {
            "$array": lambda place: _at(self._arrays, place),
            "$bytes": lambda text: base64.b64decode(text, validate=True),
            "$dict": lambda pairs: {self.read(key): self.read(item) for key, item in pairs},
            "$float": _float,
            "$object": lambda place: _at(self._objects, place),
            "$path": Path,
            "$scalar": self._scalar,
            "$set": lambda items: {self.read(item) for item in items},
            "$texts": _texts,
            "$tuple": lambda items: tuple(self.read(item) for item in items),
        }

    def read_objects(self, objects: Any) -> Any:
        """Return the last one of a list of objects, of which the others are parts."""
        if not isinstance(objects, list) or not objects:
            raise PersistenceError("it holds no objects")
        for written in objects:
            if not isinstance(written, dict) or set(written) != {"class", "parts"}:
                raise PersistenceError("an object must have a class and parts, and nothing else")
            cls = self._allowed.named(written["class"])
            self._objects.append(put_together(cls, self.read(written["parts"])))
        return self._objects[-1]

    def read(self, written: Any) -> Any:
        """Return the value that was written."""
        if isinstance(written, list):
            return [self.read(item) for item in written]
        if not isinstance(written, dict):
            return written
        name = next((name for name in written if name.startswith("$")), None)
        if name is None:
            return {name: self.read(item) for name, item in written.items()}
        if len(written) > 1 or name not in self._readers:
            raise PersistenceError(f"it holds a value of unknown kind: {sorted(written)}")
        return self._readers[name](written[name])

    def _scalar(self, written: Any) -> np.generic:
        code, value = written
        if code == "U":
            return np.str_(value)
        dtype = np.dtype(code)
        if dtype.kind not in _SCALARS or dtype.itemsize > _WIDEST:
            raise PersistenceError(f"it holds a number of type {code!r}")
        return dtype.type(self.read(value))


def _at(values: Sequence[Any], place: Any) -> Any:
    """Return what is at a place, counted from the first."""
    if type(place) is not int or not 0 <= place < len(values):
        raise PersistenceError(f"it refers to number {place!r} of {len(values)}")
    return values[place]


def _float(text: Any) -> float:
    """Read what JSON has no number for."""
    if text not in ("nan", "inf", "-inf"):
        raise PersistenceError(f"it holds {text!r} for a number")
    return float(text)


def _texts(written: Any) -> np.ndarray:
    """Build an array of Python's strings."""
    shape, texts = written
    if not all(type(text) is str for text in texts):
        raise PersistenceError("it holds an array of objects that are no strings")
    return np.array(texts, dtype=object).reshape(shape)
