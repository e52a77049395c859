"""How many floating-point operations a network needs for one image, from the shapes of its layers.

A multiply-add is two operations; many publications count it as one, and nothing but those of
convolutions and dense layers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sktransfer.backbones._graph import inputs_of, outputs_of
from sktransfer.backbones._network import NetworkRecipe, build_network
from sktransfer.backbones._weights import Weights

if TYPE_CHECKING:
    import keras

__all__ = ["network_flops", "recipe_flops"]


def network_flops(network: keras.Model) -> int | None:
    """Count the operations of a network's layers, those of nested networks included.

    Parameters
    ----------
    network : keras.Model
        Built, with channels last and inputs of a fixed size.

    Returns
    -------
    flops : int or None
        Operations for one image. They are those of the network as it is described: folding of batch
        normalization would save some. None where a layer is of a kind that is not known here.

    Raises
    ------
    ValueError
        If the size of a layer's input is not fixed.

    Notes
    -----
    Counted are, beside the multiply-adds of convolutions and dense layers: biases, activations and
    each operand more of sums and products, as one for each value; batch normalization, which is a
    scale and a shift in inference, and the scaling of pixels, as two; pooling, as one for each
    value of each window. Padding, concatenation, dropout and the like count nothing. Nor does
    resizing, which needs less than a thousandth of what any backbone does.

    Examples
    --------
    >>> import keras
    >>> from sktransfer.backbones._flops import network_flops
    >>> image = keras.Input((8, 8, 3))
    >>> network_flops(keras.Model(image, keras.layers.Conv2D(4, 3, padding="same")(image)))
    14080
    """
    counts = [operation_flops(operation) for operation in _operations(network)]
    return None if None in counts else sum(filter(None, counts))


@lru_cache(maxsize=64)
def _weightless_flops(recipe: NetworkRecipe) -> int | None:
    return network_flops(build_network(recipe))


def recipe_flops(recipe: NetworkRecipe) -> int | None:
    """Count the operations of a recipe's network; its weights need not be at hand."""
    without_weights = replace(
        recipe, weights=Weights(recipe.backbone), precision="float32", engine="tensorflow", seed=0
    )
    return _weightless_flops(without_weights)


def operation_flops(operation: keras.Operation) -> int | None:
    """Count the operations of one layer for one image; None where its kind is not known."""
    for cls in type(operation).__mro__:
        if cls.__name__ in _RULES:
            return _RULES[cls.__name__](operation)
    return None


def _operations(network: Any) -> Iterator[keras.Operation]:
    """Yield what a network does, layers and bare operations, within nested networks, too."""
    # A sequential network has layers only.
    inner = getattr(network, "operations", None) or getattr(network, "layers", None)
    if inner is None:
        yield network
        return
    for part in inner:
        yield from _operations(part)


def _values(tensor: Any) -> int:
    """Return how many values a tensor has for one image."""
    shape = tuple(tensor.shape[1:])
    if None in shape:
        raise ValueError(f"network must have inputs of a fixed size, got a tensor of shape {shape}")
    return math.prod(shape)


def _made(operation: keras.Operation) -> int:
    """Return how many values an operation makes."""
    return sum(map(_values, outputs_of(operation)))


def _taken(operation: keras.Operation) -> int:
    """Return how many values an operation takes."""
    return sum(map(_values, inputs_of(operation)))


def _weighted(layer: keras.Layer) -> int:
    """Count a convolution or dense layer: all its kernels at each position, bias, activation."""
    import keras

    (output,) = outputs_of(layer)
    positions = _values(output) // output.shape[-1]
    kernels = sum(math.prod(weight.shape) for weight in layer.weights if weight is not layer.bias)
    each = int(layer.use_bias) + int(layer.activation is not keras.activations.linear)
    return 2 * positions * kernels + each * _values(output)


def _window(layer: keras.Layer) -> int:
    """Count pooling by windows."""
    return _made(layer) * math.prod(layer.pool_size)


def _merging(operation: keras.Operation) -> int:
    """Count a sum or product; one with a constant has a single tensor as its input."""
    return _made(operation) * max(1, len(inputs_of(operation)) - 1)


def _nothing(operation: keras.Operation) -> int:
    """Count what only moves values, whatever the size of its input."""
    return 0


def _each_made(count: int) -> Callable[[keras.Operation], int]:
    """Count so many operations for each value that comes out."""
    return lambda operation: count * _made(operation)


def _each_taken(count: int) -> Callable[[keras.Operation], int]:
    """Count so many operations for each value that goes in."""
    return lambda operation: count * _taken(operation)


# By the name of the class or one of its bases, so that a layer and the bare operation of its name
# are counted alike.
_RULES: dict[str, Callable[[Any], int]] = {
    **dict.fromkeys(("Conv2D", "DepthwiseConv2D", "SeparableConv2D", "Dense"), _weighted),
    **dict.fromkeys(("AveragePooling2D", "MaxPooling2D"), _window),
    **dict.fromkeys(("GlobalAveragePooling2D", "GlobalMaxPooling2D"), _each_taken(1)),
    "GeneralizedMeanPooling2D": _each_taken(3),  # maximum, power, sum
    **dict.fromkeys(("Add", "Multiply"), _merging),
    **dict.fromkeys(("Activation", "LayerScale", "ReLU"), _each_made(1)),
    **dict.fromkeys(("BatchNormalization", "Normalization", "Rescaling"), _each_made(2)),
    "LayerNormalization": _each_made(7),  # mean 1, variance 3, and 3 to normalize, scale and shift
    **dict.fromkeys(
        (
            "Concatenate",
            "Cropping2D",
            "Dropout",
            "Flatten",
            "GetItem",
            "Identity",
            "InputLayer",
            "Reshape",
            "Resizing",
            "ZeroPadding2D",
        ),
        _nothing,
    ),
}
