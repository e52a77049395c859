"""Dense heads: small networks that train on features."""

from __future__ import annotations

import os
from collections.abc import Sequence

import keras
import numpy as np
from sklearn.utils.validation import validate_data

from sktransfer._docs import shared_docs
from sktransfer.estimators._base import NetworkClassifier, NetworkEstimator, NetworkRegressor
from sktransfer.estimators._layers import check_head, head_network
from sktransfer.estimators._training import FeatureRows


class _DenseNetwork(NetworkEstimator):
    """A dense network over rows of features."""

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_head(self)

    def _check_rows(self, X, *, reset: bool) -> FeatureRows:
        return FeatureRows(validate_data(self, X, reset=reset, dtype=np.float32))

    def _build_network(self) -> keras.Model:
        return head_network(self, self.n_features_in_)


@shared_docs(hidden_layer_sizes="(256, 512)", epochs=20)
class DenseHead(_DenseNetwork, NetworkClassifier):
    """Dense layers that classify features: the head of a transfer-learned network.

    Binary, multiclass (softmax) and multilabel (sigmoid) targets; the accuracy in the history of
    the last is that of the single labels. The defaults are two hidden layers of 256 and 512 units.

    Parameters
    ----------
    {head_parameters}
    {training_parameters}

    Attributes
    ----------
    {classes_attribute}
    {fitted_attributes}

    See Also
    --------
    LinearProbe : A logistic regression; faster, and often as good.
    BackboneFeatures : Makes the features.

    References
    ----------
    {training_references}
    {classifier_references}

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sktransfer import DenseHead
    >>> X, y = load_iris(return_X_y=True)
    >>> head = DenseHead((16,), epochs=30, learning_rate=0.01, random_state=0).fit(X, y)
    >>> head.predict_proba(X[:2]).shape
    (2, 3)
    """

    def __init__(
        self,
        hidden_layer_sizes: Sequence[int] = (256, 512),
        *,
        activation: str = "relu",
        kernel_initializer: str = "glorot_uniform",
        dropout: float = 0.0,
        l2: float = 0.0,
        batch_normalization: bool = False,
        optimizer: str = "adam",
        learning_rate: float = 0.001,
        learning_rate_schedule: str = "constant",
        warmup_epochs: float = 0.0,
        momentum: float = 0.9,
        weight_decay: float | None = None,
        global_clipnorm: float | None = None,
        gradient_accumulation_steps: int = 1,
        ema_momentum: float | None = None,
        batch_size: int = 32,
        epochs: int = 20,
        validation_split: float | None = None,
        early_stopping: bool = False,
        patience: int = 10,
        class_weight: dict | str | None = None,
        label_smoothing: float = 0.0,
        focal_gamma: float = 0.0,
        warm_start: bool = False,
        checkpoint: str | os.PathLike[str] | None = None,
        callbacks: Sequence[keras.callbacks.Callback] | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.kernel_initializer = kernel_initializer
        self.dropout = dropout
        self.l2 = l2
        self.batch_normalization = batch_normalization
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.learning_rate_schedule = learning_rate_schedule
        self.warmup_epochs = warmup_epochs
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.global_clipnorm = global_clipnorm
        self.gradient_accumulation_steps = gradient_accumulation_steps
        self.ema_momentum = ema_momentum
        self.batch_size = batch_size
        self.epochs = epochs
        self.validation_split = validation_split
        self.early_stopping = early_stopping
        self.patience = patience
        self.class_weight = class_weight
        self.label_smoothing = label_smoothing
        self.focal_gamma = focal_gamma
        self.warm_start = warm_start
        self.checkpoint = checkpoint
        self.callbacks = callbacks
        self.random_state = random_state
        self.verbose = verbose


@shared_docs(hidden_layer_sizes="(256, 512)", epochs=20, class_weight="")
class DenseHeadRegressor(_DenseNetwork, NetworkRegressor):
    """Dense layers that predict numbers from features, by mean squared error.

    Parameters
    ----------
    {head_parameters}
    {training_parameters}

    Attributes
    ----------
    {fitted_attributes}

    See Also
    --------
    DenseHead : The same for classes.

    References
    ----------
    {training_references}

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sktransfer import DenseHeadRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> DenseHeadRegressor((16,), epochs=5, random_state=0).fit(X, y).predict(X[:2]).shape
    (2,)
    """

    def __init__(
        self,
        hidden_layer_sizes: Sequence[int] = (256, 512),
        *,
        activation: str = "relu",
        kernel_initializer: str = "glorot_uniform",
        dropout: float = 0.0,
        l2: float = 0.0,
        batch_normalization: bool = False,
        optimizer: str = "adam",
        learning_rate: float = 0.001,
        learning_rate_schedule: str = "constant",
        warmup_epochs: float = 0.0,
        momentum: float = 0.9,
        weight_decay: float | None = None,
        global_clipnorm: float | None = None,
        gradient_accumulation_steps: int = 1,
        ema_momentum: float | None = None,
        batch_size: int = 32,
        epochs: int = 20,
        validation_split: float | None = None,
        early_stopping: bool = False,
        patience: int = 10,
        warm_start: bool = False,
        checkpoint: str | os.PathLike[str] | None = None,
        callbacks: Sequence[keras.callbacks.Callback] | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.kernel_initializer = kernel_initializer
        self.dropout = dropout
        self.l2 = l2
        self.batch_normalization = batch_normalization
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.learning_rate_schedule = learning_rate_schedule
        self.warmup_epochs = warmup_epochs
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.global_clipnorm = global_clipnorm
        self.gradient_accumulation_steps = gradient_accumulation_steps
        self.ema_momentum = ema_momentum
        self.batch_size = batch_size
        self.epochs = epochs
        self.validation_split = validation_split
        self.early_stopping = early_stopping
        self.patience = patience
        self.warm_start = warm_start
        self.checkpoint = checkpoint
        self.callbacks = callbacks
        self.random_state = random_state
        self.verbose = verbose
