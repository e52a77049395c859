"""What lies within pipelines and searches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sklearn.pipeline import Pipeline


def steps_of(estimator: Any) -> list[Any]:
    """Return the steps of a pipeline, those of nested ones and of a search's winner included."""
    estimator = getattr(estimator, "best_estimator_", estimator)
    if not isinstance(estimator, Pipeline):
        return [estimator]
    steps = [step for _, step in estimator.steps if step not in (None, "passthrough")]
    return [inner for step in steps for inner in steps_of(step)]


def to_the_images(estimator: Any) -> Iterator[Any]:
    """Yield an estimator, and what is within it towards the step that takes the images."""
    while estimator is not None:
        yield estimator
        if isinstance(estimator, Pipeline):
            estimator = estimator[0]
        else:
            names = ("best_estimator_", "estimator_", "estimator")
            estimator = next(filter(None, (getattr(estimator, name, None) for name in names)), None)
