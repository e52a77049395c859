"""The named strategies: what is trained, and how, as plain scikit-learn estimators.

A strategy says what is trained; a recipe gives the hyperparameters. Both are data. The recipe
"study" is that of the CIFAR-10 study whose table ``benchmarks/`` reproduces, mistakes included:
pixels divided by 255 in front of every backbone, images of 32x32 whatever the backbone was made
for, and frozen batch normalization that normalizes by the training batch. "best" is what we would
do.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any

import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from sktransfer._errors import unknown_name
from sktransfer._validation import validate_parameters
from sktransfer.backbones import BackboneFeatures, get_backbone
from sktransfer.estimators import (
    ConvNetClassifier,
    DenseHead,
    FineTuneClassifier,
    KNNProbe,
    LinearProbe,
)
from sktransfer.images import ImageAugmentation

__all__ = ["list_strategies", "make_strategy"]

STUDY_HEAD = {"hidden_layer_sizes": (256, 512), "kernel_initializer": "random_uniform"}
STUDY_INPUT = {"preprocessing": "rescale", "pooling": "flatten", "input_size": 32}
STUDY_FINE_TUNING = {
    **STUDY_INPUT,
    **STUDY_HEAD,
    "batch_norm": "train",
    "batch_size": 40,
    "epochs": 100,
}

ENLARGED = {
    "pooling": "avg+max",  # maxima tell of small things that an average drowns
    "interpolation": "bicubic",  # sharper than bilinear where small images are enlarged
}
BEST_INPUT = {
    # Shallow features are less made for ImageNet's classes; pooled, they add little time.
    "efficientnet_lite0": {
        **ENLARGED,
        # Blocks hand on few channels and compute with many: the features are in the latter.
        "layers": (
            "block4a_expand_activation",
            "block5a_expand_activation",
            "block6a_expand_activation",
            "block7a_expand_activation",
            "top_activation",
        ),
    },
    "mobilenet": {
        **ENLARGED,
        "layers": ("conv_pw_5_relu", "conv_pw_11_relu", "conv_pw_12_relu", "conv_pw_13_relu"),
    },
    "vgg16": {**ENLARGED, "layers": ("block3_pool", "block4_pool", "block5_pool")},
}
"""How features are taken from the frozen backbones for which it was measured."""

SCRATCH = {
    "padding": "same",
    "batch_normalization": True,  # a network from scratch trains several times faster with it
    "optimizer": "adamw",
    "learning_rate": 3e-3,
    "learning_rate_schedule": "one_cycle",  # bears this rate, and with it learns in few epochs
    "weight_decay": 0.05,
    "label_smoothing": 0.1,
}
BEST_CONVNET = {
    **SCRATCH,
    "conv_dropout": 0.2,
    "hidden_layer_sizes": (256,),
    "dropout": 0.5,  # the dense layer holds most parameters, and overfits first
    "epochs": 20,
}
BEST_AUGMENTED_CONVNET = {
    **SCRATCH,
    "n_blocks": 3,
    "convs_per_block": 2,
    "filters": (32, 64, 128),
    "pooling": "avg",  # leaves nothing to overfit behind the convolutions
    "hidden_layer_sizes": (),
    "batch_size": 64,
    "epochs": 20,
}
BEST_HEAD = {
    "hidden_layer_sizes": (256,),
    "dropout": 0.5,
    "optimizer": "adamw",
    "learning_rate_schedule": "cosine",
    "batch_size": 64,
    "epochs": 30,
}
BEST_FINE_TUNING = {
    # A head that knows nothing would send its errors through all pretrained weights (LP-FT). On
    # features its epochs cost little, and few images need many of them.
    "unfreeze": {0: "head", 20: "all"},
    "epochs": 25,
    "interpolation": "bicubic",
    "dropout": 0.2,
    # Each stage begins at a small rate: the highest, at once, undoes the head's work.
    "learning_rate_schedule": "one_cycle",
    "backbone_learning_rate": 3e-4,
    "layer_decay": 0.2,  # what the lowest layers know is general, and worth keeping
    # Held batch normalization enlarges gradients where an old variance is small: unclipped, the
    # first steps at this rate undo what the head has learned, too.
    "global_clipnorm": 1.0,
    "label_smoothing": 0.1,
    "batch_size": 32,
}


@dataclass(frozen=True)
class Strategy:
    """The steps of a strategy, with the parameters of each recipe by step."""

    description: str
    steps: Mapping[str, type[BaseEstimator]]
    recipes: Mapping[str, Mapping[str, Mapping[str, Any]]]
    augmentation: Mapping[str, str] = field(default_factory=dict)
    """Preset of the augmentation in each recipe; none where it is empty."""


def _convnet(
    description: str, study: dict[str, Any], best: dict[str, Any], **kwargs: Any
) -> Strategy:
    return Strategy(
        description,
        {"model": ConvNetClassifier},
        {"study": {"model": {**STUDY_HEAD, **study, "epochs": 100}}, "best": {"model": best}},
        **kwargs,
    )


def _features(description: str, **steps: type[BaseEstimator]) -> Strategy:
    heads = {
        "study": {"head": {**STUDY_HEAD, "batch_size": 30, "epochs": 100}},
        "best": {"head": BEST_HEAD},
    }
    return Strategy(
        description,
        {"features": BackboneFeatures, **steps},
        {
            "study": {"features": STUDY_INPUT, **(heads["study"] if "head" in steps else {})},
            "best": heads["best"] if "head" in steps else {},
        },
    )


def _fine_tuning(
    description: str, study: dict[str, Any], best: dict[str, Any], **kwargs: Any
) -> Strategy:
    return Strategy(
        description,
        {"model": FineTuneClassifier},
        {"study": {"model": {**STUDY_FINE_TUNING, **study}}, "best": {"model": best}},
        **kwargs,
    )


AUGMENTED = {"augmentation": {"study": "study", "best": "light"}}

STRATEGIES: dict[str, Strategy] = {
    "cnn": _convnet(
        "a small convolutional network from scratch",
        {"n_blocks": 2, "batch_size": 32},
        BEST_CONVNET,
    ),
    "cnn+augment": _convnet(
        "a convolutional network from scratch, trained on augmented images",
        {"n_blocks": 1, "batch_size": 40},
        BEST_AUGMENTED_CONVNET,
        **AUGMENTED,
    ),
    "features": _features("a dense head on frozen features", head=DenseHead),
    "features+augment": _fine_tuning(
        "a head on a frozen backbone, trained on augmented images",
        {"unfreeze": "head"},
        # No scaler stands between backbone and head here: unnormalized, units die for good.
        {**BEST_HEAD, "batch_normalization": True, "unfreeze": "head", "frozen_views": 4},
        **AUGMENTED,
    ),
    "finetune": _fine_tuning(
        "backbone and head trained together", {"unfreeze": "all"}, BEST_FINE_TUNING
    ),
    "finetune+augment": _fine_tuning(
        "backbone and head trained together, on augmented images",
        {"unfreeze": "all"},
        {**BEST_FINE_TUNING, "frozen_views": 2},  # for the head; extracted once, not every epoch
        **AUGMENTED,
    ),
    "linear_probe": _features("a logistic regression on frozen features", probe=LinearProbe),
    "knn": _features("nearest neighbours among frozen features", probe=KNNProbe),
}
RECIPES = ("best", "study")


def list_strategies() -> pd.DataFrame:
    """List the strategies.

    Returns
    -------
    table : DataFrame
        Columns ``name``, ``description``, and the booleans ``backbone`` (whether it uses one),
        ``augmentation`` and ``network`` (whether a network is trained).

    Examples
    --------
    >>> from sktransfer import list_strategies
    >>> list(list_strategies()["name"][:2])
    ['cnn', 'cnn+augment']
    """
    return pd.DataFrame(
        {
            "name": name,
            "description": strategy.description,
            "backbone": "cnn" not in name,
            "augmentation": bool(strategy.augmentation),
            "network": "probe" not in strategy.steps,
        }
        for name, strategy in STRATEGIES.items()
    )


def make_strategy(
    name: str,
    backbone: str = "efficientnet_lite0",
    *,
    recipe: str = "best",
    weights: str | os.PathLike[str] | None = "imagenet",
    **overrides: Any,
) -> BaseEstimator:
    """Make the estimator of a strategy.

    Parameters
    ----------
    name : str
        One of `list_strategies`.
    backbone : str, default="efficientnet_lite0"
        One of `list_backbones`; strategies from scratch have no use for it.
    recipe : {"best", "study"}, default="best"
        Hyperparameters: those of the CIFAR-10 study with its mistakes, or sensible ones.
    weights : "imagenet", path or None, default="imagenet"
        Weights of the backbone.
    **overrides : object
        Parameters that replace the recipe's, by name. Each goes to every step that has it. Where
        `epochs` is one of them, stages of `unfreeze` keep their shares of the epochs.

    Returns
    -------
    estimator : BaseEstimator
        Unfitted: a network over images, or a `Pipeline` of a `BackboneFeatures` and a classifier.

    Raises
    ------
    ValueError
        If the strategy, the backbone or the recipe is unknown, or an override is out of range.
    TypeError
        If no step has one of the `overrides`.

    Examples
    --------
    >>> from sktransfer import make_strategy
    >>> make_strategy("features", "vgg16", epochs=5).steps[-1][1].epochs
    5
    """
    if name not in STRATEGIES:
        raise unknown_name("strategy", name, STRATEGIES)
    if recipe not in RECIPES:
        raise unknown_name("recipe", recipe, RECIPES)
    strategy = STRATEGIES[name]
    backbone = get_backbone(backbone).name
    source = {"backbone": backbone, "weights": weights}
    augmentation = {}
    if strategy.augmentation:
        augmentation["augmentation"] = ImageAugmentation.preset(strategy.augmentation[recipe])
    steps = {
        step: _make_step(
            cls,
            {
                **(source if "backbone" in _parameters(cls) else {}),
                **augmentation,
                **_input(name, recipe, backbone),
                **_in_shares(strategy.recipes[recipe].get(step, {}), overrides),
                **overrides,
            },
        )
        for step, cls in strategy.steps.items()
    }
    _check_overrides(name, overrides, steps)
    for estimator in steps.values():  # now, not when the features have been extracted
        validate_parameters(estimator)
    if len(steps) == 1:
        return steps["model"]
    if recipe == "best":
        # Heads and probes of every kind do better on features of one scale.
        steps = {"features": steps.pop("features"), "scale": StandardScaler(), **steps}
    return Pipeline(list(steps.items()))


def _input(name: str, recipe: str, backbone: str) -> Mapping[str, Any]:
    """Return what is particular to the features of a frozen backbone in a recipe."""
    is_frozen = recipe == "best" and not name.startswith(("cnn", "finetune"))
    return BEST_INPUT.get(backbone, {}) if is_frozen else {}


def _in_shares(parameters: Mapping[str, Any], overrides: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a recipe's parameters with what depends on its epochs and stages fitted to others."""
    stages, epochs = parameters.get("unfreeze"), overrides.get("epochs")
    if isinstance(stages, dict) and isinstance(epochs, Integral):
        # Of stages that fall on one epoch the last one counts.
        stages = {begin * int(epochs) // parameters["epochs"]: stages[begin] for begin in stages}
        parameters = {**parameters, "unfreeze": stages}
    unfrozen = overrides.get("unfreeze", stages)
    has_frozen_stage = "head" in (unfrozen.values() if isinstance(unfrozen, dict) else [unfrozen])
    if "frozen_views" in parameters and not has_frozen_stage:
        parameters = {**parameters, "frozen_views": None}
    return parameters


def _parameters(cls: type[BaseEstimator]) -> list[str]:
    """Return the names of an estimator's parameters."""
    return cls._get_param_names()


def _make_step(cls: type[BaseEstimator], parameters: Mapping[str, Any]) -> BaseEstimator:
    """Make an estimator with those of the parameters that it has."""
    known = _parameters(cls)
    return cls(**{name: value for name, value in parameters.items() if name in known})


def _check_overrides(
    name: str, overrides: Mapping[str, Any], steps: Mapping[str, BaseEstimator]
) -> None:
    """Refuse an override that no step has taken."""
    known = {parameter for step in steps.values() for parameter in step.get_params(deep=False)}
    for override in overrides:
        if override not in known:
            raise TypeError(f"strategy {name!r}: {unknown_name('parameter', override, known)}")
