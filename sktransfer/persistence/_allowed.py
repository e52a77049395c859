"""The classes that an archive may name: nothing is imported but what stands here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import is_dataclass
from importlib import import_module

from sklearn.base import BaseEstimator

import sktransfer
from sktransfer._errors import PersistenceError

_FEATURES = tuple(name for name in sktransfer.__all__ if name.endswith("Features"))

HOMES: dict[str, tuple[str, ...]] = {
    "sktransfer": (
        *_FEATURES,
        "AugmentationSequence",
        "ConvNetClassifier",
        "DenseHead",
        "DenseHeadRegressor",
        "FineTuneClassifier",
        "FineTuneRegressor",
        "ImageAugmentation",
        "ImageReader",
        "KNNProbe",
        "LDAProbe",
        "LinearProbe",
        "Mixing",
        "RandAugment",
        "RidgeProbe",
        "TTAClassifier",
        "TTARegressor",
        "TrivialAugment",
    ),
    "sktransfer.backbones._network": ("NetworkRecipe",),
    "sktransfer.backbones._weights": ("Weights",),
    "sktransfer.estimators._ridge": ("LeaveOneOutRidge",),
    "sktransfer.estimators._targets": ("ClassTargets", "NumberTargets"),
    "sklearn.decomposition": ("PCA",),
    "sklearn.discriminant_analysis": ("LinearDiscriminantAnalysis",),
    "sklearn.frozen": ("FrozenEstimator",),
    "sklearn.linear_model": ("LogisticRegression",),
    "sklearn.neighbors": ("KNeighborsClassifier",),
    "sklearn.pipeline": ("FeatureUnion", "Pipeline"),
    "sklearn.preprocessing": ("Normalizer", "StandardScaler"),
    "numpy.random": ("RandomState",),
}

_HOME_OF = {name: module for module, names in HOMES.items() for name in names}


class AllowedClasses:
    """The library's own classes, scikit-learn's that go with them, and those that a user trusts.

    Parameters
    ----------
    trusted : iterable of type
        Further estimators, augmentations or dataclasses. Their own code is run, such as
        ``__setstate__``.
    """

    def __init__(self, trusted: Iterable[type]) -> None:
        self._trusted = {}
        for cls in trusted:
            if not isinstance(cls, type) or not (
                issubclass(cls, BaseEstimator) or is_dataclass(cls)
            ):
                raise TypeError(
                    f"trusted must hold subclasses of BaseEstimator or dataclasses, got {cls!r}"
                )
            self._trusted[f"{cls.__module__}.{cls.__qualname__}"] = cls

    def name_of(self, value: object) -> str | None:
        """Return the name of the class of a value, or None if it is not allowed."""
        cls = type(value)
        home = _HOME_OF.get(cls.__name__)
        if home is not None and getattr(import_module(home), cls.__name__) is cls:
            return f"{home}.{cls.__name__}"
        name = f"{cls.__module__}.{cls.__qualname__}"
        return name if self._trusted.get(name) is cls else None

    def named(self, name: object) -> type:
        """Return the class of a name."""
        if isinstance(name, str):
            home, _, short = name.rpartition(".")
            if short in HOMES.get(home, ()):
                return getattr(import_module(home), short)
            if name in self._trusted:
                return self._trusted[name]
        raise PersistenceError(
            f"it names the class {name!r}, which is not allowed; a class of your own must be among "
            "trusted"
        )
