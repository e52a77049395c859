"""The frozen network of a recipe, made for inference: one copy for the whole process."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from sktransfer._forks import refuse_fork
from sktransfer.backbones._describe import count_parameters
from sktransfer.backbones._folding import fold_batch_norms
from sktransfer.backbones._inference import LARGEST_BATCH, choose_batch_size
from sktransfer.backbones._network import (
    NetworkRecipe,
    attach_backbone,
    build_backbone,
    pixel_input,
    resize_layer,
)
from sktransfer.backbones._openvino import LARGEST_BATCH as LARGEST_OPENVINO_BATCH
from sktransfer.backbones._openvino import check_openvino, run_with_openvino

if TYPE_CHECKING:
    import keras

Run = Callable[[np.ndarray], Any]

N_SHARED = 4
"""Engines that are kept for the next estimator: the largest common ones take 0.5 GB each."""


@dataclass(frozen=True)
class Engine:
    """A compiled function of pixels, and what is known of the network behind it."""

    run: Run
    n_features: int
    batch_size: int
    """Images in a batch where nothing else is asked for."""
    parameter_counts: dict[str, int]


_shared: OrderedDict[str, Engine] = OrderedDict()
_shared_lock = threading.Lock()


def shared_engine(recipe: NetworkRecipe) -> Engine:
    """Return the engine of a recipe, one for the whole process."""
    key = recipe.fingerprint()
    refuse_fork()  # before the lock, which another thread may have held as the process forked
    with _shared_lock:
        if key not in _shared:
            _shared[key] = build_engine(recipe)
        _shared.move_to_end(key)
        while len(_shared) > N_SHARED:
            _shared.popitem(last=False)
        return _shared[key]


def build_engine(recipe: NetworkRecipe) -> Engine:
    """Build the network of a recipe, fold and compile it."""
    return _BUILDERS[recipe.engine](recipe)


def _build_tensorflow_engine(recipe: NetworkRecipe) -> Engine:
    """Compile a network to one graph, from pixels of any number type."""
    import tensorflow as tf

    def compiled(network: keras.Model) -> Run:
        return tf.function(lambda pixels: network(tf.cast(pixels, tf.float32), training=False))

    return _build(recipe, compiled, LARGEST_BATCH)


def _build_openvino_engine(recipe: NetworkRecipe) -> Engine:
    """Hand a network of float32 layers to OpenVINO, which chooses where to use less.

    It knows neither all interpolations nor antialiasing: then TensorFlow resizes before.
    """
    check_openvino()
    plain = replace(recipe, precision="float32")
    run = partial(run_with_openvino, precision=recipe.precision)
    if _enlarges_simply(recipe):
        return _build(plain, run, LARGEST_OPENVINO_BATCH)
    engine = _build(replace(plain, image_size=recipe.input_size), run, LARGEST_OPENVINO_BATCH)
    resize = _resizing(recipe)
    return replace(engine, run=lambda pixels: engine.run(resize(pixels)))


def _enlarges_simply(recipe: NetworkRecipe) -> bool:
    """Return whether OpenVINO can bring images to the size of a recipe's backbone."""
    (height, width), (new_height, new_width) = recipe.image_size, recipe.input_size
    if (height, width) == (new_height, new_width):
        return True
    grows = height <= new_height and width <= new_width
    return grows and recipe.interpolation in ("bilinear", "nearest")


def _resizing(recipe: NetworkRecipe) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function that brings pixels to the size of the recipe's backbone."""
    import keras
    import tensorflow as tf

    pixels = pixel_input(recipe.image_size, recipe.input_size)
    resized = resize_layer(pixels, recipe.image_size, recipe.input_size, recipe.interpolation)
    network = tf.function(keras.Model(pixels, resized))
    return lambda pixels: network(tf.cast(pixels, tf.float32)).numpy()


_BUILDERS = {"openvino": _build_openvino_engine, "tensorflow": _build_tensorflow_engine}
ENGINES = tuple(_BUILDERS)


def _build(
    recipe: NetworkRecipe, compiled: Callable[[keras.Model], Run], largest_batch: int
) -> Engine:
    backbone = build_backbone(recipe)
    backbone.trainable = False
    parameter_counts = count_parameters(backbone)
    batch_size = choose_batch_size(backbone, largest_batch)
    network = attach_backbone(recipe, fold_batch_norms(backbone))
    return Engine(compiled(network), network.output_shape[-1], batch_size, parameter_counts)
