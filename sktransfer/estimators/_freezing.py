"""Which layers of a backbone train."""

from __future__ import annotations

import keras
import numpy as np

from sktransfer._errors import unknown_name
from sktransfer.backbones import BackboneSpec

PARTS = ("head", "last_block", "all")
"""What may be unfrozen of every backbone."""


def unfreeze_layers(backbone: keras.Model, unfreeze: str | int, spec: BackboneSpec) -> int:
    """Let the layers of a backbone train that `unfreeze` names, and no others.

    Parameters
    ----------
    backbone : keras.Model
        The network without its top.
    unfreeze : {"head", "last_block", "all"}, str or int
        Nothing, the layers from `spec.last_block` on, everything, the layers from one of a name
        on, or so many layers from the end.
    spec : BackboneSpec
        What the registry knows of the backbone.

    Returns
    -------
    first : int
        Position of the first layer that trains; the number of layers where none does.
    """
    first = first_to_train(backbone, unfreeze, spec)
    for position, layer in enumerate(backbone.layers):
        layer.trainable = position >= first
    return first


def first_to_train(backbone: keras.Model, unfreeze: str | int, spec: BackboneSpec) -> int:
    """Return the position of the first layer that `unfreeze` names."""
    names = [layer.name for layer in backbone.layers]
    if isinstance(unfreeze, (int, np.integer)):
        if unfreeze > len(names):
            raise ValueError(
                f"unfreeze={unfreeze} is more than the {len(names)} layers of {spec.name}; "
                'use "all" for all of them'
            )
        return len(names) - int(unfreeze)
    if unfreeze in ("head", "all"):
        return len(names) if unfreeze == "head" else 0
    if unfreeze == "last_block":
        if spec.last_block not in names:
            raise ValueError(
                f'unfreeze="last_block" of {spec.name} begins at {spec.last_block!r}, which is '
                "behind all of `layers`"
            )
        return names.index(spec.last_block)
    if unfreeze not in names:
        raise unknown_name("layer or part to unfreeze", unfreeze, [*PARTS, *names])
    return names.index(unfreeze)


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
