"""What networks of one architecture share: all but the numbers in them."""

from __future__ import annotations

import json
from typing import Any
from weakref import WeakKeyDictionary

import keras

from sktransfer._seeding import seeded_build

_known: WeakKeyDictionary[keras.Model, str] = WeakKeyDictionary()


def architecture_of(network: keras.Model) -> str:
    """Return a network's layers as JSON, equal for networks that differ in their numbers alone."""
    if network not in _known:  # Keras takes milliseconds to write a configuration
        _known[network] = json.dumps(_without(network.get_config(), "seed"), sort_keys=True)
    return _known[network]


def network_of(architecture: str) -> keras.Model:
    """Build a network of an architecture; its numbers are of no meaning."""
    with seeded_build(0):
        return keras.Model.from_config(json.loads(architecture))


def training_of(network: keras.Model) -> str:
    """Return what a network is compiled with as JSON, but for the rate: that is a variable."""
    return json.dumps(_without(network.get_compile_config(), "learning_rate"), sort_keys=True)


def _without(config: Any, name: str) -> Any:
    """Leave every entry of a name out of a nested configuration."""
    if isinstance(config, dict):
        return {key: _without(part, name) for key, part in config.items() if key != name}
    if isinstance(config, (list, tuple)):
        return [_without(part, name) for part in config]
    return config
