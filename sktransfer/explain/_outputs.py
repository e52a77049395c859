"""The numbers that an estimator gives an image, and which of them is to be explained."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import is_classifier


def classes_of(estimator: Any) -> np.ndarray | None:
    """Return the classes of a classifier; None for a regressor."""
    return estimator.classes_ if is_classifier(estimator) else None


def chosen_outputs(
    classes: np.ndarray | None, n_outputs: int, target: Any, n_images: int
) -> np.ndarray | None:
    """Return the position of each image's target among the outputs; None for the predicted class.

    Parameters
    ----------
    classes : ndarray of shape (n_outputs,) or None
        Classes; None for a regressor, whose outputs are counted from 0.
    n_outputs : int
        Number of outputs.
    target : label, array-like of shape (n_images,) or None
        What is to be explained: one label, one for each image, or what is predicted.
    n_images : int
        Number of images.

    Raises
    ------
    ValueError
        If there is no such label, or not one for each image.
    """
    if target is None:
        if classes is not None:
            return None
        if n_outputs > 1:
            raise ValueError(
                f"target must be the number of an output, 0 to {n_outputs - 1}: there are several"
            )
        target = 0
    labels = np.asarray(target)
    if labels.ndim == 0:
        labels = np.full(n_images, labels)
    if labels.shape != (n_images,):
        raise ValueError(
            f"target must be one label, or one for each of {n_images} images, got shape "
            f"{labels.shape}"
        )
    known = list(range(n_outputs)) if classes is None else classes.tolist()
    positions = {label: position for position, label in enumerate(known)}
    unknown = sorted(set(labels.tolist()).difference(positions), key=str)
    if unknown:
        raise ValueError(f"target holds {unknown}, which is none of {known}")
    return np.array([positions[label] for label in labels.tolist()])
