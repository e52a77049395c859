"""A Keras network that is one chain of layers, ported to PyTorch with its weights."""

from __future__ import annotations

import keras
import numpy as np
import torch
from torch import nn

from benchmarks._engines import Run


def is_chain(network: keras.Model) -> bool:
    """Tell whether each layer follows the one before, and is of a kind that can be ported."""
    previous = network.layers[:-1]
    return all(
        type(layer) in _PORTS and layer.input is before.output
        for layer, before in zip(network.layers[1:], previous, strict=True)
    )


def port(network: keras.Model) -> Run:
    """Return the network in PyTorch, in the memory layout that its convolutions are fastest in."""
    layers = [_PORTS[type(layer)](layer) for layer in network.layers[1:]]
    ported = nn.Sequential(*layers).eval().to(memory_format=torch.channels_last)

    def run(batch: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return ported(torch.from_numpy(np.ascontiguousarray(batch)).permute(0, 3, 1, 2)).numpy()

    return run


def _convolution(layer: keras.layers.Layer) -> nn.Module:
    """Port a convolution, depthwise or not, with what follows it inside of the layer."""
    kernel = np.asarray(layer.kernel)
    channels = layer.input.shape[-1]
    is_depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    order = (2, 3, 0, 1) if is_depthwise else (3, 2, 0, 1)
    ported = nn.Conv2d(
        channels,
        layer.output.shape[-1],
        layer.kernel_size,
        layer.strides,
        groups=channels if is_depthwise else 1,
        bias=layer.use_bias,
    )
    _fill(ported.weight, kernel.transpose(order))
    if layer.use_bias:
        _fill(ported.bias, layer.bias)
    steps = [nn.ZeroPad2d(_same_padding(layer)), ported] if layer.padding == "same" else [ported]
    if layer.activation is keras.activations.relu:
        steps.append(nn.ReLU())
    return nn.Sequential(*steps)


def _same_padding(layer: keras.layers.Layer) -> tuple[int, int, int, int]:
    """Give TensorFlow's padding "same" as (left, right, top, bottom)."""
    padding: list[int] = []
    sides = zip(layer.input.shape[1:3], layer.kernel_size, layer.strides, strict=True)
    for side, kernel, stride in sides:
        total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
        padding = [total // 2, total - total // 2, *padding]
    return tuple(padding)


def _batch_normalization(layer: keras.layers.Layer) -> nn.Module:
    ported = nn.BatchNorm2d(layer.input.shape[-1], eps=layer.epsilon)
    _fill(ported.weight, layer.gamma)
    _fill(ported.bias, layer.beta)
    _fill(ported.running_mean, layer.moving_mean)
    _fill(ported.running_var, layer.moving_variance)
    return ported


def _activation(layer: keras.layers.Layer) -> nn.Module:
    return nn.ReLU() if layer.max_value is None else nn.Hardtanh(0, layer.max_value)


def _zero_padding(layer: keras.layers.Layer) -> nn.Module:
    (top, bottom), (left, right) = layer.padding
    return nn.ZeroPad2d((left, right, top, bottom))


def _max_pooling(layer: keras.layers.Layer) -> nn.Module:
    return nn.MaxPool2d(layer.pool_size, layer.strides)


def _average_pooling(layer: keras.layers.Layer) -> nn.Module:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())


def _fill(parameter: torch.Tensor, values) -> None:
    """Copy values of Keras."""
    with torch.no_grad():
        parameter.copy_(torch.from_numpy(np.array(values)))


_PORTS = {
    keras.layers.Conv2D: _convolution,
    keras.layers.DepthwiseConv2D: _convolution,
    keras.layers.BatchNormalization: _batch_normalization,
    keras.layers.ReLU: _activation,
    keras.layers.ZeroPadding2D: _zero_padding,
    keras.layers.MaxPooling2D: _max_pooling,
    keras.layers.GlobalAveragePooling2D: _average_pooling,
}
