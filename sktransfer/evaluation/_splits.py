"""How a dataset is cut: which images train, validate and test in each cell of a sweep."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.model_selection import (
    StratifiedGroupKFold,
    StratifiedKFold,
    check_cv,
    train_test_split,
)
from sklearn.utils import Bunch, check_consistent_length, column_or_1d

__all__ = ["Division", "Fold", "Pools", "Split", "Splitting", "make_pools", "subsample", "taken"]

Fold = tuple[np.ndarray, np.ndarray, int, int]
"""Positions to train on, positions to test on, repeat, and number of the fold."""

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
        return Split(
            taken(X, self.train),
            y[self.train],
            taken(X, self.validation),
            y[self.validation],
            taken(test[0], self.test),
            test[1][self.test],
        )


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

    def divisions(
        self, pools: Pools, folds: Sequence[Fold], train_sizes: Sequence[int | None]
    ) -> dict[int | None, list[Division]]:
        """Divide the images of folds, for each number of them that train and validate."""
        return {
            size: [self._division(pools, size, *fold) for fold in folds] for size in train_sizes
        }

    def folds(self, pools: Pools) -> list[Fold]:
        """Return the folds of all repeats; a splitter may draw others each time."""
        return list(self._train_and_test(pools))

    def _train_and_test(self, pools: Pools) -> Iterator[Fold]:
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
            return check_cv(self.cv)
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
            n_parts = max(2, round(1 / self.validation_fraction))
            cut = StratifiedGroupKFold(n_parts, shuffle=True, random_state=seed)
            kept, held = next(cut.split(train, pools.y[train], pools.groups[train]))
            train, validation = train[kept], train[held]
        y_test = pools.y if pools.y_test is None else pools.y_test
        missing = np.setdiff1d([*pools.y[validation], *y_test[test]], pools.y[train])
        if missing.size:
            raise ValueError(
                f"no image to train on is left of {missing.tolist()} in repeat {repeat}, fold "
                f"{fold}; give more images of these classes, a larger train_size, or other folds"
            )
        return Division(train, validation, test, repeat, fold, seed, self.cv is None)


def make_pools(
    dataset: Bunch, *, cv: Any, groups: Any, test_size: int | None, random_state: int
) -> Pools:
    """Return the images that are trained on and tested on."""
    if "X_train" in dataset:
        X, y = dataset.X_train, _labels(dataset, "X_train", "y_train")
        X_test, y_test = dataset.X_test, _labels(dataset, "X_test", "y_test")
    else:
        X, y, X_test, y_test = dataset.X, _labels(dataset, "X", "y"), None, None
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
        if test_size is not None:
            raise ValueError(
                f"test_size={test_size} is of the test part, which folds leave alone: give cv or "
                "test_size"
            )
        return Pools(X, y, groups=groups)
    if y_test is None:
        places = train_test_split(
            np.arange(len(y)), stratify=y, test_size=TEST_FRACTION, random_state=random_state
        )
        (X, X_test), (y, y_test) = ([taken(X, place) for place in places], [y[p] for p in places])
    chosen = subsample(np.arange(len(y_test)), y_test, test_size, "test_size", random_state)
    if len(chosen) < len(y_test):
        X_test, y_test = taken(X_test, chosen), y_test[chosen]
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


def _labels(dataset: Bunch, X: str, y: str) -> np.ndarray:
    """Return the labels of a dataset, one for each image."""
    try:
        labels = column_or_1d(dataset[y])
        check_consistent_length(dataset[X], labels)
    except ValueError as error:
        raise ValueError(f"{X} and {y} of the dataset do not fit: {error}") from None
    return labels


def taken(X: Any, positions: np.ndarray) -> Any:
    """Take images, of an array, a list, a Series or a frame, in the same form."""
    if hasattr(X, "iloc"):
        return X.iloc[positions]
    return X[positions] if hasattr(X, "shape") else [X[position] for position in positions]
