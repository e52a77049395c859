"""Targets as a user writes them, and as a network needs them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_array, column_or_1d


@dataclass(frozen=True)
class ClassTargets:
    """Classes (softmax, one of them is right) or labels (sigmoid, any of them may be)."""

    classes: np.ndarray
    multilabel: bool

    metric = "accuracy"

    @classmethod
    def of(cls, y, classes=None) -> ClassTargets:
        """Learn the classes from `y`, or take those that a first ``partial_fit`` names."""
        y = _checked_classes(y)
        if y.ndim == 2:
            return cls(np.arange(y.shape[1]), multilabel=True)
        found = np.unique(y if classes is None else np.asarray(classes))
        if len(found) < 2:
            raise ValueError(
                f"y holds one class only ({found.tolist()}); a classifier needs at least two "
                "classes"
            )
        return cls(found, multilabel=False)

    @property
    def n_outputs(self) -> int:
        return len(self.classes)

    @property
    def activation(self) -> str:
        return "sigmoid" if self.multilabel else "softmax"

    @property
    def loss(self) -> str:
        return "binary_crossentropy" if self.multilabel else "sparse_categorical_crossentropy"

    def encode(self, y, name: str = "y") -> np.ndarray:
        """Turn labels into what the loss takes: class indices (n,) or indicators (n, k)."""
        y = _checked_classes(y, name)
        if self.multilabel:
            if y.shape[1:] != self.classes.shape:
                raise ValueError(
                    f"{name} must be a label indicator matrix with {len(self.classes)} columns, "
                    f"got shape {y.shape}"
                )
            return y.astype(np.float32)
        if y.ndim == 2:
            raise ValueError(f"{name} must be 1-dimensional, got shape {y.shape}")
        # By equality as Python has it: to NumPy the text "10" is the number 10, and comes before 2.
        numbers = {label: number for number, label in enumerate(self.classes.tolist())}
        found, positions = np.unique(y, return_inverse=True)
        labels = found.tolist()
        unknown = [label for label in labels if label not in numbers]
        if unknown:
            raise ValueError(
                f"{name} holds labels that were not in the classes of fit: {unknown}; "
                f"classes: {self.classes.tolist()}"
            )
        return np.array([numbers[label] for label in labels], dtype=np.int32)[positions]

    def check_classes(self, classes) -> None:
        """Refuse other classes than those that a first ``partial_fit`` named."""
        if classes is None or self.multilabel:
            return
        named = np.unique(classes)
        if not np.array_equal(named, self.classes):
            raise ValueError(
                f"classes={named.tolist()} are not those of the first call: {self.classes.tolist()}"
            )

    def decode(self, outputs: np.ndarray) -> np.ndarray:
        """Turn probabilities (n, k) into predicted labels."""
        if self.multilabel:
            return (outputs > 0.5).astype(int)
        return self.classes[outputs.argmax(axis=1)]

    def strata(self, encoded: np.ndarray) -> np.ndarray | None:
        """Return what a validation part is stratified by."""
        return None if self.multilabel else encoded


@dataclass(frozen=True)
class NumberTargets:
    """One or several numbers a row."""

    n_outputs: int
    single: bool

    activation = "linear"
    loss = "mean_squared_error"
    metric = "mean_absolute_error"

    @classmethod
    def of(cls, y) -> NumberTargets:
        """Learn the number of outputs from `y`."""
        y = _checked_numbers(y)
        return cls(1 if y.ndim == 1 else y.shape[1], single=y.ndim == 1)

    def encode(self, y, name: str = "y") -> np.ndarray:
        """Turn numbers into float32 (n, n_outputs)."""
        y = _checked_numbers(y, name)
        y = y.reshape(len(y), -1)
        if y.shape[1] != self.n_outputs:
            raise ValueError(f"{name} must have {self.n_outputs} columns, got {y.shape[1]}")
        return y.astype(np.float32)

    def decode(self, outputs: np.ndarray) -> np.ndarray:
        """Turn outputs (n, n_outputs) into float64 of the shape that `y` had."""
        outputs = outputs.astype(np.float64)
        return outputs[:, 0] if self.single else outputs

    def strata(self, encoded: np.ndarray) -> None:
        """Numbers have no strata."""
        return None


def _checked_classes(y, name: str = "y") -> np.ndarray:
    """Return labels as an array (n,), or (n, k) of indicators."""
    y = check_array(y, ensure_2d=False, dtype=None, input_name=name, accept_sparse="csr")
    if not isinstance(y, np.ndarray):
        y = y.toarray()
    check_classification_targets(y)
    kind = type_of_target(y, input_name=name)
    # Any two numbers make indicators for scikit-learn; the loss takes them for probabilities.
    if kind == "multilabel-indicator" and np.isin(y, (0, 1)).all():
        return y
    if kind in ("multilabel-indicator", "multiclass-multioutput"):
        values = list(dict.fromkeys(y.ravel().tolist()))
        raise ValueError(
            f"{name} has several columns of classes, such as {values[:5]}; accepted are one column "
            "of classes, or a label indicator matrix of zeros and ones"
        )
    return column_or_1d(y, warn=True)


def _checked_numbers(y, name: str = "y") -> np.ndarray:
    """Return targets as a float array (n,) or (n, k)."""
    try:
        return check_array(y, ensure_2d=False, dtype=np.float64, input_name=name)
    except ValueError as error:
        raise ValueError(
            f"{name} must be numbers of shape (n_samples,) or (n_samples, n_outputs): {error}"
        ) from error


def check_class_weight(class_weight: dict[Any, float] | str | None, classes: np.ndarray) -> None:
    """Refuse weights of classes that there are not, and what is no weight."""
    if not isinstance(class_weight, dict):
        return
    unknown = sorted(set(class_weight).difference(classes.tolist()), key=repr)
    if unknown:
        raise ValueError(
            f"class_weight names classes that are not in y: {unknown}; classes: {classes.tolist()}"
        )
    for label, weight in class_weight.items():
        if not isinstance(weight, (int, float, np.number)) or not 0 <= weight < np.inf:
            raise ValueError(
                f"class_weight[{label!r}] must be a finite number >= 0, got {weight!r}"
            )
