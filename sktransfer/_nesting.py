"""What lies within pipelines, unions, searches and other meta-estimators."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import FeatureUnion, Pipeline


def steps_of(estimator: Any) -> list[Any]:
    """Return the steps of a pipeline that do something, or a single estimator as the only one."""
    if not isinstance(estimator, Pipeline):
        return [estimator]
    return [step for _, step in estimator.steps if step not in (None, "passthrough")]


def chain_of(estimator: Any) -> list[Any]:
    """Return what an image passes in turn, in nested pipelines, frozen ones and search winners."""
    if isinstance(estimator, FrozenEstimator):
        return chain_of(estimator.estimator)
    estimator = getattr(estimator, "best_estimator_", estimator)
    if not isinstance(estimator, Pipeline):
        return [estimator]
    return [inner for step in steps_of(estimator) for inner in chain_of(step)]


def parts_of(estimator: Any) -> list[Any]:
    """Return the links of a chain, and in place of a union those of the chains in it."""
    return [part for link in chain_of(estimator) for part in _parallel_parts(link)]


def _parallel_parts(link: Any) -> list[Any]:
    """Return the parts of a union, or a single estimator as the only one."""
    if not isinstance(link, FeatureUnion):
        return [link]
    inner = [one for _, one in link.transformer_list if one not in ("drop", "passthrough")]
    return [part for one in inner for part in parts_of(one)]


def within(estimator: Any) -> Any:
    """Return what a fitted meta-estimator asks, such as the network that is shown several views.

    Ensembles stay as they are: the `estimator_` of theirs is a pattern, and fitted are its copies.
    """
    if isinstance(estimator, FrozenEstimator):
        return within(estimator.estimator)
    for name in ("best_estimator_", "estimator_"):
        if hasattr(estimator, name) and not hasattr(estimator, "estimators_"):
            return within(getattr(estimator, name))
    return estimator


def to_the_images(estimator: Any) -> Iterator[Any]:
    """Yield an estimator, and what is within it towards the step that takes the images."""
    while estimator is not None:
        yield estimator
        if isinstance(estimator, Pipeline):
            estimator = estimator[0]
        else:
            names = ("best_estimator_", "estimator_", "estimator")
            inner = (getattr(estimator, name, None) for name in names)
            # An ensemble that is not fitted has no length, and so neither a truth value.
            estimator = next((one for one in inner if one is not None), None)
