"""The store on disk: many users at once, damage, disks that refuse, and what is done by hand."""

from __future__ import annotations

import hashlib
import os
import pickle
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sktransfer.cache import (
    CacheWarning,
    DiskStore,
    _database,
    _disk_store,
    cache_info,
    clear_cache,
    export_cache,
    import_shard,
    verify_cache,
)

REPOSITORY = Path(__file__).resolve().parents[2]
KEYS = [bytes([n]) * 20 for n in range(50)]
ROWS = np.arange(50 * 100, dtype=np.float32).reshape(50, 100)

PRELUDE = """
import os, sys, threading, numpy as np
from sktransfer.cache import DiskStore
def key(n): return b"%20d" % n
def row(n): return np.full(100, n, dtype=np.float32)
def put(store, numbers): store.put([key(n) for n in numbers], np.stack([row(n) for n in numbers]))
def check(store, numbers):
    rows = store.get([key(n) for n in numbers])
    assert all(r is None or (r == n).all() for n, r in zip(numbers, rows)), "a wrong row"
    return sum(r is not None for r in rows)
store = DiskStore(sys.argv[1])
"""


def start(code: str, *arguments: object, **options) -> subprocess.Popen:
    """Run code in another process, in which a warning is an error."""
    command = [sys.executable, "-W", "error::UserWarning", "-c", PRELUDE + code]
    return subprocess.Popen(
        [*command, *map(str, arguments)], cwd=REPOSITORY, stdout=subprocess.PIPE, **options
    )


@pytest.fixture
def store(tmp_path) -> DiskStore:
    """A store that has all rows, with a connection that is closed."""
    store = DiskStore(tmp_path / "cache")
    store.put(KEYS, ROWS)
    store._disconnect()
    return store


def database(store: DiskStore) -> Path:
    (file,) = store.path.glob("*.sqlite")
    return file


def n_right(store: DiskStore) -> int:
    """Count the rows that are found, all of which must be right."""
    found = [
        (row, right) for row, right in zip(store.get(KEYS), ROWS, strict=True) if row is not None
    ]
    for row, right in found:
        np.testing.assert_array_equal(row, right, strict=True)
    return len(found)


def flip(file: Path, position: int, bit: int = 0) -> None:
    """Change one bit of a file."""
    data = bytearray(file.read_bytes())
    data[position] ^= 1 << bit
    file.write_bytes(data)


def spoil_row(row: int, file: Path) -> None:
    """Change one bit of a row's values, in old copies that a file may have as well."""
    good = ROWS[row, -50:].tobytes()
    assert good in file.read_bytes()
    file.write_bytes(file.read_bytes().replace(good, bytes([good[0] ^ 1]) + good[1:]))


# Rows ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["f2", "<f4", ">f8", "u1", "i8", "?", "c8"])
@pytest.mark.parametrize("shape", [(3,), (), (2, 0), (2, 3, 4)])
def test_rows_keep_type_and_shape(tmp_path, dtype, shape):
    rows = np.random.default_rng(0).integers(0, 100, (2, *shape)).astype(dtype)
    store = DiskStore(tmp_path)
    store.put([b"a", b"b"], rows)
    for row, right in zip(store.get([b"a", b"b"]), rows, strict=True):
        np.testing.assert_array_equal(row, right, strict=True)


def test_rows_on_disk_stay_what_they_were(tmp_path):
    """Or else the version of the database has to change."""
    DiskStore(tmp_path).put([b"key"], np.array([[[1, 2]]], dtype="<i2"))
    with sqlite3.connect(tmp_path / "features-0.sqlite") as db:
        rows = db.execute("SELECT key, layout, value, digest FROM rows").fetchall()
        version = db.execute("PRAGMA user_version").fetchone()
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    db.close()
    value = b"\1\0\2\0"
    digest = hashlib.blake2b(b"3 7 key<i2 1 2" + value, digest_size=16).digest()
    assert (rows, version) == ([(b"key", b"<i2 1 2", value, digest)], (2,))


def test_rows_must_be_numbers(tmp_path):
    with pytest.raises(
        TypeError, match="rows must be numbers to be kept on disk, got dtype object"
    ):
        DiskStore(tmp_path).put([b"a"], np.array([[None]]))


def test_more_rows_than_a_statement_takes_variables(tmp_path):
    keys = [b"%d" % n for n in range(2001)]
    rows = np.arange(2001, dtype=np.float32)[:, np.newaxis]
    store = DiskStore(tmp_path)
    store.put(keys, rows)
    np.testing.assert_array_equal(store.get(keys), rows)


def test_folders_are_made_as_deep_as_need_be(tmp_path):
    store = DiskStore(tmp_path / "one" / "in" / "another")
    store.put(KEYS, ROWS)
    assert n_right(store) == 50


def test_rows_outlive_the_process(store):
    assert n_right(DiskStore(store.path)) == 50


def test_pickle_is_path_and_bound(store):
    copy = pickle.loads(pickle.dumps(store))
    assert (copy.path, copy.max_bytes) == (store.path, store.max_bytes)
    assert n_right(copy) == 50
    assert len(pickle.dumps(store)) < 500


def test_clear_gives_the_disk_space_back_and_others_see_it(store):
    other = DiskStore(store.path)
    assert n_right(other) == 50
    size = database(store).stat().st_size
    store.clear()
    assert n_right(other) == len(other) == 0
    assert database(store).stat().st_size < size
    other.put(KEYS, ROWS)
    assert n_right(store) == 50


def test_reading_writes_once_and_not_each_time(store):
    n_right(store)
    watcher = sqlite3.connect(database(store))
    before = watcher.execute("PRAGMA data_version").fetchone()
    for _ in range(3):
        n_right(store)
    assert watcher.execute("PRAGMA data_version").fetchone() == before
    watcher.close()


def test_the_newest_eighth_is_not_stamped_again(tmp_path):
    store, keys = DiskStore(tmp_path), [b"%d" % n for n in range(56)]
    store.put(keys, np.zeros((56, 1)))
    watcher = sqlite3.connect(database(store))
    (before,) = watcher.execute("PRAGMA data_version").fetchone()
    store.get(keys[-7:])
    assert watcher.execute("PRAGMA data_version").fetchone() == (before,)
    store.get(keys[-8:-7])
    assert watcher.execute("PRAGMA data_version").fetchone() != (before,)
    watcher.close()


def test_what_another_process_has_read_stays(tmp_path):
    store = DiskStore(tmp_path, max_bytes=ROWS[:10].nbytes)
    store.put(KEYS[:10], ROWS[:10])
    DiskStore(tmp_path).get(KEYS[:2])
    store.put(KEYS[10:18], ROWS[10:18])
    assert [row is not None for row in store.get(KEYS[:10])] == [True] * 2 + [False] * 8


# Many at once ----------------------------------------------------------------------------------


def test_processes_share_a_folder(tmp_path):
    code = """
for round in range(20):
    numbers = list(range(10 * round, 10 * round + 20))
    put(store, numbers)
    assert check(store, numbers) == 20
"""
    processes = [start(code, tmp_path / "new") for _ in range(4)]
    for process in processes:
        process.communicate(timeout=60)
    assert [process.returncode for process in processes] == [0] * 4
    store = DiskStore(tmp_path / "new")
    assert (len(store), store.n_bytes) == (210, 210 * 400)
    assert verify_cache(tmp_path / "new") == (210, 0, None)


def test_fork_takes_no_connection_along(tmp_path):
    code = """
put(store, range(100))
stop = threading.Event()
def work():
    while not stop.is_set():
        check(store, range(100))
threads = [threading.Thread(target=work) for _ in range(2)]
for thread in threads: thread.start()
children = []
for n in range(4):
    child = os.fork()
    if not child:
        if store._db is not None:
            os._exit(2)
        put(store, range(100 + n, 110 + n))
        os._exit(check(store, range(100)) != 100)
    children.append(child)
put(store, range(200, 210))
codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
stop.set()
for thread in threads: thread.join()
assert check(store, range(210)) == 123
assert codes == [0] * 4, codes
"""
    if not hasattr(os, "fork"):
        pytest.skip("this system has no fork")
    process = start(code, tmp_path)
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert verify_cache(tmp_path) == (123, 0, None)


def test_killed_writer_leaves_whole_rows(tmp_path):
    code = """
for n in range(10**6):
    put(store, range(50 * n, 50 * n + 50))
    print(n, flush=True)
"""
    rng = random.Random(0)
    for round in range(3):
        with start(code, tmp_path / str(round)) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"0\n"
            time.sleep(rng.uniform(0, 0.1))
            writer.send_signal(signal.SIGKILL)
            n_told = len(writer.stdout.read().split()) + 1
        checked = verify_cache(tmp_path / str(round))
        assert checked.n_sound % 50 == 0, "a put is kept whole or not at all"
        assert checked.n_sound >= 50 * n_told
        assert checked[1:] == (0, None)


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(_database, "PATIENCE", 0.2)


def test_lock_of_another_is_not_waited_for_long(store, impatient, monkeypatch):
    other = sqlite3.connect(database(store), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    start = time.monotonic()
    with pytest.warns(CacheWarning, match="cannot be used in full: database is locked") as told:
        for n in range(20):
            store.put([b"%d" % n], ROWS[:1])
            assert n_right(store) == 50
    assert len(told) == 1
    assert time.monotonic() - start < 2, "after the first time it is not tried for a while"
    other.execute("ROLLBACK")
    other.close()
    monkeypatch.setattr(store, "_write_again", time.monotonic())
    store.put([b"late"], ROWS[:1])
    assert store.get([b"late"])[0] is not None


def test_thread_that_holds_the_store_is_not_waited_for_long(store, impatient):
    with _disk_store._turn:
        assert store.get(KEYS) == [None] * 50
        store.put([b"new"], ROWS[:1])
        assert (len(store), store.n_bytes) == (0, 0)
    assert (len(store), n_right(store)) == (50, 50)


def test_lock_of_another_is_waited_for_once(store, monkeypatch):
    monkeypatch.setattr(_database, "PATIENCE", 1.0)
    other = sqlite3.connect(database(store), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    start = time.monotonic()
    with pytest.warns(CacheWarning, match="database is locked"):
        store.put([b"new"], ROWS[:1])
    assert time.monotonic() - start < 3
    other.execute("ROLLBACK")
    other.close()


@pytest.fixture
def locked_new_file(tmp_path):
    """A connection that has locked a database which nobody has written to."""
    other = sqlite3.connect(
        tmp_path / "features-0.sqlite", isolation_level=None, check_same_thread=False
    )
    other.execute("BEGIN EXCLUSIVE")
    yield other
    other.close()


def test_lock_on_a_new_file_is_waited_for(tmp_path, locked_new_file):
    release = threading.Timer(0.3, locked_new_file.execute, ["ROLLBACK"])
    release.start()
    store = DiskStore(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        store.put(KEYS, ROWS)
    release.join()
    assert n_right(store) == 50


def test_log_is_asked_for_again_while_another_process_turns_to_it():
    refusals = [sqlite3.OperationalError("database is locked")] * 2

    class Connection:
        def execute(self, _):
            if refusals:
                raise refusals.pop()

    _database._enter_wal_mode(Connection())
    assert not refusals


def test_lock_on_a_new_file_is_not_waited_for_long(tmp_path, locked_new_file, impatient):
    start = time.monotonic()
    with pytest.warns(CacheWarning, match="database is locked"):
        DiskStore(tmp_path).put(KEYS, ROWS)
    assert time.monotonic() - start < 2


def test_what_is_no_key_is_an_error_and_no_damage(store):
    with pytest.raises(sqlite3.Error):
        store.get([("no", "bytes")])
    assert n_right(store) == 50
    assert database(store).name == "features-0.sqlite"


def is_closed(db: sqlite3.Connection) -> bool:
    try:
        db.execute("SELECT 1")
    except sqlite3.ProgrammingError:
        return True
    return False


def test_a_connection_is_kept_until_its_file_or_its_store_is_gone(tmp_path):
    store, other = DiskStore(tmp_path), DiskStore(tmp_path)
    store.put(KEYS, ROWS)
    first = store._db
    store.get(KEYS)
    assert store._db is first
    other.clear()
    store.get(KEYS)
    second = store._db
    assert (is_closed(first), is_closed(second)) == (True, False)
    del store
    assert is_closed(second)


# Damage ----------------------------------------------------------------------------------------


def test_damaged_row_is_missing_and_put_anew(store):
    spoil_row(7, database(store))
    with pytest.warns(CacheWarning, match="has damaged rows, which are computed anew") as told:
        rows = store.get(KEYS)
        assert [n for n, row in enumerate(rows) if row is None] == [7]
        assert len(store) == 49
        store.get(KEYS)
    assert len(told) == 1
    store.put(KEYS, ROWS)
    assert (len(store), n_right(store)) == (50, 50)


def test_row_under_the_key_of_another_is_missing(store):
    stranger = b"?" * len(KEYS[3])
    with sqlite3.connect(database(store)) as db:
        db.execute("UPDATE rows SET key = ? WHERE key = ?", (stranger, KEYS[3]))
    db.close()
    with pytest.warns(CacheWarning, match="damaged rows"):
        assert store.get([stranger, KEYS[3]]) == [None, None]


@pytest.mark.parametrize("live", [False, True], ids=["closed", "crashed"])
def test_flipped_bits_never_give_a_wrong_row(store, tmp_path, live):
    rng = random.Random(live)
    if live:  # the last rows are in the journal only
        store.put([b"last"], ROWS[:1])
    for n in range(15):
        copy = DiskStore(shutil.copytree(store.path, tmp_path / f"copy{n}"))
        file = rng.choice([file for file in copy.path.iterdir() if file.stat().st_size])
        flip(file, rng.randrange(file.stat().st_size), rng.randrange(8))
        with warnings.catch_warnings(record=True):
            warnings.simplefilter("always")
            for _ in range(3):  # one look may bring to light what another does not
                n_right(copy)
                copy.put(KEYS, ROWS)
            assert n_right(copy) == 50


def unreadable(file: Path) -> None:
    file.write_bytes(b"no database at all, but notes on the weather. " * 100)


def cut_short(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def changed_by(statement: str) -> Callable[[Path], None]:
    """Return what runs a statement in a database."""

    def spoil(file: Path) -> None:
        with sqlite3.connect(file) as db:
            db.execute(statement)
        db.close()

    return spoil


of_another_version = changed_by("PRAGMA user_version = 99")

TOTALS = {
    "that are missing": "DELETE FROM totals",
    "of which a copy is missing": "DELETE FROM totals WHERE rowid = 1",
    # It would have every row evicted, for ever.
    "with a flipped bit": "UPDATE totals SET n_bytes = n_bytes + (1 << 40) WHERE rowid = 1",
    "below zero": "UPDATE totals SET clock = -1",
    "beyond what can be added to": f"UPDATE totals SET clock = {(1 << 63) - 1}",
    "that are text": "UPDATE totals SET n_rows = 'many'",
    "that are no whole numbers": "UPDATE totals SET n_bytes = 0.5",
}


def with_schema_that_is_no_text(file: Path) -> None:
    flip(file, file.read_bytes().index(b"ON rows (used)") + 3, bit=7)


def of_a_format_to_come(file: Path) -> None:
    flip(file, 47, bit=6)


SPOILED = {
    "file is not a database": unreadable,
    "malformed": cut_short,
    "it is of version 99, not 2": of_another_version,
    "its schema is damaged": changed_by("DROP TRIGGER row_removed"),
    "its header or schema is damaged": of_a_format_to_come,
    # Python 3.10 gives no reason here.
    "(its header or schema is damaged)?$": with_schema_that_is_no_text,
}


@pytest.mark.parametrize(("reason", "spoil"), SPOILED.items())
def test_unusable_file_is_begun_anew(store, reason, spoil):
    spoil(database(store))
    with pytest.warns(CacheWarning, match=f"is begun anew: .*{reason}") as told:
        n_right(store)
    assert len(told) == 1
    store.put(KEYS, ROWS)
    assert n_right(store) == 50
    assert database(store).name == "features-1.sqlite"
    assert n_right(DiskStore(store.path)) == 50


@pytest.mark.parametrize("statement", TOTALS.values(), ids=TOTALS)
def test_totals_that_cannot_be_right_are_begun_anew(store, statement):
    changed_by(statement)(database(store))
    with pytest.warns(CacheWarning, match="is begun anew: its totals are damaged"):
        n_right(store)
    store.put(KEYS, ROWS)
    assert n_right(store) == 50


def test_damage_that_cannot_be_replaced_is_told(store, monkeypatch):
    def refuse(file: Path) -> None:
        raise PermissionError("the folder is not yours")

    monkeypatch.setattr(_database, "begin_next", refuse)
    unreadable(database(store))
    with pytest.warns(
        CacheWarning, match="damaged and cannot be replaced: the folder is not yours"
    ):
        assert n_right(store) == 0


def test_damage_is_not_waited_for(store):
    of_a_format_to_come(database(store))
    start = time.monotonic()
    with pytest.warns(CacheWarning, match="is begun anew"):
        n_right(store)
    assert time.monotonic() - start < _database.PATIENCE


def test_stores_that_find_the_same_damage_begin_anew_once(store):
    others = [DiskStore(store.path) for _ in range(2)]
    assert [n_right(other) for other in others] == [50, 50]
    unreadable(database(store))
    with pytest.warns(CacheWarning):
        n_right(store)
    store.put(KEYS, ROWS)
    assert [n_right(other) for other in others] == [50, 50]
    assert database(store).name == "features-1.sqlite"


# Disks that refuse -----------------------------------------------------------------------------


def test_full_disk_stops_writing_alone(store, monkeypatch):
    connect = sqlite3.connect

    def connect_to_full_disk(*arguments, **options):
        db = connect(*arguments, **options)
        db.execute("PRAGMA max_page_count = 1")  # that is: no more than there are
        return db

    monkeypatch.setattr(sqlite3, "connect", connect_to_full_disk)
    with pytest.warns(CacheWarning, match="database or disk is full") as told:
        for n in range(3):
            store.put([b"%d" % k for k in range(100 * n, 100 * n + 100)], np.ones((100, 1000)))
            assert n_right(store) == 50
    assert len(told) == 1
    assert len(store) == 50


READ_ONLY = """
store.path.as_uri()  # loads a module, which may lie where root alone can read
if os.getuid() == 0:
    os.setuid(65534)  # permissions do not bind root
assert not os.access(sys.argv[1], os.W_OK)
import warnings
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    for _ in range(2):
        found = check(store, range(20))
        put(store, [1000])
    store.clear()
print(found, len(store), *(warning.message for warning in told), sep="; ", end="")
"""


@pytest.fixture
def open_folder():
    """A folder that every user of the machine can enter, as pytest's own cannot be."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    for path in [folder, *folder.iterdir()]:
        path.chmod(0o755)
    shutil.rmtree(folder)


@pytest.mark.parametrize("live", [False, True], ids=["alone", "beside a writer"])
def test_read_only_folder_can_be_read(open_folder, live):
    store = DiskStore(open_folder / "cache")
    store.put(
        [b"%20d" % n for n in range(20)], np.repeat(np.arange(20, dtype="f4"), 100).reshape(20, 100)
    )
    if not live:
        store._disconnect()
    (open_folder / "cache").chmod(0o555)
    assert told_by_reader(open_folder / "cache") == ["20", "20", "readonly database"]
    assert len(store) == 20


def test_folder_that_cannot_be_made_is_told_once(open_folder):
    open_folder.chmod(0o555)
    assert told_by_reader(open_folder / "cache") == ["0", "0", "Permission denied"]


def told_by_reader(folder: Path) -> list[str]:
    """Run a process that may not write; its rows found, its length, and its only warning's end."""
    printed, _ = start(READ_ONLY, folder).communicate(timeout=60)
    n_found, length, warning = printed.decode().split("; ")
    assert f"the cache {folder} cannot be used in full: " in warning
    reason = re.search("readonly database|Permission denied", warning)
    return [n_found, length, reason[0] if reason else warning]


# By hand ---------------------------------------------------------------------------------------


def test_info_counts(store, monkeypatch):
    monkeypatch.setenv("SKTRANSFER_CACHE_BYTES", "123")
    assert cache_info(store.path) == (database(store), 50, ROWS.nbytes, 123)


@pytest.mark.parametrize("act", [cache_info, clear_cache, verify_cache])
def test_there_must_be_a_cache(tmp_path, act):
    with pytest.raises(FileNotFoundError, match="no cache in"):
        act(tmp_path / "absent")
    assert not (tmp_path / "absent").exists()


def test_cleared_by_hand_is_empty_for_all(store):
    assert n_right(store) == 50
    clear_cache(store.path)
    assert n_right(store) == 0


def test_verify_removes_damaged_rows(store):
    assert verify_cache(store.path) == (50, 0, None)
    for row in (3, 30):
        spoil_row(row, database(store))
    assert verify_cache(store.path) == (48, 2, None)
    assert verify_cache(store.path) == (48, 0, None)
    assert (n_right(store), store.n_bytes) == (48, 48 * 400)


def test_verify_sets_totals_right(store):
    with sqlite3.connect(database(store)) as db:
        db.execute("UPDATE totals SET n_bytes = 7")
    db.close()
    assert verify_cache(store.path) == (50, 0, "its totals were wrong, and are set right")
    assert store.n_bytes == ROWS.nbytes


def with_an_index_that_is_out_of_step(file: Path) -> None:
    def change(*statements: tuple) -> None:
        with sqlite3.connect(file, isolation_level=None) as db:
            db.execute("PRAGMA writable_schema = ON")
            for statement in statements:
                db.execute(*statement)
        db.close()

    with sqlite3.connect(file) as db:
        index = db.execute("SELECT * FROM sqlite_master WHERE name = 'rows_by_use'").fetchone()
    db.close()
    change(("DELETE FROM sqlite_master WHERE name = 'rows_by_use'",))
    change(("DELETE FROM rows WHERE id = 7",))
    change(("INSERT INTO sqlite_master VALUES (?, ?, ?, ?, ?)", index))


@pytest.mark.parametrize(
    "spoil", [unreadable, cut_short, of_another_version, with_an_index_that_is_out_of_step]
)
def test_verify_begins_anew_where_the_file_is_damaged(store, spoil):
    spoil(database(store))
    checked = verify_cache(store.path)
    assert checked[:2] == (0, 0)
    assert "begun anew" in checked.fault
    assert verify_cache(store.path) == (0, 0, None)


def test_verify_leaves_a_file_that_is_locked(store, impatient):
    spoil_row(7, database(store))
    other = sqlite3.connect(database(store), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(OSError, match=r"features-0\.sqlite: database is locked"):
        verify_cache(store.path)
    other.execute("ROLLBACK")
    other.close()
    assert verify_cache(store.path) == (49, 1, None)


def test_exported_rows_are_imported(store, tmp_path):
    shard = tmp_path / "shard"
    store.put([b"live"], ROWS[:1])  # is in the journal only
    assert export_cache(store.path, shard) == 51
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "shard"]
    assert shard.stat().st_mode & 0o777 == 0o444
    other = DiskStore(tmp_path / "other")
    other.put(KEYS[:5], ROWS[:5])
    assert import_shard(other.path, shard) == (51, 0, None)
    assert (len(other), n_right(other)) == (51, 50)
    assert export_cache(other.path, shard) == 51, "an older file is replaced"


def test_damaged_rows_are_not_imported(store, tmp_path):
    shard = tmp_path / "shard"
    export_cache(store.path, shard)
    shard.chmod(0o644)
    spoil_row(7, shard)
    assert import_shard(tmp_path / "other", shard) == (49, 1, None)
    assert n_right(DiskStore(tmp_path / "other")) == 49


def test_import_respects_the_bound(store, tmp_path, monkeypatch):
    export_cache(store.path, tmp_path / "shard")
    monkeypatch.setenv("SKTRANSFER_CACHE_BYTES", str(ROWS[:10].nbytes))
    import_shard(tmp_path / "other", tmp_path / "shard")
    assert n_right(DiskStore(tmp_path / "other")) == 10


@pytest.mark.parametrize("spoil", [unreadable, of_another_version])
def test_import_refuses_what_is_no_shard(store, tmp_path, spoil):
    shard = tmp_path / "shard"
    export_cache(store.path, shard)
    shard.chmod(0o644)
    spoil(shard)
    with pytest.raises(ValueError, match="shard is no exported cache"):
        import_shard(tmp_path / "other", shard)
    with pytest.raises(FileNotFoundError, match="no such file"):
        import_shard(tmp_path / "other", tmp_path / "absent")
    assert not (tmp_path / "other").exists()


def test_failed_export_leaves_nothing(store, tmp_path):
    cut_short(database(store))
    with pytest.raises(ValueError, match="`sktransfer cache verify`"):
        export_cache(store.path, tmp_path / "shard")
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]


def test_export_that_cannot_be_put_in_its_place_leaves_nothing(store, tmp_path):
    (tmp_path / "shard").mkdir()
    with pytest.raises(OSError, match="shard"):
        export_cache(store.path, tmp_path / "shard")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "shard"]
