"""What networks of one architecture share: all but the numbers in them."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any
from weakref import WeakKeyDictionary

import keras

from sktransfer._seeding import seeded_build

_known: WeakKeyDictionary[keras.Model, dict[tuple, str]] = WeakKeyDictionary()
"""Of each network, by which of its layers train: that may change from stage to stage."""


def architecture_of(network: keras.Model) -> str:
    """Return a network's layers as JSON, equal for networks that differ in their numbers alone."""
    known = _known.setdefault(network, {})
    train = tuple(_which_train(network))
    if train not in known:  # Keras takes milliseconds to write a configuration
        config = _with_stable_names(_without(layers_of(network), "seed"))
        known[train] = json.dumps({**config, "name": "network"}, sort_keys=True)
    return known[train]


def layers_of(network: keras.Model) -> dict[str, Any]:
    """Return a network's configuration, without what parts of it were compiled with."""
    return _without(network.get_config(), "compile_config")


def _which_train(network: keras.Model) -> Iterator[bool]:
    for layer in network.layers:
        yield layer.trainable
        if isinstance(layer, keras.Model):
            yield from _which_train(layer)


def network_of(architecture: str) -> keras.Model:
    """Build a network of an architecture; its numbers are of no meaning."""
    with seeded_build(0):
        return keras.Model.from_config(json.loads(architecture))


def training_of(network: keras.Model) -> str:
    """Return what a network is compiled with as JSON, but for the rate: that is a variable."""
    return json.dumps(_without(network.get_compile_config(), "learning_rate"), sort_keys=True)


def _with_stable_names(config: dict) -> dict:
    """Number the layers anew that Keras has numbered: it counts on through the whole process."""
    counts: Counter[str] = Counter()
    names = {}
    for layer in config["layers"]:
        name = layer["config"]["name"]
        base = re.sub(r"_\d+$", "", name)
        # An input that Keras made is called after its tensor.
        if base.replace("_", "") in (layer["class_name"].lower(), "kerastensor"):
            counts[base] += 1
            names[name] = f"{base}__{counts[base]}"
    renamed = _renamed(config, names)
    for layer in renamed["layers"]:
        inner = layer["config"]
        inner["name"] = names.get(inner["name"], inner["name"])
        if "layers" in inner:
            layer["config"] = _with_stable_names(inner)
        if "name" in layer:
            layer["name"] = inner["name"]
    return renamed


def _renamed(config: Any, names: dict[str, str]) -> Any:
    """Rename layers where their tensors are referred to: (name, number of node, of tensor)."""
    if isinstance(config, dict):
        return {key: _renamed(part, names) for key, part in config.items()}
    if isinstance(config, (list, tuple)):
        parts = [_renamed(part, names) for part in config]
        if len(parts) == 3 and isinstance(parts[0], str) and parts[0] in names:
            parts[0] = names[parts[0]]
        return parts
    return config


def _without(config: Any, name: str) -> Any:
    """Leave every entry of a name out of a nested configuration."""
    if isinstance(config, dict):
        return {key: _without(part, name) for key, part in config.items() if key != name}
    if isinstance(config, (list, tuple)):
        return [_without(part, name) for part in config]
    return config
