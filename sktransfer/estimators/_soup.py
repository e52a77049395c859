"""Model soups: one network with the mean of the weights of several."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from sklearn.utils.validation import check_is_fitted

from sktransfer.estimators._architecture import architecture_of
from sktransfer.estimators._base import NetworkClassifier, NetworkEstimator

TRAINING_ONLY = {"compile_config", "kernel_regularizer", "momentum", "rate"}
"""What layers have for training alone: optimizers, penalties, moving averages, dropout."""


def average_weights(estimators: Sequence[NetworkEstimator]) -> NetworkEstimator:
    """Average the weights of fitted networks: a uniform model soup [1]_.

    Networks that were fine-tuned from the same weights, with other seeds, learning rates,
    augmentations or numbers of epochs, mostly lie in one valley of the loss. Their mean is then
    often better than the best of them, and costs no more in prediction than one, unlike an
    ensemble. The mean of one network's weights at several epochs is stochastic weight averaging
    [2]_.

    Parameters
    ----------
    estimators : sequence of estimators
        Fitted estimators of one class, such as `FineTuneClassifier` or `DenseHead`, with the same
        layers, the same part of them trained, and the same classes. Dropout and penalties may
        differ. They are not changed.

    Returns
    -------
    estimator : estimator
        A copy of the first one, fitted, with the mean of all floating-point variables: weights, and
        the moving statistics of batch normalization. Its parameters, history and optimizer are
        those of the first.

    Raises
    ------
    TypeError
        If `estimators` holds something else than the library's networks, or several classes of
        estimators.
    ValueError
        If there are none, or they differ in classes, layers or pretrained weights.
    NotFittedError
        If one is not fitted.

    Notes
    -----
    The mean makes sense only of networks that started from the same weights. That holds for a
    pretrained backbone with a head of one layer. Hidden layers start from random weights, of the
    seed `random_state`: leave that alone, or the units of one network have nothing to do with those
    of the other.

    Where batch normalization followed the training batches (``batch_norm="train"``, or
    ``batch_normalization=True`` in the head), the mean of the statistics is not what the mean of
    the weights brings about, and they should be estimated anew [2]_: by an epoch of `partial_fit`
    with a tiny `learning_rate`, for example.

    References
    ----------
    .. [1] Wortsman et al., "Model soups: averaging weights of multiple fine-tuned models improves
           accuracy without increasing inference time", ICML 2022, arXiv:2203.05482.
    .. [2] Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization",
           UAI 2018, arXiv:1803.05407.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sktransfer import DenseHead, average_weights
    >>> X, y = load_iris(return_X_y=True)
    >>> heads = [
    ...     DenseHead((), learning_rate=rate, epochs=5, random_state=0).fit(X, y)
    ...     for rate in (0.01, 0.02)
    ... ]
    >>> average_weights(heads).predict_proba(X).shape
    (150, 3)
    """
    estimators = list(estimators)
    _check_alike(estimators)
    soup = copy.deepcopy(estimators[0])
    variables = zip(*(estimator.model_.variables for estimator in estimators), strict=True)
    for averaged, values in zip(soup.model_.variables, variables, strict=True):
        if keras.backend.is_float_dtype(averaged.dtype):
            averaged.assign(np.mean([value.numpy() for value in values], axis=0, dtype=np.float64))
    return soup


def _check_alike(estimators: Sequence[Any]) -> None:
    """Refuse estimators whose weights do not correspond to each other."""
    if not estimators:
        raise ValueError("estimators is empty; average_weights needs at least one estimator")
    first = estimators[0]
    for position, estimator in enumerate(estimators):
        name = f"estimators[{position}]"
        if not isinstance(estimator, NetworkEstimator):
            raise TypeError(
                f"{name} must be a network of this library, such as a FineTuneClassifier or a "
                f"DenseHead, got {estimator!r}"
            )
        if type(estimator) is not type(first):
            raise TypeError(
                f"{name} is a {type(estimator).__name__}, estimators[0] a {type(first).__name__}; "
                "they must be of one class"
            )
        check_is_fitted(estimator)
        if _classes(estimator) != _classes(first):
            raise ValueError(
                f"{name} was fitted on the classes {_classes(estimator)}, estimators[0] on "
                f"{_classes(first)}"
            )
        if _backbone(estimator) != _backbone(first):
            raise ValueError(
                f"{name} and estimators[0] started from different backbones: "
                f"{_backbone(estimator)} and {_backbone(first)}"
            )
        if _layers(estimator) != _layers(first):
            raise ValueError(
                f"{name} and estimators[0] have different layers, or train different ones of them: "
                f"{estimator!r} and {first!r}"
            )


def _classes(estimator: NetworkEstimator) -> list | None:
    return estimator.classes_.tolist() if isinstance(estimator, NetworkClassifier) else None


def _backbone(estimator: NetworkEstimator) -> str | None:
    """Return all that determines a pretrained network, or None without one."""
    recipe = getattr(estimator, "_recipe", None)
    return None if recipe is None else recipe.fingerprint()


def _layers(estimator: NetworkEstimator) -> dict:
    """Return the configuration of a network's layers, less what matters to training alone."""
    return json.loads(
        architecture_of(estimator.model_),
        object_hook=lambda part: {
            name: value for name, value in part.items() if name not in TRAINING_ONLY
        },
    )
