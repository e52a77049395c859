"""Networks that compute in another precision than the one they were built in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sktransfer.backbones._graph import remade

if TYPE_CHECKING:
    import keras

PRECISIONS = ("float32", "bfloat16")


@contextmanager
def float32_layers() -> Iterator[None]:
    """Let layers that are made within be of float32, whatever Keras' policy of the thread says."""
    import keras

    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)


def in_bfloat16(network: keras.Model, *, trains: bool = False) -> keras.Model:
    """Return a functional network that computes in bfloat16, with the same float32 weights.

    It is Keras' policy ``mixed_bfloat16``, set layer by layer, so that nothing global is changed.
    Layers that bring pixels to the network's scale stay in float32: eight bits are too few there.

    Parameters
    ----------
    network : keras.Model
        A functional network.
    trains : bool, default=False
        Whether the network is to be trained. If so, only its matrix products, which are most of
        the work, are in bfloat16: gradients of depthwise convolutions and of batch normalization
        take longer in bfloat16 than in float32, and so long that a network of them gains nothing.
    """
    import keras

    products = (keras.layers.Conv2D, keras.layers.Dense)
    scalings = (keras.layers.Normalization, keras.layers.Rescaling)

    def remake(layer: keras.Layer) -> keras.Layer:
        if not isinstance(layer, products) if trains else isinstance(layer, scalings):
            return layer
        return type(layer).from_config({**layer.get_config(), "dtype": "mixed_bfloat16"})

    return remade(network, remake)
