"""The store on disk when everything goes wrong: crowds, kills, flipped bits, full disks, clocks.

Few of each in every run, all of them with `-m slow`; the figures of the long runs are recorded.
"""

from __future__ import annotations

import faulthandler
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from sktransfer.cache import CacheWarning, _database, _disk_store, verify_cache
from tests._counters import record
from tests.cache._chaos import ROW_BYTES, Witness, add_up

REPOSITORY = Path(__file__).resolve().parents[2]
NO_CALL_TAKES_LONGER_S = 10.0

posix_only = pytest.mark.skipif(os.name != "posix", reason="asks for signals of POSIX")


def few_or(many: int, few: int) -> pytest.MarkDecorator:
    """Run a test with few in every run, with many where slow tests are asked for."""
    return pytest.mark.parametrize("n", [few, pytest.param(many, marks=pytest.mark.slow)])


@pytest.fixture(autouse=True)
def no_deadlock(request):
    """End the whole run, with a traceback, rather than wait for ever."""
    slow = request.node.get_closest_marker("slow") is not None
    faulthandler.dump_traceback_later(900 if slow else 120, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


def start(job: str, folder: Path, *arguments: object, before: tuple[str, ...] = ()):
    """Run a job in a process of its own, in which a warning that it does not expect is an error."""
    python = [sys.executable, "-W", "error::UserWarning", "-m", "tests.cache._chaos"]
    command = [*before, *python, job, str(folder), *map(str, arguments)]
    return subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)


def figures_of(process: subprocess.Popen, timeout: float = 60) -> dict:
    """Wait for a process, and return what it has counted."""
    printed, _ = process.communicate(timeout=timeout)
    assert process.returncode == 0
    figures = json.loads(printed)
    assert figures.pop("heavy") == [], "a store is used without TensorFlow"
    return figures


def counted(figures: dict) -> dict:
    """Pick what a witness counts out of a job's figures."""
    return {name: figures[name] for name in ("hits", "misses", "wrong", "longest_s")}


def assert_sound(figures: dict) -> None:
    assert figures["wrong"] == 0
    assert figures["longest_s"] < NO_CALL_TAKES_LONGER_S


# Crowds ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("bound", ["ample", "tight"])
@pytest.mark.parametrize(
    ("n_processes", "n_rounds"), [(3, 20), pytest.param(8, 400, marks=pytest.mark.slow)]
)
def test_processes_share_one_store(tmp_path, n_processes, n_rounds, bound):
    n_rows = 10 * (n_processes + 1) * n_rounds
    max_rows = n_rows if bound == "ample" else n_rows // 4
    crowd = [
        start("share", tmp_path / "cache", me, n_processes, n_rounds, max_rows)
        for me in range(n_processes)
    ]
    total = add_up(figures_of(process, timeout=600) for process in crowd)
    end = Witness(tmp_path / "cache", max_rows * ROW_BYTES)
    kept = sum(end.get(range(n_rows)))
    if n_processes == 8:
        name = "cache_processes" if bound == "ample" else "cache_processes_evicting"
        record(name, tried=n_processes, rows=n_rows, kept=kept, seed="0..7", **total)
    assert_sound(total)
    assert kept == max_rows, "nothing is lost but by eviction"
    assert end.wrong == 0
    assert verify_cache(tmp_path / "cache") == (max_rows, 0, None)


# Kills -----------------------------------------------------------------------------------------


@posix_only
@few_or(50, few=3)
def test_killed_writers_leave_a_store_that_opens_at_once(tmp_path, n):
    rng = random.Random(n)
    first, rows_told, longest_open_s = 0, 0, 0.0
    looks = []
    for _ in range(n):
        with start("write", tmp_path / "cache", first) as writer:
            assert writer.stdout.readline() == "ready\n"
            time.sleep(rng.uniform(0, 0.3))
            writer.send_signal(signal.SIGKILL)
            told = writer.stdout.read().split("\n")
        last = max([first, *map(int, told[:-1])])
        seen = figures_of(start("look", tmp_path / "cache", first, last + 100))
        assert seen["written"] == 20
        assert seen["kept"] >= last - first, "what was told to be there is there"
        looks.append(counted(seen))
        longest_open_s = max(longest_open_s, seen["open_s"])
        rows_told += last - first
        first = last + 100
    total = add_up(looks)
    if n == 50:
        figures = {"longest_open_s": round(longest_open_s, 3), **total}
        record("cache_kills", tried=n, survived=len(looks), rows_told=rows_told, seed=n, **figures)
    assert_sound(total)
    assert longest_open_s < NO_CALL_TAKES_LONGER_S
    assert verify_cache(tmp_path / "cache")[1:] == (0, None)


@posix_only
@few_or(20, few=2)
def test_stopped_writers_keep_nobody_waiting(tmp_path, n):
    rng = random.Random(n)
    with start("write", tmp_path / "cache", 1000) as writer:
        assert writer.stdout.readline() == "ready\n"
        while Witness(tmp_path / "cache").get([1000]) != [True]:
            time.sleep(0.01)
        for number in range(n):
            time.sleep(rng.uniform(0, 0.1))
            writer.send_signal(signal.SIGSTOP)
            witness = Witness(tmp_path / "cache")
            with warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always")
                assert witness.get([1000]) == [True]
                witness.put([number])
            assert [str(warning.message).split(": ")[1] for warning in told] in (
                [],
                ["database is locked"],
            )
            assert witness.get([number]) == [not told]
            assert_sound(witness.figures())
            writer.send_signal(signal.SIGCONT)
        writer.kill()


def test_file_that_a_killed_process_did_not_remove_is_removed(tmp_path):
    witness = Witness(tmp_path)
    witness.put(range(50))
    witness.store._disconnect()
    old = tmp_path / "features-0.sqlite"
    (tmp_path / "kept").write_bytes(old.read_bytes())
    witness.store.clear()
    (tmp_path / "kept").rename(old)
    assert sum(Witness(tmp_path).get(range(50))) == 0
    assert not old.exists()


@pytest.mark.parametrize("times", [1, 3])
def test_store_that_others_clear_is_followed_in_silence(tmp_path, monkeypatch, times):
    witness = Witness(tmp_path)
    witness.put(range(50))
    witness.store._disconnect()
    open_database = _database.open_database
    left = [True] * times

    def open_just_after_another_has_cleared(file: Path):
        if left:
            left.pop()
            _database.begin_next(file)
        return open_database(file)

    monkeypatch.setattr(_database, "open_database", open_just_after_another_has_cleared)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        witness.put(range(20))
        assert sum(witness.get(range(50))) == 20


# Flipped bits ----------------------------------------------------------------------------------

N_ROWS = 50


@pytest.fixture(scope="module")
def undamaged(tmp_path_factory) -> dict[str, Path]:
    """A store that was closed, and one whose process crashed while its last rows were written."""
    folder = tmp_path_factory.mktemp("undamaged")
    witness = Witness(folder / "closed")
    for first in range(0, 40, 10):
        witness.put(range(first, first + 10))
    witness.store._disconnect()
    witness.put(range(40, 50))
    shutil.copytree(folder / "closed", folder / "crashed")
    witness.store._disconnect()
    return {state: folder / state for state in ("closed", "crashed")}


def flip_bits(rng: random.Random, folder: Path) -> None:
    """Change one bit, or a burst of them, in one of a store's files; a third hits its head."""
    file = rng.choice([f for f in sorted(folder.iterdir()) if f.suffix != ".sqlite-shm"])
    size = file.stat().st_size
    start = rng.randrange(100 if rng.random() < 1 / 3 else size)
    with open(file, "r+b") as damaged:
        for _ in range(rng.choice([1, 1, 8])):
            position = min(size - 1, start + rng.randrange(16))
            damaged.seek(position)
            (byte,) = damaged.read(1)
            damaged.seek(position)
            damaged.write(bytes([byte ^ 1 << rng.randrange(8)]))


def use_fully(folder: Path) -> tuple[Witness, list[str]]:
    """Read, stamp, add and evict every row; return what was seen and what was told."""
    witness = Witness(folder, (N_ROWS + 10) * ROW_BYTES)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for _ in range(2):
            witness.get(range(N_ROWS + 20))
            witness.put(range(N_ROWS))
            witness.put(range(N_ROWS, N_ROWS + 20))
            witness.get(range(N_ROWS))
            witness.put(range(N_ROWS))
        for _ in range(2):  # a row whose key is damaged in the index alone can be lost once more
            witness.put(range(N_ROWS - 20, N_ROWS))
        assert sum(witness.get(range(N_ROWS - 20, N_ROWS))) == 20, "the store works as before"
        assert witness.store.n_bytes <= witness.store.max_bytes
    witness.store._disconnect()
    assert {warning.category for warning in told} <= {CacheWarning}
    return witness, [str(warning.message) for warning in told]


@few_or(1000, few=50)
def test_flipped_bits_give_no_wrong_row_and_are_told_once(tmp_path, undamaged, n):
    rng = random.Random(n)
    figures = []
    told_at: Counter[str] = Counter()
    for _ in range(n):
        folder = tmp_path / "flipped"
        shutil.copytree(undamaged[rng.choice(["closed", "crashed"])], folder)
        flip_bits(rng, folder)
        uses = [use_fully(folder) for _ in range(3)]
        n_told = [len(told) for _, told in uses]
        assert max(n_told) <= 1, "a process tells of damage once"
        assert sum(n_told) <= 2, "what is left of damage to a row is damage to the file"
        begun_anew = not (folder / "features-0.sqlite").exists()
        told_at["never"] += not any(n_told)
        told_at["first_use"] += n_told[0]
        told_at["later_use"] += any(n_told[1:])
        told_at["twice"] += sum(n_told) == 2
        told_at["begun_anew"] += begun_anew
        # Damage that no use has met so far is met here.
        verify_cache(folder)
        assert verify_cache(folder)[1:] == (0, None)
        last, told = use_fully(folder)
        assert told == [], "nothing is left of the damage"
        figures += [witness.figures() for witness in (*(w for w, _ in uses), last)]
        shutil.rmtree(folder)
    total = add_up(figures)
    noticed = n - told_at["never"]
    if n == 1000:
        record("cache_bit_flips", tried=n, survived=n, repairs=noticed, seed=n, **told_at, **total)
    assert_sound(total)
    assert 0 < told_at["begun_anew"] < noticed < n, "damage costs the file, or a row, or nothing"
    assert told_at["later_use"] <= n // 20, "nearly all damage is met by the first use"


def test_bits_of_the_header_are_repaired_or_do_no_harm(tmp_path, undamaged):
    original = (undamaged["closed"] / "features-0.sqlite").read_bytes()
    for position in range(
        16, 21
    ):  # size of the pages, who may write, who may read, space left in pages
        for bit in range(8):
            damaged = bytearray(original)
            damaged[position] ^= 1 << bit
            folder = tmp_path / f"{position}-{bit}"
            folder.mkdir()
            (folder / "features-0.sqlite").write_bytes(damaged)
            uses = [use_fully(folder) for _ in range(2)]
            assert uses[1][1] == [], (position, bit)
            assert [witness.wrong for witness, _ in uses] == [0, 0]


# Disks that refuse -----------------------------------------------------------------------------

OWN_DISK = ("unshare", "-rm", "sh", "-c", 'mount -t tmpfs -o size=1m tmpfs "$0" && exec "$@"')


@pytest.fixture
def own_disk(tmp_path) -> tuple[str, ...]:
    """What runs a command with a small disk of its own at `tmp_path`, which goes with it."""
    before = (*OWN_DISK, str(tmp_path))
    try:
        subprocess.run([*before, "true"], check=True, capture_output=True, timeout=10)
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"this process may mount nothing: {error}")
    return before


@posix_only
def test_full_disk(tmp_path, own_disk):
    check_fill(figures_of(start("fill", tmp_path, "disk", before=own_disk)), "disk is full")


@posix_only
def test_files_that_may_not_grow(tmp_path):
    check_fill(figures_of(start("fill", tmp_path, "limit")), "disk I/O error")


def check_fill(figures: dict, reason: str) -> None:
    """A disk that was full was told of once, and has done no harm."""
    assert_sound(figures)
    (told,) = figures["reasons"]
    assert reason in told
    assert figures["n_told_late"] <= 1
    assert figures["kept_while_full"] == 50
    assert figures["kept_after"] == 100
    n_sound, n_damaged, fault = figures["checked"]
    assert n_sound >= 100
    assert (n_damaged, fault) == (0, None)


@posix_only
@pytest.mark.parametrize("state", ["closed", "crashed"])
def test_read_only_file_system(tmp_path, own_disk, state):
    figures = figures_of(start("serve", tmp_path, state, before=own_disk))
    assert_sound(figures)
    (told,) = figures["reasons"]
    assert "readonly database" in told
    assert figures["kept"] == 50


# Clocks ----------------------------------------------------------------------------------------


def test_clock_that_goes_back_changes_nothing(tmp_path, monkeypatch):
    now = [1e9]

    def earlier() -> float:
        now[0] -= 3600.0
        return now[0]

    clock = SimpleNamespace(time=earlier, monotonic=earlier, sleep=time.sleep)
    monkeypatch.setattr(_disk_store, "time", clock)
    monkeypatch.setattr(_database, "time", clock)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for first in range(0, 100, 5):
            witness = Witness(tmp_path, 20 * ROW_BYTES)
            witness.get([0])  # is always in use
            witness.put(range(first, first + 5))
            os.utime(tmp_path / "features-0.sqlite", (now[0], now[0]))
        assert witness.get(range(100)) == [n == 0 or n > 80 for n in range(100)]
    assert witness.wrong == 0


# All together ----------------------------------------------------------------------------------


class TwoStoresOfOneFolder(RuleBasedStateMachine):
    """Two stores put, read, clear and open again by turns, while rows are damaged.

    `put_since` holds what could be there; `certain` what must be: the newest rows, undamaged.
    """

    MAX_ROWS = 12
    numbers = st.lists(st.integers(0, 30), min_size=1, max_size=6, unique=True)
    which = st.integers(0, 1)
    folder: Path

    def __init__(self) -> None:
        super().__init__()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.witnesses = [self.new(), self.new()]
        self.put_since: set[int] = set()
        self.certain: set[int] = set()

    def new(self) -> Witness:
        return Witness(self.folder, self.MAX_ROWS * ROW_BYTES)

    @rule(which=which, numbers=numbers)
    def put(self, which, numbers):
        new = set(numbers) - self.put_since
        self.witnesses[which].put(numbers)
        self.put_since |= set(numbers)
        self.certain = new  # others may have been the oldest

    @rule(which=which, numbers=numbers)
    def get(self, which, numbers):
        there = self.witnesses[which].get(numbers)
        for number, is_there in zip(numbers, there, strict=True):
            assert is_there or number not in self.certain
            assert number in self.put_since or not is_there

    @rule(which=which)
    def open_again(self, which):
        self.witnesses[which] = self.new()

    @rule(which=which)
    def clear(self, which):
        self.witnesses[which].store.clear()
        self.put_since, self.certain = set(), set()

    @rule(which=which, number=st.integers(0, 30))
    def damage(self, which, number):
        """Spoil a row, and look at it: damage is told, and the row is gone."""
        with _database.open_database(_database.current_file(self.folder)) as db:
            spoiled = db.execute(
                "UPDATE rows SET value = zeroblob(?) WHERE key = ?",
                (ROW_BYTES, b"%20d" % number),
            ).rowcount
        db.close()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CacheWarning)
            assert self.witnesses[which].get([number]) == [False] or not spoiled
        self.certain.discard(number)

    @invariant()
    def is_sound(self):
        for witness in self.witnesses:
            assert_sound(witness.figures())
            assert witness.store.n_bytes == len(witness.store) * ROW_BYTES
            assert len(witness.store) <= min(self.MAX_ROWS, len(self.put_since))


def test_two_stores_of_one_folder_agree(tmp_path):
    TwoStoresOfOneFolder.folder = tmp_path / "cache"
    run_state_machine_as_test(
        TwoStoresOfOneFolder, settings=settings(max_examples=15, stateful_step_count=20)
    )
