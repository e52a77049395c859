"""Nearest neighbours: their trees are grown again, and what compiled code indexes by is checked."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.neighbors import BallTree, KDTree

from sktransfer._errors import PersistenceError

_TREES = {"ball_tree": BallTree, "kd_tree": KDTree}


def without_tree(state: dict[str, Any]) -> dict[str, Any]:
    """Leave out the tree, which follows from the samples."""
    return {name: value for name, value in state.items() if name != "_tree"}


def with_tree(state: dict[str, Any]) -> dict[str, Any]:
    """Check a classifier's samples and votes, and grow the tree over them where there was one."""
    samples = state.get("_fit_X")
    if samples is None:
        return state
    _check_samples(samples, state)
    tree = _TREES.get(state["_fit_method"])
    if tree is None:
        return {**state, "_tree": None}
    metric, options = state["effective_metric_"], state["effective_metric_params_"]
    return {**state, "_tree": tree(samples, state["leaf_size"], metric=metric, **options)}


def _check_samples(samples: Any, state: dict[str, Any]) -> None:
    """Refuse samples of other columns than are declared, and votes for classes there are not."""
    votes, classes = state["_y"], state["classes_"]
    if not (isinstance(samples, np.ndarray) and samples.ndim == 2 and samples.dtype.kind in "biuf"):
        raise PersistenceError("the samples of nearest neighbours must be a matrix of numbers")
    if not (isinstance(votes, np.ndarray) and votes.dtype == np.intp and votes.ndim in (1, 2)):
        raise PersistenceError("the votes of nearest neighbours must be integers")
    declared = state["n_samples_fit_"], state["n_features_in_"]
    if samples.shape != declared or len(votes) != len(samples):
        raise PersistenceError(
            f"nearest neighbours declare {declared} samples and features; there are samples of "
            f"shape {samples.shape}, and {len(votes)} votes"
        )
    columns = np.atleast_2d(votes.T)
    for column, known in zip(columns, [classes] if votes.ndim == 1 else classes, strict=True):
        if not 0 <= column.min() <= column.max() < len(known):
            raise PersistenceError("nearest neighbours vote for classes that there are not")
