"""What all scores ask of features and classes."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import assert_all_finite, check_array
from sklearn.utils.multiclass import check_classification_targets

from sktransfer._validation import check_same_length


def check_features(features: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return features (n_samples, n_features) as float64, and the codes of their classes."""
    shape = np.shape(features)
    if len(shape) != 2:
        raise ValueError(f"features must be of shape (n_samples, n_features), got {shape}")
    X = check_array(features, dtype=np.float64, input_name="features")
    check_same_length("features", X, "y", y)
    codes = check_classes(y)
    if not np.ptp(X, axis=0).any():
        raise ValueError("features must differ between rows, got the same ones in every row")
    return X, codes


def check_classes(y: Any) -> np.ndarray:
    """Return the codes of two or more classes, at least one of which has several rows."""
    codes = label_codes("y", y)
    n_classes = codes.max() + 1
    if n_classes < 2:
        raise ValueError(f"y must hold at least two classes, got only {np.asarray(y)[0]!r}")
    if n_classes == len(codes):
        raise ValueError(
            f"y must hold several rows of a class, got too few: {len(codes)} rows of as many "
            "classes"
        )
    return codes


def label_codes(name: str, labels: Any) -> np.ndarray:
    """Return labels (n_samples,) as whole numbers from 0 on, without a gap."""
    labels = np.asarray(labels)
    if labels.ndim != 1 or len(labels) == 0:
        raise ValueError(f"{name} must be of shape (n_samples,), got {labels.shape}")
    assert_all_finite(labels, input_name=name)
    check_classification_targets(labels)
    return np.unique(labels, return_inverse=True)[1]


def indicators(codes: np.ndarray) -> np.ndarray:
    """Return 1 where a row is of a class and 0 elsewhere, float64 (n_samples, n_classes)."""
    return np.eye(codes.max() + 1)[codes]
