"""Runs strategies on datasets, cell by cell, so that a run that was stopped goes on later."""

from __future__ import annotations

import functools
import itertools
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime
from numbers import Integral
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from sktransfer.cache import memory_store
from sktransfer.evaluation._data import load_dataset
from sktransfer.evaluation._environment import describe_environment
from sktransfer.evaluation._isolation import Limits
from sktransfer.evaluation._measuring import measure
from sktransfer.evaluation._metrics import steps_of
from sktransfer.evaluation._record import Cell, Record
from sktransfer.evaluation._splits import Division, Pools, Splitting, make_pools
from sktransfer.evaluation._winner import refit_winner
from sktransfer.evaluation.report import save_mistakes, write_report

__all__ = ["resume_benchmark", "run_benchmark"]

DEFAULT_BACKBONE = "efficientnet_lite0"
N_CRASHES = 3
"""Worker processes that may die before a sweep gives up, if no cell is finished in between."""


def run_benchmark(
    dataset: str | Bunch | Sequence[str | Bunch] = "photo-patches",
    strategies: Iterable[str] | None = None,
    backbones: Iterable[str] = (DEFAULT_BACKBONE,),
    *,
    output: str | Path,
    data: str | Path | None = None,
    recipe: str = "best",
    epochs: int | None = None,
    train_size: int | Sequence[int] | None = None,
    test_size: int | None = None,
    validation_fraction: float = 0.2,
    cv: Any = None,
    groups: Any = None,
    n_repeats: int = 1,
    random_state: int = 0,
    make_estimator: Callable | None = None,
    save_winner: bool = True,
    n_jobs: int | None = None,
    time_limit: float | None = None,
    memory_limit: float | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Train and score strategies on datasets, and save the best of them.

    Each combination of dataset, strategy, backbone, number of training images, repeat and fold is a
    cell. A finished cell is recorded at once; run again with the same `output` and settings, the
    benchmark leaves finished cells as they are and does the others. A cell that fails is recorded
    with its traceback and does not stop the others.

    On a single dataset, the winner has the best mean validation accuracy (of equals, the fewest
    parameters to deploy). It is fitted anew on all images but those to test on, and saved as
    ``winner.joblib``.

    Parameters
    ----------
    dataset : {"photo-patches", "cifar10", "folder"}, sklearn.utils.Bunch or sequence of these
        A name, see `load_dataset`; or ``X_train, y_train, X_test, y_test``, or ``X, y`` of which a
        fifth becomes the test part. X are uint8 images (n, height, width, 3) or an array of paths
        of images, y arrays of labels. Of several, each bunch needs a ``name``.
    strategies : iterable of str, optional
        Names of `sktransfer.list_strategies`; all of them by default.
    backbones : iterable of str
        Names of `sktransfer.list_backbones`. A strategy without a backbone is run once.
    output : str or Path
        Folder for all that is written; made where there is none.
    data : str or Path, optional
        Where the dataset is, if it is given by its name and needs a path.
    recipe : {"best", "study"}
        Hyperparameters of the strategies.
    epochs : int, optional
        Epochs of training, for the strategies that have any, in place of the recipe's.
    train_size : int or sequence of int, optional
        Number of images to train on, validation images among them, drawn with all classes in their
        proportions; several numbers show what more images would bring. All by default.
    test_size : int, optional
        Number of images to use of the test part. All by default.
    validation_fraction : float
        Fraction of the training images, in (0, 1), that is kept for validation.
    cv : int or splitter, optional
        Number of stratified folds, or any splitter of scikit-learn, for cross-validation on the
        images to train on: a dataset's own test part is then left alone. Without it, cells are
        scored on the test part.
    groups : array-like of shape (n_images,), optional
        Groups of images, such as those of one patient, that `cv` keeps together.
    n_repeats : int
        How often all is done, each time with other folds, validation images and seeds.
    random_state : int
        Seed of the first repeat: of its splits and of its strategies.
    make_estimator : callable, optional
        ``make_estimator(strategy, backbone, recipe=..., **parameters)`` returns an unfitted
        classifier with ``predict_proba``; `sktransfer.make_strategy` by default.
    save_winner : bool
        Whether the best strategy is fitted anew and saved.
    n_jobs : int, optional
        Cells that run at a time, each in a process of its own; -1 for one a core. None is 1, unless
        ``joblib.parallel_config`` says otherwise: with its backends "dask" and "ray" the cells run
        on the machines of a cluster.
    time_limit : float, optional
        Seconds that a cell may take. It then runs in a process of its own, which starts anew, and
        is recorded as failed when that is killed.
    memory_limit : float, optional
        Mebibytes that the process of a cell may hold; likewise.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    DataFrame
        A row for each cell in `output`, as from `sktransfer.evaluation.read_results`.

    Raises
    ------
    ValueError
        If a name is unknown, nothing is to be run, a size does not fit the data, files are no
        images (`ImageError`), or `output` has a run with other settings or of another version. All
        this is checked before anything is trained.
    OSError
        If `output` cannot be written to or another process is writing to it (`BlockingIOError`),
        or weights of a backbone are missing (`MissingWeightsError`).

    Examples
    --------
    >>> from sktransfer.evaluation import run_benchmark
    >>> table = run_benchmark(strategies=["linear_probe", "knn"], output="probes")  # doctest: +SKIP
    """
    if not hasattr(random_state, "__index__"):
        raise TypeError(f"random_state must be an integer, got {random_state!r}")
    backbones = _listed("backbones", backbones)
    strategies = _listed("strategies", _all_strategies() if strategies is None else strategies)
    builder = _Builder(make_estimator or _default_factory(), recipe, epochs)
    systems = builder.systems(strategies, backbones)
    if make_estimator is None:
        _check_weights(systems)
    record = Record(output)
    _check_writable(record.folder)
    splitting = Splitting(cv, n_repeats, validation_fraction, random_state)
    data = None if data is None else Path(data).absolute()
    datasets = _datasets(dataset, data)
    pools = {
        name: make_pools(
            bunch, cv=cv, groups=groups, test_size=test_size, random_state=random_state
        )
        for name, bunch in datasets.items()
    }
    _check_images(pools.values())
    sizes = [None] if train_size is None else np.atleast_1d(train_size).tolist()
    plan = _plan(systems, pools, splitting, _listed("train_size", sizes))
    settings = {
        "datasets": [_described(name, pool) for name, pool in pools.items()],
        "recipe": recipe,
        "epochs": epochs,
        "test_size": test_size,
        "validation_fraction": validation_fraction,
        "cv": _described_cv(cv, plan),
        "make_estimator": make_estimator and _name_of(make_estimator),
        "seed": random_state,
    }
    arguments = {
        "strategies": strategies,
        "backbones": backbones,
        "data": data and str(data),
        "train_size": train_size,
        "n_repeats": n_repeats,
        "save_winner": save_winner,
        "time_limit": time_limit,
        "memory_limit": memory_limit,
        "given": [
            name
            for name, is_given in {
                "dataset": not _is_named(dataset),
                "cv": not isinstance(cv, (Integral, type(None))),
                "groups": groups is not None,
                "make_estimator": make_estimator is not None,
            }.items()
            if is_given
        ],
    }
    limits = Limits(time_limit, memory_limit)
    record.folder.mkdir(parents=True, exist_ok=True)
    with record.writing():
        _open_run(record, settings, arguments)
        _draw_data(record.folder, next(iter(pools.values())), builder, systems)
        todo = _unfinished(plan, record)
        with _progress_bar(len(plan) + 1, progress) as bar:
            bar.update(len(plan) - len(todo))
            _run(todo, pools, builder, limits, record, n_jobs, bar)
            save_mistakes(record, pools)
            table = write_report(record.folder)
            if save_winner and len(pools) == 1:
                bar.set_description("winner")
                refit_winner(record, table, builder, *pools.values())
            bar.update()
    return table


def resume_benchmark(
    output: str | Path, *, n_jobs: int | None = None, progress: bool = True, **given: Any
) -> pd.DataFrame:
    """Go on with a benchmark that was stopped, with the settings that it was begun with.

    Parameters
    ----------
    output : str or Path
        The folder of the run.
    n_jobs : int, optional
        Cells that run at a time, as in `run_benchmark`.
    progress : bool
        Whether to show a progress bar.
    **given : object
        What the run was given that no file can hold, again: those of ``dataset`` (a bunch), ``cv``
        (a splitter), ``groups`` and ``make_estimator`` that it had.

    Returns
    -------
    DataFrame
        As from `run_benchmark`.

    Raises
    ------
    FileNotFoundError
        If `output` is not the folder of a run.
    TypeError
        If something is missing of what the run was given, or if there is more of it.

    Examples
    --------
    >>> from sktransfer.evaluation import resume_benchmark
    >>> resume_benchmark("no-such-run")
    Traceback (most recent call last):
    FileNotFoundError: 'no-such-run' is not the folder of a benchmark: it has no run.json
    """
    header = Record(output).existing_header()
    settings, arguments = header["settings"], dict(header["arguments"])
    needed = set(arguments.pop("given"))
    if needed != set(given):
        raise TypeError(
            f"{str(output)!r} was begun with {sorted(needed) or 'nothing'} of its own; resuming it "
            f"takes the same again, got {sorted(given) or 'nothing'}"
        )
    datasets = [dataset["name"] for dataset in settings["datasets"]]
    return run_benchmark(
        output=output,
        n_jobs=n_jobs,
        progress=progress,
        random_state=settings["seed"],
        **{name: settings[name] for name in ("recipe", "epochs", "test_size")},
        validation_fraction=settings["validation_fraction"],
        **({"dataset": datasets, "cv": settings["cv"], **given} | arguments),
    )


def _listed(name: str, values: Iterable) -> list:
    """Return the different values; raise an error where there are none."""
    values = list(dict.fromkeys([values] if isinstance(values, str) else values))
    if not values:
        raise ValueError(f"{name} must name at least one, got none: there is nothing to run")
    return values


def _is_named(dataset: Any) -> bool:
    """Whether a dataset can be loaded again by its name."""
    names = [dataset] if isinstance(dataset, (str, Bunch)) else dataset
    return all(isinstance(name, str) for name in names)


def _default_factory() -> Callable:
    """Return the library's own factory; it brings TensorFlow along."""
    from sktransfer.strategies import make_strategy

    return make_strategy


def _all_strategies() -> list[str]:
    """Return the names of all strategies."""
    from sktransfer.strategies import list_strategies

    return list(list_strategies()["name"])


@dataclass(frozen=True)
class _Builder:
    """Builds the unfitted estimators of cells, with the overrides that they have parameters for."""

    make: Callable
    recipe: str
    epochs: int | None

    def __call__(self, strategy: str, backbone: str, seed: int):
        """Build the estimator of a cell; `backbone` is empty for a strategy that has none."""
        values: dict[str, Any] = {"random_state": seed}
        values |= {"backbone": backbone} if backbone else {}
        values |= {} if self.epochs is None else {"epochs": self.epochs}
        taken = self.parameter_names(strategy) & set(values)
        return self.make(strategy, recipe=self.recipe, **{name: values[name] for name in taken})

    def parameter_names(self, strategy: str) -> set[str]:
        """Collect the names of the parameters that the steps of a strategy have."""
        steps = steps_of(self.make(strategy, recipe=self.recipe))
        return {name for step in steps for name in step.get_params(deep=False)}

    def systems(self, strategies: list[str], backbones: list[str]) -> list[tuple[str, str]]:
        """List what is compared, (strategy, backbone), and build each once, to check all names."""
        systems = []
        for strategy in strategies:
            has_backbone = "backbone" in self.parameter_names(strategy)
            systems += [(strategy, name) for name in (backbones if has_backbone else [""])]
        for system in systems:
            self(*system, 0)
        return systems


def _check_weights(systems: list[tuple[str, str]]) -> None:
    """Find the pretrained weights of all backbones now rather than in the middle of a night."""
    from sktransfer.backbones import get_backbone
    from sktransfer.backbones._weights import resolve_weights

    for backbone in {backbone for _, backbone in systems if backbone}:
        resolve_weights(get_backbone(backbone), "imagenet")


def _check_writable(output: Path) -> None:
    """Raise an OSError unless `output` is a folder to write to, or one can be made."""
    existing = next(path for path in (output, *output.absolute().parents) if path.exists())
    if not existing.is_dir():
        raise NotADirectoryError(f"cannot write results to {str(output)!r}: {existing} is a file")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise PermissionError(f"cannot write results to {str(output)!r}: {existing} is read-only")


def _datasets(dataset: str | Bunch | Sequence[str | Bunch], data: Any) -> dict[str, Bunch]:
    """Load the datasets that are given by name."""
    given = [dataset] if isinstance(dataset, (str, Bunch)) else list(dataset)
    if not given:
        raise ValueError("dataset must name at least one, got none: there is nothing to run")
    datasets: dict[str, Bunch] = {}
    for one in given:
        bunch = load_dataset(one, data) if isinstance(one, str) else one
        name = bunch.get("name", "unnamed")
        if name in datasets:
            raise ValueError(f"two datasets have the name {name!r}; each needs one of its own")
        datasets[name] = bunch
    return datasets


def _check_images(pools: Iterable[Pools]) -> None:
    """Raise an ImageError that names the files that are no images."""
    from sktransfer.images import as_images

    for pool in pools:
        as_images(pool.X)
        if pool.X_test is not None:
            as_images(pool.X_test)


def _described(name: str, pools: Pools) -> dict:
    """Describe a dataset, so that another one is not taken for it."""
    return {
        "name": name,
        "hash": joblib.hash(
            [_content(pools.X), _content(pools.X_test), pools.y, pools.y_test, pools.groups]
        ),
        "classes": np.unique(pools.y).tolist(),
        "images": len(pools.y),
        "test_images": 0 if pools.y_test is None else len(pools.y_test),
    }


def _content(X: Any) -> Any:
    """Return images, or of files what they are called and how long they are."""
    if X is None or getattr(X, "ndim", 1) > 1:
        return X
    items = np.ravel(X).tolist() if hasattr(X, "shape") else list(X)
    return [
        (item, Path(item).stat().st_size) if isinstance(item, (str, Path)) else item
        for item in items
    ]


def _described_cv(cv: Any, plan: Mapping[Cell, Division]) -> int | str | None:
    """Describe the folds; of a splitter by what it did, so that other folds are told from them."""
    if cv is None or isinstance(cv, Integral):
        return cv if cv is None else int(cv)
    folds = {(cell.dataset, cell.fold): division.test.tolist() for cell, division in plan.items()}
    return f"{type(cv).__name__} {joblib.hash(sorted(folds.items()))}"


def _name_of(make: Any) -> str:
    """Name a function, and what it is bound to; what it does is beyond us."""
    if isinstance(make, functools.partial):
        return f"{_name_of(make.func)} with {make.args} {make.keywords}"
    return f"{make.__module__}.{getattr(make, '__qualname__', type(make).__qualname__)}"


def _plan(
    systems: list[tuple[str, str]],
    pools: Mapping[str, Pools],
    splitting: Splitting,
    sizes: list[int | None],
) -> dict[Cell, Division]:
    """List the cells with the images of each, all systems of a repeat before the next repeat."""
    plan = {
        Cell(name, *system, size or 0, division.repeat, division.fold): division
        for name, pool in pools.items()
        for size, divisions in splitting.divisions(pool, sizes).items()
        for division in divisions
        for system in systems
    }
    return dict(sorted(plan.items(), key=lambda item: (item[0].repeat, item[0].fold)))


def _open_run(record: Record, settings: dict, arguments: dict) -> None:
    """Write the header of a run, unless the folder has the cells of another one."""
    there = record.header().get("settings")
    if there and there != settings:
        differences = [
            f"{name} {there.get(name)!r} there, {value!r} here"
            for name, value in settings.items()
            if there.get(name) != value
        ]
        raise ValueError(
            f"{str(record.folder)!r} has a benchmark with other settings "
            f"({'; '.join(differences)}); give another output folder"
        )
    record.write_header({"settings": settings, "arguments": arguments, **describe_environment()})


def _draw_data(folder: Path, pools: Pools, builder: _Builder, systems: list) -> None:
    """Draw the first ten images, and one of them as the run's augmentation changes it."""
    from sktransfer.evaluation._plots import plot_data

    heads = (steps_of(builder(strategy, backbone, 0))[-1] for strategy, backbone in systems)
    augmentations = (head.get_params(deep=False).get("augmentation") for head in heads)
    plot_data(folder / "pictures", pools.X, pools.y, next(filter(None, augmentations), None))


def _progress_bar(total: int, shown: bool):
    """Make the progress bar of a run."""
    from tqdm import tqdm

    return tqdm(total=total, disable=not shown, unit="cell")


def _unfinished(plan: Mapping[Cell, Division], record: Record) -> dict[Cell, Division]:
    """Return the cells that have no result; those that failed are run again."""
    entries = record.entries()
    return {
        cell: division
        for cell, division in plan.items()
        if entries.get(cell, {"traceback": ""}).get("traceback") is not None
        or not record.has_predictions(cell)
    }


def _run(
    todo: dict[Cell, Division],
    pools: Mapping[str, Pools],
    builder: _Builder,
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
    builder: _Builder,
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
    cell: Cell, division: Division, builder: _Builder, limits: Limits, *pools: Any
) -> tuple[Cell, dict, dict]:
    """Run a cell; what goes wrong is part of its entry."""
    begun = datetime.now().astimezone().isoformat(timespec="seconds")
    names = {**asdict(cell), "recipe": builder.recipe, "seed": division.seed}
    attempt = functools.partial(_attempt, _measured, cell, division, builder, pools)
    entry, predictions = _attempt(limits.run, attempt)
    versions = describe_environment()["versions"]
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
    cell: Cell, division: Division, builder: _Builder, pools: Sequence[Any]
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
