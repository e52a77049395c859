"""Update rules: one step of each optimizer shows what becomes of each weight."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from sktransfer.estimators._updates import UpdateRules

OPTIMIZERS = ["sgd", "adam", "rmsprop", "nadam", "adamw"]


def network_of_ones():
    """A backbone of three layers and a head, all weights one."""
    pixels = keras.Input((2,))
    tensor = pixels
    for name in ("low", "middle", "high"):
        tensor = keras.layers.Dense(2, name=name)(tensor)
    backbone = keras.Model(pixels, tensor, name="backbone")
    inputs = keras.Input((2,))
    network = keras.Model(inputs, keras.layers.Dense(2, name="head")(backbone(inputs)))
    for weight in network.weights:
        weight.assign(np.ones(weight.shape))
    return network


def one_step(rules=None, optimizer="sgd", gradient=1.0, start=None, **config):
    """Return how far each kernel and each bias moved in a step, by the layer's name."""
    network = network_of_ones()
    config = {"learning_rate": 0.01, "weight_decay": 0.0, **config}
    network.compile(keras.optimizers.get({"class_name": optimizer, "config": config}), "mse")
    starts = [] if rules is None else rules.install(network)
    for variable in starts:
        variable.assign(np.full(variable.shape, start, np.float32))
    weights = network.trainable_weights
    network.optimizer.build(weights)
    network.optimizer.apply([gradient * keras.ops.ones(w.shape) for w in weights], weights)
    layers = [*network.get_layer("backbone").layers[1:], network.get_layer("head")]
    return {
        layer.name: tuple(float(1 - np.ravel(w)[0]) for w in (layer.kernel, layer.bias))
        for layer in layers
    }


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_no_rules_change_nothing(optimizer):
    assert one_step(UpdateRules(), optimizer) == one_step(None, optimizer)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_backbone_moves_by_a_fraction(optimizer):
    plain, slowed = one_step(None, optimizer), one_step(UpdateRules(backbone_rate=0.1), optimizer)
    for name in ("low", "middle", "high"):
        np.testing.assert_allclose(slowed[name], 0.1 * np.array(plain[name]), rtol=1e-3)
    assert slowed["head"] == plain["head"]


def test_rates_fall_geometrically_from_the_highest_layer_to_the_lowest():
    steps = one_step(UpdateRules(backbone_rate=0.5, layer_decay=0.04))
    rates = [steps[name][0] for name in ("low", "middle", "high", "head")]
    np.testing.assert_allclose(rates, [0.01 * 0.5 * f for f in (0.04, 0.2, 1)] + [0.01], rtol=1e-3)


def test_decay_takes_its_share_of_kernels_and_spares_biases():
    kernels, biases = zip(
        *one_step(UpdateRules(), gradient=0.0, weight_decay=0.5).values(), strict=True
    )
    np.testing.assert_allclose(kernels, 4 * [0.01 * 0.5], rtol=1e-4)
    assert set(biases) == {0.0}


def test_decay_follows_the_rate_of_each_layer():
    steps = one_step(UpdateRules(backbone_rate=0.1), gradient=0.0, weight_decay=0.5)
    np.testing.assert_allclose(steps["low"][0], 0.1 * 0.01 * 0.5, rtol=1e-4)
    np.testing.assert_allclose(steps["head"][0], 0.01 * 0.5, rtol=1e-4)


def test_the_backbone_is_pulled_to_where_it_started():
    """The gradient of half the squared distance, 0.7 off, times the strength and the rate."""
    steps = one_step(UpdateRules(l2_sp=2.0), gradient=0.0, start=0.3)
    np.testing.assert_allclose(steps["low"], [0.01 * 2 * 0.7] * 2, rtol=1e-4)
    assert steps["head"] == (0.0, 0.0)


def test_nothing_pulls_a_weight_that_is_where_it_started():
    assert one_step(UpdateRules(l2_sp=2.0), gradient=0.0, start=1.0)["high"] == (0.0, 0.0)
