"""Scores of what a pretrained classifier says of new images, without its features."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import xlogy
from sklearn.metrics.cluster import contingency_matrix
from sklearn.utils import check_array

from sktransfer._validation import check_same_length
from sktransfer.selection._checks import check_classes, indicators, label_codes

_SUM_TOLERANCE = 1e-3  # of probabilities that were computed in half precision


def leep(source_probabilities: Any, y: Any) -> float:
    """Score a classifier by the log expected empirical prediction, LEEP [1]_.

    From a classifier's probabilities of its own classes, and the frequency with which each of them
    goes along with each class of `y`, follow probabilities of the classes of `y`. The score is the
    mean logarithm of those of the right classes.

    Parameters
    ----------
    source_probabilities : array-like of shape (n_samples, n_source_classes)
        What the pretrained classifier says of each image: probabilities of the classes that it was
        trained on. Rows add up to one.
    y : array-like of shape (n_samples,)
        Classes to be told apart.

    Returns
    -------
    score : float
        At most 0. Higher is better.

    Raises
    ------
    ValueError
        If the rows are no probabilities, the lengths differ, or y holds a single class or as many
        as rows.

    References
    ----------
    .. [1] Nguyen, Hassner, Seeger and Archambeau, "LEEP: A New Measure to Evaluate Transferability
           of Learned Representations", ICML 2020, arXiv:2002.12462.

    Examples
    --------
    >>> from sktransfer.selection import leep
    >>> sure, unsure = [[1, 0], [1, 0], [0, 1], [0, 1]], [[0.5, 0.5]] * 4
    >>> y = ["cat", "cat", "dog", "dog"]
    >>> leep(sure, y), round(leep(unsure, y), 3)
    (0.0, -0.693)
    """
    source = check_array(source_probabilities, dtype=np.float64, input_name="source_probabilities")
    check_same_length("source_probabilities", source, "y", y)
    codes = check_classes(y)
    if (source < 0).any() or (np.abs(source.sum(axis=1) - 1) > _SUM_TOLERANCE).any():
        raise ValueError(
            "source_probabilities must be probabilities: not negative, and with rows that add up "
            f"to one; got values from {source.min():g} to {source.max():g}, and rows that add up "
            f"to {source.sum(axis=1).min():g} to {source.sum(axis=1).max():g}"
        )
    source = source[:, source.any(axis=0)]
    joint = indicators(codes).T @ source
    conditional = joint / joint.sum(axis=0)
    expected = (source * conditional[codes]).sum(axis=1)
    return float(np.log(np.minimum(expected, 1)).mean())


def nce(source_labels: Any, y: Any) -> float:
    """Score a classifier, or another task, by the negative conditional entropy, NCE [1]_.

    How sure of the classes of `y` one can be who knows the source's label of each image.

    Parameters
    ----------
    source_labels : array-like of shape (n_samples,)
        Labels of the same images in the source task: what the pretrained classifier says, or the
        truth.
    y : array-like of shape (n_samples,)
        Classes to be told apart.

    Returns
    -------
    score : float
        Less the conditional entropy of `y` given the source's labels, in nats: at most 0, and at
        least less the entropy of `y`. Higher is better.

    Raises
    ------
    ValueError
        If the lengths differ, or y holds a single class or as many as rows.

    References
    ----------
    .. [1] Tran, Nguyen and Hassner, "Transferability and Hardness of Supervised Classification
           Tasks", ICCV 2019, arXiv:1908.08142.

    Examples
    --------
    >>> from sktransfer.selection import nce
    >>> y = ["cat", "cat", "dog", "dog"]
    >>> nce(["lynx", "lynx", "wolf", "fox"], y), round(nce(["animal"] * 4, y), 3)
    (0.0, -0.693)
    """
    source = label_codes("source_labels", source_labels)
    check_same_length("source_labels", source, "y", y)
    counts = contingency_matrix(source, check_classes(y))
    return float(xlogy(counts, counts / counts.sum(axis=1, keepdims=True)).sum() / len(source))
