"""The zip file around a manifest and arrays: written whole or not at all, read with suspicion."""

from __future__ import annotations

import json
import os
import stat
import threading
import zipfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from sktransfer._errors import PersistenceError
from sktransfer._replacing import replacing
from sktransfer.persistence._arrays import as_npy, described, from_npy

MANIFEST = "manifest.json"
MOST_MANIFEST_BYTES = 1 << 26
MOST_MEMBERS = 100_000


def write_archive(path: Path, manifest: dict[str, Any], arrays: Sequence[np.ndarray]) -> None:
    """Write a manifest and the arrays it refers to by number, in the place of an older file."""
    own = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.part")
    with replacing(path, own) as unfinished, zipfile.ZipFile(unfinished, "w") as archive:
        descriptions = []
        for number, array in enumerate(arrays):
            data = as_npy(array)
            descriptions.append(described(array, data))
            # Stored, as weights hardly compress.
            archive.writestr(_entry(_name(number), zipfile.ZIP_STORED), data)
        text = json.dumps({**manifest, "arrays": descriptions}, allow_nan=False)
        archive.writestr(_entry(MANIFEST, zipfile.ZIP_DEFLATED), text)


def read_archive(path: Path, max_bytes: int) -> tuple[dict[str, Any], list[np.ndarray]]:
    """Return the manifest and the arrays of a file of this format."""
    with path.open("rb") as file:
        members = _members(file, max_bytes)
    if MANIFEST not in members:
        raise PersistenceError(f"it has no {MANIFEST}")
    manifest = _parsed(members.pop(MANIFEST))
    descriptions = manifest.get("arrays")
    if not isinstance(descriptions, list):
        raise PersistenceError(f"{MANIFEST} lists no arrays")
    names = [_name(number) for number in range(len(descriptions))]
    if set(names) != set(members):
        odd = sorted(set(names) ^ set(members))[0]
        raise PersistenceError(f"its members are not those that {MANIFEST} lists: {odd}")
    arrays = [
        from_npy(name, members.pop(name), description)
        for name, description in zip(names, descriptions, strict=True)
    ]
    return manifest, arrays


def _entry(name: str, method: int) -> zipfile.ZipInfo:
    """Describe a member; without the time, so that equal estimators make equal files."""
    entry = zipfile.ZipInfo(name)
    entry.compress_type = method
    entry.external_attr = 0o644 << 16
    return entry


def _members(file: BinaryIO, max_bytes: int) -> dict[str, bytes]:
    """Return the content of each member, by a name that no path is ever made of."""
    try:
        with zipfile.ZipFile(file) as archive:
            _check_members(archive.infolist(), max_bytes)
            return {info.filename: archive.read(info) for info in archive.infolist()}
    except PersistenceError:
        raise
    except Exception as error:  # damage makes zipfile raise errors of many kinds, OSError too
        raise PersistenceError(f"it is no readable zip file: {error}") from error


def _name(number: int) -> str:
    """Return the member that holds an array."""
    return f"arrays/{number:05d}.npy"


def _check_members(members: Sequence[zipfile.ZipInfo], max_bytes: int) -> None:
    """Refuse odd or too large members by what the zip file declares, before one is read."""
    if len(members) > MOST_MEMBERS:
        raise PersistenceError(f"it has {len(members)} members, more than {MOST_MEMBERS}")
    names = Counter(info.filename for info in members)
    for info in members:
        name = info.filename
        if names[name] > 1:
            raise PersistenceError(f"it has the member {name!r} twice")
        if name.startswith("/") or ".." in name.split("/") or "\\" in name or ":" in name:
            raise PersistenceError(f"member {name!r} points out of the archive")
        mode = info.external_attr >> 16
        if info.is_dir() or (stat.S_IFMT(mode) and not stat.S_ISREG(mode)):
            raise PersistenceError(f"member {name!r} is no file")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise PersistenceError(f"member {name!r} is neither stored nor deflated")
        if name == MANIFEST and info.file_size > MOST_MANIFEST_BYTES:
            raise PersistenceError(f"{MANIFEST} declares {info.file_size} bytes, too many")
    total = sum(info.file_size for info in members)
    if total > max_bytes:
        raise PersistenceError(
            f"it declares {total} bytes unpacked, more than max_bytes={max_bytes}"
        )


def _parsed(text: bytes) -> dict[str, Any]:
    """Parse the manifest, which is strict JSON."""
    try:
        manifest = json.loads(text, object_pairs_hook=_without_twins, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise PersistenceError(f"{MANIFEST} cannot be read: {error}") from error
    if not isinstance(manifest, dict):
        raise PersistenceError(f"{MANIFEST} holds no object")
    return manifest


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object in which no name stands twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError(f"an object has a name twice, of {sorted(found)}")
    return found


def _no_constant(name: str) -> None:
    """Refuse NaN and Infinity, which are no JSON."""
    raise ValueError(f"{name} is no number")
