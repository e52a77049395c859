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
from sktransfer.backbones._describe import count_parameters
from sktransfer.backbones._features import BACKBONE_CONSTRAINTS
from sktransfer.backbones._network import (
    as_names,
    build_backbone,
    build_network,
    choose_input_size,
    draw_seed,
    recipe_for,
)
from sktransfer.backbones._weights import resolve_weights
from sktransfer.cache import open_store
from sktransfer.estimators._adapting import adapt_statistics
from sktransfer.estimators._base import NetworkClassifier, NetworkRegressor
from sktransfer.estimators._boundary import (
    Activations,
    Boundary,
    find_boundary,
    network_above,
)
from sktransfer.estimators._freezing import (
    first_to_train,
    normalize_frozen_by_batch,
    unfreeze_layers,
)
from sktransfer.estimators._frozen import FreshViews, FrozenViews, features_of
from sktransfer.estimators._images import ImageNetwork
from sktransfer.estimators._layers import head_network
from sktransfer.estimators._training import Examples, Rows
from sktransfer.estimators._updates import UpdateRules
from sktransfer.images import Augmentation, Mixing
from sktransfer.images._batch import ImageBatch


class _FineTune(ImageNetwork):
    """A backbone and a head.

    With a frozen backbone in inference mode only the head is trained, on features: they are
    extracted once, or as the views of an epoch are drawn, and never pass through Keras' training.
    """

    _parameter_constraints = {
        **ImageNetwork._parameter_constraints,
        **BACKBONE_CONSTRAINTS,
        "unfreeze": [str, Interval(Integral, 1, None, closed="left"), dict],
        "batch_norm": [StrOptions({"inference", "adapt", "train"})],
        "frozen_views": [Interval(Integral, 1, None, closed="left"), None],
        "backbone_learning_rate": [Interval(Real, 0, None, closed="neither"), None],
        "layer_decay": [Interval(Real, 0, 1, closed="right")],
        "l2_sp": [Interval(Real, 0, None, closed="left")],
        "stochastic_depth": [Interval(Real, 0, 1, closed="left")],
    }

    def _check_parameters(self) -> None:
        super()._check_parameters()
        as_names(self.layers)
        open_store(self.cache)
        self._check_stages()
        stages = self._stages
        if self.batch_norm == "train" and len(stages) > 1:
            raise ValueError(
                "unfreeze in stages needs batch_norm='inference' or 'adapt', got 'train' and "
                f"unfreeze={self.unfreeze!r}"
            )
        on_features = "head" in stages.values() and self.batch_norm == "inference"
        if self.frozen_views is not None and not (on_features and self.augmentation is not None):
            raise ValueError(
                f"frozen_views={self.frozen_views} needs an augmentation, unfreeze='head' and "
                f"batch_norm='inference'; got augmentation={self.augmentation}, "
                f"unfreeze={self.unfreeze!r}, batch_norm={self.batch_norm!r}"
            )
        trains_all = "all" in stages.values() and set(stages.values()) <= {"head", "all"}
        if self.stochastic_depth and (self.batch_norm == "train" or not trains_all):
            raise ValueError(
                f"stochastic_depth={self.stochastic_depth} needs unfreeze='all', perhaps behind a "
                f"stage of 'head', and batch_norm='inference' or 'adapt'; got "
                f"unfreeze={self.unfreeze!r}, batch_norm={self.batch_norm!r}"
            )
        if self.mixing is not None and on_features and len(stages) == 1:
            raise ValueError(
                "mixing needs a backbone that trains: a head on a frozen one sees features, and "
                f"no images to mix; got unfreeze={self.unfreeze!r}"
            )

    def _check_stages(self) -> None:
        """Refuse stages that begin at no epoch or name nothing to train."""
        stages = self.unfreeze if isinstance(self.unfreeze, dict) else {0: self.unfreeze}
        counted = all(isinstance(epoch, (int, np.integer)) and epoch >= 0 for epoch in stages)
        if not counted or 0 not in stages:
            raise ValueError(
                "unfreeze in stages must be a dict from the number of an epoch, the first being 0, "
                f"to what trains from then on; got unfreeze={self.unfreeze!r}"
            )
        for part in stages.values():
            # A bool is an integer, too, and True one layer.
            counts = isinstance(part, (int, np.integer)) and not isinstance(part, bool)
            if not isinstance(part, str) and not (counts and part >= 1):
                raise ValueError(
                    'unfreeze must be "head", "last_block", "all", the name of a layer or a '
                    f"positive number of layers, got unfreeze={self.unfreeze!r}"
                )

    @property
    def _stages(self) -> dict[int, str | int]:
        """Return what is unfrozen from which epoch on, the first stage first."""
        stages = self.unfreeze if isinstance(self.unfreeze, dict) else {0: self.unfreeze}
        return dict(sorted(stages.items()))

    def _choose_sizes(self, images: ImageBatch) -> None:
        spec = get_backbone(self.backbone)
        weights = resolve_weights(spec, self.weights)
        self.input_size_ = choose_input_size(self.input_size, images, spec)
        self._recipe = recipe_for(self, images, weights, self.input_size_)
        self._image_size = self._recipe.image_size

    def _build_network(self) -> keras.Model:
        network = build_network(
            self._recipe,
            training_mode=self.batch_norm == "train",
            stochastic_depth=self.stochastic_depth,
        )
        head = head_network(self, network.output_shape[-1])
        return keras.Model(network.input, head(network.output))

    def _part_to_train(self, network: keras.Model) -> keras.Model:
        return network.get_layer("head") if self._trains_head_alone else network

    def _start(self, rows: Rows, random_state: int | None = None) -> None:
        if self.weights is None and self.random_state is None and random_state is not None:
            # Drawn for the fit, and kept in its checkpoint: the backbone that it began with.
            self._recipe = replace(self._recipe, seed=draw_seed(random_state))
        super()._start(rows, random_state)
        backbone = self.model_.get_layer("backbone")
        # Decided once a network is built: parameters may be set anew behind a fitted estimator.
        self._batch_norm = self.batch_norm
        self._lowest_trained = len(backbone.layers)
        self._stage_began = 0
        self._pretrained = backbone.get_weights() if self.l2_sp else []
        self._unfreeze(self._stages[0])
        if self._batch_norm == "adapt":
            adapt_statistics(self.model_, rows)

    def _unfreeze(self, part: str | int) -> None:
        """Let a part of the backbone train, and find out what may be computed ahead."""
        backbone = self.model_.get_layer("backbone")
        first = unfreeze_layers(backbone, part, get_backbone(self._recipe.backbone))
        if self._batch_norm == "train":
            normalize_frozen_by_batch(backbone)
        self._unfrozen = part
        # Features and activations are those of the weights in the file.
        self._is_constant_below = self._batch_norm == "inference" and self._lowest_trained >= first
        self._trains_head_alone = self._is_constant_below and first == len(backbone.layers)
        self._lowest_trained = min(first, self._lowest_trained)
        self.parameter_counts_ = count_parameters(self.model_)

    def _stages_between(self, start: int, stop: int) -> list[int]:
        start = max(start, self._stage_began)
        stages = {epoch: part for epoch, part in self._stages.items() if start < epoch < stop}
        for part in stages.values():  # now, not when the stages before it have been trained
            first_to_train(
                self.model_.get_layer("backbone"), part, get_backbone(self._recipe.backbone)
            )
        return list(stages)

    def _change_stage(self, epoch: int) -> bool:
        # Where stages ended early, the number of epochs lags behind: none of them comes again.
        self._stage_began = epoch = max(epoch, self._stage_began)
        part = [part for begin, part in self._stages.items() if begin <= epoch][-1]
        if part == self._unfrozen:
            return False
        if self._batch_norm == "train":
            raise ValueError(
                f"what was built with batch_norm='train' and unfreeze={self._unfrozen!r} cannot go "
                f"on with unfreeze={self.unfreeze!r}: frozen batch normalization learns no "
                "statistics; fit without warm_start, or with batch_norm='inference' or 'adapt'"
            )
        self._unfreeze(part)
        return True

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
        is_changed = self.augmentation is not None or self.mixing is not None
        if self._trains_head_alone or is_changed or not self._is_constant_below:
            return None
        return find_boundary(self.model_.get_layer("backbone"))

    @property
    def _update_rules(self) -> UpdateRules:
        rate = self.backbone_learning_rate
        return UpdateRules(
            backbone_rate=1.0 if rate is None else rate / self.learning_rate,
            layer_decay=self.layer_decay,
            l2_sp=self.l2_sp,
        )

    def _starts(self, network: keras.Model) -> Sequence[np.ndarray]:
        if not self.l2_sp:
            return ()
        if not self._pretrained:  # the pull has been set since the network was built
            self._pretrained = build_backbone(self._recipe).get_weights()
        weights = self.model_.get_layer("backbone").weights
        starts = {
            id(weight): start for weight, start in zip(weights, self._pretrained, strict=True)
        }
        return [starts[id(weight)] for weight in network.get_layer("backbone").trainable_weights]


@shared_docs(hidden_layer_sizes="()", epochs=10)
class FineTuneClassifier(_FineTune, NetworkClassifier):
    """A pretrained backbone and a new head that classify images.

    Parameters
    ----------
    backbone : str, default="efficientnet_lite0"
        Name of a network, one of those that `list_backbones` lists.
    {backbone_parameters}
    {unfreezing_parameters}
    augmentation : Augmentation, default=None
        Random changes of the training images. Validation and prediction see the images as they are.
    {mixing_parameter}
    frozen_views : int, default=None
        With a frozen backbone and an augmentation: number of augmented views of each image whose
        features are extracted before training, one of which each epoch trains on in turn. None
        draws and extracts fresh views in each epoch.
    {head_parameters}
    {backbone_rate_parameters}
    {image_parameters}
    {distribution_parameter}
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
    {training_references}
    {classifier_references}
    {fine_tuning_references}

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
        unfreeze: str | int | dict[int, str | int] = "head",
        batch_norm: str = "inference",
        augmentation: Augmentation | None = None,
        mixing: Mixing | None = None,
        frozen_views: int | None = None,
        hidden_layer_sizes: Sequence[int] = (),
        activation: str = "relu",
        kernel_initializer: str = "glorot_uniform",
        dropout: float = 0.0,
        l2: float = 0.0,
        batch_normalization: bool = False,
        backbone_learning_rate: float | None = None,
        layer_decay: float = 1.0,
        l2_sp: float = 0.0,
        stochastic_depth: float = 0.0,
        image_shape: tuple[int, int, int] | None = None,
        pixel_range: str | tuple[int, int] | None = "auto",
        distribution: str | None = None,
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
        epochs: int = 10,
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
        self.mixing = mixing
        self.frozen_views = frozen_views
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.kernel_initializer = kernel_initializer
        self.dropout = dropout
        self.l2 = l2
        self.batch_normalization = batch_normalization
        self.backbone_learning_rate = backbone_learning_rate
        self.layer_decay = layer_decay
        self.l2_sp = l2_sp
        self.stochastic_depth = stochastic_depth
        self.image_shape = image_shape
        self.pixel_range = pixel_range
        self.distribution = distribution
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


@shared_docs(hidden_layer_sizes="()", epochs=10, class_weight="")
class FineTuneRegressor(_FineTune, NetworkRegressor):
    """A pretrained backbone and a new head that predict numbers from images.

    Parameters
    ----------
    backbone : str, default="efficientnet_lite0"
        Name of a network, one of those that `list_backbones` lists.
    {backbone_parameters}
    {unfreezing_parameters}
    augmentation : Augmentation, default=None
        Random changes of the training images. Validation and prediction see the images as they are.
    {mixing_parameter}
    frozen_views : int, default=None
        With a frozen backbone and an augmentation: number of augmented views of each image whose
        features are extracted before training, one of which each epoch trains on in turn. None
        draws and extracts fresh views in each epoch.
    {head_parameters}
    {backbone_rate_parameters}
    {image_parameters}
    {distribution_parameter}
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
    {training_references}
    {fine_tuning_references}

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
        unfreeze: str | int | dict[int, str | int] = "head",
        batch_norm: str = "inference",
        augmentation: Augmentation | None = None,
        mixing: Mixing | None = None,
        frozen_views: int | None = None,
        hidden_layer_sizes: Sequence[int] = (),
        activation: str = "relu",
        kernel_initializer: str = "glorot_uniform",
        dropout: float = 0.0,
        l2: float = 0.0,
        batch_normalization: bool = False,
        backbone_learning_rate: float | None = None,
        layer_decay: float = 1.0,
        l2_sp: float = 0.0,
        stochastic_depth: float = 0.0,
        image_shape: tuple[int, int, int] | None = None,
        pixel_range: str | tuple[int, int] | None = "auto",
        distribution: str | None = None,
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
        epochs: int = 10,
        validation_split: float | None = None,
        early_stopping: bool = False,
        patience: int = 10,
        warm_start: bool = False,
        checkpoint: str | os.PathLike[str] | None = None,
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
        self.mixing = mixing
        self.frozen_views = frozen_views
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.kernel_initializer = kernel_initializer
        self.dropout = dropout
        self.l2 = l2
        self.batch_normalization = batch_normalization
        self.backbone_learning_rate = backbone_learning_rate
        self.layer_decay = layer_decay
        self.l2_sp = l2_sp
        self.stochastic_depth = stochastic_depth
        self.image_shape = image_shape
        self.pixel_range = pixel_range
        self.distribution = distribution
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
