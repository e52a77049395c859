"""Runs the cells of a sweep, one after another or many at a time, and records each as it ends."""

from __future__ import annotations

import functools
import itertools
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import asdict
from datetime import datetime
from typing import Any

import joblib
import numpy as np

from sktransfer.cache import memory_store
from sktransfer.evaluation._environment import package_versions
from sktransfer.evaluation._isolation import Limits
from sktransfer.evaluation._measuring import measure
from sktransfer.evaluation._record import Cell, Record
from sktransfer.evaluation._splits import Division, Pools
from sktransfer.evaluation._systems import Builder

__all__ = ["run_cells"]

N_CRASHES = 3
"""Worker processes that may die before a sweep gives up, if no cell is finished in between."""


def run_cells(
    todo: dict[Cell, Division],
    pools: Mapping[str, Pools],
    builder: Builder,
    limits: Limits,
    record: Record,
    n_jobs: int | None,
    bar,
) -> None:
    """Run cells and record them; when a worker dies, go on with those that are left."""
    crashes = 0
    while todo:
        try:
            for cell, entry, predictions in _entries(dict(todo), pools, builder, limits, n_jobs):
                record.append(cell, entry, predictions)
                del todo[cell]
                crashes = 0
                bar.set_description(cell.system)
                bar.update()
        except _worker_deaths() as error:
            crashes += 1
            if crashes == N_CRASHES:
                raise RuntimeError(
                    f"{N_CRASHES} worker processes died and no cell was finished in between; with "
                    "a memory_limit the cell that is to blame is recorded, and the others run"
                ) from error


def _worker_deaths() -> tuple[type[BaseException], ...]:
    """Return the errors by which joblib's backends tell that a worker is gone."""
    if "distributed" not in sys.modules:
        return (BrokenProcessPool,)
    from distributed import KilledWorker
    from distributed.client import FutureCancelledError

    return BrokenProcessPool, FutureCancelledError, KilledWorker


def _entries(
    todo: Mapping[Cell, Division],
    pools: Mapping[str, Pools],
    builder: Builder,
    limits: Limits,
    n_jobs: int | None,
) -> Iterator[tuple[Cell, dict, dict]]:
    """Run cells by joblib, and yield what is to be recorded of each as it ends."""
    tasks = (
        # Arrays that are arguments themselves are sent to a worker, or to a cluster, only once.
        joblib.delayed(_run_cell)(
            cell, division, builder, limits, pool.X, pool.y, pool.X_test, pool.y_test
        )
        for cell, division in todo.items()
        for pool in [pools[cell.dataset]]
    )
    try:
        parallel = joblib.Parallel(
            n_jobs=n_jobs, return_as="generator_unordered", pre_dispatch="n_jobs"
        )
    except ValueError:  # Ray's backend hands nothing over before all is done: take turns
        parallel = joblib.Parallel(n_jobs=n_jobs)
        n_workers = joblib.effective_n_jobs(n_jobs)
        while turn := list(itertools.islice(tasks, n_workers)):
            yield from parallel(turn)
        return
    with closing(parallel(tasks)) as entries:
        yield from entries


def _run_cell(
    cell: Cell, division: Division, builder: Builder, limits: Limits, *pools: Any
) -> tuple[Cell, dict, dict]:
    """Run a cell; what goes wrong is part of its entry."""
    begun = datetime.now().astimezone().isoformat(timespec="seconds")
    names = {**asdict(cell), "recipe": builder.recipe, "seed": division.seed}
    attempt = functools.partial(_attempt, _measured, cell, division, builder, pools)
    entry, predictions = _attempt(limits.run, attempt)
    versions = package_versions()
    entry = entry | {"result": names | entry["result"], "begun": begun, "versions": versions}
    return cell, entry, predictions


def _attempt(task: Callable, *arguments: Any) -> tuple[dict, dict]:
    """Return an entry and predictions; of what goes wrong, an entry that tells it."""
    try:
        return task(*arguments)
    except Exception as error:  # whatever it is, the other cells can still be run
        message = f"{type(error).__name__}: {error}".splitlines()[0]
        return {"result": {"error": message}, "traceback": traceback.format_exc()}, {}


def _measured(
    cell: Cell, division: Division, builder: Builder, pools: Sequence[Any]
) -> tuple[dict, dict]:
    """Fit and score the estimator of a cell."""
    # With features left over from another cell, a cell's times would not be its own.
    memory_store().clear()
    estimator = builder(cell.strategy, cell.backbone, division.seed)
    split = division.split(*pools)
    entry, proba = measure(estimator, split)
    return entry, {
        "proba": proba.astype(np.float32),
        "true": np.searchsorted(entry["classes"], split.y_test),
        "test": division.test,
        "is_held_out": np.array(division.is_held_out),
    }
