"""How a dataset is cut: which images train, validate and test in each cell of a sweep."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.model_selection import (
    GroupShuffleSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
    train_test_split,
)
from sklearn.utils import Bunch

__all__ = ["Division", "Pools", "Split", "Splitting", "make_pools", "subsample"]

TEST_FRACTION = 0.2
"""Of datasets that come without a test part."""


@dataclass(frozen=True)
class Pools:
    """The images of a dataset; X are images or their paths, y class names.

    There is a test part where that is fixed, and none where folds are tested.
    """

    X: Sequence
    y: np.ndarray
    X_test: Sequence | None = None
    y_test: np.ndarray | None = None
    groups: np.ndarray | None = None


@dataclass(frozen=True)
class Division:
    """Positions, in the pools, of the images of a cell."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    repeat: int
    fold: int
    seed: int
    is_held_out: bool
    """Whether `test` counts in the test part."""

    def split(self, X: Sequence, y: np.ndarray, X_test: Any, y_test: Any) -> Split:
        """Take the images and labels of the three parts."""
        test = (X_test, y_test) if self.is_held_out else (X, y)
        X_train, y_train = _taken(X, y, self.train)
        X_val, y_val = _taken(X, y, self.validation)
        return Split(X_train, y_train, X_val, y_val, *_taken(test[0], test[1], self.test))


@dataclass(frozen=True)
class Split:
    """The three parts of a dataset."""

    X_train: Sequence
    y_train: np.ndarray
    X_val: Sequence
    y_val: np.ndarray
    X_test: Sequence
    y_test: np.ndarray


@dataclass(frozen=True)
class Splitting:
    """How the images of a dataset are divided.

    `cv` is None for one test part, a number of folds, or one of scikit-learn's splitters.
    """

    cv: Any = None
    n_repeats: int = 1
    validation_fraction: float = 0.2
    random_state: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.validation_fraction < 1:
            raise ValueError(
                f"validation_fraction must be between 0 and 1, got {self.validation_fraction!r}"
            )
        if isinstance(self.cv, Integral) and self.cv < 2:
            raise ValueError(f"cv must be at least 2 folds, got {self.cv}")
        if self.n_repeats < 1:
            raise ValueError(f"n_repeats must be at least 1, got {self.n_repeats}")
        if self._has_splitter and self.n_repeats > 1:
            raise ValueError(
                f"n_repeats={self.n_repeats} needs a number of folds as cv; let the splitter "
                f"{self.cv!r} repeat itself"
            )

    @property
    def _has_splitter(self) -> bool:
        return self.cv is not None and not isinstance(self.cv, Integral)

    def divisions(self, pools: Pools, train_size: int | None = None) -> list[Division]:
        """Divide the images, of which at most `train_size` train and validate."""
        return [
            self._division(pools, train_size, *places) for places in self._train_and_test(pools)
        ]

    def _train_and_test(self, pools: Pools) -> Iterator[tuple[np.ndarray, np.ndarray, int, int]]:
        """Yield (positions to train on, positions to test on, repeat, fold)."""
        everything = np.arange(len(pools.y))
        for repeat in range(self.n_repeats):
            if pools.y_test is not None:
                yield everything, np.arange(len(pools.y_test)), repeat, 0
                continue
            folds = self._splitter(pools, repeat).split(everything, pools.y, pools.groups)
            for fold, (train, test) in enumerate(folds):
                yield train, test, repeat, fold

    def _splitter(self, pools: Pools, repeat: int):
        """Return what makes the folds of a repeat."""
        if self._has_splitter:
            return self.cv
        cls = StratifiedKFold if pools.groups is None else StratifiedGroupKFold
        return cls(self.cv, shuffle=True, random_state=self.random_state + repeat)

    def _division(
        self, pools: Pools, train_size: int | None, train, test, repeat: int, fold: int
    ) -> Division:
        """Take validation images from those to train on."""
        seed = self.random_state + repeat
        train = subsample(train, pools.y[train], train_size, "train_size", seed)
        if pools.groups is None:
            train, validation = train_test_split(
                train,
                stratify=pools.y[train],
                test_size=self.validation_fraction,
                random_state=seed,
            )
        else:
            cut = GroupShuffleSplit(1, test_size=self.validation_fraction, random_state=seed)
            kept, taken = next(cut.split(train, groups=pools.groups[train]))
            train, validation = train[kept], train[taken]
        return Division(train, validation, test, repeat, fold, seed, self.cv is None)


def make_pools(
    dataset: Bunch, *, cv: Any, groups: Any, test_size: int | None, random_state: int
) -> Pools:
    """Return the images that are trained on and tested on."""
    if "X_train" in dataset:
        X, y = dataset.X_train, np.asarray(dataset.y_train)
        X_test, y_test = dataset.X_test, np.asarray(dataset.y_test)
    else:
        X, y, X_test, y_test = dataset.X, np.asarray(dataset.y), None, None
    if groups is not None:
        groups = np.asarray(groups)
        if cv is None:
            raise ValueError("groups need folds that keep them together: give cv as well")
        if len(groups) != len(y):
            raise ValueError(
                f"groups must have one entry for each of {len(y)} images to train on, "
                f"got {len(groups)}"
            )
    if cv is not None:
        return Pools(X, y, groups=groups)
    if y_test is None:
        places = train_test_split(
            np.arange(len(y)), stratify=y, test_size=TEST_FRACTION, random_state=random_state
        )
        (X, y), (X_test, y_test) = (_taken(X, y, place) for place in places)
    chosen = subsample(np.arange(len(y_test)), y_test, test_size, "test_size", random_state)
    if len(chosen) < len(y_test):
        X_test, y_test = _taken(X_test, y_test, chosen)
    return Pools(X, y, X_test, y_test)


def subsample(
    positions: np.ndarray, y: np.ndarray, size: int | None, name: str, random_state: int
) -> np.ndarray:
    """Draw `size` of the positions, all classes in their proportions; all of them for None."""
    if size is None or size == len(y):
        return positions
    n_classes = len(np.unique(y))
    # Either side of the cut needs an image of each class.
    if not n_classes <= size <= len(y) - n_classes:
        raise ValueError(
            f"{name} must be in {n_classes}..{len(y) - n_classes}, or {len(y)} for all images of "
            f"this dataset with {n_classes} classes; got {size}"
        )
    chosen, _ = train_test_split(positions, stratify=y, train_size=size, random_state=random_state)
    return chosen


def _taken(X: Any, y: np.ndarray, positions: np.ndarray) -> tuple[Sequence, np.ndarray]:
    """Take images, an array or a list of paths, and their labels."""
    if hasattr(X, "shape") or hasattr(X, "iloc"):
        return (X.iloc[positions] if hasattr(X, "iloc") else X[positions]), y[positions]
    return [X[position] for position in positions], y[positions]
