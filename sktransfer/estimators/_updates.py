"""How the weights of a network are updated, beyond what Keras' optimizers know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from sktransfer.estimators._distribution import copies_of


@dataclass(frozen=True)
class UpdateRules:
    """What becomes of each weight's update; alike for all networks of an architecture.

    Weight decay spares what has one dimension: biases, and the scale and shift of normalization.
    """

    backbone_rate: float = 1.0
    """What the learning rate is multiplied by in the layer "backbone"."""
    layer_decay: float = 1.0
    """The rate of the backbone's lowest trained layer relative to its highest."""
    l2_sp: float = 0.0
    """Strength of the pull of the backbone's weights towards where they started."""

    def install(self, network: keras.Model) -> list[tf.Variable]:
        """Let the optimizer that a network is compiled with follow these rules.

        It must not have been built yet.

        Returns
        -------
        starts : list of tf.Variable
            What the trainable weights of the backbone are pulled to, in their order, to be
            assigned; empty without `l2_sp`.
        """
        optimizer = network.optimizer
        factors, pulled = self._rate_factors(network), self._pulled(network)
        starts = [tf.Variable(weight, trainable=False) for weight in pulled]
        start_of = {
            copy.ref(): start
            for weight, start in zip(pulled, starts, strict=True)
            for copy in copies_of(weight)
        }
        decay = optimizer.weight_decay
        if decay:
            # Keras decays at the one learning rate that it knows.
            optimizer.exclude_from_weight_decay(network.trainable_weights)
        update = optimizer.update_step

        def update_step(gradient: Any, variable: Any, learning_rate: Any) -> Any:
            rate = learning_rate * factors.get(variable.ref(), 1.0)
            start = start_of.get(variable.ref())
            if start is not None:
                gradient = gradient + self.l2_sp * (variable - start)
            if decay and len(variable.shape) > 1:
                optimizer.assign_sub(variable, variable * decay * rate)
            return update(gradient, variable, rate)

        optimizer.update_step = update_step
        if tf.distribute.get_strategy().num_replicas_in_sync == 1:
            # There is nothing to sum up, and TensorFlow never lets go of a graph that sums.
            optimizer._all_reduce_sum_gradients = list
        return starts

    def _rate_factors(self, network: keras.Model) -> dict[Any, float]:
        """Return what the rate is multiplied by for each weight of the backbone."""
        if self.backbone_rate == self.layer_decay == 1:
            return {}
        backbone = network.get_layer("backbone")
        layers = [layer for layer in backbone.layers if layer.trainable_weights]
        depths = np.linspace(1, 0, len(layers)) if len(layers) > 1 else np.zeros(len(layers))
        return {
            copy.ref(): self.backbone_rate * float(self.layer_decay**depth)
            for layer, depth in zip(layers, depths, strict=True)
            for weight in layer.trainable_weights
            for copy in copies_of(weight.value)
        }

    def _pulled(self, network: keras.Model) -> list[tf.Variable]:
        """Return the weights that are pulled to where they started: those of the backbone."""
        if self.l2_sp == 0:
            return []
        return [weight.value for weight in network.get_layer("backbone").trainable_weights]


def restart_averages(network: keras.Model) -> None:
    """Let the averages of a compiled network's weights start from the weights that there are.

    Theirs are older where an earlier epoch was restored, and not theirs where they were swapped.
    """
    optimizer = network.optimizer
    if optimizer.use_ema and optimizer.built:
        averages = [each for each in optimizer.variables if each.name.endswith("_average")]
        for weight, average in zip(network.trainable_variables, averages, strict=True):
            average.assign(weight)
