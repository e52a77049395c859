"""Batch normalization adapted to other images than those that a backbone was trained on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import keras

from sktransfer.backbones._held import BatchNormalization
from sktransfer.backbones._inference import load_ahead
from sktransfer.estimators._training import Rows

BATCH = 64
"""Images in a batch whose statistics are computed, before those of all batches are averaged."""


def adapt_statistics(network: keras.Model, rows: Rows) -> None:
    """Replace the statistics of a backbone's batch normalization by those of images [1]_.

    Each layer's mean and variance become their averages over batches of the images, while the
    layers below normalize each batch by its own.

    Parameters
    ----------
    network : keras.Model
        From images to anything; its layer "backbone" holds its statistics.
    rows : Rows
        The images.

    References
    ----------
    .. [1] Li et al., "Revisiting Batch Normalization For Practical Domain Adaptation", 2016,
           arXiv:1603.04779.
    """
    with _collecting(network.get_layer("backbone")) as norms:
        for number, (_, batch) in enumerate(load_ahead(rows.take, len(rows), BATCH)):
            for norm in norms:
                norm.momentum = number / (number + 1)  # makes the moving average a plain one
            network(batch, training=False)


@contextmanager
def _collecting(backbone: keras.Model) -> Iterator[list[BatchNormalization]]:
    """Let batch normalization take in statistics."""
    norms = [layer for layer in backbone.layers if isinstance(layer, BatchNormalization)]
    before = [(norm.trainable, norm.momentum) for norm in norms]
    for norm in norms:
        norm.trainable = norm.adapting = True  # a frozen one takes nothing in
    try:
        yield norms
    finally:
        for norm, (trainable, momentum) in zip(norms, before, strict=True):
            norm.trainable, norm.momentum, norm.adapting = trainable, momentum, False
