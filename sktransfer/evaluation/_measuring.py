"""What is measured of one estimator: scores, size, times, learning curves."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from sklearn import config_context
from sklearn.metrics import accuracy_score
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

from sktransfer.evaluation._data import Split
from sktransfer.evaluation._metrics import count_parameters, score_predictions, steps_of

__all__ = ["accuracy_percent", "fit", "measure"]


def measure(estimator, split: Split) -> dict:
    """Fit an estimator and record its scores, size and times, and what there is of a network."""
    fit_seconds, _ = _timed(
        lambda: fit(estimator, split.X_train, split.y_train, split.X_val, split.y_val)
    )
    predict_seconds, proba = _timed(lambda: estimator.predict_proba(split.X_test))
    scores = score_predictions(split.y_test, proba, estimator.classes_)
    result = {
        "train_accuracy": accuracy_percent(estimator, split.X_train, split.y_train),
        "val_accuracy": accuracy_percent(estimator, split.X_val, split.y_val),
        "test_accuracy": 100 * scores.pop("accuracy"),
        **scores,
        **count_parameters(estimator),
        "fit_seconds": fit_seconds,
        "predict_seconds": predict_seconds,
    }
    steps = steps_of(estimator)
    record = {
        "layers": [row for step in steps for row in _layers(step)],
        "summary": "\n\n".join(step.summary() for step in steps if hasattr(step, "summary")),
    }
    if hasattr(steps[-1], "history_"):
        record["history"] = steps[-1].history_
        result["epochs"] = steps[-1].n_iter_
        result["seconds_per_epoch"] = np.mean(steps[-1].epoch_seconds_)
    return record | {"result": result}


def _timed(task: Callable) -> tuple[float, object]:
    """Return the seconds that a task took, and its result."""
    start = time.perf_counter()
    result = task()
    return time.perf_counter() - start, result


def fit(estimator, X, y, X_val=None, y_val=None) -> None:
    """Fit; where the last step is a network, with the validation data, if there are any."""
    head = steps_of(estimator)[-1]
    if not has_fit_parameter(head, "X_val"):
        estimator.fit(X, y)
        return
    validation = {} if X_val is None else {"X_val": X_val, "y_val": y_val}
    with config_context(enable_metadata_routing=True):
        if validation and isinstance(estimator, Pipeline):
            # Routing takes the validation data through the backbone to the network behind it.
            head.set_fit_request(X_val=True, y_val=True)
            estimator.set_params(transform_input=["X_val"])
        estimator.fit(X, y, **validation)


def accuracy_percent(estimator, X, y) -> float:
    """Return the accuracy of an estimator's predictions in percent."""
    return 100 * accuracy_score(y, estimator.predict(X))


def _layers(step) -> list[dict]:
    """Return the layers of a network; none of anything else."""
    return step.layer_table().to_dict("records") if hasattr(step, "layer_table") else []
