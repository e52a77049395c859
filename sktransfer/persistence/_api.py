"""Saving and loading estimators."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sklearn.base import BaseEstimator
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV

import sktransfer
from sktransfer._errors import PersistenceError
from sktransfer.persistence._allowed import AllowedClasses
from sktransfer.persistence._archive import read_archive, write_archive
from sktransfer.persistence._values import Reader, Writer

FORMAT = 1
"""Of the archive; others are refused."""

MAX_BYTES = 1 << 32


def save(
    estimator: BaseEstimator, path: str | os.PathLike[str], *, trusted: Iterable[type] = ()
) -> None:
    """Save an estimator, fitted or not, to a file that holds no code.

    The file is a zip archive of a JSON text and NumPy arrays. It appears when it is complete, in
    the place of an older one.

    Parameters
    ----------
    estimator : BaseEstimator
        An estimator of this library, or a `Pipeline`, `FeatureUnion`, `FrozenEstimator`,
        `StandardScaler`, `Normalizer`, `PCA`, `LogisticRegression`, `KNeighborsClassifier` or
        `LinearDiscriminantAnalysis` of scikit-learn, of such parts. Of a search save the
        ``best_estimator_``.
    path : str or path-like
        The file to write.
    trusted : iterable of type, default=()
        Classes of your own that the estimator holds: estimators, augmentations or dataclasses whose
        attributes are values that can be saved.

    Raises
    ------
    PersistenceError
        If a part of the estimator cannot be saved, such as a callback or a function; the message
        says which.
    TypeError
        If `trusted` holds something else than such classes.

    See Also
    --------
    load : Loads what was saved.

    Notes
    -----
    What a pickle keeps is kept, to the last bit: parameters, fitted attributes, weights, the state
    of an optimizer and of random generators. As in a pickle, frozen backbones are not stored: they
    are known by name and the hash of their weights, and needed on the machine that predicts: a file
    of another hash is refused there.
    Estimators and arrays in several places are stored once; lists and dicts for each place.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.datasets import load_iris
    >>> from sktransfer import LinearProbe
    >>> from sktransfer.persistence import load, save
    >>> X, y = load_iris(return_X_y=True)
    >>> probe = LinearProbe(C=1.0).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(probe, Path(folder, "probe.zip"))
    ...     loaded = load(Path(folder, "probe.zip"))
    >>> bool((loaded.predict_proba(X) == probe.predict_proba(X)).all())
    True
    """
    path = Path(path)
    writer = Writer(AllowedClasses(trusted))
    with _about(path, "cannot be written"):
        if isinstance(estimator, (GridSearchCV, RandomizedSearchCV)):
            raise PersistenceError(
                f"a {type(estimator).__name__} cannot be saved; save its best_estimator_"
            )
        if not isinstance(estimator, BaseEstimator):
            raise PersistenceError(f"a {type(estimator).__name__} is no estimator")
        writer.write(estimator, type(estimator).__name__)
        manifest = {"format": FORMAT, "versions": _versions(), "objects": writer.objects}
        write_archive(path, manifest, writer.arrays)


def load(
    path: str | os.PathLike[str], *, trusted: Iterable[type] = (), max_bytes: int = MAX_BYTES
) -> BaseEstimator:
    """Load an estimator that `save` has saved, and run no code that the file could bring.

    Parameters
    ----------
    path : str or path-like
        The file.
    trusted : iterable of type, default=()
        Classes of your own that the file may hold, as in `save`. Their own code is run.
    max_bytes : int, default=2**32
        Most bytes that the file's members may take when they are unpacked.

    Returns
    -------
    estimator : BaseEstimator
        An estimator that predicts, and trains on, as the saved one does.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    PersistenceError
        If the file is damaged, too large, of another format, or holds what `save` does not write.
    TypeError
        If `trusted` holds something else than classes of estimators and dataclasses.

    See Also
    --------
    save : Saves an estimator.

    Notes
    -----
    Only classes of an explicit list are built, by their parameters and state; no name in the file
    is imported beyond it. Networks are of Keras layers that compute with numbers: no `Lambda`, and
    no custom layers. Their size is compared with the weights in the file before memory is taken. A
    file that comes from elsewhere can still hold an estimator that predicts badly, or that refers
    to files of weights by their path.

    Examples
    --------
    >>> from sktransfer.persistence import load
    >>> load("no-such-file.zip")
    Traceback (most recent call last):
    FileNotFoundError: [Errno 2] No such file or directory: 'no-such-file.zip'
    """
    path = Path(path)
    allowed = AllowedClasses(trusted)
    with _about(path, "cannot be loaded"):
        manifest, arrays = read_archive(path, max_bytes)
        if manifest.get("format") != FORMAT:
            raise PersistenceError(
                f"it has format {manifest.get('format')!r}; this version reads {FORMAT}"
            )
        estimator = Reader(allowed, arrays).read_objects(manifest.get("objects"))
        if not isinstance(estimator, BaseEstimator):
            raise PersistenceError(f"it holds a {type(estimator).__name__}, which is no estimator")
        return estimator


@contextmanager
def _about(path: Path, what: str) -> Iterator[None]:
    """Name the file in every error but those of the operating system, which name it themselves."""
    try:
        yield
    except OSError:
        raise
    except PersistenceError as error:
        raise PersistenceError(f"{path} {what}: {error}") from error
    except Exception as error:  # parts that do not go together fail in whatever uses them first
        raise PersistenceError(f"{path} {what}: {type(error).__name__}: {error}") from error


def _versions() -> dict[str, str]:
    """Return the versions that an estimator was saved with, for those who have to look for them."""
    libraries = ("keras", "numpy", "scikit-learn")
    return {
        "python": platform.python_version(),
        "sktransfer": sktransfer.__version__,
        **{name: importlib.metadata.version(name) for name in libraries},
    }
