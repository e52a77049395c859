"""Sweeps that are killed, and sweeps on the workers of others."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from sktransfer.evaluation import read_results
from sktransfer.evaluation._record import Record
from tests._counters import record

pytest.importorskip("skimage", reason="the photographs come with scikit-image")

ROOT = Path(__file__).resolve().parents[2]
SWEEPER = Path(__file__).with_name("sweeper.py")
N_CELLS = 40
MEASURED = [
    "seconds_per_epoch",
    "fit_seconds",
    "predict_seconds",
    "images_per_second",
    "peak_memory_mib",
]


def start(output, *backend):
    """Begin a sweep in a process, and a process group, of its own."""
    return subprocess.Popen(
        [sys.executable, SWEEPER, output, *backend],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
    )


def kill(process):
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def lines(folder):
    path = folder / "record.jsonl"
    return path.read_text().splitlines() if path.exists() else []


def results(folder):
    return read_results(folder).drop(columns=MEASURED)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The folder of a sweep that ran from its begin to its end in one process."""
    folder = tmp_path_factory.mktemp("undisturbed")
    assert start(folder).wait() == 0
    assert (read_results(folder)["error"] == "").all()
    return folder


def kill_at_random(folder, n_kills, seed=0):
    """Kill a sweep as often as wished, each time with a part of its cells done, and finish it."""
    chance = random.Random(seed)
    killed = 0
    while killed < n_kills:
        aim = len(lines(folder)) + chance.randint(1, max(1, (N_CELLS - 2) // n_kills - 1))
        process = start(folder)
        while len(lines(folder)) < aim and process.poll() is None:
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.02))  # anywhere in a cell, or in the writing of one
        assert process.poll() is None, "the sweep ended before it was killed"
        kill(process)
        killed += 1
    assert start(folder).wait() == 0


@pytest.mark.parametrize("n_kills", [1, pytest.param(10, marks=pytest.mark.slow)])
def test_a_sweep_that_was_killed_equals_one_that_was_not(tmp_path, undisturbed, n_kills):
    kill_at_random(tmp_path, n_kills)

    pd.testing.assert_frame_equal(results(tmp_path), results(undisturbed))
    written = [tuple(json.loads(line)["cell"].values()) for line in lines(tmp_path)]
    lost, run_twice = N_CELLS - len(set(written)), len(written) - len(set(written))
    assert (lost, run_twice) == (0, 0)
    one, other = Record(tmp_path), Record(undisturbed)
    for cell in one.entries():
        proba = one.predictions(cell)["proba"]
        assert (proba == other.predictions(cell)["proba"]).all()
    if n_kills > 1:
        record("sweep_kills", tried=n_kills, cells=N_CELLS, lost=lost, run_twice=run_twice, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["loky", "dask", "ray"])
def test_backends_give_the_scores_of_one_process(tmp_path, undisturbed, backend):
    if backend in ("dask", "ray"):
        pytest.importorskip({"dask": "distributed"}.get(backend, backend))
    assert start(tmp_path, backend).wait() == 0

    pd.testing.assert_frame_equal(results(tmp_path), results(undisturbed), rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["loky", "dask"])
def test_a_worker_that_is_killed_loses_nothing(tmp_path, undisturbed, backend):
    psutil = pytest.importorskip("psutil")
    if backend == "dask":
        pytest.importorskip("distributed")
    process = start(tmp_path, backend)
    while len(lines(tmp_path)) < 5:
        assert process.poll() is None
        time.sleep(0.01)
    workers = [
        child
        for child in psutil.Process(process.pid).children(recursive=True)
        if child.memory_info().rss > 60 << 20  # not the processes that watch over them
    ]
    workers[-1].kill()
    assert process.wait() == 0

    pd.testing.assert_frame_equal(results(tmp_path), results(undisturbed), rtol=1e-6)
