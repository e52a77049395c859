"""What is done to a store in processes of their own: `python -m tests.cache._chaos JOB FOLDER ...`.

Every row follows from its key, so that whoever reads one knows whether it is right.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from sktransfer.cache import DiskStore, _disk_store, verify_cache

WIDTH = 100
ROW_BYTES = 4 * WIDTH
AMPLE = 1 << 30


def key_of(number: int) -> bytes:
    return b"%20d" % number


def rows_of(numbers: Sequence[int]) -> np.ndarray:
    return np.array(numbers, dtype=np.float32)[:, np.newaxis] * WIDTH + np.arange(WIDTH, dtype="f4")


class Witness:
    """A store of which every answer is checked and every call timed."""

    def __init__(self, folder: Path, max_bytes: int = AMPLE) -> None:
        self.store = DiskStore(folder, max_bytes)
        self.hits = self.misses = self.wrong = 0
        self.longest_s = 0.0

    def put(self, numbers: Sequence[int]) -> None:
        rows = rows_of(numbers)
        self._timed(lambda: self.store.put([key_of(n) for n in numbers], rows))

    def get(self, numbers: Sequence[int]) -> list[bool]:
        """Whether each row is there."""
        found: list[np.ndarray | None] = []
        self._timed(lambda: found.extend(self.store.get([key_of(n) for n in numbers])))
        for row, right in zip(found, rows_of(numbers), strict=True):
            if row is None:
                self.misses += 1
            elif row.dtype == right.dtype and np.array_equal(row, right):
                self.hits += 1
            else:
                self.wrong += 1
        return [row is not None for row in found]

    def figures(self) -> dict[str, float]:
        names = ("hits", "misses", "wrong", "longest_s")
        return {name: round(getattr(self, name), 3) for name in names}

    def _timed(self, call: Callable[[], None]) -> None:
        start = time.monotonic()
        call()
        self.longest_s = max(self.longest_s, time.monotonic() - start)


def add_up(all_figures: Iterable[dict[str, float]]) -> dict[str, float]:
    """Add the figures of several witnesses up."""
    total: dict[str, float] = {"hits": 0, "misses": 0, "wrong": 0, "longest_s": 0.0}
    for figures in all_figures:
        for name, figure in figures.items():
            total[name] = max(total[name], figure) if name == "longest_s" else total[name] + figure
    return total


# Jobs ------------------------------------------------------------------------------------------


def share(folder: Path, me: int, n_processes: int, n_rounds: int, max_rows: int) -> dict:
    """Write rows of one's own and rows that all write; read everybody's."""
    rng = random.Random(me)
    witness = Witness(folder, max_rows * ROW_BYTES)
    for round in range(n_rounds):
        # Own rows come first in the numbering of a round, the ones in common last.
        first = round * 10 * (n_processes + 1)
        own, common = first + 10 * me, first + 10 * n_processes
        witness.put([*range(own, own + 10), *range(common, common + 10)])
        witness.get(rng.choices(range(first + 10 * (n_processes + 1)), k=50))
    return witness.figures()


def write(folder: Path, first: int) -> None:
    """Put rows until killed, and tell after each put up to which number they are there."""
    rng = random.Random(first)
    print("ready", flush=True)
    witness = Witness(folder)
    while True:
        numbers = range(first, first + rng.randrange(1, 100))
        witness.put(numbers)
        first = numbers.stop
        print(first, flush=True)


def look(folder: Path, first: int, last: int) -> dict:
    """Read what is there when another has been killed, and write."""
    start = time.monotonic()
    witness = Witness(folder)
    witness.get([first])
    open_s = time.monotonic() - start
    kept = sum(witness.get(range(first, last)))
    new = range(10**9 + first, 10**9 + first + 20)
    witness.put(new)
    return {"open_s": open_s, "kept": kept, "written": sum(witness.get(new)), **witness.figures()}


def fill(folder: Path, kind: str) -> dict:
    """Go on where the disk is full, or where no file may grow, and after there is room again."""
    exhaust, relax = {"disk": (_add_ballast, _drop_ballast), "limit": (_limit, _unlimit)}[kind]
    witness = Witness(folder / "cache")
    witness.put(range(50))
    exhaust(folder)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for round in range(5):
            witness.put(range(1000 * (round + 1), 1000 * (round + 2)))
            kept = sum(witness.get(range(50)))
        _disk_store.PAUSE = 0.0
        for round in range(5):
            witness.put(range(1000 * (round + 1), 1000 * (round + 2)))
    with warnings.catch_warnings(record=True) as told_late:
        warnings.simplefilter("always")
        late = Witness(folder / "cache")
        late.get(range(50))
        late.put(range(50))
    relax(folder)
    after = Witness(folder / "cache")
    after.put(range(100))
    return {
        "reasons": [str(warning.message) for warning in told],
        "n_told_late": len(told_late),
        "kept_while_full": kept,
        "kept_after": sum(after.get(range(100))),
        "checked": verify_cache(folder / "cache"),
        **add_up(w.figures() for w in (witness, late, after)),
    }


def serve(folder: Path, state: str) -> dict:
    """Read from a file system that has been made read-only, and try to write."""
    before = Witness(folder / "original")
    before.put(range(50))
    if state == "closed":
        before.store._disconnect()
    shutil.copytree(folder / "original", folder / "cache")
    before.store._disconnect()
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
    witness = Witness(folder / "cache")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for _ in range(3):
            kept = sum(witness.get(range(50)))
            witness.put(range(100))
    return {"reasons": [str(w.message) for w in told], "kept": kept, **witness.figures()}


def _add_ballast(folder: Path) -> None:
    """Fill the disk to the last byte."""
    with suppress(OSError), open(folder / "ballast", "wb", buffering=0) as ballast:
        while ballast.write(bytes(100)):
            pass


def _drop_ballast(folder: Path) -> None:
    (folder / "ballast").unlink()


def _limit(folder: Path, n_bytes: int | None = 200_000) -> None:
    """Let no file of this process grow beyond a size."""
    import resource  # POSIX alone has it

    soft = resource.RLIM_INFINITY if n_bytes is None else n_bytes
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, resource.RLIM_INFINITY))


def _unlimit(folder: Path) -> None:
    _limit(folder, None)


JOBS = {job.__name__: job for job in (share, write, look, fill, serve)}

if __name__ == "__main__":
    name, where, *rest = sys.argv[1:]
    figures = JOBS[name](Path(where), *[int(r) if r.isdecimal() else r for r in rest])
    heavy = sorted({"tensorflow", "keras"} & set(sys.modules))
    print(json.dumps({**figures, "heavy": heavy}))
