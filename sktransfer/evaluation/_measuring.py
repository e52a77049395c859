"""What is measured of one estimator: scores, size, times, memory, learning curves."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
from sklearn import config_context
from sklearn.metrics import accuracy_score
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

from sktransfer._nesting import parts_of, steps_of, within
from sktransfer.evaluation._flops import count_flops
from sktransfer.evaluation._metrics import (
    count_parameters,
    recall_by_class,
    score_predictions,
)
from sktransfer.evaluation._splits import Split

__all__ = ["accuracy_percent", "fit", "measure"]

T = TypeVar("T")

SAMPLING_SECONDS = 0.05
"""Between two looks at the memory of the process."""


def measure(estimator, split: Split) -> tuple[dict, np.ndarray]:
    """Fit an estimator; return what is to be recorded, and the probabilities of the test images."""
    with _peak_memory() as peak:
        fit_seconds, _ = _timed(
            lambda: fit(estimator, split.X_train, split.y_train, split.X_val, split.y_val)
        )
        predict_seconds, proba = _timed(lambda: estimator.predict_proba(split.X_test))
    scores = score_predictions(split.y_test, proba, estimator.classes_)
    result = {
        "train_images": len(split.y_train),
        "validation_images": len(split.y_val),
        "test_images": len(split.y_test),
        "train_accuracy": accuracy_percent(estimator, split.X_train, split.y_train),
        "val_accuracy": accuracy_percent(estimator, split.X_val, split.y_val),
        "test_accuracy": 100 * scores.pop("accuracy"),
        **scores,
        **count_parameters(estimator),
        "flops": count_flops(estimator),
        "fit_seconds": fit_seconds,
        "predict_seconds": predict_seconds,
        "images_per_second": len(split.y_test) / predict_seconds,
        "peak_memory_mib": peak["mib"],
    }
    steps = parts_of(within(estimator))
    entry = {
        "classes": estimator.classes_,
        "recall": recall_by_class(split.y_test, proba, estimator.classes_),
        "layers": [row for step in steps for row in _layers(step)],
        "summary": "\n\n".join(step.summary() for step in steps if hasattr(step, "summary")),
        "parameters": {
            name: repr(value)
            for name, value in estimator.get_params().items()
            if not hasattr(value, "get_params")
        },
    }
    if hasattr(steps[-1], "history_"):
        entry["history"] = steps[-1].history_
        result["epochs"] = steps[-1].n_iter_
        result["seconds_per_epoch"] = np.mean(steps[-1].epoch_seconds_)
    return entry | {"result": result}, proba


def _timed(task: Callable[[], T]) -> tuple[float, T]:
    """Return the seconds that a task took, and its result."""
    start = time.perf_counter()
    result = task()
    return time.perf_counter() - start, result


@contextmanager
def _peak_memory() -> Iterator[dict[str, float]]:
    """Watch the memory of the process, all that it holds; "mib" is the highest that was seen."""
    import psutil

    process, done = psutil.Process(), threading.Event()
    peak = {"mib": 0.0}

    def watch() -> None:
        while True:
            peak["mib"] = max(peak["mib"], process.memory_info().rss / 2**20)
            if done.wait(SAMPLING_SECONDS):
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()


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
