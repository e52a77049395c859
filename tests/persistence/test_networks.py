"""Every network that the library can build is one that may be loaded."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import sktransfer
from sktransfer._seeding import seeded_build
from sktransfer.backbones import get_backbone
from sktransfer.backbones._network import NetworkRecipe, build_network
from sktransfer.backbones._weights import Weights
from sktransfer.persistence import load, save
from sktransfer.persistence._networks import check_classes

QUICK = ["vgg16", "mobilenet_v2", "efficientnet_lite0"]
SLOW = [
    "mobilenet",
    "mobilenet_v3_small",
    "nasnet_mobile",
    "densenet121",
    "resnet50",
    "resnet50_v2",
    "inception_v3",
    "inception_resnet_v2",
    "xception",
    "efficientnet_b0",
    "efficientnet_v2_b0",
    "convnext_tiny",
]


def described(network):
    """Pack a network without its numbers."""
    optimizer = keras.optimizers.serialize(keras.optimizers.Adam())
    nothing = {"variables": [], "trainable": [], "moments": []}
    return {"config": network.get_config(), "optimizer": optimizer, **nothing}


@pytest.mark.parametrize(
    "name", [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]
)
@pytest.mark.parametrize("training_mode", [False, True])
def test_backbones_are_allowed(name, training_mode):
    size = max(get_backbone(name).min_size, 32)
    recipe = NetworkRecipe(
        name, Weights(name), (48, 48), (size, size), "backbone", "bilinear", "avg+max"
    )
    check_classes(described(build_network(recipe, training_mode=training_mode)))


@pytest.mark.parametrize("name", ["glorot_uniform", "he_normal", "orthogonal", "lecun_uniform"])
def test_initializers_are_allowed(name):
    with seeded_build(0):
        inputs = keras.Input((3,))
        network = keras.Model(inputs, keras.layers.Dense(2, kernel_initializer=name)(inputs))
    check_classes(described(network))


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "rmsprop", "nadam"])
def test_training_goes_on_with_every_optimizer(optimizer, features, labels, tmp_path):
    # 3 steps: a gradient is left over that the next step is averaged with.
    head = sktransfer.DenseHead(
        (3,),
        optimizer=optimizer,
        gradient_accumulation_steps=2,
        batch_size=4,
        epochs=1,
        random_state=0,
    ).fit(features, labels)
    save(head, tmp_path / "head.zip")
    loaded = load(tmp_path / "head.zip")

    for estimator in (head, loaded):
        estimator.partial_fit(features, labels)

    np.testing.assert_array_equal(loaded.predict_proba(features), head.predict_proba(features))


def test_loading_draws_nothing_from_global_generators(features, labels, tmp_path):
    import random

    save(sktransfer.DenseHead((3,), epochs=1).fit(features, labels), tmp_path / "head.zip")
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 - it is the global generator that is looked at
    before = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002

    load(tmp_path / "head.zip")

    assert (random.getstate(), np.random.get_state()[1].tolist()) == before  # noqa: NPY002
