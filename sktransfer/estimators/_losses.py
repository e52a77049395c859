"""What classifiers are trained to make small."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from sktransfer.estimators._targets import ClassTargets

EFFECTIVE_BETA = 0.999
"""Beta of the effective number of samples: beyond a thousand or so, more of a class adds little."""


def classification_loss(
    targets: ClassTargets, *, label_smoothing: float, focal_gamma: float, distributions: bool
) -> Any:
    """Return the loss of a classifier, as `keras.Model.compile` takes it.

    Parameters
    ----------
    targets : ClassTargets
        What is learned: classes or labels.
    label_smoothing : float in [0, 1)
        How much of each target is spread evenly over all classes (Szegedy et al., "Rethinking the
        Inception Architecture for Computer Vision", CVPR 2016, arXiv:1512.00567).
    focal_gamma : float >= 0
        Power of the focal loss, cross-entropy times (1 - p) ** gamma (Lin et al., "Focal Loss for
        Dense Object Detection", ICCV 2017, arXiv:1708.02002); 0 is cross-entropy.
    distributions : bool
        Whether targets come as distributions over the classes, and not as numbers of classes.
    """
    smoothing = {"label_smoothing": label_smoothing}
    if targets.multilabel:
        if focal_gamma:
            return keras.losses.BinaryFocalCrossentropy(gamma=focal_gamma, **smoothing)
        return keras.losses.BinaryCrossentropy(**smoothing) if label_smoothing else targets.loss
    if focal_gamma:
        return keras.losses.CategoricalFocalCrossentropy(alpha=1.0, gamma=focal_gamma, **smoothing)
    return keras.losses.CategoricalCrossentropy(**smoothing) if distributions else targets.loss


def as_distributions(targets: ClassTargets, encoded: np.ndarray) -> np.ndarray:
    """Turn numbers of classes (n,) into distributions (n, n_classes), float32."""
    if targets.multilabel:
        return encoded
    return np.eye(targets.n_outputs, dtype=np.float32)[encoded]


def effective_weights(encoded: np.ndarray, n_classes: int) -> np.ndarray:
    """Return the weight of each class by its effective number of samples [1]_.

    It is 1 on average over the classes that there are.

    References
    ----------
    .. [1] Cui et al., "Class-Balanced Loss Based on Effective Number of Samples", CVPR 2019,
           arXiv:1901.05555.
    """
    counts = np.bincount(encoded, minlength=n_classes)
    weights = (1 - EFFECTIVE_BETA) / (1 - EFFECTIVE_BETA ** np.maximum(counts, 1))
    return weights / weights[counts > 0].mean()
