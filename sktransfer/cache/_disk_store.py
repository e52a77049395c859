"""A bounded store of rows of features on disk, for processes that come later or run beside."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import warnings
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from sktransfer._errors import CacheWarning
from sktransfer.cache import _database
from sktransfer.cache._entries import pack, unpack

DISK_BYTES = 10 << 30
"""Bound of a store on disk; 2.6 million rows of 1,024 features."""

PAUSE = 60.0
"""Seconds without writing after it has failed, so that a full disk or a lock costs little."""

_FOLLOWED = 3  # times that an action follows a database which others replace under its hands

_Result = TypeVar("_Result")

# One for all stores of the process: a fork has to find every one of them at rest.
_turn = threading.Lock()
_stores: weakref.WeakSet[DiskStore] = weakref.WeakSet()


class DiskStore:
    """Rows by key, in a folder on a local disk; the least recently used go first.

    Any number of threads and processes may use a folder at once, and a store may be pickled. Each
    row is kept with a checksum over its key, type, shape and values. What is damaged is missing, is
    put anew when it has been computed again, and is never returned; a file that SQLite cannot read
    is replaced by a new one. Nothing that fails here stops the caller: where the disk is full, the
    folder read-only or a lock not to be had, rows are missing or not kept, and a `CacheWarning`
    says so once.

    Parameters
    ----------
    path : str or path-like
        Folder of the store, made at first use where it is missing. It holds one SQLite database,
        ``features-<number>.sqlite``, in WAL mode, with its companion files: network file systems
        are no place for it.
    max_bytes : int, default=10 GiB
        Bound of the rows' bytes; for rows of 1,024 features the file takes a seventh more. The
        order of use is that of puts and reads, but reads between two puts count as one, and a row
        among the newest eighth stays where it is, so that reading seldom means writing.

    Raises
    ------
    ValueError
        If `path` is a file.

    See Also
    --------
    disk_store : The one store of a folder in this process.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer.cache import DiskStore
    >>> store = DiskStore("features")
    >>> store.put([b"cat", b"dog"], np.array([[1.0, 2.0], [3.0, 4.0]], dtype=np.float32))
    >>> DiskStore("features").get([b"dog", b"cow"])
    [array([3., 4.], dtype=float32), None]
    >>> len(store), store.n_bytes
    (2, 16)
    """

    def __init__(self, path: str | os.PathLike[str], max_bytes: int = DISK_BYTES) -> None:
        self.path = Path(path).expanduser().resolve()
        if self.path.is_file():
            raise ValueError(f"the cache must be a folder, got the file {self.path}")
        self.max_bytes = max_bytes
        self._file: Path | None = None
        self._db: sqlite3.Connection | None = None
        self._write_again = -float("inf")
        self._told: set[str] = set()
        _stores.add(self)

    def __reduce__(self) -> tuple[type[DiskStore], tuple[Path, int]]:
        return type(self), (self.path, self.max_bytes)

    def __len__(self) -> int:
        return self._attempt(lambda db: _database.read_totals(db).n_rows, 0)

    @property
    def n_bytes(self) -> int:
        """Bytes of the rows that are kept."""
        return self._attempt(lambda db: _database.read_totals(db).n_bytes, 0)

    def get(self, keys: Sequence[bytes]) -> list[np.ndarray | None]:
        """Return the row of each key, read-only, None where there is none."""
        nothing: list[_database.Found] = []
        found = self._attempt(lambda db: list(_database.select(db, dict.fromkeys(keys))), nothing)
        rows: dict[bytes, np.ndarray] = {}
        stale, damaged = [], []
        for number, entry, is_stale in found:
            row = unpack(entry)
            if row is None:
                damaged.append(number)
                continue
            rows[entry.key] = row
            if is_stale:
                stale.append(number)
        if stale:
            self._write(lambda db: _database.stamp(db, stale))
        if damaged:
            self._write(lambda db: _database.remove(db, damaged))
            self._tell("damage", "has damaged rows, which are computed anew")
        return [rows.get(key) for key in keys]

    def put(self, keys: Sequence[bytes], rows: np.ndarray) -> None:
        """Keep each row of numbers under its key."""
        entries = [pack(key, row) for key, row in zip(keys, rows, strict=True)]
        self._write(lambda db: _database.insert(db, entries, self.max_bytes))

    def clear(self) -> None:
        """Forget every row, and give the disk space back."""
        self._attempt(lambda db: self._begin_anew(), None)

    def _write(self, action: Callable[[sqlite3.Connection], None]) -> None:
        """Run an action in a transaction, unless writing has failed a moment ago."""

        def write(db: sqlite3.Connection) -> None:
            with _database.transaction(db):
                action(db)

        if time.monotonic() >= self._write_again:
            self._attempt(write, None)

    def _attempt(
        self, action: Callable[[sqlite3.Connection], _Result], otherwise: _Result
    ) -> _Result:
        """Run an action on the database; return `otherwise` where that cannot be done."""
        if not _turn.acquire(timeout=_database.PATIENCE):
            return otherwise
        try:
            return self._act(action)
        except sqlite3.ProgrammingError:  # says nothing of the file
            raise
        except (OSError, sqlite3.OperationalError) as error:
            self._write_again = time.monotonic() + PAUSE
            self._tell("refusal", f"cannot be used in full: {error}")
        except sqlite3.DatabaseError as error:
            self._replace(error)
        finally:
            _turn.release()
        return otherwise

    def _act(self, action: Callable[[sqlite3.Connection], _Result]) -> _Result:
        """Run an action on the database that counts, again if that was replaced meanwhile."""
        for _ in range(_FOLLOWED):
            try:
                return action(self._connect())
            except (OSError, sqlite3.Error):
                if self._file is None or self._file.exists():
                    raise
        return action(self._connect())

    def _connect(self) -> sqlite3.Connection:
        """Return this process' connection to the database that counts now."""
        if self._db is None or self._file is None or not self._file.exists():
            self._disconnect()
            self._file = _database.current_file(self.path)
            self._db = _database.open_database(self._file)
            weakref.finalize(self, self._db.close)
        return self._db

    def _disconnect(self) -> None:
        """Close the connection, if there is one."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def _replace(self, error: sqlite3.DatabaseError) -> None:
        """Begin anew where the database is of no use."""
        try:
            self._begin_anew()
        except OSError as refusal:
            self._tell("damage", f"is damaged and cannot be replaced: {refusal}")
        else:
            self._tell("damage", f"was of no use and is begun anew: {error}")

    def _begin_anew(self) -> None:
        """Put an empty database in the place of the one that was opened last."""
        self._disconnect()
        if self._file is not None:
            _database.begin_next(self._file)

    def _tell(self, trouble: str, what: str) -> None:
        """Warn, once about each kind of trouble."""
        if trouble not in self._told:
            self._told.add(trouble)
            warnings.warn(f"the cache {self.path} {what}", CacheWarning, stacklevel=2)


def _rest() -> None:
    """Close every connection: SQLite's must not be carried into another process."""
    _turn.acquire()
    for store in list(_stores):
        store._disconnect()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_rest, after_in_parent=_turn.release, after_in_child=_turn.release)
