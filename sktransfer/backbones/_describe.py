"""What a network is made of, in numbers, as a table and as text."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    import keras


def count_parameters(network: keras.Model) -> dict[str, int]:
    """Count a network's parameters: total, trainable and non-trainable."""
    total = sum(math.prod(weight.shape) for weight in network.weights)
    trainable = sum(math.prod(weight.shape) for weight in network.trainable_weights)
    return {"total": total, "trainable": trainable, "non_trainable": total - trainable}


def layer_table(network: keras.Model) -> pd.DataFrame:
    """List a network's layers, those of nested networks included."""
    return pd.DataFrame(
        [
            {
                "type": type(layer).__name__,
                "name": layer.name,
                "trainable": layer.trainable,
                "parameters": layer.count_params(),
            }
            for layer in _leaves(network)
        ]
    )


def _leaves(layer: keras.Layer) -> Iterator[keras.Layer]:
    """Yield the layers that hold no others, in the order of the network."""
    inner = getattr(layer, "layers", None)
    if inner is None:
        yield layer
        return
    for part in inner:
        yield from _leaves(part)


def summary(network: keras.Model) -> str:
    """Return Keras' summary of a network as text, nested networks written out."""
    lines: list[str] = []
    network.summary(expand_nested=True, print_fn=lines.append)
    return "\n".join(lines)
