"""Operations of networks, against published numbers, TensorFlow's profiler and closed forms."""

from __future__ import annotations

import math

import keras
import pytest

from sktransfer.backbones import BackboneFeatures
from sktransfer.backbones._efficientnet_lite import EfficientNetLite0
from sktransfer.backbones._flops import network_flops, operation_flops
from sktransfer.backbones._held import hold_statistics

WEIGHTED = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.Dense)


def multiply_adds(network):
    """Multiply-adds of kernels alone, by the definition of each kind of layer."""
    total = 0
    for layer in network.layers:
        if isinstance(layer, WEIGHTED):
            *positions, channels = layer.output.shape[1:]
            each = layer.kernel.shape[0] if isinstance(layer, keras.layers.Dense) else None
            if each is None:
                is_depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
                inputs = 1 if is_depthwise else layer.input.shape[-1] // layer.groups
                each = math.prod(layer.kernel_size) * inputs
            total += math.prod(positions) * channels * each
    return total


def build(make, **kwargs):
    return make(include_top=True, weights=None, input_shape=(224, 224, 3), **kwargs)


def test_mobilenet_has_its_published_multiply_adds():
    network = build(keras.applications.MobileNet)
    assert multiply_adds(network) == pytest.approx(569e6, rel=1e-3)  # Howard et al. 2017, table 8
    assert network_flops(network) == pytest.approx(2 * 569e6, rel=0.02)


def test_vgg16_has_its_published_multiply_adds():
    network = keras.applications.VGG16(include_top=False, weights=None, input_shape=(224, 224, 3))
    dense = 7 * 7 * 512 * 4096 + 4096 * 4096 + 4096 * 1000
    assert network_flops(network) == pytest.approx(2 * (15.5e9 - dense), rel=5e-3)


def test_efficientnet_lite0_has_its_published_operations():
    network = build(EfficientNetLite0)
    kernels = multiply_adds(network)
    # The published 407 million count what is done value by value along with the multiply-adds.
    assert kernels + (network_flops(network) - 2 * kernels) == pytest.approx(407e6, rel=0.01)


def test_the_count_is_that_of_tensorflows_profiler():
    """The profiler knows neither activations nor normalization, so there are none here."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2_as_graph,
    )

    images = keras.Input((16, 16, 3), batch_size=1)
    tensor = keras.layers.Conv2D(8, 3, strides=2, padding="same")(images)
    tensor = keras.layers.DepthwiseConv2D(3)(tensor)
    tensor = keras.layers.MaxPooling2D(2)(tensor)
    tensor = keras.layers.Conv2D(4, 1, use_bias=False)(tensor)
    tensor = keras.layers.AveragePooling2D(3)(tensor)
    network = keras.Model(images, keras.layers.Dense(5)(keras.layers.Flatten()(tensor)))
    concrete = tf.function(network).get_concrete_function(tf.TensorSpec((1, 16, 16, 3)))
    _, graph_def = convert_variables_to_constants_v2_as_graph(concrete)
    with tf.Graph().as_default() as graph:
        tf.graph_util.import_graph_def(graph_def, name="")
        options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
        options["output"] = "none"
        profile = tf.compat.v1.profiler.profile(graph, cmd="scope", options=options)
    assert network_flops(network) == profile.total_float_ops


@pytest.mark.parametrize(
    ("layer", "flops"),
    [
        (keras.layers.Conv2D(4, 3, padding="same", use_bias=False), 2 * 64 * 9 * 6 * 4),
        (keras.layers.Conv2D(4, 3, strides=2, padding="same"), 16 * 4 * (2 * 9 * 6 + 1)),
        (keras.layers.Conv2D(4, 1, groups=2, use_bias=False), 2 * 64 * 3 * 4),
        (keras.layers.DepthwiseConv2D(3, depth_multiplier=2, use_bias=False), 2 * 36 * 9 * 12),
        (
            keras.layers.SeparableConv2D(5, 3, activation="relu"),
            2 * 36 * (9 * 6 + 6 * 5) + 2 * 36 * 5,
        ),
        (keras.layers.Dense(7), 64 * 7 * (2 * 6 + 1)),
        (keras.layers.BatchNormalization(), 2 * 384),
        (keras.layers.ReLU(6.0), 384),
        (keras.layers.MaxPooling2D(2), 16 * 6 * 4),
        (keras.layers.AveragePooling2D(4), 4 * 6 * 16),
        (keras.layers.GlobalAveragePooling2D(), 384),
        (keras.layers.Rescaling(1 / 255), 2 * 384),
        (keras.layers.ZeroPadding2D(), 0),
        (keras.layers.Resizing(16, 16), 0),
        (keras.layers.Dropout(0.5), 0),
        (keras.layers.GaussianNoise(0.1), None),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_each_kind_of_layer_is_counted_by_its_closed_form(layer, flops):
    image = keras.Input((8, 8, 6))
    layer(image)
    assert operation_flops(layer) == flops


def test_bare_operations_and_branches_are_counted():
    image = keras.Input((4, 4, 3))
    gate = keras.layers.ReLU()(image + 3.0) * (1 / 6)
    merged = keras.layers.Add()([gate, image, image])
    # plus, relu, times, and two sums
    assert network_flops(keras.Model(image, merged)) == 5 * 48


def test_nested_networks_are_counted_within():
    image = keras.Input((8, 8, 3))
    inner = keras.Sequential([keras.layers.Conv2D(4, 3), keras.layers.ReLU()])
    nested = keras.Model(image, inner(image))
    assert network_flops(nested) == 36 * 4 * (2 * 27 + 1) + 36 * 4


def test_held_statistics_change_nothing():
    network = keras.applications.MobileNet(
        include_top=False, weights=None, input_shape=(32, 32, 3), alpha=0.25
    )
    assert network_flops(hold_statistics(network)) == network_flops(network)


def test_a_layer_that_is_not_known_makes_the_whole_unknown():
    image = keras.Input((8, 8, 3))
    assert network_flops(keras.Model(image, keras.layers.GaussianNoise(0.1)(image))) is None


def test_inputs_of_varying_size_are_refused():
    image = keras.Input((None, None, 3))
    network = keras.Model(image, keras.layers.Conv2D(4, 3)(image))
    with pytest.raises(ValueError, match="inputs of a fixed size"):
        network_flops(network)


@pytest.mark.parametrize(
    "family",
    [
        "MobileNetV3Small",
        "EfficientNetB0",
        *(
            pytest.param(family, marks=pytest.mark.slow)
            for family in ("ConvNeXtTiny", "DenseNet121", "InceptionV3", "NASNetMobile", "Xception")
        ),
    ],
)
def test_the_layers_of_all_families_are_known(family):
    make = getattr(keras.applications, family)
    network = make(include_top=False, weights=None, input_shape=(96, 96, 3))
    assert network_flops(network) > 1e6


def test_features_need_what_their_network_needs_whatever_the_weights(small_images):
    from sktransfer.backbones._flops import recipe_flops

    features = BackboneFeatures(
        "mobilenet", weights=None, input_size=64, precision="bfloat16", random_state=0
    ).fit(small_images)
    backbone = keras.applications.MobileNet(
        include_top=False, weights=None, input_shape=(64, 64, 3)
    )
    scaling, pooling = 2 * 64 * 64 * 3, 2 * 2 * 1024
    expected = network_flops(backbone) + scaling + pooling
    assert recipe_flops(features._recipe) == expected
