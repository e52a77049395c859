"""Image files on disk, one folder for each class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from sktransfer.images._problems import as_table, warn_of
from sktransfer.images._unreadable import problems_of

__all__ = ["load_image_folder"]

_SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")

# Folders of these names alone are parts of a data set, not classes.
_PARTS = {"test", "train", "val", "valid", "validation"}


_ON_ERROR = ("raise", "skip")


def load_image_folder(path: str | Path, *, on_error: str = "raise") -> Bunch:
    """List the image files below `path`, labelled by the folder that they are in.

    Estimators take paths as X, and decode the files as they use them.

    Parameters
    ----------
    path : str or Path
        A folder with one folder for each class. All files below a class folder, at any depth,
        that end in bmp, gif, jpeg, jpg, png, tif, tiff or webp (in any case) are its images.
        Hidden files and folders are left out, and so are files that lie in `path` itself,
        for they have no class. Links that lead nowhere count as files.
    on_error : {"raise", "skip"}, default="raise"
        What is done about files that cannot be read. "raise" reads none here: who reads such a file
        later raises an `ImageError` that names it. "skip" decodes every file now, and leaves those
        out that cannot be read, path and label together, with one warning.

    Returns
    -------
    Bunch
        With the keys

        - ``X``: str array of shape (n,), the paths of the files, beginning with `path`,
        - ``y``: str array of shape (n,), the names of their class folders,
        - ``target_names``: sorted list of the class names,
        - ``skipped``: DataFrame of the files left out, with the columns "position" (among all
          files), "file", "target" (the name of the class folder) and "error".

        Files are sorted by class, then by path.

    Raises
    ------
    FileNotFoundError
        If there is nothing at `path`.
    NotADirectoryError
        If `path` is a file.
    ValueError
        If `path` has fewer than two class folders, or only the parts of a data set such as
        ``train`` and ``test``, if a class folder holds no image file or, with
        ``on_error="skip"``, none that can be read, or if `on_error` is not one of its values.

    Warns
    -----
    UnreadableImagesWarning
        If files are skipped; its attribute `unreadable` is the table of them.

    See Also
    --------
    sktransfer.images.find_unreadable : What counts as unreadable, and what cannot be told.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> from sktransfer.datasets import load_image_folder
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("cat/tom.png", "dog/rex.png", "dog/puppies/spot.png"):
    ...         file = Path(folder, name)
    ...         file.parent.mkdir(parents=True, exist_ok=True)
    ...         Image.new("RGB", (8, 8)).save(file)
    ...     pets = load_image_folder(folder)
    >>> pets.y.tolist(), pets.target_names
    (['cat', 'dog', 'dog'], ['cat', 'dog'])
    """
    if on_error not in _ON_ERROR:
        raise ValueError(f"on_error must be one of {_ON_ERROR}, got {on_error!r}")
    path = Path(path)
    classes = _class_folders(path)
    files = {name: _image_files(path / name) for name in classes}
    empty = [name for name, found in files.items() if not found]
    if empty:
        raise ValueError(
            f"path={str(path)!r} has class folders without an image file: {empty}; "
            f"image files end in {', '.join(_SUFFIXES)}"
        )
    X = np.array([str(file) for found in files.values() for file in found])
    y = np.repeat(classes, [len(found) for found in files.values()])
    problems = problems_of(X.tolist()) if on_error == "skip" else []
    skipped = as_table(problems)
    positions = skipped["position"].to_numpy()
    skipped.insert(2, "target", y[positions])
    kept = np.delete(y, positions)
    _check_none_lost(path, classes, kept, skipped)
    warn_of(problems, len(X), "they are skipped")
    return Bunch(X=np.delete(X, positions), y=kept, target_names=classes, skipped=skipped)


def _check_none_lost(
    path: Path, classes: list[str], kept: np.ndarray, skipped: pd.DataFrame
) -> None:
    """Raise ValueError if no file is left of a class."""
    lost = sorted(set(classes) - set(kept))
    if lost:
        first = skipped[skipped["target"] == lost[0]].iloc[0]
        raise ValueError(
            f"path={str(path)!r} has class folders of which no file can be read: {lost}; "
            f"the first such file is {first['file']!r}: {first['error']}"
        )


def _class_folders(path: Path) -> list[str]:
    """Return the sorted names of the class folders in `path`, at least two."""
    if not path.exists():
        raise FileNotFoundError(f"path={str(path)!r} does not exist")
    if not path.is_dir():
        raise NotADirectoryError(f"path={str(path)!r} is a file, not a folder of class folders")
    folders = (entry.name for entry in path.iterdir() if entry.is_dir())
    names = sorted(name for name in folders if not name.startswith("."))
    if names and _PARTS.issuperset(names):
        raise ValueError(
            f"path={str(path)!r} holds the parts {names} of a data set, not classes: load each "
            f"on its own, beginning with {str(path / names[0])!r}"
        )
    if len(names) < 2:
        raise ValueError(
            f"path={str(path)!r} should hold at least two folders, one for each class; "
            f"found the folders {names}"
        )
    return names


def _image_files(folder: Path) -> list[Path]:
    """Return the sorted image files at any depth below `folder`."""
    return sorted(
        file
        for file in folder.rglob("*")
        if file.suffix.lower() in _SUFFIXES
        and not file.is_dir()
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
    )
