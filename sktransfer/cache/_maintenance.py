"""What is done to a store on disk by hand: looking, clearing, checking, carrying elsewhere.

Unlike a store, which goes on without what it cannot have, these functions raise.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TypeAlias

from sktransfer.cache import _database
from sktransfer.cache._entries import Entry, unpack
from sktransfer.cache._stores import disk_bytes

_ROWS_AT_ONCE = 1000  # in one transaction: other processes are kept waiting for milliseconds only

_Path: TypeAlias = str | os.PathLike[str]


class CacheInfo(NamedTuple):
    """What is in a store on disk, and where."""

    file: Path
    n_rows: int
    n_bytes: int
    max_bytes: int


class Checked(NamedTuple):
    """How many rows are as they were written, how many are not, and what is wrong with the file."""

    n_sound: int
    n_damaged: int
    fault: str | None = None


def cache_info(path: _Path) -> CacheInfo:
    """Count what is in the store of a folder."""
    file = _existing(path)
    with _opened(file) as db:
        n_rows, n_bytes, _ = _database.read_totals(db)
    return CacheInfo(file, n_rows, n_bytes, disk_bytes())


def clear_cache(path: _Path) -> None:
    """Forget every row of the store of a folder."""
    _database.begin_next(_existing(path))


def verify_cache(path: _Path) -> Checked:
    """Check the file and every row; remove rows that are damaged, or all where the file is."""
    file = _existing(path)
    with _errors_told(file):
        try:
            with contextlib.closing(_database.open_database(file)) as db:
                return _verify(db)
        except sqlite3.OperationalError:  # says nothing of the file
            raise
        except sqlite3.DatabaseError as error:
            _database.begin_next(file)
            return Checked(0, 0, f"{error}; it is begun anew")


def export_cache(path: _Path, shard: _Path) -> int:
    """Write all rows into one read-only file, which appears whole or not at all; count them."""
    target = Path(shard).absolute()
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with _opened(_existing(path)) as db:
            db.execute("VACUUM INTO ?", (str(temporary),))
        with contextlib.closing(_database.open_shard(temporary)) as copy:
            n_rows = _database.read_totals(copy).n_rows
        temporary.chmod(0o444)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    return n_rows


def import_shard(path: _Path, shard: _Path) -> Checked:
    """Add the sound rows of an exported file to the store of a folder.

    Checksums tell damage, not ill will: a shard is to be trusted like the machine it comes from.
    """
    n_sound = n_damaged = 0
    max_bytes = disk_bytes()
    for entries in _batches(shard):
        sound = [entry for entry in entries if unpack(entry) is not None]
        with _opened(_database.current_file(_folder(path))) as db, _database.transaction(db):
            _database.insert(db, sound, max_bytes)
        n_sound += len(sound)
        n_damaged += len(entries) - len(sound)
    return Checked(n_sound, n_damaged)


def _verify(db: sqlite3.Connection) -> Checked:
    """Check a database and its rows; remove rows that are damaged."""
    (answer,) = db.execute("PRAGMA integrity_check(1)").fetchone()
    if answer != b"ok":
        raise sqlite3.DatabaseError(answer.decode(errors="replace"))
    n_sound, damaged = 0, []
    for number, entry in _database.select_all(db):
        if unpack(entry) is None:
            damaged.append(number)
        else:
            n_sound += 1
    totals_are_right = _database.totals_are_right(db)
    if damaged or not totals_are_right:
        with _database.transaction(db):
            _database.remove(db, damaged)
            _database.recount(db)
    fault = None if totals_are_right else "its totals were wrong, and are set right"
    return Checked(n_sound, len(damaged), fault)


def _batches(shard: _Path) -> Iterator[list[Entry]]:
    """Go through the rows of an exported file, unchecked, some at a time."""
    file = Path(shard)
    if not file.is_file():
        raise FileNotFoundError(f"no such file: {shard}")
    try:
        with contextlib.closing(_database.open_shard(file)) as db:
            entries = (entry for _, entry in _database.select_all(db))
            while some := list(itertools.islice(entries, _ROWS_AT_ONCE)):
                yield some
    except sqlite3.Error as error:
        raise ValueError(f"{shard} is no exported cache, or it is damaged: {error}") from error


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[sqlite3.Connection]:
    """Open a database for as long as it is needed."""
    with _errors_told(file), contextlib.closing(_database.open_database(file)) as db:
        yield db


@contextlib.contextmanager
def _errors_told(file: Path) -> Iterator[None]:
    """Turn SQLite's errors into Python's, with the name of the file."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise OSError(f"{file}: {error}") from error
    except sqlite3.DatabaseError as error:
        raise ValueError(f"{file} is damaged ({error}): `sktransfer cache verify`") from error


def _existing(path: _Path) -> Path:
    """Return the database of a folder, which must have one."""
    file = _database.newest_file(_folder(path))
    if file is None:
        raise FileNotFoundError(f"no cache in {path}")
    return file


def _folder(path: _Path) -> Path:
    """Return a folder as stores name it."""
    return Path(path).expanduser().resolve()
