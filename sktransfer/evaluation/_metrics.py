"""What is measured of a fitted classifier: the scores of its predictions, and its size."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import accuracy_score, f1_score, log_loss, roc_auc_score
from sklearn.pipeline import Pipeline

__all__ = ["count_parameters", "score_predictions", "steps_of"]


def score_predictions(y_true, proba, classes) -> dict[str, float]:
    """Score predicted probabilities of classes against the true labels.

    The figures are those of scikit-learn's ``accuracy_score``, ``f1_score``, ``roc_auc_score``
    (one-vs-rest, macro average) and ``log_loss``. Where `y_true` is a subset that misses some of
    the classes, the area under the ROC curve is not defined for these: it is then averaged over the
    classes that `y_true` has, and NaN where it has a single one.

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
    dict
        ``accuracy``, ``f1_micro``, ``f1_macro`` and ``roc_auc_ovr``, fractions in 0..1, and
        ``log_loss`` in nats.

    Raises
    ------
    ValueError
        If the shapes do not fit, or if `y_true` has labels that are not among `classes`.

    Examples
    --------
    >>> from sktransfer.evaluation import score_predictions
    >>> scores = score_predictions(["cat", "dog"], [[0.9, 0.1], [0.6, 0.4]], ["cat", "dog"])
    >>> scores["accuracy"], scores["roc_auc_ovr"]
    (0.5, 1.0)
    """
    y_true, proba, classes = np.asarray(y_true), np.asarray(proba), np.asarray(classes)
    if proba.shape != (len(y_true), len(classes)):
        raise ValueError(
            f"proba must have shape {(len(y_true), len(classes))}, a row for each label and a "
            f"column for each class, got {proba.shape}"
        )
    unknown = np.setdiff1d(y_true, classes)
    if unknown.size:
        raise ValueError(f"y_true has labels that are not among the classes: {unknown.tolist()}")
    predicted = classes[proba.argmax(axis=1)]
    return {
        "accuracy": float(accuracy_score(y_true, predicted)),
        "f1_micro": float(f1_score(y_true, predicted, average="micro")),
        "f1_macro": float(f1_score(y_true, predicted, average="macro")),
        "roc_auc_ovr": _roc_auc_ovr(y_true, proba, classes),
        "log_loss": float(log_loss(y_true, proba, labels=classes)),
    }


def _roc_auc_ovr(y_true: np.ndarray, proba: np.ndarray, classes: np.ndarray) -> float:
    """Average the one-vs-rest areas of the classes that have both positives and negatives."""
    areas = [
        roc_auc_score(y_true == label, column)
        for label, column in zip(classes, proba.T, strict=True)
        if 0 < np.count_nonzero(y_true == label) < len(y_true)
    ]
    return float(np.mean(areas)) if areas else float("nan")


def steps_of(estimator) -> list:
    """Return the steps of a pipeline that do something, or a single estimator as the only one."""
    if not isinstance(estimator, Pipeline):
        return [estimator]
    return [step for _, step in estimator.steps if step not in (None, "passthrough")]


def count_parameters(estimator) -> dict[str, int]:
    """Count what a fitted classifier learned, and all that it needs to predict.

    Parameters
    ----------
    estimator : estimator or Pipeline
        Fitted. A network tells its numbers in ``parameter_counts_``; of other models the numbers in
        ``coef_`` and ``intercept_`` count, where there are any.

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
    counts = [_step_parameters(step) for step in steps_of(estimator)]
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
