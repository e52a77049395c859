"""Where training begins within a backbone: what lies before it is the same in every epoch.

Where the lower layers of a backbone are frozen, in inference mode, and see the same images in each
epoch, an image's activations at the boundary are computed once, and the layers above train on them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import keras
import numpy as np

from sktransfer.backbones._graph import maker_of, sources_of, tensors_above, tensors_of
from sktransfer.backbones._network import pool_maps
from sktransfer.estimators._training import Rows

MOST_BYTES = 1 << 29
"""Activations that are held in memory; where there would be more, they are computed anew."""


@dataclass(frozen=True)
class Boundary:
    """The one feature map that all trained layers of a backbone are computed from."""

    layer: str
    map_shape: tuple[int, int, int]

    def fits(self, n_rows: int) -> bool:
        """Say whether the activations of so many images may be held in memory."""
        return 4 * n_rows * math.prod(self.map_shape) <= MOST_BYTES


@dataclass(frozen=True)
class Activations(Rows):
    """Flattened feature maps at a boundary, (n_rows, height * width * channels)."""

    maps: np.ndarray

    def __len__(self) -> int:
        return len(self.maps)

    def take(self, indices: np.ndarray, epoch: int = 0) -> np.ndarray:
        return self.maps[indices]


def find_boundary(backbone: keras.Model) -> Boundary | None:
    """Return where training begins in a backbone, or None.

    There is no boundary in a backbone that trains from its first layer on, nor where what comes out
    depends on several feature maps of frozen layers.
    """
    trained = [
        tensor
        for tensor in tensors_of(backbone)
        if getattr(maker_of(tensor), "trainable_weights", ())
    ]
    moving = {id(tensor) for tensor in trained} | tensors_above(backbone, trained).keys()
    crossing = {
        id(source): source
        for tensor in tensors_of(backbone)
        if id(tensor) in moving
        for source in sources_of(tensor)
        if id(source) not in moving
    }
    if len(crossing) != 1 or any(id(output) not in moving for output in backbone.outputs):
        return None
    (tensor,) = crossing.values()
    maker = maker_of(tensor)
    # Features are those of layers: what a bare operation makes has no name to be asked for by.
    if isinstance(maker, keras.layers.InputLayer) or not isinstance(maker, keras.Layer):
        return None
    return Boundary(maker.name, tuple(tensor.shape[1:]))


def network_above(model: keras.Model, boundary: Boundary, pooling: str) -> keras.Model:
    """Return the end of a fine-tuned network, from flattened activations on; weights are shared."""
    backbone = model.get_layer("backbone")
    start = backbone.get_layer(boundary.layer).output
    upper = keras.Model(start, backbone.output, name="backbone")
    flat = keras.Input((math.prod(boundary.map_shape),), name="activations")
    maps = upper(keras.layers.Reshape(boundary.map_shape)(flat))
    return keras.Model(flat, model.get_layer("head")(pool_maps(maps, pooling)))
