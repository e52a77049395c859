"""Fine-tuning: a pretrained backbone and a new head, trained together as far as is wished."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from numbers import Integral, Real

import keras
import numpy as np

from sktransfer._docs import shared_docs
from sktransfer._validation import Interval, StrOptions
from sktransfer.backbones import get_backbone
from sktransfer.backbones._features import BACKBONE_CONSTRAINTS
from sktransfer.backbones._inference_mode import InferenceModel
from sktransfer.backbones._network import (
    as_names,
    build_network,
    choose_input_size,
    recipe_for,
)
from sktransfer.backbones._weights import resolve_weights
from sktransfer.cache import open_store
from sktransfer.estimators._base import NetworkClassifier, NetworkRegressor
from sktransfer.estimators._boundary import (
    Activations,
    Boundary,
    find_boundary,
    network_above,
)
from sktransfer.estimators._freezing import normalize_frozen_by_batch, unfreeze_layers
from sktransfer.estimators._frozen import FreshViews, FrozenViews, features_of
from sktransfer.estimators._images import ImageNetwork
from sktransfer.estimators._layers import head_network
from sktransfer.estimators._training import Examples, Rows
from sktransfer.images import ImageAugmentation
from sktransfer.images._batch import ImageBatch


class _FineTune(ImageNetwork):
    """A backbone and a head.

    With a frozen backbone in inference mode only the head is trained, on features: they are
    extracted once, or as the views of an epoch are drawn, and never pass through Keras' training.
    """

    _parameter_constraints = {
        **ImageNetwork._parameter_constraints,
        **BACKBONE_CONSTRAINTS,
        "unfreeze": [
            StrOptions({"head", "last_block", "all"}),
            Interval(Integral, 1, None, closed="left"),
        ],
        "batch_norm": [StrOptions({"inference", "train"})],
        "frozen_views": [Interval(Integral, 1, None, closed="left"), None],
        "backbone_learning_rate": [Interval(Real, 0, None, closed="neither"), None],
    }

    def _check_parameters(self) -> None:
        super()._check_parameters()
        as_names(self.layers)
        open_store(self.cache)
        if isinstance(self.unfreeze, bool):  # a bool is an integer, too, and True one layer
            raise ValueError(
                'unfreeze must be "head", "last_block", "all" or a positive number of layers, '
                f"got unfreeze={self.unfreeze}"
            )
        if self.frozen_views is not None and not (
            self._has_constant_backbone and self.augmentation is not None
        ):
            raise ValueError(
                f"frozen_views={self.frozen_views} needs an augmentation, unfreeze='head' and "
                f"batch_norm='inference'; got augmentation={self.augmentation}, "
                f"unfreeze={self.unfreeze!r}, batch_norm={self.batch_norm!r}"
            )

    @property
    def _has_constant_backbone(self) -> bool:
        """Whether an image's features stay the same during training."""
        return self.unfreeze == "head" and self.batch_norm == "inference"

    def _choose_sizes(self, images: ImageBatch) -> None:
        spec = get_backbone(self.backbone)
        weights = resolve_weights(spec, self.weights)
        self.input_size_ = choose_input_size(self.input_size, images, spec)
        self._recipe = recipe_for(self, images, weights, self.input_size_)
        self._image_size = self._recipe.image_size

    def _build_network(self) -> keras.Model:
        network = build_network(self._recipe, training_mode=self.batch_norm == "train")
        backbone = network.get_layer("backbone")
        unfreeze_layers(backbone, self.unfreeze, get_backbone(self.backbone))
        if self.batch_norm == "train":
            normalize_frozen_by_batch(backbone)
        head = head_network(self, network.output_shape[-1])
        return keras.Model(network.input, head(network.output))

    @property
    def _trained(self) -> keras.Model:
        return self.model_.get_layer("head") if self._trains_head_alone else self.model_

    def _start(self) -> None:
        # Decided once a network is built: parameters may be set anew behind a fitted estimator.
        self._trains_head_alone = self._has_constant_backbone
        super()._start()

    def _training_rows(self, rows: Rows) -> Rows:
        views = super()._training_rows(rows)
        if not self._trains_head_alone:
            return views
        if views is rows:
            return self._inference_rows(rows)
        store = open_store(self.cache)
        if self.frozen_views is None:
            return FreshViews(views, self._recipe, store)
        return FrozenViews.of(
            views, self._recipe, self.frozen_views, store, verbose=bool(self.verbose)
        )

    def _inference_rows(self, rows: Rows) -> Rows:
        if not self._trains_head_alone:
            return rows
        return features_of(rows, self._recipe, open_store(self.cache), verbose=bool(self.verbose))

    def _shortened(
        self, training: Examples, validation: Examples | None
    ) -> tuple[keras.Model, Examples, Examples | None]:
        boundary = self._constant_boundary()
        n_rows = len(training) + (0 if validation is None else len(validation))
        if boundary is None or not boundary.fits(n_rows):
            return super()._shortened(training, validation)
        recipe = replace(self._recipe, layers=(boundary.layer,), pooling="flatten")

        def with_activations(examples: Examples) -> Examples:
            rows = features_of(
                examples.rows, recipe, open_store(self.cache), verbose=bool(self.verbose)
            )
            return replace(examples, rows=Activations(rows.matrix()))

        network = network_above(self.model_, boundary, self._recipe.pooling)
        self._compile(network, self._trained.optimizer)
        return (
            network,
            with_activations(training),
            None if validation is None else with_activations(validation),
        )

    def _constant_boundary(self) -> Boundary | None:
        """Return where training begins, if an image is the same there in every epoch."""
        if self._trains_head_alone or self.augmentation is not None:
            return None
        backbone = self.model_.get_layer("backbone")
        return find_boundary(backbone) if isinstance(backbone, InferenceModel) else None

    @property
    def _rate_factor(self) -> float | None:
        if self.backbone_learning_rate is None:
            return None
        return self.backbone_learning_rate / self.learning_rate


@shared_docs(hidden_layer_sizes="()", epochs=10)
class FineTuneClassifier(_FineTune, NetworkClassifier):
    """A pretrained backbone and a new head that classify images.

    Parameters
    ----------
    backbone : str, default="efficientnet_lite0"
        Name of a network, one of those that `list_backbones` lists.
    {backbone_parameters}
    unfreeze : {"head", "last_block", "all"} or int, default="head"
        What trains beside the head: nothing, the backbone's last block, all of it, or so many of
        its layers from the end.
    batch_norm : {"inference", "train"}, default="inference"
        Mode of the backbone's batch normalization in training. "inference" keeps the pretrained
        statistics, while scale and shift train where their layer does. "train" normalizes each
        training batch by its own statistics; those of frozen layers stay as they were for
        prediction.
    augmentation : ImageAugmentation, default=None
        Random changes of the training images. Validation and prediction see the images as they are.
    frozen_views : int, default=None
        With a frozen backbone and an augmentation: number of augmented views of each image whose
        features are extracted before training, one of which each epoch trains on in turn. None
        draws and extracts fresh views in each epoch.
    {head_parameters}
    backbone_learning_rate : float > 0, default=None
        Learning rate of the backbone's layers; None is `learning_rate`.
    {image_parameters}
    {training_parameters}

    Attributes
    ----------
    {classes_attribute}
    input_size_ : (int, int)
        Height and width that the backbone is given.
    {fitted_attributes}

    See Also
    --------
    BackboneFeatures : The features of a frozen backbone, as a transformer.

    References
    ----------
    {cosine_reference}

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer import FineTuneClassifier
    >>> X = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), dtype=np.uint8)
    >>> y = np.repeat(["cat", "dog"], 4)
    >>> model = FineTuneClassifier("mobilenet", weights=None, epochs=1, random_state=0)
    >>> model.fit(X, y).predict(X).shape
    (8,)
    """

    _parameter_constraints = {
        **_FineTune._parameter_constraints,
        **NetworkClassifier._parameter_constraints,
    }

    def __init__(
        self,
        backbone: str = "efficientnet_lite0",
        *,
        weights: str | None = "imagenet",
        input_size: int | tuple[int, int] | None = None,
        layers: str | Sequence[str] | None = None,
        pooling: str = "avg",
        interpolation: str = "bilinear",
        preprocessing: str = "backbone",
        precision: str = "float32",
        engine: str = "tensorflow",
        cache: str | os.PathLike[str] | None = "auto",
        unfreeze: str | int = "head",
        batch_norm: str = "inference",
        augmentation: ImageAugmentation | None = None,
        frozen_views: int | None = None,
        hidden_layer_sizes: Sequence[int] = (),
        activation: str = "relu",
        kernel_initializer: str = "glorot_uniform",
        dropout: float = 0.0,
        l2: float = 0.0,
        batch_normalization: bool = False,
        backbone_learning_rate: float | None = None,
        image_shape: tuple[int, int, int] | None = None,
        pixel_range: str | tuple[int, int] | None = "auto",
        optimizer: str = "adam",
        learning_rate: float = 0.001,
        learning_rate_schedule: str = "constant",
        batch_size: int = 32,
        epochs: int = 10,
        validation_split: float | None = None,
        early_stopping: bool = False,
        patience: int = 10,
        class_weight: dict | str | None = None,
        warm_start: bool = False,
        callbacks: Sequence[keras.callbacks.Callback] | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.backbone = backbone
        self.weights = weights
        self.input_size = input_size
        self.layers = layers
        self.pooling = pooling
        self.interpolation = interpolation
        self.preprocessing = preprocessing
        self.precision = precision
        self.engine = engine
        self.cache = cache
        self.unfreeze = unfreeze
        self.batch_norm = batch_norm
        self.augmentation = augmentation
        self.frozen_views = frozen_views
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.kernel_initializer = kernel_initializer
        self.dropout = dropout
        self.l2 = l2
        self.batch_normalization = batch_normalization
        self.backbone_learning_rate = backbone_learning_rate
        self.image_shape = image_shape
        self.pixel_range = pixel_range
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.learning_rate_schedule = learning_rate_schedule
        self.batch_size = batch_size
        self.epochs = epochs
        self.validation_split = validation_split
        self.early_stopping = early_stopping
        self.patience = patience
        self.class_weight = class_weight
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.random_state = random_state
        self.verbose = verbose


@shared_docs(hidden_layer_sizes="()", epochs=10, class_weight="")
class FineTuneRegressor(_FineTune, NetworkRegressor):
    """A pretrained backbone and a new head that predict numbers from images.

    Parameters
    ----------
    backbone : str, default="efficientnet_lite0"
        Name of a network, one of those that `list_backbones` lists.
    {backbone_parameters}
    unfreeze : {"head", "last_block", "all"} or int, default="head"
        What trains beside the head: nothing, the backbone's last block, all of it, or so many of
        its layers from the end.
    batch_norm : {"inference", "train"}, default="inference"
        Mode of the backbone's batch normalization in training. "inference" keeps the pretrained
        statistics, while scale and shift train where their layer does. "train" normalizes each
        training batch by its own statistics; those of frozen layers stay as they were for
        prediction.
    augmentation : ImageAugmentation, default=None
        Random changes of the training images. Validation and prediction see the images as they are.
    frozen_views : int, default=None
        With a frozen backbone and an augmentation: number of augmented views of each image whose
        features are extracted before training, one of which each epoch trains on in turn. None
        draws and extracts fresh views in each epoch.
    {head_parameters}
    backbone_learning_rate : float > 0, default=None
        Learning rate of the backbone's layers; None is `learning_rate`.
    {image_parameters}
    {training_parameters}

    Attributes
    ----------
    input_size_ : (int, int)
        Height and width that the backbone is given.
    {fitted_attributes}

    See Also
    --------
    BackboneFeatures : The features of a frozen backbone, as a transformer.

    References
    ----------
    {cosine_reference}

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer import FineTuneRegressor
    >>> X = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), dtype=np.uint8)
    >>> y = np.linspace(0, 1, 8)
    >>> model = FineTuneRegressor("mobilenet", weights=None, epochs=1, random_state=0)
    >>> model.fit(X, y).predict(X).shape
    (8,)
    """

    def __init__(
        self,
        backbone: str = "efficientnet_lite0",
        *,
        weights: str | None = "imagenet",
        input_size: int | tuple[int, int] | None = None,
        layers: str | Sequence[str] | None = None,
        pooling: str = "avg",
        interpolation: str = "bilinear",
        preprocessing: str = "backbone",
        precision: str = "float32",
        engine: str = "tensorflow",
        cache: str | os.PathLike[str] | None = "auto",
        unfreeze: str | int = "head",
        batch_norm: str = "inference",
        augmentation: ImageAugmentation | None = None,
        frozen_views: int | None = None,
        hidden_layer_sizes: Sequence[int] = (),
        activation: str = "relu",
        kernel_initializer: str = "glorot_uniform",
        dropout: float = 0.0,
        l2: float = 0.0,
        batch_normalization: bool = False,
        backbone_learning_rate: float | None = None,
        image_shape: tuple[int, int, int] | None = None,
        pixel_range: str | tuple[int, int] | None = "auto",
        optimizer: str = "adam",
        learning_rate: float = 0.001,
        learning_rate_schedule: str = "constant",
        batch_size: int = 32,
        epochs: int = 10,
        validation_split: float | None = None,
        early_stopping: bool = False,
        patience: int = 10,
        warm_start: bool = False,
        callbacks: Sequence[keras.callbacks.Callback] | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.backbone = backbone
        self.weights = weights
        self.input_size = input_size
        self.layers = layers
        self.pooling = pooling
        self.interpolation = interpolation
        self.preprocessing = preprocessing
        self.precision = precision
        self.engine = engine
        self.cache = cache
        self.unfreeze = unfreeze
        self.batch_norm = batch_norm
        self.augmentation = augmentation
        self.frozen_views = frozen_views
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.kernel_initializer = kernel_initializer
        self.dropout = dropout
        self.l2 = l2
        self.batch_normalization = batch_normalization
        self.backbone_learning_rate = backbone_learning_rate
        self.image_shape = image_shape
        self.pixel_range = pixel_range
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.learning_rate_schedule = learning_rate_schedule
        self.batch_size = batch_size
        self.epochs = epochs
        self.validation_split = validation_split
        self.early_stopping = early_stopping
        self.patience = patience
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.random_state = random_state
        self.verbose = verbose
