"""Objects of the allowed classes: taken apart into plain values, and put together again."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import fields
from typing import Any

import numpy as np
from sklearn import config_context
from sklearn.base import BaseEstimator
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline

from sktransfer._errors import PersistenceError
from sktransfer._validation import parameter_names
from sktransfer.persistence._neighbours import with_tree, without_tree
from sktransfer.persistence._networks import check_classes, check_variables

NETWORK = "_packed_network"
"""Where the state of a network estimator has what its network is rebuilt from."""

REQUESTS = "_metadata_request"
"""Where scikit-learn keeps which metadata an estimator requests."""

_TWISTER_WORDS = 624


def take_apart(value: Any) -> dict[str, Any]:
    """Return the parts of an object, by name."""
    if isinstance(value, BaseEstimator):
        return _parts_of_estimator(value)
    if isinstance(value, np.random.RandomState):
        return _parts_of_generator(value)
    return {field.name: getattr(value, field.name) for field in fields(value)}


def put_together(cls: Any, parts: dict[str, Any]) -> Any:
    """Build an object of its parts, without calling anything that they name."""
    if issubclass(cls, BaseEstimator):
        return _estimator(cls, parts)
    if issubclass(cls, np.random.RandomState):
        return _generator(parts)
    _check_names(cls, "field", parts, [field.name for field in fields(cls)])
    return cls(**parts)


def _parts_of_estimator(estimator: BaseEstimator) -> dict[str, Any]:
    """Return parameters, the rest of the state that a pickle has, too, and requests."""
    state = dict(estimator.__getstate__())
    requests = state.pop(REQUESTS, None)
    if isinstance(estimator, KNeighborsClassifier):
        state = without_tree(state)
    parameters = {name: state.pop(name) for name in parameter_names(type(estimator))}
    _check_state(type(estimator), parameters, state)
    return {
        "parameters": parameters,
        "state": state,
        "requests": {} if requests is None else _parts_of_requests(requests),
    }


def _estimator(cls: Any, parts: dict[str, Any]) -> BaseEstimator:
    _check_names(cls, "part", parts, ["parameters", "state", "requests"])
    parameters, state = parts["parameters"], parts["state"]
    _check_names(cls, "parameter", parameters, parameter_names(cls))
    _check_state(cls, parameters, state)
    if NETWORK in state:
        check_variables(state[NETWORK])
    if issubclass(cls, KNeighborsClassifier):
        state = with_tree({**parameters, **state})
    estimator = cls.__new__(cls)
    estimator.__setstate__({**parameters, **state})
    if NETWORK in state:
        _ = estimator.model_  # built now, so that what is wrong with it is an error of the file
    with config_context(enable_metadata_routing=True):
        for method, requests in parts["requests"].items():
            getattr(estimator, f"set_{method}_request")(**requests)
    return estimator


def _check_state(cls: type, parameters: dict[str, Any], state: dict[str, Any]) -> None:
    """Refuse attributes that would hide what a class defines, and folders of pickles."""
    for name in state:
        defined = inspect.getattr_static(cls, name, None)
        hides = callable(defined) or inspect.isdatadescriptor(defined) or name.startswith("__")
        if hides or name in parameters:
            raise PersistenceError(f"{cls.__name__} has no fitted attribute {name!r}")
    if issubclass(cls, Pipeline) and parameters.get("memory") is not None:
        raise PersistenceError("a Pipeline's memory is a folder of pickles; set memory=None")
    if NETWORK in state:
        check_classes(state[NETWORK])


def _parts_of_requests(requests: Any) -> dict[str, dict[str, Any]]:
    """Return what each method requests, where that is said."""
    said = {
        method: {name: alias for name, alias in part.requests.items() if alias is not None}
        for method, part in vars(requests).items()
        if hasattr(part, "requests")
    }
    return {method: names for method, names in said.items() if names}


def _parts_of_generator(generator: np.random.RandomState) -> dict[str, Any]:
    state = generator.get_state(legacy=False)
    if state["bit_generator"] != "MT19937":
        raise PersistenceError("a RandomState of another bit generator than MT19937")
    return {**state.pop("state"), **state}


def _generator(parts: dict[str, Any]) -> np.random.RandomState:
    """Build a generator, whose compiled code trusts its position within its words."""
    names = ["key", "pos", "bit_generator", "has_gauss", "gauss"]
    _check_names(np.random.RandomState, "part", parts, names)
    key, position = parts["key"], parts["pos"]
    is_key = isinstance(key, np.ndarray) and key.dtype == np.uint32
    if not is_key or key.shape != (_TWISTER_WORDS,) or not 0 <= position <= _TWISTER_WORDS:
        raise PersistenceError("a RandomState has no valid words or position")
    generator = np.random.RandomState()
    generator.set_state(("MT19937", key, position, int(parts["has_gauss"]), float(parts["gauss"])))
    return generator


def _check_names(cls: type, kind: str, found: Iterable[str], known: Iterable[str]) -> None:
    """Refuse parts that there are not, and those that are missing."""
    for name in sorted(set(found) - set(known)):
        raise PersistenceError(f"{cls.__name__} has no {kind} {name!r}")
    for name in sorted(set(known) - set(found)):
        raise PersistenceError(f"{cls.__name__} lacks its {kind} {name!r}")
