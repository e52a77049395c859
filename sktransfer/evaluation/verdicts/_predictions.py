"""What cells predicted, beside the classes that are right, as the record holds it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sktransfer.evaluation._record import Cell, Record

__all__ = ["Predictions", "join_predictions", "read_predictions"]


@dataclass(frozen=True)
class Predictions:
    """Probabilities of the classes of test images; classes are numbered as in `classes`."""

    positions: np.ndarray
    """Of the images in the pool that they were taken from."""
    is_held_out: bool
    """Whether that pool is the test part of the dataset."""
    true: np.ndarray
    proba: np.ndarray
    classes: np.ndarray

    @property
    def predicted(self) -> np.ndarray:
        """Return the number of the most probable class of each image."""
        return self.proba.argmax(axis=1)

    @property
    def is_right(self) -> np.ndarray:
        """Say of each image whether its most probable class is the true one."""
        return self.predicted == self.true


def read_predictions(
    record: Record, entries: Mapping[Cell, dict], cell: Cell
) -> Predictions | None:
    """Read what a cell predicted; None where the record does not have it, or no labels to it."""
    stored = record.predictions(cell)
    if stored is None:
        return None
    try:
        return Predictions(
            positions=stored["test"],
            is_held_out=bool(stored["is_held_out"]),
            true=stored["true"],
            proba=stored["proba"],
            classes=np.array(entries[cell]["classes"]),
        )
    except KeyError:
        return None


def join_predictions(parts: Sequence[Predictions | None]) -> Predictions | None:
    """Put the predictions of several folds together, those of the classes that the first has."""
    found = [part for part in parts if part is not None]
    alike = [part for part in found if np.array_equal(part.classes, found[0].classes)]
    if not alike:
        return None
    return Predictions(
        positions=np.concatenate([part.positions for part in alike]),
        is_held_out=alike[0].is_held_out,
        true=np.concatenate([part.true for part in alike]),
        proba=np.concatenate([part.proba for part in alike]),
        classes=alike[0].classes,
    )
