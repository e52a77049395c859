"""Heads, probes, a network from scratch and fine-tuners."""

from sktransfer.estimators._convnet import ConvNetClassifier
from sktransfer.estimators._dense import DenseHead, DenseHeadRegressor
from sktransfer.estimators._finetune import FineTuneClassifier, FineTuneRegressor
from sktransfer.estimators._probes import KNNProbe, LinearProbe

__all__ = [
    "ConvNetClassifier",
    "DenseHead",
    "DenseHeadRegressor",
    "FineTuneClassifier",
    "FineTuneRegressor",
    "KNNProbe",
    "LinearProbe",
]
