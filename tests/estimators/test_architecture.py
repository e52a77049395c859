"""What networks of one architecture share: names and numbers do not matter, layers do."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from sktransfer.backbones import get_backbone
from sktransfer.estimators._architecture import architecture_of, network_of


def small(units=3, name=None):
    inputs = keras.Input((4,))
    tensor = keras.layers.Dense(units, name=name)(inputs)
    inner = keras.Sequential([keras.Input((units,)), keras.layers.Dropout(0.5)])
    return keras.Model(inputs, keras.layers.Add()([tensor, inner(tensor)]))


def test_equal_layers_are_one_architecture_whatever_keras_calls_them():
    assert architecture_of(small()) == architecture_of(small())


@pytest.mark.parametrize("other", [{"units": 4}, {"name": "mine"}], ids=str)
def test_other_layers_and_given_names_are_another(other):
    assert architecture_of(small(**other)) != architecture_of(small())


def test_given_names_stay():
    assert network_of(architecture_of(small(name="mine"))).get_layer("mine")


@pytest.mark.parametrize("name", ["mobilenet", "efficientnet_b0", "mobilenet_v3_small", "resnet50"])
def test_network_of_an_architecture_computes_the_same(name):
    networks = [get_backbone(name).build((32, 32, 3)) for _ in range(2)]
    assert architecture_of(networks[0]) == architecture_of(networks[1])
    twin = network_of(architecture_of(networks[0]))
    for new, old in zip(twin.variables, networks[0].variables, strict=True):
        new.assign(old)
    images = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype(np.float32)
    np.testing.assert_array_equal(twin(images, training=False), networks[0](images, training=False))
