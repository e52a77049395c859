"""The one door to the parts of scikit-learn that are not public.

scikit-learn's declarative parameter constraints are what its users' error messages look like,
so they are worth having; they are private, so they are reached from here alone.
"""

from __future__ import annotations

from sklearn.utils._param_validation import (
    Hidden,
    Interval,
    Options,
    StrOptions,
    validate_parameter_constraints,
)
from sklearn.utils.validation import _check_sample_weight as check_sample_weight

__all__ = [
    "Hidden",
    "Interval",
    "Options",
    "StrOptions",
    "check_sample_weight",
    "validate_parameters",
]


def validate_parameters(estimator) -> None:
    """Check an estimator's parameters against its class' ``_parameter_constraints``."""
    validate_parameter_constraints(
        estimator._parameter_constraints,
        estimator.get_params(deep=False),
        caller_name=type(estimator).__name__,
    )
