"""Backbones as scikit-learn transformers: images in, features out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from numbers import Integral
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from sktransfer._docs import shared_docs
from sktransfer._validation import Interval, StrOptions, check_same_length, validate_parameters
from sktransfer.backbones._describe import layer_table, summary
from sktransfer.backbones._engine import ENGINES, shared_engine
from sktransfer.backbones._extraction import extract
from sktransfer.backbones._network import (
    POOLINGS,
    PREPROCESSINGS,
    as_names,
    build_network,
    check_input_size,
    choose_input_size,
    fit_sizes,
    recipe_for,
)
from sktransfer.backbones._precision import PRECISIONS
from sktransfer.backbones._registry import get_backbone
from sktransfer.backbones._weights import resolve_weights
from sktransfer.cache import open_store
from sktransfer.images._batch import check_images
from sktransfer.images._problems import warn_of
from sktransfer.images._resize import INTERPOLATIONS

if TYPE_CHECKING:
    import keras

BACKBONE_CONSTRAINTS: dict[str, list] = {
    "backbone": [str],
    "weights": [str, os.PathLike, None],
    "input_size": [Interval(Integral, 1, None, closed="left"), tuple, list, None],
    "layers": [str, tuple, list, None],
    "pooling": [StrOptions(set(POOLINGS))],
    "interpolation": [StrOptions(set(INTERPOLATIONS))],
    "preprocessing": [StrOptions(set(PREPROCESSINGS))],
    "precision": [StrOptions(set(PRECISIONS))],
    "engine": [StrOptions(set(ENGINES))],
    "random_state": ["random_state"],
    "cache": [str, os.PathLike, None],
    "verbose": ["verbose"],
}


@shared_docs()
class BackboneFeatures(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Features of images from a pretrained network whose weights stay as they are.

    Parameters
    ----------
    backbone : str, default="efficientnet_lite0"
        Name of a network, one of those that `list_backbones` lists.
    {backbone_parameters}
    {extraction_parameters}
    {image_parameters}
    {on_error_parameter}
    random_state : int, RandomState instance or None, default=None
        Seed of the weights with ``weights=None``.
    verbose : int, default=0
        Whether a progress bar is shown.

    Attributes
    ----------
    {extraction_attributes}

    See Also
    --------
    DenseHead : A network to train on the features.
    LinearProbe : A logistic regression on the features.
    FineTuneClassifier : Trains the backbone, too.

    Notes
    -----
    The network is shared by all transformers of a process, and runs in inference mode in batches of
    one fixed size, so that an image's features do not depend on the images beside it. Features are
    float32.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer import BackboneFeatures
    >>> images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    >>> BackboneFeatures("vgg16", weights=None, random_state=0).fit_transform(images).shape
    (2, 512)
    """

    _parameter_constraints = {
        **BACKBONE_CONSTRAINTS,
        "batch_size": [Interval(Integral, 1, None, closed="left"), None],
        "on_error": [StrOptions({"raise", "nan"})],
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
        batch_size: int | None = None,
        image_shape: tuple[int, int, int] | None = None,
        pixel_range: str | tuple[int, int] | None = "auto",
        on_error: str = "raise",
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
        self.batch_size = batch_size
        self.image_shape = image_shape
        self.pixel_range = pixel_range
        self.on_error = on_error
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X, y=None):
        """Load the network and check that the images fit it.

        Parameters
        ----------
        X : array-like
            Images: arrays (n_images, height, width[, channels]), rows of pixels with `image_shape`,
            or sequences of paths, bytes or PIL images.
        y : array-like or None
            Not used. Only its length is compared with that of X, so that a pipeline fails before
            the extraction and not after it.

        Returns
        -------
        self : BackboneFeatures
            The fitted transformer.

        Raises
        ------
        ImageError
            If an image is missing or of no known format and ``on_error="raise"``, or if not one
            can be read.
        ValueError
            If a parameter is out of range, or X is not images that the backbone can take.
        MissingWeightsError
            If the weights are nowhere to be found; the message tells how to provide them.
        WeightsError
            If the file of weights is damaged or of another network.
        """
        validate_parameters(self)
        check_input_size(self.input_size)
        as_names(self.layers)
        open_store(self.cache)
        spec = get_backbone(self.backbone)
        weights = resolve_weights(spec, self.weights)
        images = check_images(self, X, reset=True, on_error=self.on_error)
        if y is not None:
            check_same_length("X", images, "y", y)
        self.input_size_ = choose_input_size(self.input_size, images, spec)
        self._recipe = recipe_for(self, images, weights, self.input_size_)
        engine = shared_engine(self._recipe)
        self.batch_size_ = self.batch_size or engine.batch_size
        self.parameter_counts_ = dict(engine.parameter_counts)
        self._n_features_out = engine.n_features
        return self

    def transform(self, X) -> np.ndarray:
        """Extract features.

        Parameters
        ----------
        X : array-like
            Images, as in `fit`.

        Returns
        -------
        features : ndarray of shape (n_images, n_features), float32
            One row an image; of NaN where the image cannot be read and ``on_error="nan"``.

        Raises
        ------
        ImageError
            If an image cannot be read and ``on_error="raise"``.
        ValueError
            If X is not images of the kind that `fit` was given.
        WeightsError
            If a transformer that was saved and loaded finds another file of weights than it was
            fitted with; a `MissingWeightsError` if it finds none.
        MemoryError
            If memory is not enough for a single image.

        Warns
        -----
        RuntimeWarning
            If memory is not enough for a batch, and smaller ones are taken.
        UnreadableImagesWarning
            If an image cannot be read and ``on_error="nan"``. Nothing is kept on the transformer,
            which several threads may use at a time.
        """
        check_is_fitted(self)
        images = check_images(self, X, reset=False, on_error=self.on_error)
        recipe = self._recipe
        features = extract(
            recipe,
            fit_sizes(images, recipe.image_size, recipe.input_size, recipe.interpolation),
            batch_size=self.batch_size_,
            store=open_store(self.cache),
            verbose=bool(self.verbose),
            unreadable=images.unreadable,
        )
        warn_of(images.unreadable.values(), len(images), "their rows are NaN")
        return features

    def layer_table(self) -> pd.DataFrame:
        """Return the network's layers: type, name, whether trainable, number of parameters."""
        check_is_fitted(self)
        return layer_table(self._described_network())

    def summary(self) -> str:
        """Return Keras' summary of the network as text."""
        check_is_fitted(self)
        return summary(self._described_network())

    def _described_network(self) -> keras.Model:
        """Build the network as its authors describe it, which is not what the engine runs."""
        network = build_network(self._recipe)
        network.trainable = False
        return network

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        return tags


class _NamedFeatures(BackboneFeatures):
    """Features of {title}; `BackboneFeatures` without the choice of a backbone.

    Parameters
    ----------
    {backbone_parameters}
    {extraction_parameters}
    {image_parameters}
    {on_error_parameter}
    random_state : int, RandomState instance or None, default=None
        Seed of the weights with ``weights=None``.
    verbose : int, default=0
        Whether a progress bar is shown.

    Attributes
    ----------
    {extraction_attributes}

    See Also
    --------
    BackboneFeatures : The same for any backbone, with an example.
    """

    def __init_subclass__(cls, *, backbone: str, title: str, **kwargs) -> None:
        super().__init_subclass__(**kwargs)
        cls._backbone = backbone
        cls.__doc__ = cls.__mro__[1].__doc__
        shared_docs(title=title)(cls)

    def __init__(
        self,
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
        batch_size: int | None = None,
        image_shape: tuple[int, int, int] | None = None,
        pixel_range: str | tuple[int, int] | None = "auto",
        on_error: str = "raise",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        super().__init__(
            self._backbone,
            weights=weights,
            input_size=input_size,
            layers=layers,
            pooling=pooling,
            interpolation=interpolation,
            preprocessing=preprocessing,
            precision=precision,
            engine=engine,
            cache=cache,
            batch_size=batch_size,
            image_shape=image_shape,
            pixel_range=pixel_range,
            on_error=on_error,
            random_state=random_state,
            verbose=verbose,
        )


class VGG16Features(_NamedFeatures, backbone="vgg16", title="VGG16"):
    pass


class VGG19Features(_NamedFeatures, backbone="vgg19", title="VGG19"):
    pass


class MobileNetFeatures(_NamedFeatures, backbone="mobilenet", title="MobileNet"):
    pass


class MobileNetV2Features(_NamedFeatures, backbone="mobilenet_v2", title="MobileNetV2"):
    pass


class MobileNetV3SmallFeatures(
    _NamedFeatures, backbone="mobilenet_v3_small", title="MobileNetV3Small"
):
    pass


class MobileNetV3LargeFeatures(
    _NamedFeatures, backbone="mobilenet_v3_large", title="MobileNetV3Large"
):
    pass


class ResNet50Features(_NamedFeatures, backbone="resnet50", title="ResNet50"):
    pass


class ResNet50V2Features(_NamedFeatures, backbone="resnet50_v2", title="ResNet50V2"):
    pass


class InceptionV3Features(_NamedFeatures, backbone="inception_v3", title="InceptionV3"):
    pass


class XceptionFeatures(_NamedFeatures, backbone="xception", title="Xception"):
    pass


class DenseNet121Features(_NamedFeatures, backbone="densenet121", title="DenseNet121"):
    pass


class EfficientNetB0Features(_NamedFeatures, backbone="efficientnet_b0", title="EfficientNetB0"):
    pass


class EfficientNetV2B0Features(
    _NamedFeatures, backbone="efficientnet_v2_b0", title="EfficientNetV2B0"
):
    pass


class ConvNeXtTinyFeatures(_NamedFeatures, backbone="convnext_tiny", title="ConvNeXtTiny"):
    pass


class NASNetMobileFeatures(_NamedFeatures, backbone="nasnet_mobile", title="NASNetMobile"):
    pass


class EfficientNetLite0Features(
    _NamedFeatures, backbone="efficientnet_lite0", title="EfficientNet-Lite0"
):
    pass


class EfficientNetLite1Features(
    _NamedFeatures, backbone="efficientnet_lite1", title="EfficientNet-Lite1"
):
    pass


class EfficientNetLite2Features(
    _NamedFeatures, backbone="efficientnet_lite2", title="EfficientNet-Lite2"
):
    pass
