"""The call in which all networks of an architecture predict."""

from __future__ import annotations

import gc
import weakref

import keras
import numpy as np
import pytest

from sktransfer.estimators import _forward
from sktransfer.estimators._forward import predict_features

ROWS = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)


@pytest.fixture
def templates(monkeypatch):
    """References to the networks that were built of an architecture."""
    built = []

    def network_of(architecture):
        network = build(architecture)
        built.append(weakref.ref(network))
        return network

    build = _forward.network_of
    _forward._forward.cache_clear()
    monkeypatch.setattr(_forward, "network_of", network_of)
    yield built
    _forward._forward.cache_clear()


def make_network(seed):
    """A network within a network, with constants, dropout, and variables that do not train."""
    keras.utils.set_random_seed(seed)
    inner = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(6), keras.layers.BatchNormalization()]
    )
    rows = keras.Input((4,))
    scaled = keras.layers.Normalization(mean=[1.0, 2, 3, 4], variance=[1.0, 2, 3, 4])(rows)
    outputs = keras.layers.Dense(2)(keras.layers.Dropout(0.5)(inner(scaled)))
    return keras.Model(rows, outputs)


def test_networks_of_an_architecture_predict_as_they_would_alone(templates):
    for network in map(make_network, (1, 2)):
        np.testing.assert_allclose(predict_features(network, ROWS), network(ROWS), rtol=1e-5)
    assert len(templates) == 1


def test_what_is_kept_for_an_architecture_holds_no_weights(templates):
    network = make_network(1)
    expected = predict_features(network, ROWS)
    gc.collect()
    assert [template() for template in templates] == [None]
    np.testing.assert_array_equal(predict_features(network, ROWS), expected)
