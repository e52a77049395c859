"""Runs of strategies on all of CIFAR-10 in parts, each with settings of its own, as one table."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from benchmarks._side_by_side import RESULTS, command_of, in_csv

TRAINED = "trained.zip"
N_VIEWS = 4
"""Of an image, itself included, that a trained network is shown where it is asked for several."""


@dataclass(frozen=True)
class Part:
    """Cells that are run alike."""

    folder: str
    strategies: tuple[str, ...]
    backbones: tuple[str, ...]
    epochs: int | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)
    """Parameters in place of the recipe's."""
    make: Callable | None = None
    """Makes the estimator of a strategy that has no name of its own."""
    asks: str | None = None
    """The part whose network is shown several views of an image; nothing is trained."""


class Checkpointing:
    """Make estimators that write down their progress, and go on from it where they were killed."""

    def __init__(self, make: Callable, folder: Path) -> None:
        self._make, self._folder = make, folder
        self.made: BaseEstimator
        """The last one, which is fitted once its cell is finished."""

    def __call__(self, *args: Any, **kwargs: Any) -> BaseEstimator:
        self.made = self._make(*args, **kwargs)
        network = f"{self.made.steps[-1][0]}__" if isinstance(self.made, Pipeline) else ""
        return self.made.set_params(**{f"{network}checkpoint": self._folder})

    def save_trained(self, path: Path) -> None:
        """Save what was made last, unless its cell was finished before."""
        from sktransfer import save

        if hasattr(self.made, "classes_"):
            save(self.made, path)


def show_views(trained: Path, strategy: str, *, recipe: str, random_state: int = 0):
    """Make an estimator that shows a trained network several views of an image."""
    from sktransfer import TTAClassifier, load

    return TTAClassifier(FrozenEstimator(load(trained)), n_views=N_VIEWS, random_state=random_state)


def run_part(part: Part, dataset, output: Path, recipe: str) -> None:
    """Run those of a part's cells that are not finished, and keep what was trained last."""
    from sktransfer import make_strategy
    from sktransfer.evaluation import run_benchmark

    folder = output / part.folder
    make = (
        partial(show_views, output / part.asks / TRAINED)
        if part.asks
        else Checkpointing(part.make or make_strategy, folder / "checkpoint")
    )
    run_benchmark(
        dataset,
        part.strategies,
        part.backbones,
        output=folder,
        recipe=recipe,
        epochs=part.epochs,
        make_estimator=partial(make, **part.overrides),
        save_winner=False,  # it would be fitted anew
    )
    if isinstance(make, Checkpointing):
        make.save_trained(folder / TRAINED)


def read_parts(
    parts: Iterable[Part], output: Path, describe: Callable[[Part, pd.DataFrame], pd.DataFrame]
) -> tuple[list[Part], pd.DataFrame]:
    """Return the parts that were run, and their finished cells, described, as one table."""
    from sktransfer.evaluation import read_results

    run = [part for part in parts if (output / part.folder / "run.json").exists()]
    tables = [(part, read_results(output / part.folder)) for part in run]
    described = [describe(part, table) for part, table in tables if len(table)]
    return run, pd.concat(described, ignore_index=True)


def store_table(name: str, table: pd.DataFrame, note: str) -> Path:
    """Store a table beside its machine and versions; return the folder for its pictures."""
    from sktransfer.evaluation._environment import describe_environment
    from sktransfer.evaluation._record import write_json

    pictures = RESULTS / name
    pictures.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{name}.csv").write_text(in_csv(table), encoding="utf-8")
    header = {
        **describe_environment(),
        "command": command_of(name),
        "images": "40,000 train, 10,000 validation, 10,000 test",
        "note": note,
    }
    write_json(RESULTS / f"{name}.json", header)
    return pictures


def copy_curves(part: Part, output: Path, pictures: Path, suffix: str = "") -> None:
    """Copy the learning curves of a part."""
    for curve in (output / part.folder / "figures").glob("learning-*.png"):
        shutil.copy(curve, pictures / f"{curve.stem}{suffix}.png")


def parse(description: str, parts: Iterable[Part]) -> argparse.Namespace:
    """Read the command line, and let the weights be found."""
    options = argparse.ArgumentParser(description=description.splitlines()[0])
    options.add_argument("--data", required=True, help="zip file or folder of CIFAR-10")
    options.add_argument("--weights-dir", required=True, help="folder of ImageNet weights")
    options.add_argument("--output", required=True, type=Path, help="folder of the runs")
    names = [part.folder for part in parts]
    options.add_argument("--parts", nargs="*", choices=names, default=names, help="what to run")
    options.add_argument("--note", default="", help="what a reader of the times must know")
    arguments = options.parse_args()
    os.environ["SKTRANSFER_WEIGHTS"] = arguments.weights_dir
    return arguments


def run_parts(parts: Iterable[Part], arguments: argparse.Namespace, recipe: str) -> None:
    """Run what was asked for and is not finished."""
    from sktransfer.evaluation import load_dataset

    dataset = load_dataset("cifar10", arguments.data)
    for part in parts:
        if part.folder in arguments.parts:
            print(part.folder, file=sys.stderr)
            run_part(part, dataset, arguments.output, recipe)
