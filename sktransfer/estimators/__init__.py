"""Heads, probes, a network from scratch and fine-tuners."""

import sktransfer.backbones._generalized_mean  # noqa: F401 - Keras knows it before a pickle asks
from sktransfer.estimators._convnet import ConvNetClassifier
from sktransfer.estimators._dense import DenseHead, DenseHeadRegressor
from sktransfer.estimators._finetune import FineTuneClassifier, FineTuneRegressor
from sktransfer.estimators._probes import KNNProbe, LDAProbe, LinearProbe, RidgeProbe
from sktransfer.estimators._rate_finder import LearningRateDisplay, find_learning_rate
from sktransfer.estimators._soup import average_weights
from sktransfer.estimators._tta import TTAClassifier, TTARegressor

__all__ = [
    "ConvNetClassifier",
    "DenseHead",
    "DenseHeadRegressor",
    "FineTuneClassifier",
    "FineTuneRegressor",
    "KNNProbe",
    "LDAProbe",
    "LearningRateDisplay",
    "LinearProbe",
    "RidgeProbe",
    "TTAClassifier",
    "TTARegressor",
    "average_weights",
    "find_learning_rate",
]
