"""How it is done without the library: Keras and scikeras as their documentation shows them."""

from __future__ import annotations

from functools import cache

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin


@cache
def plain_network(backbone: str, size: int, weights: str | None):
    """Build a network with average pooling, once a process."""
    import keras

    from sktransfer.backbones import get_backbone
    from sktransfer.backbones._weights import resolve_weights

    spec = get_backbone(backbone)
    network = spec.build((size, size, 3), resolve_weights(spec, weights))
    pooled = keras.layers.GlobalAveragePooling2D()(network.output)
    return keras.Model(network.input, pooled)


def prepare(images: np.ndarray, backbone: str, size: int) -> np.ndarray:
    """Resize, and preprocess by Keras' function for the network."""
    import keras

    images = images.astype("float32")  # Keras would round what it resizes of integers
    if images.shape[1:3] != (size, size):
        images = keras.ops.convert_to_numpy(keras.ops.image.resize(images, (size, size)))
    applications = keras.applications
    if backbone.startswith("efficientnet_lite"):  # not in Keras; its authors' scaling
        return (images - 127) / 128
    module = {
        "vgg16": applications.vgg16,
        "mobilenet": applications.mobilenet,
        "resnet50": applications.resnet50,
        "efficientnet_v2_b0": applications.efficientnet_v2,
    }[backbone]
    return module.preprocess_input(images)


class PlainFeatures(TransformerMixin, BaseEstimator):
    """`model.predict` as a transformer."""

    n_images = 0
    """That went through a network, counted for all instances together."""

    def __init__(self, backbone: str, size: int, weights: str | None = None) -> None:
        self.backbone = backbone
        self.size = size
        self.weights = weights

    def fit(self, X, y=None):
        return self

    def __sklearn_is_fitted__(self):
        return True

    def transform(self, X):
        PlainFeatures.n_images += len(X)
        network = plain_network(self.backbone, self.size, self.weights)
        return network.predict(prepare(X, self.backbone, self.size), verbose=0)


def dense_network(n_features: int, n_classes: int, units: tuple[int, ...], rate: float = 0.001):
    """Build and compile a dense head."""
    import keras

    network = keras.Sequential([keras.Input((n_features,))])
    for n_units in units:
        network.add(keras.layers.Dense(n_units, activation="relu"))
    network.add(keras.layers.Dense(n_classes, activation="softmax"))
    network.compile(
        keras.optimizers.Adam(rate), loss="sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return network


def plain_head(**parameters):
    """Return an unmodified scikeras classifier around `dense_network`."""
    from scikeras.wrappers import KerasClassifier

    return KerasClassifier(_scikeras_network, verbose=0, **parameters)


def _scikeras_network(meta: dict, units: tuple[int, ...] = (256, 512), rate: float = 0.001):
    """Build the network as scikeras asks for it."""
    return dense_network(meta["n_features_in_"], meta["n_classes_"], units, rate)
