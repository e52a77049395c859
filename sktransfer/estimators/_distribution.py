"""The devices that a network trains on."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import keras
import tensorflow as tf

DISTRIBUTIONS = ("mirrored",)


def scope_of(distribution: str | None) -> AbstractContextManager:
    """Return the scope in which a network is built that is to train on several devices.

    Parameters
    ----------
    distribution : {"mirrored"} or None
        "mirrored" keeps a copy of the network on each GPU, or on each virtual device of the
        processor where there is no GPU; None leaves the device to TensorFlow.
    """
    if distribution is None:
        return nullcontext()
    if tf.config.list_logical_devices("GPU"):
        return tf.distribute.MirroredStrategy().scope()
    names = [device.name for device in tf.config.list_logical_devices("CPU")]
    # Collective reductions between virtual devices of one processor mix up their instances.
    reduction = tf.distribute.ReductionToOneDevice()
    return tf.distribute.MirroredStrategy(names, cross_device_ops=reduction).scope()


def copies_of(variable: Any) -> tuple[Any, ...]:
    """Return a variable and its copy on each device: an optimizer is handed either."""
    return (variable, *getattr(variable, "values", ()))


class OneNetwork(keras.callbacks.Callback):
    """Has all devices evaluate the network that is kept, which is the first one's.

    Their weights are the same, but batch normalization has statistics of the rows that each has
    seen.
    """

    def on_test_begin(self, logs: dict | None = None) -> None:
        """Copy the statistics of the first device to the others."""
        for variable in self.model.non_trainable_variables:
            variable.assign(variable.numpy())
