"""Transfer learning on images, as scikit-learn estimators on TensorFlow and Keras.

The public names below are imported when they are first used, so that ``import sktransfer`` itself
loads no TensorFlow.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:  # what type checkers and editors see
    from sktransfer.backbones import BackboneFeatures as BackboneFeatures
    from sktransfer.backbones import ConvNeXtTinyFeatures as ConvNeXtTinyFeatures
    from sktransfer.backbones import DenseNet121Features as DenseNet121Features
    from sktransfer.backbones import EfficientNetB0Features as EfficientNetB0Features
    from sktransfer.backbones import EfficientNetLite0Features as EfficientNetLite0Features
    from sktransfer.backbones import EfficientNetLite1Features as EfficientNetLite1Features
    from sktransfer.backbones import EfficientNetLite2Features as EfficientNetLite2Features
    from sktransfer.backbones import EfficientNetV2B0Features as EfficientNetV2B0Features
    from sktransfer.backbones import InceptionV3Features as InceptionV3Features
    from sktransfer.backbones import MobileNetFeatures as MobileNetFeatures
    from sktransfer.backbones import MobileNetV2Features as MobileNetV2Features
    from sktransfer.backbones import MobileNetV3LargeFeatures as MobileNetV3LargeFeatures
    from sktransfer.backbones import MobileNetV3SmallFeatures as MobileNetV3SmallFeatures
    from sktransfer.backbones import NASNetMobileFeatures as NASNetMobileFeatures
    from sktransfer.backbones import ResNet50Features as ResNet50Features
    from sktransfer.backbones import ResNet50V2Features as ResNet50V2Features
    from sktransfer.backbones import VGG16Features as VGG16Features
    from sktransfer.backbones import VGG19Features as VGG19Features
    from sktransfer.backbones import XceptionFeatures as XceptionFeatures
    from sktransfer.backbones import get_backbone as get_backbone
    from sktransfer.backbones import list_backbones as list_backbones
    from sktransfer.backbones import register_backbone as register_backbone
    from sktransfer.datasets import load_cifar10 as load_cifar10
    from sktransfer.datasets import load_image_folder as load_image_folder
    from sktransfer.datasets import load_photo_patches as load_photo_patches
    from sktransfer.estimators import ConvNetClassifier as ConvNetClassifier
    from sktransfer.estimators import DenseHead as DenseHead
    from sktransfer.estimators import DenseHeadRegressor as DenseHeadRegressor
    from sktransfer.estimators import FineTuneClassifier as FineTuneClassifier
    from sktransfer.estimators import FineTuneRegressor as FineTuneRegressor
    from sktransfer.estimators import KNNProbe as KNNProbe
    from sktransfer.estimators import LDAProbe as LDAProbe
    from sktransfer.estimators import LearningRateDisplay as LearningRateDisplay
    from sktransfer.estimators import LinearProbe as LinearProbe
    from sktransfer.estimators import RidgeProbe as RidgeProbe
    from sktransfer.estimators import TTAClassifier as TTAClassifier
    from sktransfer.estimators import TTARegressor as TTARegressor
    from sktransfer.estimators import average_weights as average_weights
    from sktransfer.estimators import find_learning_rate as find_learning_rate
    from sktransfer.images import Augmentation as Augmentation
    from sktransfer.images import AugmentationSequence as AugmentationSequence
    from sktransfer.images import ImageAugmentation as ImageAugmentation
    from sktransfer.images import ImageReader as ImageReader
    from sktransfer.images import Mixing as Mixing
    from sktransfer.images import RandAugment as RandAugment
    from sktransfer.images import TrivialAugment as TrivialAugment
    from sktransfer.persistence import load as load
    from sktransfer.persistence import save as save
    from sktransfer.strategies import list_strategies as list_strategies
    from sktransfer.strategies import make_strategy as make_strategy

_MODULE_OF = {
    "Augmentation": "images",
    "AugmentationSequence": "images",
    "ImageAugmentation": "images",
    "ImageReader": "images",
    "Mixing": "images",
    "RandAugment": "images",
    "TrivialAugment": "images",
    "BackboneFeatures": "backbones",
    "ConvNeXtTinyFeatures": "backbones",
    "DenseNet121Features": "backbones",
    "EfficientNetB0Features": "backbones",
    "EfficientNetLite0Features": "backbones",
    "EfficientNetLite1Features": "backbones",
    "EfficientNetLite2Features": "backbones",
    "EfficientNetV2B0Features": "backbones",
    "InceptionV3Features": "backbones",
    "MobileNetFeatures": "backbones",
    "MobileNetV2Features": "backbones",
    "MobileNetV3LargeFeatures": "backbones",
    "MobileNetV3SmallFeatures": "backbones",
    "NASNetMobileFeatures": "backbones",
    "ResNet50Features": "backbones",
    "ResNet50V2Features": "backbones",
    "VGG16Features": "backbones",
    "VGG19Features": "backbones",
    "XceptionFeatures": "backbones",
    "get_backbone": "backbones",
    "list_backbones": "backbones",
    "register_backbone": "backbones",
    "load_cifar10": "datasets",
    "load_image_folder": "datasets",
    "load_photo_patches": "datasets",
    "ConvNetClassifier": "estimators",
    "DenseHead": "estimators",
    "DenseHeadRegressor": "estimators",
    "FineTuneClassifier": "estimators",
    "FineTuneRegressor": "estimators",
    "KNNProbe": "estimators",
    "LDAProbe": "estimators",
    "LearningRateDisplay": "estimators",
    "find_learning_rate": "estimators",
    "LinearProbe": "estimators",
    "RidgeProbe": "estimators",
    "TTAClassifier": "estimators",
    "TTARegressor": "estimators",
    "average_weights": "estimators",
    "load": "persistence",
    "save": "persistence",
    "list_strategies": "strategies",
    "make_strategy": "strategies",
}

__all__ = ["__version__", *_MODULE_OF]


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for, and keep it."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted({*globals(), *_MODULE_OF})
