"""How much arithmetic a fitted classifier needs to predict one image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sktransfer._nesting import parts_of

__all__ = ["count_flops"]


def count_flops(estimator) -> int | None:
    """Count the floating-point operations that a fitted estimator needs to predict one image.

    Parameters
    ----------
    estimator : estimator or Pipeline
        Fitted.

    Returns
    -------
    flops : int or None
        Operations, a multiply-add counted as two, of all steps; of a step that averages views of
        the image, those of all views. None where a step is of a kind whose arithmetic is not known,
        such as a forest.

    Notes
    -----
    Networks are counted layer by layer, as their authors describe them: convolutions, dense layers,
    biases, activations, normalization and pooling, whatever the precision or the engine. Of
    scikit-learn's estimators the linear algebra is counted: linear models, principal components,
    multi-layer perceptrons, scalers, and nearest neighbours by the distance to each training row,
    which a search tree may save. Reading, resizing and augmenting images counts nothing.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sktransfer.evaluation._flops import count_flops
    >>> model = LogisticRegression().fit([[0.0, 1.0], [1.0, 0.0]], ["cat", "dog"])
    >>> count_flops(model)  # 2 multiply-adds and an intercept
    5
    """
    counts = [_step_flops(step) for step in parts_of(estimator)]
    return None if None in counts else sum(filter(None, counts))


def _step_flops(step) -> int | None:
    """Count one step by the first of its fitted attributes that tells."""
    from sktransfer.backbones import BackboneFeatures
    from sktransfer.images import ImageReader

    if isinstance(step, BackboneFeatures):
        return _backbone(step)
    if isinstance(step, ImageReader):
        return 0
    for attribute, count in _BY_ATTRIBUTE.items():
        if hasattr(step, attribute):
            return count(step)
    return None


def _backbone(step) -> int | None:
    from sktransfer.backbones._flops import recipe_flops

    return recipe_flops(step._recipe)


def _network(step) -> int | None:
    from sktransfer.backbones._flops import network_flops

    return network_flops(step.model_)


def _views(step) -> int | None:
    flops = count_flops(step.estimator_)
    return None if flops is None else step.n_views * flops


def _linear(model) -> int:
    """Count a linear model, and the scaler before it where it has one of its own."""
    scaling = _scaler(model.scaler_) if hasattr(model, "scaler_") else 0
    return scaling + 2 * np.size(model.coef_) + np.size(model.intercept_)


def _layers(model) -> int:
    """Count a multi-layer perceptron: kernels, biases, and activations of all layers."""
    kernels, units = sum(map(np.size, model.coefs_)), sum(map(np.size, model.intercepts_))
    return 2 * kernels + 2 * units


def _components(model) -> int:
    """Count a projection on components, with what is subtracted before."""
    return 2 * np.size(model.components_) + np.size(getattr(model, "mean_", ()))


def _neighbours(model) -> int:
    return 2 * model.n_samples_fit_ * model.n_features_in_


def _scaler(scaler) -> int:
    """Count a division, and where the scaler moves the values a subtraction, for each feature."""
    moves = getattr(scaler, "with_mean", True)
    return scaler.n_features_in_ * (1 + int(moves))


# Where an estimator has several of these, the first one tells all.
_BY_ATTRIBUTE: dict[str, Callable[[Any], int | None]] = {
    "n_views": _views,
    "model_": _network,
    "coefs_": _layers,
    "coef_": _linear,
    "components_": _components,
    "n_samples_fit_": _neighbours,
    "scale_": _scaler,
}
