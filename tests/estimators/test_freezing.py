"""Which layers of a backbone train, in which mode, and how fast."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from sktransfer.backbones import get_backbone
from sktransfer.estimators._freezing import (
    normalize_frozen_by_batch,
    unfreeze_layers,
)

BLOCK = ["block_conv", "block_bn", "block_relu", "block_dropout"]
STEM = ["stem_conv", "stem_bn", "stem_relu"]


@pytest.fixture
def backbone():
    return get_backbone("tiny").build((16, 16, 3))


def trainable_layers(network):
    return [layer.name for layer in network.layers if layer.trainable][-len(STEM + BLOCK) :]


@pytest.mark.parametrize(
    ("unfreeze", "expected"),
    [
        ("head", []),
        (1, BLOCK[-1:]),
        (3, BLOCK[-3:]),
        ("last_block", BLOCK),
        (5, STEM[-1:] + BLOCK),
        (8, STEM + BLOCK),
        ("all", STEM + BLOCK),
    ],
)
def test_named_layers_train_and_no_others(backbone, unfreeze, expected):
    unfreeze_layers(backbone, unfreeze, get_backbone("tiny"))
    assert trainable_layers(backbone) == expected


def test_unfreezing_anew_forgets_what_was_unfrozen(backbone):
    for unfreeze in ("all", "head"):
        unfreeze_layers(backbone, unfreeze, get_backbone("tiny"))
    assert backbone.trainable_weights == []


def test_more_layers_than_there_are_is_an_error(backbone):
    with pytest.raises(ValueError, match=r"unfreeze=9 is more than the 8 layers of tiny"):
        unfreeze_layers(backbone, 9, get_backbone("tiny"))


@pytest.mark.parametrize("name", ["mobilenet", "efficientnet_lite0", "vgg16", "resnet50"])
def test_the_last_block_of_real_backbones_is_a_part_with_weights(name):
    spec = get_backbone(name)
    network = spec.build((32, 32, 3))
    unfreeze_layers(network, "last_block", spec)
    with_weights = [layer for layer in network.layers if layer.weights]
    assert not with_weights[0].trainable
    assert with_weights[-1].trainable
    assert spec.last_block in [layer.name for layer in network.layers if layer.trainable]


def stem_of(backbone):
    """The backbone up to its first batch normalization."""
    return keras.Model(backbone.input, backbone.get_layer("stem_bn").output)


def test_frozen_layers_normalize_a_training_batch_by_its_own_statistics(backbone):
    images = np.random.default_rng(0).normal(3, 2, (8, 16, 16, 3)).astype(np.float32)
    unfreeze_layers(backbone, "head", get_backbone("tiny"))
    np.testing.assert_array_equal(
        stem_of(backbone)(images, training=True), stem_of(backbone)(images, training=False)
    )
    normalize_frozen_by_batch(backbone)
    outputs = stem_of(backbone)(images, training=True).numpy()
    np.testing.assert_allclose(outputs.mean((0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(outputs.std((0, 1, 2)), 1, atol=0.01)
    assert np.abs(stem_of(backbone)(images, training=False).numpy().mean((0, 1, 2))).max() > 0.1


def test_frozen_layers_that_normalize_by_batch_learn_nothing(backbone):
    unfreeze_layers(backbone, "last_block", get_backbone("tiny"))
    normalize_frozen_by_batch(backbone)
    before = {weight.path: weight.numpy() for weight in backbone.weights}
    backbone(np.full((4, 16, 16, 3), 9, np.float32), training=True)
    moved = [
        weight.path
        for weight in backbone.weights
        if not np.array_equal(weight.numpy(), before[weight.path])
    ]
    assert moved == ["block_bn/moving_mean", "block_bn/moving_variance"]
    assert [weight.path for weight in backbone.trainable_weights] == [
        "block_conv/kernel",
        "block_bn/gamma",
        "block_bn/beta",
    ]


def test_layers_train_from_one_of_a_name_on(backbone):
    first = unfreeze_layers(backbone, "block_bn", get_backbone("tiny"))
    assert backbone.layers[first].name == "block_bn"
    assert [layer.trainable for layer in backbone.layers[first - 1 : first + 1]] == [False, True]


def test_an_unknown_name_is_told_with_near_ones(backbone):
    with pytest.raises(ValueError, match=r"block_bm.*block_bn"):
        unfreeze_layers(backbone, "block_bm", get_backbone("tiny"))
