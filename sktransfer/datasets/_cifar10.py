"""CIFAR-10, from a zip or a folder of image files, or as Keras downloads it."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from sklearn.utils import Bunch

from sktransfer._errors import ImageError
from sktransfer.images._decode import decode

__all__ = ["load_cifar10"]

# In the order of the original labels 0 to 9, which is alphabetical too.
_CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)

# One folder may stand around train/ and test/.
_MEMBER = re.compile(r"(?:[^/]+/)?(train|test)/([^/]+)/[^/.][^/]*\.(?i:jpe?g|png)")

_DESCR = """\
CIFAR-10
--------
{n_train:,} training and {n_test:,} test images of {n_classes} classes, 32 x 32 pixels, RGB, uint8.
Krizhevsky, A. (2009), Learning multiple layers of features from tiny images.

:Classes: {names}
:Read from: {origin}
"""


def load_cifar10(path: str | Path | None = None) -> Bunch:
    """Load the CIFAR-10 images with their class names.

    Parameters
    ----------
    path : str or Path, default=None
        A zip, or a folder, that holds ``train/<class>/<file>`` and ``test/<class>/<file>``
        (JPEG or PNG; all of it may stand in one folder, such as ``cifar10/``). It may hold
        fewer images than the original, but some of every class. JPEG files differ slightly
        from the original pixels. With None, Keras downloads the original (170 MB) or takes
        it from its own cache.

    Returns
    -------
    Bunch
        With the keys

        - ``X_train``, ``X_test``: uint8 arrays of shape (n, 32, 32, 3), values 0 to 255; of
          the complete set 50,000 and 10,000 images, 184 MB,
        - ``y_train``, ``y_test``: str arrays of shape (n,), the class names,
        - ``target_names``: list of the ten class names,
        - ``DESCR``: str.

        Images that are read from files are sorted by class, then by file name: shuffle before
        taking the first or the last ones. Those that Keras provides keep their order.

    Raises
    ------
    FileNotFoundError
        If there is nothing at `path`.
    OSError
        If Keras cannot download it.
    ValueError
        If `path` is neither a folder nor a zip, lacks one of the classes or holds others.
        An `ImageError`, which is a ValueError, if a file is damaged or not 32 x 32 pixels.

    References
    ----------
    Krizhevsky, A. (2009). Learning multiple layers of features from tiny images.
    https://www.cs.toronto.edu/~kriz/cifar.html

    Examples
    --------
    >>> from sktransfer.datasets import load_cifar10
    >>> cifar10 = load_cifar10("cifar10.zip")  # doctest: +SKIP
    >>> cifar10.X_train.shape, cifar10.y_train[0]  # doctest: +SKIP
    ((50000, 32, 32, 3), 'airplane')
    """
    if path is None:
        parts = _download_with_keras()
        origin = "keras.datasets.cifar10"
    else:
        parts = _read_files(Path(path))
        origin = str(path)
    (X_train, y_train), (X_test, y_test) = parts
    return Bunch(
        X_train=X_train,
        y_train=y_train,
        X_test=X_test,
        y_test=y_test,
        target_names=list(_CLASSES),
        DESCR=_DESCR.format(
            n_train=len(X_train),
            n_test=len(X_test),
            n_classes=len(_CLASSES),
            names=", ".join(_CLASSES),
            origin=origin,
        ),
    )


def _download_with_keras() -> list[tuple[np.ndarray, np.ndarray]]:
    """Return (images, class names) of the training and of the test part."""
    from keras.datasets import cifar10

    try:
        parts = cifar10.load_data()
    except Exception as error:  # Keras raises this very class where there is no network
        raise OSError(
            f"Keras cannot provide CIFAR-10: {error}; without a network, give as path a zip or a "
            "folder of its images"
        ) from error
    names = np.array(_CLASSES)
    return [(images, names[np.ravel(labels)]) for images, labels in parts]


def _read_files(path: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return (images, class names) of the training and of the test part."""
    with _opened(path) as (names, read):
        return [
            (
                _decode_all(path, [name for _, name in members], read),
                np.array([label for label, _ in members]),
            )
            for members in _members_by_part(path, names).values()
        ]


@contextmanager
def _opened(path: Path) -> Iterator[tuple[list[str], Callable[[str], bytes]]]:
    """Give the names of the files in a folder or a zip, and the function that reads one."""
    if path.is_dir():
        files = (file for file in path.rglob("*") if file.is_file())
        names = [file.relative_to(path).as_posix() for file in files]
        yield names, lambda name: (path / name).read_bytes()
        return
    if not path.exists():
        raise FileNotFoundError(f"path={str(path)!r} does not exist")
    if not zipfile.is_zipfile(path):
        raise ValueError(f"path={str(path)!r} is neither a folder nor a complete zip")
    with zipfile.ZipFile(path) as archive:
        yield archive.namelist(), archive.read


def _members_by_part(path: Path, names: list[str]) -> dict[str, list[tuple[str, str]]]:
    """Sort the image files by part into (class, name), and check that every class is there."""
    members: dict[str, list[tuple[str, str]]] = {"train": [], "test": []}
    for name in names:
        if match := _MEMBER.fullmatch(name):
            part, label = match.groups()
            members[part].append((label, name))
    for part, found in members.items():
        found.sort()
        labels = {label for label, _ in found}
        missing, unknown = set(_CLASSES) - labels, labels - set(_CLASSES)
        if missing or unknown:
            raise ValueError(
                f"path={str(path)!r} is not CIFAR-10: {part}/ should hold image files in one "
                f"folder for each of its ten classes, but it lacks {sorted(missing)} and has "
                f"{sorted(unknown)} besides"
            )
    return members


def _decode_all(path: Path, names: list[str], read: Callable[[str], bytes]) -> np.ndarray:
    """Decode the named files one after the other: threads only make such tiny images slower."""
    images = np.empty((len(names), 32, 32, 3), dtype=np.uint8)
    for image, name in zip(images, names, strict=True):
        try:
            decoded = decode(read(name))
        except (ImageError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise ImageError(f"{name!r} in {str(path)!r} is damaged: {error}") from error
        if decoded.shape[:2] != (32, 32):
            height, width = decoded.shape[:2]
            raise ImageError(
                f"{name!r} in {str(path)!r} has {height} x {width} pixels; CIFAR-10 has 32 x 32"
            )
        image[:] = decoded
    return images
