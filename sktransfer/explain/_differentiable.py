"""Fitted estimators as differentiable functions: pixels to feature maps, feature maps to scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.base import is_classifier, is_regressor

from sktransfer._nesting import chain_of
from sktransfer.backbones import BackboneFeatures, get_backbone
from sktransfer.backbones._network import (
    NetworkRecipe,
    build_backbone,
    fit_sizes,
    pool_maps,
    preprocessing_layers,
    resize_layer,
)
from sktransfer.explain._affine import AffineMap, find_affine_map
from sktransfer.images._batch import ImageBatch, check_images

if TYPE_CHECKING:
    import keras

Map = Callable[[Any], Any]
"""A differentiable function of tensors."""


@dataclass(frozen=True)
class ScoredNetwork:
    """What an estimator computes from images, up to the softmax.

    Attributes
    ----------
    images : ImageBatch
        The images as the network takes them.
    map_size : (int, int)
        Height and width of the images as they were given; of mixed sizes, what the network takes.
    prepare : callable
        Pixels (n, height, width, 3) to what `trunk` takes.
    trunk : keras.Model
        The part that holds the feature maps.
    head : callable
        The list of the trunk's outputs to scores (n, n_outputs), before any softmax.
    n_outputs : int
        Classes of a classifier, numbers of a regressor.
    """

    images: ImageBatch
    map_size: tuple[int, int]
    prepare: Map
    trunk: keras.Model
    head: Map
    n_outputs: int


def as_scored_network(estimator: Any, X: Any) -> ScoredNetwork:
    """Write a fitted estimator as a differentiable function of the images X.

    Raises
    ------
    TypeError
        If the estimator, or one of its steps, is not differentiable or not known to be.
    """
    from sktransfer.estimators import ConvNetClassifier, FineTuneClassifier, FineTuneRegressor

    first, *others = chain_of(estimator)
    if isinstance(first, BackboneFeatures) and others:
        return _of_pipeline(first, others, X)
    if isinstance(first, (FineTuneClassifier, FineTuneRegressor)) and not others:
        return _of_fine_tuned(first, X)
    if isinstance(first, ConvNetClassifier) and not others:
        return _of_convnet(first, X)
    raise TypeError(
        "grad_cam takes FineTuneClassifier, FineTuneRegressor, ConvNetClassifier and pipelines of "
        f"a BackboneFeatures, linear steps and a linear model or dense head, got {estimator!r}; "
        "occlusion takes whatever predicts"
    )


def _of_pipeline(features: Any, steps: list[Any], X: Any) -> ScoredNetwork:
    """Write a backbone's features and the steps behind them."""
    recipe = features._recipe
    maps: list[Map] = []
    n_columns = features._n_features_out
    for step in steps[:-1]:
        affine = _affine(step, step.transform, n_columns)
        maps.append(affine)
        n_columns = affine.n_outputs
    last, n_outputs = _final_scores(steps[-1], n_columns)

    def head(feature_maps: Any) -> Any:
        rows = pool_maps(feature_maps, recipe.pooling)
        for step in (*maps, last):
            rows = step(rows)
        return rows

    images, size = _images(features, X, recipe.image_size, recipe.interpolation)
    return ScoredNetwork(
        images, size, _preparation(recipe), build_backbone(recipe), head, n_outputs
    )


def _of_fine_tuned(estimator: Any, X: Any) -> ScoredNetwork:
    """Write a backbone and the head that was trained with it."""
    recipe = estimator._recipe
    scores = _scores_of(estimator.model_.get_layer("head"))
    images, size = _images(estimator, X, recipe.image_size, recipe.interpolation)
    return ScoredNetwork(
        images,
        size,
        _preparation(recipe),
        estimator.model_.get_layer("backbone"),
        lambda feature_maps: scores(pool_maps(feature_maps, recipe.pooling)),
        estimator.target_encoder_.n_outputs,
    )


def _of_convnet(estimator: Any, X: Any) -> ScoredNetwork:
    """Write a network from scratch, which is one chain of layers from pixels on."""
    import keras

    predictions = estimator.model_.get_layer("predictions")
    trunk = keras.Model(estimator.model_.inputs, [predictions.input])
    images, size = _images(estimator, X, estimator._image_size, estimator.interpolation)
    return ScoredNetwork(
        images,
        size,
        lambda pixels: pixels,
        trunk,
        lambda outputs: _before_activation(predictions, outputs[0]),
        estimator.target_encoder_.n_outputs,
    )


def _images(
    estimator: Any, X: Any, image_size: tuple[int, int], interpolation: str
) -> tuple[ImageBatch, tuple[int, int]]:
    """Return images as a network takes them, and the size of maps of them."""
    images = check_images(estimator, X, reset=False)
    fitting = fit_sizes(images, image_size, estimator.input_size_, interpolation)
    return fitting, images.size or estimator.input_size_


def _preparation(recipe: NetworkRecipe) -> Map:
    """Return what stands before a backbone: resizing and preprocessing."""
    spec = get_backbone(recipe.backbone)

    def prepare(pixels: Any) -> Any:
        resized = resize_layer(pixels, recipe.image_size, recipe.input_size, recipe.interpolation)
        return preprocessing_layers(resized, spec, recipe.preprocessing)

    return prepare


def _scores_of(head: keras.Model) -> Map:
    """Return a dense head without its softmax."""
    import keras

    predictions = head.get_layer("predictions")
    body = keras.Model(head.input, predictions.input)
    return lambda rows: _before_activation(predictions, body(rows, training=False))


def _before_activation(layer: keras.layers.Dense, rows: Any) -> Any:
    return rows @ layer.kernel + layer.bias


def _final_scores(step: Any, n_columns: int) -> tuple[Map, int]:
    """Return a pipeline's last step as a function of features, and the number of its outputs."""
    from sktransfer.estimators import DenseHead, DenseHeadRegressor

    if isinstance(step, (DenseHead, DenseHeadRegressor)):
        return _scores_of(step.model_), step.target_encoder_.n_outputs
    if is_classifier(step) and hasattr(step, "decision_function"):
        scores = _affine(
            step, lambda rows: _score_each_class(step.decision_function(rows)), n_columns
        )
    elif is_regressor(step):
        scores = _affine(step, lambda rows: step.predict(rows).reshape(len(rows), -1), n_columns)
    else:
        raise _no_gradient(step)
    return scores, scores.n_outputs


def _score_each_class(scores: np.ndarray) -> np.ndarray:
    """Give the first of two classes the opposite of the one score that there is."""
    return np.stack([-scores, scores], axis=1) if scores.ndim == 1 else scores


def _affine(step: Any, function: Callable[[Any], Any], n_columns: int) -> AffineMap:
    """Write a step as an affine map, or say that it is none."""
    names = getattr(step, "feature_names_in_", None)

    def answer(rows: np.ndarray) -> np.ndarray:
        return np.asarray(function(rows if names is None else pd.DataFrame(rows, columns=names)))

    found = find_affine_map(answer, n_columns)
    if found is None:
        raise _no_gradient(step)
    return found


def _no_gradient(step: Any) -> TypeError:
    """Build the error for a step that no gradient is known of."""
    return TypeError(
        f"grad_cam needs steps that are linear, or dense heads; {step!r} is neither. occlusion "
        "takes whatever predicts"
    )
