"""Tells whether a file of weights is the one that it should be.

A file under upstream's own name must have upstream's published hash. Where there is none (a
re-saved copy, or a file whose hash is not published), the hash that the file has when it is first
used is written down, and must stay.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from sktransfer._errors import WeightsError
from sktransfer._replacing import replacing

if TYPE_CHECKING:
    from sktransfer.backbones._registry import WeightsFile

__all__ = ["difference", "digest", "forget_digests", "has_published_hash", "verify"]

_CHUNK = 1 << 20  # bytes

logger = logging.getLogger("sktransfer")


def has_published_hash(file: WeightsFile, path: Path) -> bool:
    """Tell whether the hash that upstream publishes is that of the file at `path`."""
    return file.hash is not None and path.name == file.file_name


def verify(file: WeightsFile, path: Path) -> None:
    """Raise a WeightsError if the file at `path` is another than it must be; pin a new one."""
    found = difference(file, path, path)
    if found is not None:
        raise WeightsError(
            f"{path} is damaged or not the file that it is named after, and is not used until it "
            f"is removed or replaced: {found}"
        )
    if not has_published_hash(file, path):
        _pin(path)


def difference(file: WeightsFile, path: Path, content: Path) -> str | None:
    """Say in what the file `content`, which is or is to be `path`, differs from what is wanted."""
    if has_published_hash(file, path):
        found = digest(content, file.hash_algorithm)
        if found != file.hash:
            return f"its {file.hash_algorithm} is {found}, the published one is {file.hash}"
        return None
    found = digest(content, "sha256")
    pinned = _read_pins().get(_key(path), found)
    if pinned != found:
        return (
            f"it has changed since it was first used: its SHA-256 was {pinned}, now it is {found}; "
            f"if that is meant, remove its line from {_pins_path()}"
        )
    return None


def digest(path: Path, algorithm: str) -> str:
    """Hash a file, once a process for each state of the file."""
    status = path.stat()
    return _digest_of(str(path.resolve()), status.st_mtime_ns, status.st_size, algorithm)


def forget_digests() -> None:
    """Have all files hashed again: a disk can spoil them without a change of their dates."""
    _digest_of.cache_clear()


@lru_cache(maxsize=256)
def _digest_of(path: str, mtime_ns: int, size: int, algorithm: str) -> str:
    found = hashlib.new(algorithm, usedforsecurity=False)
    with open(path, "rb") as stream:
        while chunk := stream.read(_CHUNK):
            found.update(chunk)
    return found.hexdigest()


def _pins_path() -> Path:
    return (
        Path(os.environ.get("SKTRANSFER_HOME") or "~/.cache/sktransfer").expanduser() / "pins.json"
    )


def _key(path: Path) -> str:
    return str(path.resolve())


def _read_pins() -> dict[str, str]:
    """Read the hashes kept so far; none from a file that is missing or spoiled."""
    try:
        pins = json.loads(_pins_path().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return pins if isinstance(pins, dict) else {}


def _pin(path: Path) -> None:
    """Keep the hash that a file has at first use; where nothing can be written, nothing is kept."""
    from filelock import FileLock

    if _key(path) in _read_pins():
        return
    found, pins_path = digest(path, "sha256"), _pins_path()
    logger.info("No published hash covers %s; its SHA-256 is %s", path, found)
    try:
        pins_path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(pins_path.with_name(".pins.lock")):
            pins = {_key(path): found, **_read_pins()}
            with replacing(pins_path, pins_path.with_name(".pins.part")) as temporary:
                temporary.write_text(json.dumps(pins, indent=1, sort_keys=True), encoding="utf-8")
    except OSError as error:
        logger.info("Hashes of weights cannot be kept in %s (%s)", pins_path, error)
