"""The layers of a head, shared by every network that ends in one."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any

import keras
import numpy as np

from sktransfer._errors import unknown_name
from sktransfer._seeding import seeded_build
from sktransfer._validation import Interval, StrOptions

NORM_MOMENTUM = 0.9
"""Keras' 0.99 takes hundreds of steps until batch normalization predicts as it trains."""

LAYER_CONSTRAINTS: dict[str, list] = {
    "hidden_layer_sizes": ["array-like"],
    "activation": [StrOptions({"relu", "elu", "gelu", "selu", "silu", "tanh"})],
    "kernel_initializer": [str],
    "dropout": [Interval(Real, 0, 1, closed="left")],
    "l2": [Interval(Real, 0, None, closed="left")],
    "batch_normalization": ["boolean"],
}


def check_sizes(name: str, sizes: Sequence[int]) -> tuple[int, ...]:
    """Return layer sizes as a tuple of positive integers."""
    sizes = tuple(sizes)
    whole = all(isinstance(size, (int, np.integer)) and size is not True for size in sizes)
    if not whole or any(size < 1 for size in sizes):
        raise ValueError(f"{name} must hold positive integers, got {sizes}")
    return tuple(map(int, sizes))


def check_initializer(name: str) -> None:
    """Refuse a name that Keras has no initializer for."""
    try:
        with seeded_build(0):  # each initializer takes a seed from Python's generator
            keras.initializers.get(name)
    except ValueError as error:
        known = [
            known
            for known, value in vars(keras.initializers).items()
            if isinstance(value, type) and known.islower()
        ]
        raise unknown_name("kernel_initializer", name, known) from error


def check_head(estimator: Any) -> None:
    """Check the parameters of an estimator's head beyond what its constraints say."""
    check_sizes("hidden_layer_sizes", estimator.hidden_layer_sizes)
    check_initializer(estimator.kernel_initializer)


def normalization(**kwargs: Any) -> keras.layers.BatchNormalization:
    """Make a batch normalization that soon predicts as it trains."""
    return keras.layers.BatchNormalization(momentum=NORM_MOMENTUM, **kwargs)


def head_of(estimator: Any, features: Any) -> Any:
    """Apply an estimator's dense blocks and output layer to a tensor (n, n_features)."""
    targets = estimator.target_encoder_
    regularizer = keras.regularizers.L2(float(estimator.l2)) if estimator.l2 else None

    def dense(units: int, **kwargs: Any) -> keras.layers.Dense:
        return keras.layers.Dense(
            units,
            kernel_initializer=estimator.kernel_initializer,
            kernel_regularizer=regularizer,
            **kwargs,
        )

    tensor = features
    sizes = check_sizes("hidden_layer_sizes", estimator.hidden_layer_sizes)
    for number, units in enumerate(sizes, start=1):
        with_bias = not estimator.batch_normalization
        tensor = dense(units, use_bias=with_bias, name=f"hidden_{number}")(tensor)
        if estimator.batch_normalization:
            tensor = normalization(name=f"hidden_{number}_normalization")(tensor)
        tensor = keras.layers.Activation(estimator.activation, name=f"hidden_{number}_activation")(
            tensor
        )
        if estimator.dropout:
            tensor = keras.layers.Dropout(estimator.dropout, name=f"hidden_{number}_dropout")(
                tensor
            )
    # In float32 whatever the policy: probabilities have to add up to one.
    return dense(
        targets.n_outputs, activation=targets.activation, dtype="float32", name="predictions"
    )(tensor)


def head_network(estimator: Any, n_features: int) -> keras.Model:
    """Build an estimator's head as a network of its own, over rows of features."""
    features = tensor = keras.Input((n_features,), name="features")
    if estimator.batch_normalization:  # features of several depths have several scales
        # What follows has a scale and a shift.
        standardize = normalization(name="features_normalization", scale=False, center=False)
        tensor = standardize(tensor)
    return keras.Model(features, head_of(estimator, tensor), name="head")
