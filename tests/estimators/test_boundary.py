"""Where training begins: the one feature map between what is frozen and what moves."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from sktransfer.backbones import get_backbone
from sktransfer.estimators._boundary import MOST_BYTES, Boundary, find_boundary
from sktransfer.estimators._freezing import unfreeze_layers


def backbone_with(unfreeze, name="tiny", size=16):
    backbone = get_backbone(name).build((size, size, 3))
    unfreeze_layers(backbone, unfreeze, get_backbone(name))
    return backbone


@pytest.mark.parametrize(
    ("unfreeze", "expected"),
    [
        ("last_block", Boundary("stem_relu", (8, 8, 4))),
        (3, Boundary("block_conv", (4, 4, 8))),
        (1, None),  # the last layer has no weights
        ("all", None),
    ],
)
def test_boundary_is_the_last_map_that_stays(unfreeze, expected):
    assert find_boundary(backbone_with(unfreeze)) == expected


@pytest.mark.parametrize("name", ["mobilenet", "vgg16", "efficientnet_lite0"])
def test_real_backbones_have_one_before_their_last_block(name):
    backbone = backbone_with("last_block", name, size=64)
    boundary = find_boundary(backbone)
    below = [layer.name for layer in backbone.layers].index(boundary.layer)
    assert not any(layer.trainable_weights for layer in backbone.layers[: below + 1])
    upper = keras.Model(backbone.get_layer(boundary.layer).output, backbone.output)
    lower = keras.Model(backbone.input, backbone.get_layer(boundary.layer).output)
    images = np.random.default_rng(0).normal(size=(2, 64, 64, 3)).astype(np.float32)
    np.testing.assert_array_equal(upper(lower(images)), backbone(images))


def test_two_maps_that_cross_are_no_boundary():
    images = keras.Input((8, 8, 3))
    one, other = (keras.layers.Conv2D(4, 3)(images) for _ in range(2))
    top = keras.layers.Conv2D(4, 3)(keras.layers.Add()([one, keras.layers.ReLU()(other)]))
    backbone = keras.Model(images, [top, one])
    for layer in backbone.layers[:-1]:
        layer.trainable = False
    assert find_boundary(backbone) is None


def test_images_themselves_are_no_boundary():
    images = keras.Input((8, 8, 3))
    assert find_boundary(keras.Model(images, keras.layers.Conv2D(4, 3)(images))) is None


def test_activations_that_take_too_much_memory_do_not_fit():
    boundary = Boundary("layer", (8, 8, 64))
    n = MOST_BYTES // (4 * 8 * 8 * 64)
    assert boundary.fits(n)
    assert not boundary.fits(n + 1)
