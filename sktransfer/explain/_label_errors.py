"""Images whose labels the other images speak against."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import cross_val_predict
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from sktransfer._validation import check_same_length


def find_label_errors(
    estimator: Any, X: Any, y: Any, *, cv: Any = 5, n_jobs: int | None = None
) -> pd.DataFrame:
    """Find images that are probably mislabelled, by confident learning [1]_.

    Every image is judged by a clone that has not been trained on it. How many labels of one class
    are likely to be wrongly another is estimated from these probabilities, and as many of the least
    fitting images are named.

    Parameters
    ----------
    estimator : estimator
        A classifier with `predict_proba`; it is cloned, not fitted itself. A pipeline of a
        `BackboneFeatures` and a `LinearProbe` is a good judge, and its cache saves all extractions
        but the first.
    X : array-like
        Images, as the estimator takes them.
    y : array-like of shape (n_images,)
        Labels.
    cv : int, cross-validation splitter or iterable, default=5
        Folds, as in `cross_val_predict`; they must part the images. Of an integer the folds are
        stratified.
    n_jobs : int, default=None
        Folds that are computed at a time.

    Returns
    -------
    issues : DataFrame
        One row for each label in doubt, the most doubtful first: ``index``, position in X;
        ``given``, its label; ``suggested``, the most probable label; ``probability`` of the given
        label; and ``score``, half of 1 plus the probability of the given label less that of the
        most probable other one: below 0.5 the other one is more probable.

    Raises
    ------
    ImportError
        If cleanlab is not installed.
    TypeError
        If the estimator has no `predict_proba`.
    ValueError
        If y is not one class for each image.

    Notes
    -----
    An issue is a hint to look at the image, not a proof. A judge that errs often on some classes
    doubts right labels of them.

    References
    ----------
    .. [1] Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset
           Labels", JAIR 70, 2021, arXiv:1911.00068.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sktransfer.explain import find_label_errors
    >>> X, y = load_iris(return_X_y=True)
    >>> y[7] = 2  # was 0
    >>> issues = find_label_errors(LogisticRegression(max_iter=1000), X, y)
    >>> issues.loc[:0, ["index", "given", "suggested"]].to_numpy().tolist()
    [[7, 2, 0]]
    """
    try:
        from cleanlab.filter import find_label_issues
        from cleanlab.rank import get_label_quality_scores
    except ImportError as error:
        raise ImportError(
            'find_label_errors needs cleanlab: pip install "sktransfer[explain]"'
        ) from error

    if not hasattr(estimator, "predict_proba"):
        raise TypeError(f"estimator must be a classifier with predict_proba, got {estimator!r}")
    labels = column_or_1d(y)
    check_classification_targets(labels)
    check_same_length("X", X, "y", labels)
    classes, codes = np.unique(labels, return_inverse=True)
    probabilities = cross_val_predict(
        estimator, X, labels, cv=cv, n_jobs=n_jobs, method="predict_proba"
    )
    # In this process: cleanlab would fork one that may hold a running TensorFlow.
    is_issue = find_label_issues(codes, probabilities, n_jobs=1)
    scores = get_label_quality_scores(codes, probabilities, method="normalized_margin")
    rows = np.flatnonzero(is_issue)
    issues = pd.DataFrame(
        {
            "index": rows,
            "given": labels[rows],
            "suggested": classes[probabilities[rows].argmax(axis=1)],
            "probability": probabilities[rows, codes[rows]],
            "score": scores[rows],
        }
    )
    return issues.sort_values("score", ignore_index=True, kind="stable")
