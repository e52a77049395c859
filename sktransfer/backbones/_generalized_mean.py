"""Generalized-mean pooling: between the average of a feature map and its maximum."""

from __future__ import annotations

from typing import Any

import keras

SMALLEST = 1e-6
"""What values are raised to, at least: roots and powers are of positive numbers."""


@keras.saving.register_keras_serializable("sktransfer")
class GeneralizedMeanPooling2D(keras.layers.Layer):
    """The `power`-th root of the mean of `power`-th powers, for each channel of a feature map.

    Radenovic, Tolias and Chum, "Fine-tuning CNN Image Retrieval with No Human Annotation", TPAMI
    2018, arXiv:1711.02512. A power of 1 is the average, and large ones come near the maximum.
    Values below 1e-6, all negative ones among them, count as 1e-6.
    """

    def __init__(self, power: float = 3.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.power = power

    def call(self, maps: Any) -> Any:
        """Turn (n, height, width, channels) into (n, channels)."""
        powers = keras.ops.maximum(maps, SMALLEST) ** self.power
        return keras.ops.mean(powers, axis=(1, 2)) ** (1 / self.power)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """Return (n, channels)."""
        return input_shape[0], input_shape[-1]

    def get_config(self) -> dict:
        """Return what the layer is made from."""
        return {**super().get_config(), "power": self.power}
