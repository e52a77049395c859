"""Which layers of a backbone train, and at what rate."""

from __future__ import annotations

import keras
import numpy as np

from sktransfer.backbones import BackboneSpec


def unfreeze_layers(backbone: keras.Model, unfreeze: str | int, spec: BackboneSpec) -> None:
    """Let the layers of a backbone train that `unfreeze` names, and no others.

    Parameters
    ----------
    backbone : keras.Model
        The network without its top.
    unfreeze : {"head", "last_block", "all"} or int
        Nothing, the layers from `spec.last_block` on, everything, or so many layers from the end.
    spec : BackboneSpec
        What the registry knows of the backbone.
    """
    layers = backbone.layers
    if isinstance(unfreeze, (int, np.integer)):
        if unfreeze > len(layers):
            raise ValueError(
                f"unfreeze={unfreeze} is more than the {len(layers)} layers of {spec.name}; "
                'use "all" for all of them'
            )
        first = len(layers) - unfreeze
    elif unfreeze == "head":
        first = len(layers)
    elif unfreeze == "all":
        first = 0
    else:
        names = [layer.name for layer in layers]
        if spec.last_block not in names:
            raise ValueError(
                f'unfreeze="last_block" of {spec.name} begins at {spec.last_block!r}, which is '
                "behind all of `layers`"
            )
        first = names.index(spec.last_block)
    for position, layer in enumerate(layers):
        layer.trainable = position >= first


def normalize_frozen_by_batch(backbone: keras.Model) -> None:
    """Let frozen batch normalization use each training batch's statistics, and learn nothing.

    Keras runs a frozen layer in inference mode. Keras before version 2.1.3 did not: it normalized
    training batches by their own statistics, and kept the pretrained ones for prediction. With
    momentum 1 the statistics stay as they are.
    """
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.BatchNormalization) and not layer.trainable:
            layer.trainable = True
            layer.momentum = 1.0
            for weight in (layer.gamma, layer.beta):
                if weight is not None:
                    weight.trainable = False


def scale_rates(
    optimizer: keras.optimizers.Optimizer, backbone: keras.Model, factor: float
) -> keras.optimizers.Optimizer:
    """Train a backbone's weights with `factor` times the learning rate of all others."""
    slowed = {weight.value.ref() for weight in backbone.trainable_weights}
    update, decay = optimizer.update_step, optimizer.weight_decay
    if decay and slowed:
        # Keras decays at the one learning rate that it knows.
        optimizer.exclude_from_weight_decay(backbone.trainable_weights)

    def update_step(gradient, variable, learning_rate):
        if variable.ref() in slowed:
            learning_rate = learning_rate * factor
            if decay:
                optimizer.assign_sub(variable, variable * decay * learning_rate)
        return update(gradient, variable, learning_rate)

    optimizer.update_step = update_step
    return optimizer
