"""Checks that several modules share, and the one door to what is not public in scikit-learn.

scikit-learn's declarative parameter constraints are what its users' error messages look like,
so they are worth having; they are private, so they are reached from here alone.
"""

from __future__ import annotations

from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    StrOptions,
    validate_parameter_constraints,
)
from sklearn.utils.metaestimators import _BaseComposition as BaseComposition
from sklearn.utils.validation import _check_sample_weight as check_sample_weight
from sklearn.utils.validation import _num_samples

__all__ = [
    "BaseComposition",
    "HasMethods",
    "Interval",
    "StrOptions",
    "check_same_length",
    "check_sample_weight",
    "names_by_constructor",
    "parameter_names",
    "validate_parameters",
]

names_by_constructor = BaseEstimator._get_param_names.__func__
"""scikit-learn's own ``_get_param_names``, for a class that has inherited another one."""


def parameter_names(cls: type[BaseEstimator]) -> list[str]:
    """Return the names of the parameters of a class of estimators."""
    return cls._get_param_names()


def validate_parameters(estimator) -> None:
    """Check an estimator's parameters against its class' ``_parameter_constraints``."""
    validate_parameter_constraints(
        estimator._parameter_constraints,
        estimator.get_params(deep=False),
        caller_name=type(estimator).__name__,
    )


def check_same_length(X_name: str, X, y_name: str, y) -> None:
    """Refuse targets that are not one for each sample."""
    n_samples, n_targets = _num_samples(X), _num_samples(y)
    if n_samples != n_targets:
        raise ValueError(
            f"{X_name} has {n_samples} samples, but {y_name} has {n_targets}: "
            "there must be one target for each sample"
        )
