"""The winner of a benchmark: fitted anew on all that it may see, saved, and put to use."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from sktransfer._errors import ImageError
from sktransfer.evaluation._measuring import accuracy_percent, fit
from sktransfer.evaluation._record import Record, as_json, read_json, write_json
from sktransfer.evaluation._results import summarize_results
from sktransfer.evaluation._splits import Pools
from sktransfer.persistence import PersistenceError, load, save

__all__ = ["label_images", "refit_winner"]

FILE_NAME = "winner.zip"

BLOCK = 256
"""Image files that are labelled, and held in memory, at a time."""


def refit_winner(
    record: Record,
    table: pd.DataFrame,
    builder: Callable,
    pools: Pools,
    trusted: Sequence[type] = (),
) -> None:
    """Fit the best strategy on all images to train on and save it, unless that is done.

    An estimator that cannot be saved, which only a user's own can be, is scored all the same.
    """
    from sktransfer.images import as_images

    summary = summarize_results(table).dropna(subset=["val_accuracy"])
    if summary.empty:
        return
    # Few validation images are easily all right: what was trained on most images counts.
    sizes = summary["train_size"].replace(0, np.inf)
    ranked = summary[sizes == sizes.max()].sort_values("failed", kind="stable")
    best = ranked.iloc[0].to_dict()
    path = record.folder / FILE_NAME
    known = read_json(path.with_suffix(".json"))
    cannot_be_saved = known.get("not_saved") and not trusted
    if known.get("scores") == as_json(best) and (path.exists() or cannot_be_saved):
        return
    seed = record.header()["settings"]["seed"]
    estimator = builder(best["strategy"], best["backbone"], seed)
    fit(estimator, pools.X, pools.y)
    winner = {
        "strategy": best["strategy"],
        "backbone": best["backbone"],
        "classes": estimator.classes_,
        "image_size": as_images(pools.X).size,
        "train_images": len(pools.y),
        "scores": best,
        "not_saved": _save(estimator, path, trusted),
    }
    if pools.y_test is not None:
        winner["test_accuracy"] = accuracy_percent(estimator, pools.X_test, pools.y_test)
    write_json(path.with_suffix(".json"), winner)


def _save(estimator: BaseEstimator, path: Path, trusted: Sequence[type]) -> str | None:
    """Save an estimator; return, and warn, why it cannot be saved."""
    try:
        save(estimator, path, trusted=trusted)
    except PersistenceError as error:
        path.unlink(missing_ok=True)  # the winner of fewer cells
        warnings.warn(f"the winner is not saved: {error}", stacklevel=4)
        return str(error)
    return None


def label_images(
    winner: str | Path,
    files: Iterable[str | Path],
    top: int = 1,
    *,
    trusted: Iterable[type] = (),
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Label image files with the classifier that a benchmark saved.

    Parameters
    ----------
    winner : str or Path
        The folder of a run, or its ``winner.zip``, with ``winner.json`` beside it. No code of the
        files is run.
    files : iterable of str or Path
        Images of any size; they are brought to the size of the images that the classifier was
        trained on, where these had one size.
    top : int
        How many labels to give for each file, the most probable first.
    trusted : iterable of type, default=()
        Classes of your own that the classifier holds, as in `sktransfer.load`.

    Returns
    -------
    labels : DataFrame
        Columns ``file``, ``label`` and ``probability`` (0..1), `top` rows for each readable file.
    errors : dict
        What is wrong with each file that cannot be read.

    Raises
    ------
    FileNotFoundError
        If there is no winner, it could not be saved, or one of its two files is missing.
    PersistenceError
        If the file is damaged, or holds classes that are not among `trusted`.
    ValueError
        If `top` is not between 1 and the number of classes.

    Examples
    --------
    >>> from sktransfer.evaluation import label_images
    >>> label_images("no-such-run", ["cat.jpg"])
    Traceback (most recent call last):
    FileNotFoundError: no classifier at 'no-such-run'
    """
    winner = Path(winner)
    path = winner / FILE_NAME if winner.is_dir() else winner
    about = path.with_suffix(".json")
    record = read_json(about)
    if not path.exists():
        reason = f": {record['not_saved']}" if record.get("not_saved") else ""
        raise FileNotFoundError(f"no classifier at {str(winner)!r}{reason}")
    if not record:
        raise FileNotFoundError(
            f"{about.name!r} is not beside {str(path)!r}: it tells the classes of the classifier "
            "and the size of its images, and goes where that goes"
        )
    classes = np.array(record["classes"])
    if not 1 <= top <= len(classes):
        raise ValueError(f"top must be in 1..{len(classes)}, the number of classes, got {top}")
    estimator = load(path, trusted=trusted)
    names, labels, errors = [str(file) for file in files], [], {}
    for start in range(0, len(names), BLOCK):
        readable, images = [], []
        for file in names[start : start + BLOCK]:
            try:
                images.append(_read_image(file, record["image_size"]))
            except (ImageError, OSError) as error:
                errors[file] = str(error)
            else:
                readable.append(file)
        if not images:
            continue
        X = np.stack(images) if record["image_size"] else images
        for file, row in zip(readable, estimator.predict_proba(X), strict=True):
            best = np.argsort(-row, kind="stable")[:top]
            labels += [(file, classes[index], float(row[index])) for index in best]
    return pd.DataFrame(labels, columns=["file", "label", "probability"]), errors


def _read_image(file: str, size: list[int] | None) -> np.ndarray | str:
    """Read an image at `size`; without a size, see that it can be read and return its path."""
    from sktransfer.images import ImageReader

    image = ImageReader(size=size).transform([file])[0]
    return file if size is None else image
