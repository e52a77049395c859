"""Prediction from features: one compiled call for all networks of an architecture."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import keras
import numpy as np
import tensorflow as tf

from sktransfer._forks import refuse_fork
from sktransfer.backbones._inference import run_padded
from sktransfer.estimators._architecture import architecture_of, network_of

BLOCK = 256
"""Rows in a call, the last ones padded: each is computed alike among any others."""


def predict_features(network: keras.Model, features: np.ndarray) -> np.ndarray:
    """Return a network's outputs (n_rows, n_outputs) for rows of features, float32."""
    refuse_fork()
    forward = _forward(architecture_of(network))
    trainable = [tf.convert_to_tensor(variable) for variable in network.trainable_variables]
    others = [tf.convert_to_tensor(variable) for variable in network.non_trainable_variables]

    def run(block: np.ndarray) -> tf.Tensor:
        return forward(trainable, others, tf.convert_to_tensor(block))

    starts = range(0, len(features), BLOCK)
    return np.concatenate([run_padded(run, features[at : at + BLOCK], BLOCK) for at in starts])


@lru_cache(maxsize=32)
def _forward(architecture: str) -> Callable[..., tf.Tensor]:
    """Return a function of weights and rows: it is traced once, and threads may share it."""
    network = network_of(architecture)

    @tf.function(autograph=False)
    def forward(trainable: list, others: list, rows: tf.Tensor) -> tf.Tensor:
        outputs, _ = network.stateless_call(trainable, others, rows, training=False)
        return outputs

    return forward
