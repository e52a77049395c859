"""Runs strategies on datasets, cell by cell, so that a run that was stopped goes on later."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import Bunch, check_scalar

from sktransfer._nesting import steps_of
from sktransfer.evaluation._cells import run_cells
from sktransfer.evaluation._data import load_dataset
from sktransfer.evaluation._environment import describe_environment
from sktransfer.evaluation._isolation import Limits
from sktransfer.evaluation._record import Cell, Record
from sktransfer.evaluation._settings import described, described_cv
from sktransfer.evaluation._splits import Division, Fold, Pools, Splitting, make_pools
from sktransfer.evaluation._systems import (
    Builder,
    all_strategies,
    check_weights,
    default_factory,
    name_of,
)
from sktransfer.evaluation._winner import refit_winner
from sktransfer.evaluation.report import save_mistakes, write_report
from sktransfer.persistence._allowed import AllowedClasses

__all__ = ["resume_benchmark", "run_benchmark"]

DEFAULT_BACKBONE = "efficientnet_lite0"


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
    trusted: Iterable[type] = (),
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
    ``winner.zip``, an archive without pickle for `sktransfer.load` and `label_images`;
    ``winner.json`` tells what it is.

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
        Number of images to use of the test part. All by default. Not with `cv`, which leaves that
        part alone.
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
    trusted : iterable of type, default=()
        Classes of your own that the estimators of `make_estimator` hold, as in `sktransfer.save`. A
        winner that cannot be saved is warned of, and ``winner.json`` has the reason.
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
    TypeError
        If `random_state` or `epochs` is no integer, or `trusted` holds something else than classes.
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
    if epochs is not None:
        check_scalar(epochs, "epochs", Integral, min_val=1)
    if n_jobs == 0:
        raise ValueError("n_jobs must be the number of cells to run at a time, or -1; got 0")
    trusted = list(trusted)
    AllowedClasses(trusted)
    backbones = _different(backbones)
    strategies = _listed("strategies", all_strategies() if strategies is None else strategies)
    builder = Builder(make_estimator or default_factory(), recipe, epochs)
    systems = builder.systems(strategies, backbones)
    if make_estimator is None:
        check_weights(systems)
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
    folds = {name: splitting.folds(pool) for name, pool in pools.items()}
    plan = _plan(systems, pools, splitting, folds, _listed("train_size", sizes))
    settings = {
        "datasets": [described(name, pool) for name, pool in pools.items()],
        "recipe": recipe,
        "epochs": epochs,
        "test_size": test_size,
        "validation_fraction": validation_fraction,
        "cv": described_cv(cv, folds),
        "make_estimator": make_estimator and name_of(make_estimator),
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
        "given": _given(dataset, cv, groups, make_estimator, trusted),
    }
    limits = Limits(time_limit, memory_limit)
    record.folder.mkdir(parents=True, exist_ok=True)
    with record.writing():
        _open_run(record, settings, arguments, plan)
        _draw_data(record.folder, next(iter(pools.values())), builder, systems)
        todo = _unfinished(plan, record)
        with _progress_bar(len(plan) + 1, progress) as bar:
            bar.update(len(plan) - len(todo))
            run_cells(todo, pools, builder, limits, record, n_jobs, bar)
            save_mistakes(record, pools)
            table = write_report(record.folder)
            if save_winner and len(pools) == 1:
                bar.set_description("winner")
                (pool,) = pools.values()
                refit_winner(record, table, builder, pool, trusted)
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
        (a splitter), ``groups``, ``make_estimator`` and ``trusted`` that it had.

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


def _different(values: str | Iterable) -> list:
    """Return each value once, in order; a single name is one value."""
    return list(dict.fromkeys([values] if isinstance(values, str) else values))


def _listed(name: str, values: str | Iterable) -> list:
    """Return the different values; raise an error where there are none."""
    values = _different(values)
    if not values:
        raise ValueError(f"{name} must name at least one, got none: there is nothing to run")
    return values


def _given(
    dataset: Any, cv: Any, groups: Any, make_estimator: Any, trusted: Sequence[type]
) -> list[str]:
    """Name the arguments that no file can hold."""
    is_given = {
        "dataset": not _is_named(dataset),
        "cv": not isinstance(cv, (Integral, type(None))),
        "groups": groups is not None,
        "make_estimator": make_estimator is not None,
        "trusted": bool(trusted),
    }
    return [name for name in is_given if is_given[name]]


def _is_named(dataset: Any) -> bool:
    """Whether a dataset can be loaded again by its name."""
    names = [dataset] if isinstance(dataset, (str, Bunch)) else dataset
    return all(isinstance(name, str) for name in names)


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


def _plan(
    systems: list[tuple[str, str]],
    pools: Mapping[str, Pools],
    splitting: Splitting,
    folds: Mapping[str, Sequence[Fold]],
    sizes: list[int | None],
) -> dict[Cell, Division]:
    """List the cells with the images of each, all systems of a repeat before the next repeat."""
    plan = {
        Cell(name, *system, size or 0, division.repeat, division.fold): division
        for name, pool in pools.items()
        for size, divisions in splitting.divisions(pool, folds[name], sizes).items()
        for division in divisions
        for system in systems
    }
    return dict(sorted(plan.items(), key=lambda item: (item[0].repeat, item[0].fold)))


def _open_run(record: Record, settings: dict, arguments: dict, plan: Iterable[Cell]) -> None:
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
    planned = {
        "systems": list(dict.fromkeys(cell.system for cell in plan)),
        "places": list(dict.fromkeys(cell.place for cell in plan)),
    }
    header = {"settings": settings, "arguments": arguments, "plan": planned}
    record.write_header(header | describe_environment())


def _draw_data(folder: Path, pools: Pools, builder: Builder, systems: list) -> None:
    """Draw some images, and one of them as the run's augmentation changes it."""
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
        or record.predictions(cell) is None
    }
