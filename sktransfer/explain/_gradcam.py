"""Grad-CAM: where the feature maps that speak for a class are active."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import check_scalar
from sklearn.utils.validation import check_is_fitted

from sktransfer._errors import unknown_name
from sktransfer.backbones._graph import cut_at, maker_of, sources_of, tensors_of
from sktransfer.backbones._inference import load_ahead
from sktransfer.explain._differentiable import ScoredNetwork, as_scored_network
from sktransfer.explain._outputs import chosen_outputs, classes_of
from sktransfer.images._resize import resize

if TYPE_CHECKING:
    import keras


def grad_cam(
    estimator: Any,
    X: Any,
    *,
    target: Any = None,
    layer: str | None = None,
    batch_size: int = 32,
) -> np.ndarray:
    """Show where in images a network finds what speaks for a class [1]_.

    The channels of a feature map are added up, each weighted by the mean gradient of the class'
    score before the softmax; what speaks against the class is cut off.

    Parameters
    ----------
    estimator : fitted estimator
        `FineTuneClassifier`, `FineTuneRegressor`, `ConvNetClassifier`, or a pipeline of a
        `BackboneFeatures`, perhaps scalers, projections or other linear steps, and a `DenseHead`, a
        `LinearProbe`, `LDAProbe` or `RidgeProbe`, or a linear model of scikit-learn. A search of
        one of them does, too.
    X : array-like
        Images, as the estimator takes them.
    target : label or array-like of shape (n_images,), default=None
        The class to explain, one for all images or one for each. None is the class of the highest
        score. Of a regressor it is the number of an output, which may be left out if there is one.
    layer : str, default=None
        Name of a layer that makes a feature map. None is the deepest one, before it is pooled.
    batch_size : int, default=32
        Images that are computed at a time.

    Returns
    -------
    maps : ndarray of shape (n_images, height, width), float32
        0 to 1, at the size of the images; of images of mixed sizes, at the size that the network is
        given. Each map has a largest value of 1, or is 0 where nothing speaks for the class.

    Raises
    ------
    TypeError
        If the estimator is not differentiable, such as nearest neighbours.
    ValueError
        If there is no such class or layer, or X is not images that the estimator takes.

    See Also
    --------
    occlusion : For any estimator, and finer; slower by two orders.
    AttributionDisplay : Draws the maps over the images.

    Notes
    -----
    A deep feature map is small: of images of 32x32 pixels some backbones make a single one, which
    says nothing of places. A larger `input_size` of the estimator, or a `layer` that is less deep,
    gives finer maps. Steps of scikit-learn count as linear if they act so on random rows.

    References
    ----------
    .. [1] Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
           Localization", ICCV 2017, arXiv:1610.02391.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer import ConvNetClassifier
    >>> from sktransfer.explain import grad_cam
    >>> X = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), dtype=np.uint8)
    >>> net = ConvNetClassifier(1, filters=4, hidden_layer_sizes=(), epochs=1, random_state=0)
    >>> grad_cam(net.fit(X, np.repeat(["cat", "dog"], 4)), X, target="dog").shape
    (8, 16, 16)
    """
    check_is_fitted(estimator)
    check_scalar(batch_size, "batch_size", Integral, min_val=1)
    network = as_scored_network(estimator, X)
    n_images = len(network.images)
    chosen = chosen_outputs(classes_of(estimator), network.n_outputs, target, n_images)
    parts = cut_at(network.trunk, _feature_map(network.trunk, layer))
    maps = np.empty((n_images, *network.map_size), dtype=np.float32)
    for rows, pixels in load_ahead(network.images.take, n_images, batch_size):
        small = _class_activation(network, parts, pixels, None if chosen is None else chosen[rows])
        maps[rows] = resize(small[..., None], network.map_size)[..., 0]
    return _up_to_one(maps)


def _feature_map(trunk: keras.Model, layer: str | None) -> Any:
    """Return the tensor of a layer, or of the deepest one that does not just pool another's."""
    if layer is None:
        return _deepest_map(trunk)
    made = {maker_of(tensor).name: tensor for tensor in tensors_of(trunk)}
    if layer not in made:
        raise unknown_name("layer", layer, made)
    shape = made[layer].shape
    if len(shape) != 4:
        raise ValueError(
            f"layer={layer!r} makes no feature map (n, height, width, channels), but {shape}"
        )
    return made[layer]


def _deepest_map(trunk: keras.Model) -> Any:
    """Return the last feature map, before layers that only pool it or do nothing in inference."""
    import keras

    idle = (
        keras.layers.AveragePooling2D,
        keras.layers.MaxPooling2D,
        keras.layers.Dropout,
        keras.layers.Identity,
    )
    depths = {id(operation): depth for depth, operation in enumerate(trunk.operations)}
    tensor = max(trunk.outputs, key=lambda output: depths[id(maker_of(output))])
    while len(tensor.shape) != 4 or isinstance(maker_of(tensor), idle):
        tensor = sources_of(tensor)[0]
    return tensor


def _class_activation(
    network: ScoredNetwork,
    parts: tuple[keras.Model, keras.Model],
    pixels: np.ndarray,
    chosen: np.ndarray | None,
) -> np.ndarray:
    """Return the weighted sum of a feature map's channels, (n, height, width), none negative."""
    import keras
    import tensorflow as tf

    lower, upper = parts
    prepared = network.prepare(tf.cast(pixels, tf.float32))
    feature_map, *passing = keras.tree.flatten(lower([prepared], training=False))
    with tf.GradientTape() as tape:
        tape.watch(feature_map)
        outputs = keras.tree.flatten(upper([feature_map, *passing], training=False))
        scores = network.head(outputs)
        positions = tf.argmax(scores, axis=1) if chosen is None else chosen
        score = tf.gather(scores, positions, axis=1, batch_dims=1)
    gradient = tape.gradient(score, feature_map)
    weights = tf.reduce_mean(tf.cast(gradient, tf.float32), axis=(1, 2), keepdims=True)
    weighted = weights * tf.cast(feature_map, tf.float32)
    return tf.nn.relu(tf.reduce_sum(weighted, axis=-1)).numpy()


def _up_to_one(maps: np.ndarray) -> np.ndarray:
    """Divide each map by its largest value, where that is not zero."""
    largest = maps.max(axis=(1, 2), keepdims=True)
    return np.divide(maps, largest, out=maps, where=largest > 0)
