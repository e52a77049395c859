"""Prediction: one compiled call for all networks of an architecture."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache

import keras
import numpy as np
import tensorflow as tf

from sktransfer._forks import refuse_fork
from sktransfer.backbones._inference import run_padded
from sktransfer.estimators._architecture import architecture_of, network_of

BLOCK = 256
"""Rows of features in a call, the last ones padded: each is computed alike among any others."""


def predict_features(network: keras.Model, features: np.ndarray) -> np.ndarray:
    """Return a network's outputs (n_rows, n_outputs) for rows of features, float32."""
    starts = range(0, len(features), BLOCK)
    return predict_blocks(network, (features[at : at + BLOCK] for at in starts), BLOCK)


def predict_blocks(network: keras.Model, blocks: Iterable[np.ndarray], size: int) -> np.ndarray:
    """Return a network's outputs (n_rows, n_outputs) for blocks of at most `size` rows, float32."""
    refuse_fork()
    architecture = architecture_of(network)
    values = [tf.convert_to_tensor(variable) for variable in network.variables]

    def run(block: np.ndarray) -> tf.Tensor:
        rows = tf.convert_to_tensor(block)
        return _forward(architecture, rows.shape, rows.dtype)(values, rows)

    return np.concatenate([run_padded(run, block, size) for block in blocks])


@lru_cache(maxsize=16)
def _forward(architecture: str, shape: tf.TensorShape, dtype: tf.DType) -> Callable[..., tf.Tensor]:
    """Return a graph of variables and rows, which threads may share.

    It refers to none of the variables of the network that it is traced with, which goes.
    """
    network = network_of(architecture)

    def forward(values: list, rows: tf.Tensor) -> tf.Tensor:
        given = {
            id(variable): value for variable, value in zip(network.variables, values, strict=True)
        }
        trainable = [given[id(variable)] for variable in network.trainable_variables]
        others = [given[id(variable)] for variable in network.non_trainable_variables]
        outputs, _ = network.stateless_call(trainable, others, rows, training=False)
        return outputs

    specs = [tf.TensorSpec(variable.shape, variable.dtype) for variable in network.variables]
    return tf.function(forward, autograph=False).get_concrete_function(
        specs, tf.TensorSpec(shape, dtype)
    )
