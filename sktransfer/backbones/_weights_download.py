"""Downloads files of weights: once, however many processes want one, and whole or not at all."""

from __future__ import annotations

import http.client
import logging
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sktransfer._errors import WeightsError
from sktransfer._replacing import replacing
from sktransfer.backbones._weights_hashes import difference

if TYPE_CHECKING:
    from sktransfer.backbones._registry import WeightsFile

__all__ = ["download"]

_TIMEOUT = 10  # seconds without a sign of the other side
_CHUNK = 1 << 18  # bytes

logger = logging.getLogger("sktransfer")


def download(file: WeightsFile, folder: Path) -> Path:
    """Download a file into a folder, where it appears once it is complete and verified.

    Of several processes one downloads, and the others wait for it. What a killed one has left is
    overwritten by the next.

    Raises
    ------
    OSError
        If the file cannot be had, or the connection breaks off.
    WeightsError
        If it is another file than it must be.
    """
    from filelock import FileLock

    target = folder / file.file_name
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f".{file.file_name}.lock"):
        if not target.is_file():  # another process may have been faster
            with replacing(target, folder / f".{file.file_name}.part") as partial:
                _fetch(file, partial)
                _check(file, target, partial)
    return target


def _check(file: WeightsFile, target: Path, partial: Path) -> None:
    found = difference(file, target, partial)
    if found is not None:
        raise WeightsError(
            f"{file.url} does not give {file.file_name}, and nothing is kept of it: {found}"
        )


def _fetch(file: WeightsFile, path: Path) -> None:
    """Write to `path` what is at the file's address; a connection that breaks off is an OSError."""
    logger.info("Downloading %s", file.url)
    assert file.url is not None
    try:
        with urllib.request.urlopen(file.url, timeout=_TIMEOUT) as response:
            promised = _promised_size(response)
            if promised is None and file.hash is None:
                raise OSError("neither length nor hash of the file is known")
            received = _copy(response, path, promised, file.file_name)
    except http.client.HTTPException as error:
        raise OSError(f"{type(error).__name__}: {error}") from error
    if promised not in (None, received):
        raise OSError(f"received {received} of {promised} bytes")


def _promised_size(response: Any) -> int | None:
    """Read how many bytes the other side means to send."""
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else None


def _copy(response: Any, path: Path, total: int | None, name: str) -> int:
    """Write a response to `path`, with a progress bar on a terminal; count its bytes."""
    from tqdm import tqdm

    with (
        path.open("wb") as stream,
        tqdm(total=total, desc=name, unit="B", unit_scale=True, disable=None) as bar,
    ):
        while chunk := response.read(_CHUNK):
            stream.write(chunk)
            bar.update(len(chunk))
        return stream.tell()
