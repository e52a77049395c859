"""A small convolutional network, trained from scratch: what pretraining has to beat."""

from __future__ import annotations

import os
from collections.abc import Sequence
from numbers import Integral, Real

import keras
import numpy as np

from sktransfer._docs import shared_docs
from sktransfer._validation import Interval, StrOptions
from sktransfer.backbones._network import (
    POOLINGS,
    as_size,
    pixel_input,
    pool_maps,
    resize_layer,
)
from sktransfer.backbones._precision import PRECISIONS
from sktransfer.estimators._base import NetworkClassifier
from sktransfer.estimators._images import ImageNetwork
from sktransfer.estimators._layers import check_sizes, head_of, normalization
from sktransfer.images import Augmentation, Mixing
from sktransfer.images._batch import ImageBatch
from sktransfer.images._resize import INTERPOLATIONS


@shared_docs(hidden_layer_sizes="(256, 512)", epochs=20)
class ConvNetClassifier(ImageNetwork, NetworkClassifier):
    """Blocks of convolution and max pooling, then dense layers; trained from random weights.

    Parameters
    ----------
    n_blocks : int, default=2
        Number of blocks, each one or more convolutions with their activations, and 2x2 max pooling.
    convs_per_block : int, default=1
        Convolutions of a block.
    filters : int or sequence of int, default=32
        Filters of the convolutions, one number for all blocks or one for each.
    kernel_size : int, default=3
        Height and width of the convolutions' kernels.
    padding : {"valid", "same"}, default="valid"
        Whether convolutions lose the border or keep the size.
    conv_dropout : float in [0, 1), default=0.0
        Fraction of a block's outputs that is dropped in training.
    pooling : {"flatten", "avg", "max", "avg+max", "gem"}, default="flatten"
        How the last feature map becomes a vector. "avg" leaves the dense layers few parameters.
    precision : {"float32", "bfloat16"}, default="float32"
        What the blocks compute in; weights are float32 in either case. "bfloat16" is faster on
        processors that have it.
    {head_parameters}
    augmentation : Augmentation, default=None
        Random changes of the training images, new ones each epoch. Validation and prediction see
        the images as they are.
    {mixing_parameter}
    input_size : int, (int, int) or None, default=None
        Height and width that the network is given; images of other sizes are resized. None is the
        images' own size; images of mixed sizes need one.
    interpolation : {"nearest", "bilinear", "bicubic", "area", "lanczos3"}, default="bilinear"
        How images are resized.
    {image_parameters}
    {distribution_parameter}
    {training_parameters}

    Attributes
    ----------
    {classes_attribute}
    input_size_ : (int, int)
        Height and width that the network is given.
    {fitted_attributes}

    See Also
    --------
    FineTuneClassifier : Starts from a pretrained network.

    Notes
    -----
    `activation`, `l2` and `batch_normalization` hold for the convolutions as for the hidden layers;
    `kernel_initializer` and `dropout` for the dense layers alone.

    References
    ----------
    {training_references}
    {classifier_references}

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer import ConvNetClassifier, ImageAugmentation
    >>> rng = np.random.default_rng(0)
    >>> X = rng.integers(0, 256, (20, 16, 16, 3), dtype=np.uint8)
    >>> y = np.repeat(["cat", "dog"], 10)
    >>> net = ConvNetClassifier(
    ...     hidden_layer_sizes=(8,),
    ...     augmentation=ImageAugmentation(horizontal_flip=True),
    ...     epochs=1,
    ...     random_state=0,
    ... )
    >>> net.fit(X, y).predict_proba(X).shape
    (20, 2)
    """

    _parameter_constraints = {
        **ImageNetwork._parameter_constraints,
        **NetworkClassifier._parameter_constraints,
        "n_blocks": [Interval(Integral, 1, None, closed="left")],
        "convs_per_block": [Interval(Integral, 1, None, closed="left")],
        "filters": [Interval(Integral, 1, None, closed="left"), "array-like"],
        "kernel_size": [Interval(Integral, 1, None, closed="left")],
        "padding": [StrOptions({"valid", "same"})],
        "conv_dropout": [Interval(Real, 0, 1, closed="left")],
        "pooling": [StrOptions(set(POOLINGS))],
        "precision": [StrOptions(set(PRECISIONS))],
        "interpolation": [StrOptions(set(INTERPOLATIONS))],
    }

    def __init__(
        self,
        n_blocks: int = 2,
        *,
        convs_per_block: int = 1,
        filters: int | Sequence[int] = 32,
        kernel_size: int = 3,
        padding: str = "valid",
        conv_dropout: float = 0.0,
        pooling: str = "flatten",
        precision: str = "float32",
        hidden_layer_sizes: Sequence[int] = (256, 512),
        activation: str = "relu",
        kernel_initializer: str = "glorot_uniform",
        dropout: float = 0.0,
        l2: float = 0.0,
        batch_normalization: bool = False,
        augmentation: Augmentation | None = None,
        mixing: Mixing | None = None,
        input_size: int | tuple[int, int] | None = None,
        interpolation: str = "bilinear",
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
        self.n_blocks = n_blocks
        self.convs_per_block = convs_per_block
        self.filters = filters
        self.kernel_size = kernel_size
        self.padding = padding
        self.conv_dropout = conv_dropout
        self.pooling = pooling
        self.precision = precision
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.kernel_initializer = kernel_initializer
        self.dropout = dropout
        self.l2 = l2
        self.batch_normalization = batch_normalization
        self.augmentation = augmentation
        self.mixing = mixing
        self.input_size = input_size
        self.interpolation = interpolation
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

    def _check_parameters(self) -> None:
        super()._check_parameters()
        self._block_filters()

    def _block_filters(self) -> tuple[int, ...]:
        """Return the filters of each block."""
        filters = self.filters
        if isinstance(filters, (int, np.integer)):
            filters = [int(filters)] * self.n_blocks
        filters = check_sizes("filters", filters)
        if len(filters) != self.n_blocks:
            raise ValueError(
                f"filters must be one number or one for each of n_blocks={self.n_blocks}, "
                f"got {filters}"
            )
        return filters

    def _choose_sizes(self, images: ImageBatch) -> None:
        size = images.size if self.input_size is None else as_size(self.input_size)
        if size is None:
            raise ValueError(
                "X has images of mixed sizes; input_size must say to what size they are brought"
            )
        self.input_size_ = size
        self._image_size = images.size or self.input_size_
        self._canonical = images.canonical
        side = min(self.input_size_)
        lost = 0 if self.padding == "same" else self.convs_per_block * (self.kernel_size - 1)
        for block in range(self.n_blocks):
            kept = side - lost
            if kept < 2:
                raise ValueError(
                    f"Images of {self.input_size_} are too small for n_blocks={self.n_blocks}: "
                    f"block {block + 1} is left with {max(side, 0)} pixels; use fewer blocks, "
                    'padding="same" or a larger input_size'
                )
            side = kept // 2

    def _build_network(self) -> keras.Model:
        pixels = pixel_input(self._image_size, self.input_size_)
        tensor = resize_layer(pixels, self._image_size, self.input_size_, self.interpolation)
        if self._canonical:
            tensor = keras.layers.Rescaling(1 / 255)(tensor)
        for filters in self._block_filters():
            tensor = self._block(tensor, filters)
        return keras.Model(pixels, head_of(self, pool_maps(tensor, self.pooling)))

    def _block(self, tensor, filters: int):
        """Apply convolutions, their activations and max pooling."""
        dtype = "mixed_bfloat16" if self.precision == "bfloat16" else "float32"
        for _ in range(self.convs_per_block):
            tensor = keras.layers.Conv2D(
                filters,
                self.kernel_size,
                padding=self.padding,
                use_bias=not self.batch_normalization,
                kernel_regularizer=keras.regularizers.L2(float(self.l2)) if self.l2 else None,
                dtype=dtype,
            )(tensor)
            if self.batch_normalization:
                tensor = normalization(dtype=dtype)(tensor)
            tensor = keras.layers.Activation(self.activation, dtype=dtype)(tensor)
        tensor = keras.layers.MaxPooling2D(dtype=dtype)(tensor)
        if self.conv_dropout:
            tensor = keras.layers.Dropout(self.conv_dropout, dtype=dtype)(tensor)
        return tensor
