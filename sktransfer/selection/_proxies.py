"""Scores that train something small: accuracies of probes on rows that they have not seen."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.utils import check_scalar

from sktransfer.selection._checks import check_features


def knn_accuracy(features: Any, y: Any, *, n_neighbors: int = 10) -> float:
    """Score features by the accuracy of nearest neighbours, each row left out once.

    Parameters
    ----------
    features : array-like of shape (n_samples, n_features)
        Features of images, of any number type; float64 inside.
    y : array-like of shape (n_samples,)
        Classes.
    n_neighbors : int, default=10
        Other rows that vote on each row, by cosine distance, the near ones more.

    Returns
    -------
    score : float
        Accuracy, from 0 to 1.

    Raises
    ------
    ValueError
        If the features are not finite or all the same, the lengths differ, y holds a single class
        or as many as rows, or there are not more rows than neighbours.

    See Also
    --------
    KNNProbe : The classifier.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sktransfer.selection import knn_accuracy
    >>> X, y = load_iris(return_X_y=True)
    >>> knn_accuracy(X, y) > 0.9
    True
    """
    from sktransfer.estimators import KNNProbe

    X, codes = check_features(features, y)
    check_scalar(n_neighbors, "n_neighbors", Integral, min_val=1, max_val=len(X) - 1)
    # Without rows to predict, scikit-learn asks for the neighbours of each row but itself.
    return float(KNNProbe(n_neighbors).fit(X, codes).score(None, codes))


def linear_probe_accuracy(
    features: Any,
    y: Any,
    *,
    n_splits: int = 5,
    random_state: int | np.random.RandomState | None = None,
) -> float:
    """Score features by the cross-validated accuracy of a linear probe.

    Parameters
    ----------
    features : array-like of shape (n_samples, n_features)
        Features of images, of any number type; float64 inside.
    y : array-like of shape (n_samples,)
        Classes.
    n_splits : int, default=5
        Stratified, shuffled folds.
    random_state : int, RandomState instance or None, default=None
        Seed of the folds.

    Returns
    -------
    score : float
        Mean accuracy of the folds, from 0 to 1.

    Raises
    ------
    ValueError
        If the features are not finite or all the same, the lengths differ, y holds a single class
        or as many as rows, or no class has as many rows as there are folds.

    See Also
    --------
    LinearProbe : The classifier.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sktransfer.selection import linear_probe_accuracy
    >>> X, y = load_iris(return_X_y=True)
    >>> linear_probe_accuracy(X, y, random_state=0) > 0.8
    True
    """
    from sktransfer.estimators import LinearProbe

    X, codes = check_features(features, y)
    folds = StratifiedKFold(n_splits, shuffle=True, random_state=random_state)
    return float(cross_val_score(LinearProbe(), X, codes, cv=folds).mean())
