"""The search of a linear probe for its penalty, on a part of the data that is held out."""

from __future__ import annotations

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.utils import check_random_state

GRID = tuple(10.0 ** (exponent / 2) for exponent in range(-8, 1))
"""What is tried, from a strong penalty to a weak one."""

HELD_OUT = 0.2
"""Fraction of each class that is held out."""

PATIENCE = 2
"""Steps that may be no better than the best so far, one after the other, until the search ends."""


def search_penalty(
    classifier: LogisticRegression,
    X: np.ndarray,
    y: np.ndarray,
    weights: np.ndarray,
    random_state: int | np.random.RandomState | None,
) -> float | None:
    """Return the C of least loss on held-out rows, or None where there are none to hold out.

    Parameters
    ----------
    classifier : LogisticRegression
        The classifier whose C is sought; not changed.
    X : ndarray of shape (n_samples, n_features)
        Rows.
    y : ndarray of shape (n_samples,)
        Classes.
    weights : ndarray of shape (n_samples,)
        Weights of the rows, in training and in the loss; rows of weight zero are left aside.
    random_state : int, RandomState instance or None
        Seed of what is held out.
    """
    counted = np.flatnonzero(weights)
    chosen = hold_out(y[counted], check_random_state(random_state))
    if not chosen.any():
        return None
    kept, held_out = counted[~chosen], counted[chosen]
    probe = clone(classifier).set_params(warm_start=True)  # from strong to weak: a short way
    X_kept = X[kept]
    best, least, n_worse = None, np.inf, 0
    for C in GRID:
        probe.set_params(C=C).fit(X_kept, y[kept], sample_weight=weights[kept])
        loss = log_loss(
            y[held_out],
            probe.predict_proba(X[held_out]),
            sample_weight=weights[held_out],
            labels=probe.classes_,
        )
        if loss < least:
            best, least, n_worse = C, loss, 0
        else:
            n_worse += 1
        if n_worse == PATIENCE:
            break
    return best


def hold_out(y: np.ndarray, random_state: np.random.RandomState) -> np.ndarray:
    """Choose rows at random, (n,) of bool: a fifth of each class, at least one of two or more.

    The only row of a class stays where it is trained on. Where there is but one class, nothing is
    held out.
    """
    chosen = np.zeros(len(y), dtype=bool)
    classes, codes = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        return chosen
    for code in range(len(classes)):
        rows = random_state.permutation(np.flatnonzero(codes == code))
        n = max(1, round(HELD_OUT * len(rows))) if len(rows) > 1 else 0
        chosen[rows[:n]] = True
    return chosen
