"""What is measured of a fitted classifier: the scores of its predictions, and its size."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import f1_score, log_loss

from sktransfer._nesting import parts_of, within
from sktransfer.evaluation._calibration import bin_confidences

__all__ = [
    "check_predictions",
    "count_parameters",
    "rank_mistakes",
    "recall_by_class",
    "score_predictions",
]

MOST_GUESSES = 5
"""Of `top_k_accuracy`, where there are more classes."""


def score_predictions(y_true, proba, classes) -> dict[str, float]:
    """Score predicted probabilities of classes against the true labels.

    The predicted class is the one of the highest probability, of equal ones the first.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels, each one of `classes`.
    proba : array-like of shape (n_samples, n_classes)
        Probabilities in 0..1, one column for each of `classes`.
    classes : array-like of shape (n_classes,)
        Labels of the columns of `proba`, sorted, as in the attribute ``classes_`` of a classifier.

    Returns
    -------
    scores : dict of str to float
        Fractions in 0..1, of which higher is better:

        - ``accuracy``.
        - ``top_k_accuracy``: how often the true class is among the k most probable ones. k is 5, or
          one less than the number of classes where that is smaller; of two classes it is the
          accuracy.
        - ``balanced_accuracy``: mean recall of the classes.
        - ``f1_micro``, ``f1_macro``: the latter the mean over the classes that are true or
          predicted somewhere.
        - ``roc_auc_ovr``: area under the ROC curve, the mean over each class against the others.
        - ``roc_auc_ovo``: the same, the mean over pairs of classes [1]_.

        And of which lower is better:

        - ``log_loss``, in nats.
        - ``brier``: mean squared distance of the probabilities to 1 for the true class and 0 for
          the others, in 0..2 as Brier defined it [2]_; of two classes it is twice scikit-learn's.
        - ``expected_calibration_error``: how far confidence is from accuracy, in 0..1: the mean
          over 15 bins of equal width of the predicted class' probability [3]_.

    Raises
    ------
    ValueError
        If the shapes do not fit, `proba` holds what is no probability, there are fewer than two
        `classes`, or `y_true` has labels that are not among them.

    Notes
    -----
    The figures are those of scikit-learn where it has them. Where `y_true` is a subset that misses
    some of the classes, recall and the areas are not defined for these: they are averaged over the
    classes that `y_true` has. With a single one the areas are NaN.

    References
    ----------
    .. [1] Hand and Till, "A Simple Generalisation of the Area Under the ROC Curve for Multiple
           Class Classification Problems", Machine Learning 45, 2001.
    .. [2] Brier, "Verification of forecasts expressed in terms of probability", Monthly Weather
           Review 78, 1950.
    .. [3] Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, arXiv:1706.04599.

    Examples
    --------
    >>> from sktransfer.evaluation import score_predictions
    >>> scores = score_predictions(["cat", "dog"], [[0.9, 0.1], [0.6, 0.4]], ["cat", "dog"])
    >>> scores["accuracy"], scores["roc_auc_ovr"], round(scores["brier"], 2)
    (0.5, 1.0, 0.37)
    """
    codes, proba, classes = check_predictions(y_true, proba, classes)
    predicted = proba.argmax(axis=1)
    is_right = predicted == codes
    areas = _pairwise_areas(codes, proba)
    present = np.flatnonzero(np.bincount(codes, minlength=len(classes)))
    return {
        "accuracy": float(is_right.mean()),
        "top_k_accuracy": _top_k_accuracy(codes, proba, k=min(MOST_GUESSES, len(classes) - 1)),
        "balanced_accuracy": float(np.nanmean(_recalls(codes, predicted, len(classes)))),
        "f1_micro": float(f1_score(codes, predicted, average="micro")),
        "f1_macro": float(f1_score(codes, predicted, average="macro")),
        "roc_auc_ovr": _one_versus_rest(areas, codes, present),
        "roc_auc_ovo": _one_versus_one(areas, present),
        "log_loss": float(log_loss(codes, proba, labels=np.arange(len(classes)))),
        "brier": _brier(codes, proba),
        "expected_calibration_error": bin_confidences(proba.max(axis=1), is_right).expected_error,
    }


def recall_by_class(y_true, proba, classes) -> dict:
    """Return the fraction of each class' rows that are predicted rightly.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels, each one of `classes`.
    proba : array-like of shape (n_samples, n_classes)
        Probabilities in 0..1, one column for each of `classes`.
    classes : array-like of shape (n_classes,)
        Labels of the columns of `proba`, sorted.

    Returns
    -------
    recalls : dict of label to float
        A fraction in 0..1 for each of `classes`, in their order; NaN for those that `y_true` does
        not have.

    Raises
    ------
    ValueError
        As `score_predictions` does.

    Examples
    --------
    >>> from sktransfer.evaluation._metrics import recall_by_class
    >>> recall_by_class(["cat", "dog"], [[0.9, 0.1], [0.6, 0.4]], ["cat", "dog"])
    {'cat': 1.0, 'dog': 0.0}
    """
    codes, proba, classes = check_predictions(y_true, proba, classes)
    recalls = _recalls(codes, proba.argmax(axis=1), len(classes))
    return dict(zip(classes.tolist(), recalls.tolist(), strict=True))


def check_predictions(y_true, proba, classes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Check what a classifier said, and number its classes.

    Returns
    -------
    codes : ndarray of int of shape (n_samples,)
        Column of each row's true class.
    proba : ndarray of shape (n_samples, n_classes)
        Probabilities.
    classes : ndarray of shape (n_classes,)
        Labels of the columns.

    Raises
    ------
    ValueError
        As `score_predictions` says.
    """
    y_true, proba, classes = np.asarray(y_true), np.asarray(proba), np.asarray(classes)
    if len(y_true) == 0:
        raise ValueError("y_true is empty: there is nothing to score")
    if proba.shape != (len(y_true), len(classes)):
        raise ValueError(
            f"proba must have shape {(len(y_true), len(classes))}, a row for each label and a "
            f"column for each class, got {proba.shape}"
        )
    if not ((proba >= 0) & (proba <= 1)).all():
        raise ValueError(
            "proba must hold probabilities, finite numbers from 0 to 1, got values from "
            f"{proba.min()} to {proba.max()}"
        )
    if len(classes) < 2:
        raise ValueError(f"classes must be two or more, got {classes.tolist()}")
    if (classes[1:] <= classes[:-1]).any():
        raise ValueError(f"classes must be sorted, and each one named once, got {classes.tolist()}")
    unknown = np.setdiff1d(y_true, classes)
    if unknown.size:
        raise ValueError(f"y_true has labels that are not among the classes: {unknown.tolist()}")
    return np.searchsorted(classes, y_true), proba, classes


def rank_mistakes(codes: np.ndarray, proba: np.ndarray) -> np.ndarray:
    """Return the rows whose most probable class is wrong, the highest probability first."""
    wrong = np.flatnonzero(proba.argmax(axis=1) != codes)
    return wrong[np.argsort(-proba[wrong].max(axis=1), kind="stable")]


def _top_k_accuracy(codes: np.ndarray, proba: np.ndarray, k: int) -> float:
    """Return how often the true class is among the k most probable, of equal ones the first."""
    guesses = np.argsort(-proba, axis=1, kind="stable")[:, :k]
    return float((guesses == codes[:, None]).any(axis=1).mean())


def _recalls(codes: np.ndarray, predicted: np.ndarray, n_classes: int) -> np.ndarray:
    """Return the recall of each class; NaN where it does not occur."""
    sizes = np.bincount(codes, minlength=n_classes)
    hits = np.bincount(codes[codes == predicted], minlength=n_classes)
    return hits / np.where(sizes > 0, sizes, np.nan)


def _brier(codes: np.ndarray, proba: np.ndarray) -> float:
    """Return the mean squared distance to the one-hot labels."""
    of_truth = np.take_along_axis(proba, codes[:, None], axis=1)[:, 0]
    squares = np.square(proba, dtype=np.float64).sum(axis=1)
    return float((squares - 2.0 * of_truth + 1).mean())


def _pairwise_areas(codes: np.ndarray, proba: np.ndarray) -> np.ndarray:
    """Return the areas under the ROC curves of each class against each other one.

    Entry (a, b) is the probability that column a is higher for a row of class a than for one of
    class b, ties counted half. Columns b that do not occur hold NaN, and so do rows a.
    """
    n_classes = proba.shape[1]
    sizes = np.bincount(codes, minlength=n_classes)
    sizes = np.where(sizes > 0, sizes, np.nan)
    areas = np.empty((n_classes, n_classes))
    for label, column in enumerate(proba.T):
        own = np.sort(column[codes == label])
        # Twice the number of the class' rows that lie below each row, ties counted half.
        below = np.searchsorted(own, column, "left") + np.searchsorted(own, column, "right")
        sums = np.bincount(codes, weights=below, minlength=n_classes)
        areas[label] = 1 - sums / (2 * sizes[label] * sizes)
    return areas


def _one_versus_rest(areas: np.ndarray, codes: np.ndarray, present: np.ndarray) -> float:
    """Average the areas of each class against all others together."""
    if len(present) < 2:
        return float("nan")
    among = areas[np.ix_(present, present)]
    weights = np.tile(np.bincount(codes)[present], (len(present), 1))
    np.fill_diagonal(weights, 0)
    return float(np.average(among, weights=weights, axis=1).mean())


def _one_versus_one(areas: np.ndarray, present: np.ndarray) -> float:
    """Average the areas of all ordered pairs of different classes."""
    if len(present) < 2:
        return float("nan")
    among = areas[np.ix_(present, present)]
    return float(among[~np.eye(len(present), dtype=bool)].mean())


def count_parameters(estimator) -> dict[str, int]:
    """Count what a fitted classifier learned, and all that it needs to predict.

    Parameters
    ----------
    estimator : estimator or Pipeline
        Fitted. A network tells its numbers in ``parameter_counts_``; of other models the numbers in
        ``coef_`` and ``intercept_`` count, where there are any. A meta-estimator has those of the
        estimator that it was fitted around, a search those of its best one.

    Returns
    -------
    dict
        ``total_params``, ``trainable_params`` and ``non_trainable_params`` of the last step, and
        ``deployed_params`` of all steps: with the backbone, also where it was never trained.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sktransfer.evaluation import count_parameters
    >>> model = LogisticRegression().fit([[0.0, 1.0], [1.0, 0.0]], ["cat", "dog"])
    >>> count_parameters(model)["deployed_params"]
    3
    """
    counts = [_step_parameters(step) for step in parts_of(within(estimator))]
    trained = counts[-1]
    return {
        "total_params": trained["total"],
        "trainable_params": trained["trainable"],
        "non_trainable_params": trained["non_trainable"],
        "deployed_params": sum(count["total"] for count in counts),
    }


def _step_parameters(step) -> dict[str, int]:
    """Count the parameters of one fitted step."""
    if hasattr(step, "parameter_counts_"):
        return {name: int(count) for name, count in step.parameter_counts_.items()}
    learned = sum(np.size(getattr(step, name, ())) for name in ("coef_", "intercept_"))
    return {"total": learned, "trainable": learned, "non_trainable": 0}
