"""The frozen network of a recipe, made for inference: one copy for the whole process."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sktransfer.backbones._describe import count_parameters
from sktransfer.backbones._folding import fold_batch_norms
from sktransfer.backbones._inference import choose_batch_size
from sktransfer.backbones._network import NetworkRecipe, attach_backbone, build_backbone

if TYPE_CHECKING:
    import keras

N_SHARED = 4
"""Engines that are kept for the next estimator: the largest common ones take 0.5 GB each."""


@dataclass(frozen=True)
class Engine:
    """A compiled function of pixels, and what is known of the network behind it."""

    run: Callable[[np.ndarray], Any]
    n_features: int
    batch_size: int
    """Images in a batch where nothing else is asked for."""
    parameter_counts: dict[str, int]


_shared: OrderedDict[str, Engine] = OrderedDict()
_shared_lock = threading.Lock()


def shared_engine(recipe: NetworkRecipe) -> Engine:
    """Return the engine of a recipe, one for the whole process."""
    key = recipe.fingerprint()
    with _shared_lock:
        if key not in _shared:
            _shared[key] = build_engine(recipe)
        _shared.move_to_end(key)
        while len(_shared) > N_SHARED:
            _shared.popitem(last=False)
        return _shared[key]


def build_engine(recipe: NetworkRecipe) -> Engine:
    """Build the network of a recipe, fold and compile it."""
    backbone = build_backbone(recipe)
    backbone.trainable = False
    parameter_counts = count_parameters(backbone)
    batch_size = choose_batch_size(backbone)
    network = attach_backbone(recipe, fold_batch_norms(backbone))
    return Engine(_compile(network), network.output_shape[-1], batch_size, parameter_counts)


def _compile(network: keras.Model) -> Callable[[np.ndarray], Any]:
    """Make a network one graph, from pixels of any number type."""
    import tensorflow as tf

    return tf.function(lambda pixels: network(tf.cast(pixels, tf.float32), training=False))
