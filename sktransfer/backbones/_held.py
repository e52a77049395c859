"""Backbones whose batch normalization stays in inference mode while they train."""

from __future__ import annotations

import keras

from sktransfer.backbones._graph import remade


@keras.saving.register_keras_serializable("sktransfer")
class BatchNormalization(keras.layers.BatchNormalization):
    """Batch normalization by its moving statistics in training, too; scale and shift may train.

    It has the name of Keras' own class because files of weights name layers by it.
    """

    adapting = False
    """Whether it takes in statistics for once, and normalizes by those of the batch."""

    def call(self, inputs, training=None, mask=None):
        """Normalize in inference mode, but for `adapting`."""
        return super().call(inputs, training=self.adapting, mask=mask)


def hold_statistics(network: keras.Model, stochastic_depth: float = 0.0) -> keras.Model:
    """Return a network whose batch normalization holds its statistics, with the same weights.

    Parameters
    ----------
    network : keras.Model
        A functional network, which stays as it is.
    stochastic_depth : float in [0, 1), default=0.0
        How often its last residual branch is dropped in training; the others less, in proportion
        to their depth. Other dropout is off.

    Raises
    ------
    ValueError
        If `stochastic_depth` is given and the network drops no branches.
    """
    branches = [layer.name for layer in network.layers if _drops_branch(layer)]
    if stochastic_depth and not branches:
        raise ValueError(
            f"stochastic_depth={stochastic_depth} needs a backbone with branches to drop, such as "
            "an EfficientNet of Keras Applications; this one has none"
        )
    rates = {
        name: stochastic_depth * number / len(branches)
        for number, name in enumerate(branches, start=1)
    }

    def remake(layer: keras.Layer) -> keras.Layer:
        config = layer.get_config()
        if isinstance(layer, keras.layers.BatchNormalization):
            return BatchNormalization.from_config(config)
        if isinstance(layer, keras.layers.Dropout):
            config["rate"] = rates.get(layer.name, 0)
        return type(layer).from_config(config)

    return remade(network, remake)


def _drops_branch(layer: keras.Operation) -> bool:
    """Return whether a layer drops whole feature maps of some images: all of a branch."""
    return isinstance(layer, keras.layers.Dropout) and layer.noise_shape is not None
