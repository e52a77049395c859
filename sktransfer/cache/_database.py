"""The SQLite file under a store on disk: where it lies, what is in it, and what is done to it.

A folder holds databases by number, and the newest counts. A database that is damaged or of another
version is never repaired or renamed, which other processes might be reading: the next number is
begun and the file removed, and whoever still has it open finds it gone and follows.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from sktransfer.cache._entries import Entry

VERSION = 2
"""Version of the schema and of what the rows hold; databases of any other are begun anew."""

PATIENCE = 4.0
"""Seconds to wait for a lock that another process or thread holds."""

SCHEMA = (
    # What is short comes first: to stamp or drop a row is not to read its value.
    "CREATE TABLE rows (id INTEGER PRIMARY KEY, used INTEGER NOT NULL, key BLOB NOT NULL UNIQUE, "
    "layout BLOB NOT NULL, digest BLOB NOT NULL, value BLOB NOT NULL)",
    "CREATE INDEX rows_by_use ON rows (used)",
    # Kept by triggers, since counting millions of rows at each put would take a second.
    "CREATE TABLE totals (n_rows INTEGER NOT NULL, n_bytes INTEGER NOT NULL, "
    "clock INTEGER NOT NULL)",
    "CREATE TRIGGER row_added AFTER INSERT ON rows BEGIN UPDATE totals "
    "SET n_rows = n_rows + 1, n_bytes = n_bytes + length(new.value); END",
    "CREATE TRIGGER row_removed AFTER DELETE ON rows BEGIN UPDATE totals "
    "SET n_rows = n_rows - 1, n_bytes = n_bytes - length(old.value); END",
)

_NAME = re.compile(r"features-(\d+)\.sqlite")
_VARIABLES = 500  # in one statement; the oldest SQLite in use takes 999
_FRESH = 8  # the newest eighth of the rows is not stamped again
_COPIES = 2  # of the totals: a bit that flips in one of them is told by the other
_SUMS = "SELECT count(*), ifnull(sum(length(value)), 0) FROM rows"
_LARGEST = 1 << 62  # of a number in `totals` that can be counted on


class Totals(NamedTuple):
    """Sums over all rows, and the stamp of what is used now."""

    n_rows: int
    n_bytes: int
    clock: int


class Found(NamedTuple):
    """An entry that was asked for, and whether its stamp has to be renewed."""

    id: int
    entry: Entry
    stale: bool


# Files -----------------------------------------------------------------------------------------


def newest_file(folder: Path) -> Path | None:
    """Return the database that counts, None where there is none."""
    return next(reversed(_files(folder)), None)


def current_file(folder: Path) -> Path:
    """Return the database that counts, which is made where it is missing."""
    if not (files := _files(folder)):
        folder.mkdir(parents=True, exist_ok=True)
        files = [folder / "features-0.sqlite"]
        files[0].touch()
    *older, newest = files
    for file in older:  # whoever began the next one was killed before it removed this one
        _remove_file(file)
    return newest


def begin_next(file: Path) -> None:
    """Put an empty database in the place of `file`."""
    file.with_name(f"features-{_number(file) + 1}.sqlite").touch()
    _remove_file(file)


def _files(folder: Path) -> list[Path]:
    """List the databases of a folder, the newest last."""
    files = [file for file in folder.glob("features-*.sqlite") if _NAME.fullmatch(file.name)]
    return sorted(files, key=_number)


def _remove_file(file: Path) -> None:
    """Remove a database that does not count any more."""
    for path in (file, *_companions(file)):
        # Windows removes no file that somebody has open; it is removed another time.
        with contextlib.suppress(OSError):
            path.unlink()


def _companions(file: Path) -> list[Path]:
    """Name the files that SQLite may keep beside a database."""
    return [file.with_name(file.name + suffix) for suffix in ("-wal", "-shm")]


def _number(file: Path) -> int:
    """Read the number in the name of a database."""
    return int(file.stem.removeprefix("features-"))


# Connections -----------------------------------------------------------------------------------


def open_database(file: Path) -> sqlite3.Connection:
    """Open a database, for reading alone where the folder or a file is read-only."""
    if _is_writable(file):
        return _connect(file, "mode=rw")
    with contextlib.suppress(sqlite3.OperationalError):
        return _connect(file, "mode=ro")
    # The files through which readers and writers agree can neither be found nor be made.
    return open_shard(file)


def open_shard(file: Path) -> sqlite3.Connection:
    """Open a database that nobody writes to."""
    return _connect(file, "mode=ro&immutable=1")


def _is_writable(file: Path) -> bool:
    """Whether the system lets this process write all that belongs to a database."""
    companions = [path for path in _companions(file) if path.exists()]
    return all(os.access(path, os.W_OK) for path in (file.parent, file, *companions))


def _connect(file: Path, mode: str) -> sqlite3.Connection:
    """Connect, and make sure that the database is one of this version."""
    db = sqlite3.connect(
        f"{file.absolute().as_uri()}?{mode}",
        uri=True,
        timeout=PATIENCE,
        isolation_level=None,  # transactions are begun in so many words
        check_same_thread=False,
    )
    try:
        db.text_factory = bytes  # damaged text need not be Unicode
        with _damage_named(db):
            if mode == "mode=rw":
                _make_ready(db)
            _check(db)
    except BaseException:
        db.close()
        raise
    return db


@contextlib.contextmanager
def _damage_named(db: sqlite3.Connection) -> Iterator[None]:
    """Call damage so that SQLite calls something else: of a schema's letters, or of the header."""
    try:
        yield
    except (UnicodeDecodeError, sqlite3.OperationalError) as error:
        if (
            isinstance(error, UnicodeDecodeError)
            or "unsupported file format" in str(error)
            # A header that names a version to come, since the system lets the file be written.
            or ("readonly database" in str(error) and _is_writable(_file_of(db)))
        ):
            raise sqlite3.DatabaseError("its header or schema is damaged") from error
        raise


def _file_of(db: sqlite3.Connection) -> Path:
    """Return the file of a database that is open."""
    _, _, file = db.execute("PRAGMA database_list").fetchone()
    return Path(os.fsdecode(file))


def _make_ready(db: sqlite3.Connection) -> None:
    """Set a connection up for writing, and fill a database that is new."""
    _enter_wal_mode(db)
    db.execute("PRAGMA synchronous = NORMAL")
    db.execute("PRAGMA secure_delete = OFF")
    if _is_empty(db):
        with transaction(db):
            if _is_empty(db):  # still: another process may have been first
                for statement in SCHEMA:
                    db.execute(statement)
                db.executemany("INSERT INTO totals VALUES (0, 0, 0)", [()] * _COPIES)
                db.execute(f"PRAGMA user_version = {VERSION}")


def _enter_wal_mode(db: sqlite3.Connection) -> None:
    """Let readers and a writer work side by side; SQLite does not wait for this lock itself."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _is_empty(db: sqlite3.Connection) -> bool:
    """Whether a database has just been made."""
    return db.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)


def _check(db: sqlite3.Connection) -> None:
    """Refuse a database whose schema is not, word for word, that of this version."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version != VERSION:
        raise sqlite3.DatabaseError(f"it is of version {version}, not {VERSION}")
    statements = db.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")
    if {sql for (sql,) in statements} != {sql.encode() for sql in SCHEMA}:
        raise sqlite3.DatabaseError("its schema is damaged")


@contextlib.contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """Write all or nothing; the lock is taken at once, so that no work is done in vain."""
    with _damage_named(db), db:
        db.execute("BEGIN IMMEDIATE")
        yield


# Rows ------------------------------------------------------------------------------------------


def read_totals(db: sqlite3.Connection) -> Totals:
    """Read the sums over all rows."""
    copies = db.execute("SELECT n_rows, n_bytes, clock FROM totals").fetchall()
    agreed = copies[0] if len(copies) == _COPIES and len(set(copies)) == 1 else ()
    if not agreed or not all(isinstance(n, int) and 0 <= n < _LARGEST for n in agreed):
        raise sqlite3.DatabaseError("its totals are damaged")
    return Totals(*agreed)


def select(db: sqlite3.Connection, keys: Iterable[bytes]) -> Iterator[Found]:
    """Find entries by key, unchecked and in any order."""
    n_rows, _, clock = read_totals(db)
    asked = iter(keys)
    while some := list(itertools.islice(asked, _VARIABLES)):
        marks = ",".join("?" * len(some))
        found = db.execute(
            f"SELECT id, used < ?, key, layout, digest, value FROM rows WHERE key IN ({marks})",
            (clock - n_rows // _FRESH, *some),
        )
        for number, stale, *parts in found:
            yield Found(number, Entry(*parts), bool(stale))


def select_all(db: sqlite3.Connection) -> Iterator[tuple[int, Entry]]:
    """Go through all entries, unchecked."""
    for number, *parts in db.execute("SELECT id, key, layout, digest, value FROM rows"):
        yield number, Entry(*parts)


def insert(db: sqlite3.Connection, entries: Sequence[Entry], max_bytes: int) -> None:
    """Add what is missing, as the newest, and let the oldest go.

    A stamp counts what was put before, since clocks are set back and differ between machines.
    """
    clock = read_totals(db).clock
    db.executemany(
        "INSERT INTO rows (used, key, layout, digest, value) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (key) DO NOTHING",
        [(stamp, *entry) for stamp, entry in enumerate(entries, clock + 1)],
    )
    # Rows that are read from now on are newer than these, and older than what is put next.
    db.execute("UPDATE totals SET clock = ?", (clock + len(entries) + 1,))
    _evict(db, max_bytes)


def stamp(db: sqlite3.Connection, ids: Iterable[int]) -> None:
    """Mark rows as used now."""
    clock = read_totals(db).clock
    db.executemany("UPDATE rows SET used = ? WHERE id = ?", [(clock, number) for number in ids])


def remove(db: sqlite3.Connection, ids: Iterable[int]) -> None:
    """Take rows out."""
    db.executemany("DELETE FROM rows WHERE id = ?", [(number,) for number in ids])


def totals_are_right(db: sqlite3.Connection) -> bool:
    """Whether the sums are those of the rows."""
    return db.execute(f"SELECT (n_rows, n_bytes) = ({_SUMS}) FROM totals").fetchone() == (1,)


def recount(db: sqlite3.Connection) -> None:
    """Set the sums over all rows right."""
    db.execute(f"UPDATE totals SET (n_rows, n_bytes) = ({_SUMS})")


def _evict(db: sqlite3.Connection, max_bytes: int) -> None:
    """Take the least recently used rows out until the others are within the bound."""
    excess = read_totals(db).n_bytes - max_bytes
    if excess <= 0:
        return
    oldest = []
    by_use = db.execute("SELECT id, ifnull(length(value), 0) FROM rows ORDER BY used, id")
    for number, n_bytes in by_use:
        if excess <= 0:
            break
        oldest.append(number)
        excess -= n_bytes
    by_use.close()
    remove(db, oldest)
