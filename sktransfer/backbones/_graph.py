"""Which layer of a functional network takes and makes which tensor; each layer is used once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras


def inputs_of(layer: keras.Layer) -> list[Any]:
    """Return the tensors that a layer takes; an input of the network takes none."""
    import keras

    return [] if isinstance(layer, keras.layers.InputLayer) else keras.tree.flatten(layer.input)


def outputs_of(layer: keras.Layer) -> list[Any]:
    """Return the tensors that a layer makes."""
    import keras

    return keras.tree.flatten(layer.output)


def makers_of(network: keras.Model) -> dict[int, keras.Layer]:
    """Return the layer that makes each tensor, by the tensor's identity."""
    return {id(tensor): layer for layer in network.layers for tensor in outputs_of(layer)}
