"""The record of a sweep on disk: a header, and one line for each cell that was run.

A line is appended at once and forced to the disk, so that a sweep that is killed loses only the
cells that were under way. What is damaged all the same is set aside when the record is next opened.
"""

from __future__ import annotations

import json
import math
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote
from zipfile import BadZipFile

import numpy as np

from sktransfer._replacing import replacing

__all__ = ["Cell", "Record", "as_json", "file_name", "read_json", "write_json"]

FORMAT = 2
"""Of header and lines; a record of another one is refused."""


@dataclass(frozen=True, order=True)
class Cell:
    """One fit of a sweep."""

    dataset: str
    strategy: str
    backbone: str = ""
    """Empty for a strategy that has none."""
    train_size: int = 0
    """Images that were asked for; 0 for all that there are."""
    repeat: int = 0
    fold: int = 0

    @property
    def system(self) -> str:
        """Name what is compared."""
        return f"{self.strategy}-{self.backbone}" if self.backbone else self.strategy

    @property
    def place(self) -> tuple[str, int, int, int]:
        """Say where in the sweep the cell is, whatever is fitted there."""
        return self.dataset, self.train_size, self.repeat, self.fold

    @property
    def name(self) -> str:
        """Name the cell, unlike all others of its sweep, and fit for a file."""
        named = [self.dataset, self.strategy, *([self.backbone] if self.backbone else [])]
        parts = [file_name(part).replace("-", "%2D") for part in named]
        size = [f"n{self.train_size}"] if self.train_size else []
        return "-".join([*parts, *size, f"r{self.repeat}", f"f{self.fold}"])


def file_name(text: str) -> str:
    """Turn a name into one that is fit for a file, and unlike those of all other names."""
    return quote(text, safe="+ ")


class Record:
    """The files of a sweep.

    Parameters
    ----------
    folder : Path
        Holds ``run.json``, ``record.jsonl`` and ``predictions``.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._lines = self.folder / "record.jsonl"

    def header(self) -> dict:
        """Return what is said of the whole sweep; empty where there is none yet."""
        header = read_json(self.folder / "run.json")
        if header and header.get("format") != FORMAT:
            raise ValueError(
                f"{str(self.folder)!r} has a record of format {header.get('format', 1)}, and this "
                f"version of sktransfer reads and writes format {FORMAT}; give another folder"
            )
        return header

    def existing_header(self) -> dict:
        """Return what is said of the whole sweep, or raise an error where there is none."""
        header = self.header()
        if not header:
            raise FileNotFoundError(
                f"{str(self.folder)!r} is not the folder of a benchmark: it has no run.json"
            )
        return header

    def write_header(self, header: Mapping) -> None:
        """Write what is said of the whole sweep."""
        write_json(self.folder / "run.json", {"format": FORMAT, **header})

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Keep other processes from writing, and put a damaged record in order."""
        from filelock import FileLock, Timeout

        lock = FileLock(self.folder / "record.lock")
        try:
            lock.acquire(blocking=False)
        except Timeout:
            raise BlockingIOError(
                f"another process is writing to {str(self.folder)!r}; wait for it, or give another "
                "folder"
            ) from None
        try:
            self._repair()
            yield
        finally:
            lock.release()

    def entries(self) -> dict[Cell, dict]:
        """Return the last sound entry of each cell, by cell; also while another process writes."""
        sound, _ = self._read()
        return {Cell(**entry["cell"]): entry for entry in sound}

    def append(self, cell: Cell, entry: Mapping, predictions: Mapping[str, np.ndarray]) -> None:
        """Add the entry of a cell; all of it is on the disk when this returns."""
        if predictions:
            self._write_predictions(cell, predictions)
        line = json.dumps(as_json({"cell": asdict(cell), **entry}), allow_nan=False) + "\n"
        with self._lines.open("ab", buffering=0) as file:
            before = file.tell()
            try:
                file.write(line.encode())
                os.fsync(file.fileno())
            except OSError:  # a full disk: half a line would be taken for damage
                os.truncate(self._lines, before)
                raise

    def predictions(self, cell: Cell) -> dict[str, np.ndarray] | None:
        """Return what a cell predicted, as it was given to `append`; None if it cannot be read."""
        try:
            with np.load(self._predictions_path(cell), allow_pickle=False) as stored:
                return dict(stored)
        except (OSError, EOFError, ValueError, BadZipFile):
            return None

    def _predictions_path(self, cell: Cell) -> Path:
        return self.folder / "predictions" / f"{cell.name}.npz"

    def _write_predictions(self, cell: Cell, predictions: Mapping[str, np.ndarray]) -> None:
        path = self._predictions_path(cell)
        path.parent.mkdir(exist_ok=True)
        with replacing(path) as unfinished, unfinished.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **predictions)

    def _read(self) -> tuple[list[dict], list[bytes]]:
        """Return the sound entries and the damaged lines."""
        sound: list[dict] = []
        damaged: list[bytes] = []
        lines = self._lines.read_bytes().splitlines(keepends=True) if self._lines.exists() else []
        for line in lines:
            entry = _entry(line)
            if entry is None:
                damaged.append(line)
            else:
                sound.append(entry)
        return sound, damaged

    def _repair(self) -> None:
        """Set damaged lines aside."""
        sound, damaged = self._read()
        if not damaged:
            return
        aside = self._lines.with_suffix(".damaged")
        with aside.open("ab") as file:
            file.writelines(line.rstrip(b"\n") + b"\n" for line in damaged)
        with replacing(self._lines) as unfinished:
            unfinished.write_text("".join(json.dumps(entry) + "\n" for entry in sound), "utf-8")
        warnings.warn(
            f"{len(damaged)} damaged line(s) of {self._lines} were moved to {aside.name}; their "
            "cells are run again",
            stacklevel=4,
        )


def _entry(line: bytes) -> dict | None:
    """Return the entry that a line holds; None if it is damaged or was not written to its end."""
    try:
        entry = json.loads(line)
        Cell(**entry["cell"])
    except (ValueError, TypeError, KeyError):
        return None
    return entry if line.endswith(b"\n") else None


def read_json(path: Path) -> dict:
    """Read a file; an empty record where there is none yet."""
    if not path.exists():
        return {}
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{str(path)!r} is damaged: {error}") from error


def write_json(path: Path, record: Mapping) -> None:
    """Write a file at once: a reader finds the old one or the new one, never half of it."""
    text = json.dumps(as_json(record), indent=1, allow_nan=False) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


def as_json(value: Any) -> Any:
    """Turn NumPy's values into Python's; what is not finite becomes null, as JSON asks."""
    if isinstance(value, Mapping):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [as_json(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
