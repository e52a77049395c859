"""What is compared with what: pairs of cells that differ in one thing and in nothing else."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from sktransfer.evaluation._record import Cell

__all__ = ["FACTORS", "SYSTEMS", "Contrast", "Factor", "Score", "make_contrasts", "read_scores"]

AUGMENT = "+augment"
"""Ends the names of strategies that augment their training images."""
TRAINED = {"features": "frozen features", "finetune": "fine-tuning"}
"""Strategies that train the same head on a backbone, and what they do with the backbone."""


class Score(NamedTuple):
    """What a comparison needs to know of a cell; accuracy is in percent."""

    accuracy: float
    train_images: float
    test_images: float


@dataclass(frozen=True)
class Contrast:
    """Two things to compare, and the pairs of cells to compare them by."""

    first: str
    second: str
    pairs: tuple[tuple[Cell, Cell], ...]

    @property
    def n_systems(self) -> int:
        """Count the systems that the first one stands for."""
        return len({cell.system for cell, _ in self.pairs})

    def turned(self) -> Contrast:
        """Return the same contrast the other way around."""
        return Contrast(self.second, self.first, tuple((b, a) for a, b in self.pairs))


@dataclass(frozen=True)
class Factor:
    """A question about systems, and how they answer it."""

    question: str
    split: Callable[[Cell], tuple[str | None, Hashable]]
    """Returns the level of the factor, None where it has none, and all else of the system."""


def _split_augmentation(cell: Cell) -> tuple[str | None, Hashable]:
    level = "augmentation" if cell.strategy.endswith(AUGMENT) else "no augmentation"
    return level, (cell.strategy.removesuffix(AUGMENT), cell.backbone)


def _split_training(cell: Cell) -> tuple[str | None, Hashable]:
    base = cell.strategy.removesuffix(AUGMENT)
    return TRAINED.get(base), (cell.strategy.removeprefix(base), cell.backbone)


SYSTEMS = Factor("Which system is better?", lambda cell: (cell.system, None))
FACTORS = (
    Factor("Does augmentation help?", _split_augmentation),
    Factor("Is fine-tuning better than frozen features?", _split_training),
    Factor("Which backbone is better?", lambda cell: (cell.backbone or None, cell.strategy)),
)


def read_scores(table: pd.DataFrame) -> dict[Cell, Score]:
    """Take the scores of the cells that have one from a table of results."""
    names = ["dataset", "strategy", "backbone"]
    counts = ["train_size", "repeat", "fold"]
    numbers = ["test_accuracy", "train_images", "validation_images", "test_images"]
    missing = [name for name in (*names, *counts, *numbers, "error") if name not in table]
    if missing:
        raise ValueError(f"results must have the columns {missing}, got {list(table)}")
    # A column without any text is one of numbers, all of them missing, when it is read from a file.
    text = table[[*names, "error"]].astype(object).fillna("")
    done = table.assign(**text)[text["error"].eq("") & table["test_accuracy"].notna()]
    cells = [
        Cell(*system, *map(int, place))
        for system, place in zip(done[names].to_numpy(), done[counts].to_numpy(), strict=True)
    ]
    accuracy, train, validation, test = done[numbers].to_numpy(dtype=float).T
    scores = map(Score, accuracy, train + validation, test)
    return dict(zip(cells, scores, strict=True))


def make_contrasts(scores: Mapping[Cell, Score], factor: Factor) -> list[Contrast]:
    """Pair cells of one dataset and size that differ in a factor alone; the better comes first.

    Pairs have the same repeat and fold: the same images to train on and to test on.
    """
    levels: dict[str, dict[Hashable, Cell]] = {}
    for cell in sorted(scores):
        level, rest = factor.split(cell)
        if level is not None:
            levels.setdefault(level, {})[rest, cell.repeat, cell.fold] = cell

    def mean_accuracy(level: str) -> float:
        return float(np.mean([scores[cell].accuracy for cell in levels[level].values()]))

    found = []
    for first, second in itertools.combinations(sorted(levels, key=mean_accuracy)[::-1], 2):
        places = levels[first].keys() & levels[second].keys()
        cells = ((levels[first][place], levels[second][place]) for place in places)
        pairs = tuple(sorted(cells))
        gain = sum(scores[one].accuracy - scores[other].accuracy for one, other in pairs)
        contrast = Contrast(first, second, pairs)
        if pairs:
            found.append(contrast if gain >= 0 else contrast.turned())
    return found
