"""Keras networks as data: what their configuration may name, and how large it may be.

Keras rebuilds a network by looking up the classes that its configuration names. So a configuration
is searched for such names first, and may hold those only that compute with numbers.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import numpy as np

from sktransfer._errors import PersistenceError

_LAYERS = """
    Activation Add Average AveragePooling2D BatchNormalization CenterCrop Concatenate Conv2D
    Conv2DTranspose Cropping2D Dense DepthwiseConv2D Dropout ELU Flatten GaussianDropout
    GaussianNoise GlobalAveragePooling2D GlobalMaxPooling2D GroupNormalization Identity InputLayer
    LayerNormalization LeakyReLU MaxPooling2D Maximum Minimum Multiply Normalization PReLU Permute
    ReLU RepeatVector Rescaling Reshape Resizing SeparableConv2D Softmax SpatialDropout2D Subtract
    UnitNormalization UpSampling2D ZeroPadding2D
"""
_INITIALIZERS = """
    Constant GlorotNormal GlorotUniform HeNormal HeUniform Identity LecunNormal LecunUniform Ones
    Orthogonal RandomNormal RandomUniform TruncatedNormal VarianceScaling Zeros
"""

_ALLOWED: dict[str, frozenset[str]] = {
    module: frozenset(names.split())
    for module, names in {
        "keras": "DTypePolicy Sequential",
        "keras.layers": _LAYERS,
        "keras.initializers": _INITIALIZERS,
        "keras.regularizers": "L1 L1L2 L2",
        "keras.optimizers": "Adam AdamW Nadam RMSprop SGD",
        "keras.src.applications.convnext": "LayerScale StochasticDepth",
        "keras.src.applications.inception_resnet_v2": "CustomScaleLayer",
        "keras.src.models.functional": "Functional",
        "keras.src.ops.numpy": "Add GetItem Multiply",
        "sktransfer.backbones._generalized_mean": "GeneralizedMeanPooling2D",
        "sktransfer.backbones._held": "BatchNormalization",
        "sktransfer.backbones._normalization": "Normalization",
    }.items()
}
_DATA = frozenset({"__ellipsis__", "__keras_tensor__", "__slice__"})
"""What configurations write in the place of arguments: these are no classes to be looked up."""

_PARTS = {"config", "variables", "trainable", "optimizer", "moments"}


def check_classes(packed: Any) -> None:
    """Refuse a packed network of other parts, or one that names classes beyond those allowed."""
    if not isinstance(packed, dict) or set(packed) != _PARTS:
        raise PersistenceError(f"a network must have the parts {sorted(_PARTS)}")
    for part in ("config", "optimizer"):
        if not isinstance(packed[part], dict):
            raise PersistenceError(f"the {part} of a network must be a dict")
        for named in _with_class_names(packed[part]):
            _check_class(named)
    for part in ("variables", "moments"):
        values, kinds = packed[part], (np.ndarray, np.generic)
        if not isinstance(values, list) or not all(isinstance(value, kinds) for value in values):
            raise PersistenceError(f"the {part} of a network must be arrays")


def check_variables(packed: dict[str, Any]) -> None:
    """Refuse a packed network whose variables are not those of its layers.

    It is built in a graph, which takes no memory for them however large they are.
    """
    import keras
    import tensorflow as tf

    from sktransfer._seeding import seeded_build

    with tf.Graph().as_default(), seeded_build(0):
        network = keras.Model.from_config(copy.deepcopy(packed["config"]))
        expected = [(tuple(variable.shape), variable.dtype) for variable in network.variables]
    found = [(value.shape, value.dtype.name) for value in packed["variables"]]
    if found != expected:
        raise PersistenceError("the variables of a network are not those of its layers")


def _with_class_names(config: Any) -> Iterator[dict]:
    """Yield each part of a configuration, at any depth, that names a class or a module."""
    if isinstance(config, dict):
        if not {"class_name", "module", "registered_name"}.isdisjoint(config):
            yield config
        config = list(config.values())
    if isinstance(config, (list, tuple)):
        for part in config:
            yield from _with_class_names(part)


def _check_class(named: dict) -> None:
    """Refuse a class that Keras would look up, if it is not allowed."""
    module, name = named.get("module", ""), named.get("class_name", "")
    registered = named.get("registered_name")
    are_names = type(module) is str and type(name) is str
    if are_names and not module and registered is None and name in _DATA:
        return
    is_allowed = are_names and name in _ALLOWED.get(module, ())
    if not is_allowed or registered != _registered_name(module, name):
        raise PersistenceError(f"a network names {module}.{name} ({registered}), not allowed")
    if module.startswith("sktransfer."):
        import_module(module)  # which makes it known to Keras


def _registered_name(module: str, name: str) -> str | None:
    """Return the name under which Keras itself writes a class down, besides its module."""
    if module.startswith("keras.src."):
        return name
    return f"sktransfer>{name}" if module.startswith("sktransfer.") else None
