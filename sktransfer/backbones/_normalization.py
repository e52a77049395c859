"""Normalization of pixels that goes by its weights, wherever they come from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from sktransfer.backbones._graph import remade


@keras.saving.register_keras_serializable("sktransfer")
class Normalization(keras.layers.Normalization):
    """Normalization by the weights that the layer has when it is called.

    Keras' own goes by constants, which it makes of its weights where it adapts to data or reads a
    file. Copies of it, which are given the weights afterwards, let pixels pass as they are.
    It has the name of Keras' own class because files of weights name layers by it.
    """

    def call(self, inputs: Any) -> Any:
        """Normalize by the mean and variance that the weights say now."""
        self.finalize_state()
        return super().call(inputs)


def follow_weights(network: keras.Model, scale: Sequence[float] | None = None) -> keras.Model:
    """Return a functional network in which normalization that has weights goes by them.

    `scale` are factors by which its results are multiplied; None is no such step.
    """
    if not any(map(_has_weights, network.layers)):
        return network

    def remake(layer: keras.Layer) -> keras.Layer:
        cls = Normalization if _has_weights(layer) else type(layer)
        return cls.from_config(layer.get_config())

    def call(layer: keras.Layer, *args: Any, **kwargs: Any) -> Any:
        outputs = layer(*args, **kwargs)
        if isinstance(layer, Normalization):
            outputs = keras.layers.Rescaling(scale, name="input_scale")(outputs)
        return outputs

    return remade(network, remake, None if scale is None else call)


def _has_weights(layer: keras.Layer) -> bool:
    """Return whether a layer normalizes by weights, rather than by what it was configured with."""
    return isinstance(layer, keras.layers.Normalization) and layer.input_mean is None
