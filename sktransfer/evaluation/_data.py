"""Datasets of a benchmark, by their names."""

from __future__ import annotations

from pathlib import Path

from sklearn.utils import Bunch

from sktransfer._errors import unknown_name

__all__ = ["DATASETS", "load_dataset"]

DATASETS = ("photo-patches", "cifar10", "folder")


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
