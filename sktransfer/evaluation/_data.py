"""Datasets of a benchmark, and their three parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.utils import Bunch

from sktransfer._errors import unknown_name

__all__ = ["DATASETS", "Split", "check_split", "load_dataset", "split_dataset"]

DATASETS = ("photo-patches", "cifar10", "folder")
TEST_FRACTION = 0.2
"""Of datasets that come without a test part."""

Part = tuple[Sequence, np.ndarray]
"""Images, or their paths, and their labels."""


@dataclass(frozen=True)
class Split:
    """The three parts of a dataset; X are images or their paths, y class names."""

    X_train: Sequence
    y_train: np.ndarray
    X_val: Sequence
    y_val: np.ndarray
    X_test: Sequence
    y_test: np.ndarray


def load_dataset(name: str, path: str | Path | None = None) -> Bunch:
    """Load a dataset of the benchmark by its name.

    Parameters
    ----------
    name : {"photo-patches", "cifar10", "folder"}
        Patches of photographs that scikit-learn and scikit-image bring along; CIFAR-10; or a folder
        with one folder of images for each class.
    path : str or Path, optional
        The folder (needed for ``"folder"``), or where CIFAR-10 is: a zip file or a folder.

    Returns
    -------
    sklearn.utils.Bunch
        With ``name`` and either ``X_train, y_train, X_test, y_test`` or ``X, y``.

    Raises
    ------
    ValueError
        If there is no dataset of that name, or if it needs a path or takes none.
    FileNotFoundError
        If there is nothing at `path`.

    Examples
    --------
    >>> from sktransfer.evaluation import load_dataset
    >>> load_dataset("cifar-10")
    Traceback (most recent call last):
    ValueError: Unknown dataset 'cifar-10'; did you mean 'cifar10'?
    """
    from sktransfer.datasets import load_cifar10, load_image_folder, load_photo_patches

    if name not in DATASETS:
        raise unknown_name("dataset", name, DATASETS)
    if path is not None and not Path(path).exists():
        raise FileNotFoundError(f"no such file or folder for the dataset {name!r}: {str(path)!r}")
    if name == "photo-patches":
        if path is not None:
            raise ValueError("the dataset 'photo-patches' comes with packages and takes no path")
        dataset = load_photo_patches()
    elif name == "cifar10":
        dataset = load_cifar10(path)
    else:
        if path is None:
            raise ValueError("the dataset 'folder' needs the path of a folder of images")
        dataset = load_image_folder(path)
    return Bunch(**{**dataset, "name": name})


def split_dataset(
    dataset: Bunch,
    train_size: int | None,
    test_size: int | None,
    validation_fraction: float,
    random_state: int,
) -> Split:
    """Cut a dataset into three parts, all classes in their proportions."""
    halve = partial(_stratified_halves, random_state=random_state)
    if "X_train" in dataset:
        train, test = (dataset.X_train, dataset.y_train), (dataset.X_test, dataset.y_test)
    else:
        train, test = halve(dataset.X, dataset.y, test_size=TEST_FRACTION)
    train = _subsample(*train, train_size, "train_size", random_state)
    test = _subsample(*test, test_size, "test_size", random_state)
    train, validation = halve(*train, test_size=validation_fraction)
    return Split(*train, *validation, *test)


def check_split(split: Split) -> None:
    """Raise an ImageError that names the files that are no images."""
    from sktransfer.images import as_images

    for X in (split.X_train, split.X_val, split.X_test):
        as_images(X)


def _stratified_halves(X, y, **how) -> tuple[Part, Part]:
    """Cut (X, y) in two, all classes in their proportions."""
    X_first, X_second, y_first, y_second = train_test_split(X, y, stratify=y, **how)
    return (X_first, y_first), (X_second, y_second)


def _subsample(X, y, size: int | None, name: str, random_state: int) -> Part:
    """Draw `size` images with all classes in their proportions; all of them for None."""
    if size is None or size == len(y):
        return X, y
    n_classes = len(np.unique(y))
    # Either side of the cut needs an image of each class.
    if not n_classes <= size <= len(y) - n_classes:
        raise ValueError(
            f"{name} must be in {n_classes}..{len(y) - n_classes}, or {len(y)} for all images of "
            f"this dataset with {n_classes} classes; got {size}"
        )
    chosen, _ = _stratified_halves(X, y, train_size=size, random_state=random_state)
    return chosen
