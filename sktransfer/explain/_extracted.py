"""Features of images, by the part of an estimator that extracts them."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted

from sktransfer.backbones import BackboneFeatures


def features_by(transformer: Any, X: Any, name: str = "X") -> np.ndarray:
    """Return the features (n, n_features) of X, float32.

    Parameters
    ----------
    transformer : fitted transformer, pipeline or None
        Of a pipeline, or a search of one, the steps up to its `BackboneFeatures` count. None: X
        holds features already.
    X : array-like
        What the transformer takes, or features.
    name : str, default="X"
        What X is called in an error.

    Raises
    ------
    TypeError
        If the transformer extracts no features.
    ValueError
        If there are no features, or others than finite numbers.
    """
    if transformer is not None:
        transformer = _feature_part(transformer)
        check_is_fitted(transformer)
        X = transformer.transform(X)
    return check_array(X, dtype=np.float32, input_name=name)


def _feature_part(transformer: Any) -> Any:
    """Return what turns images into features."""
    transformer = getattr(transformer, "best_estimator_", transformer)
    if isinstance(transformer, Pipeline):
        for position, (_, step) in enumerate(transformer.steps):
            if isinstance(step, BackboneFeatures):
                return transformer[: position + 1]
    elif hasattr(transformer, "transform"):
        return transformer
    raise TypeError(
        "transformer must be a BackboneFeatures, a pipeline with one, another transformer or None, "
        f"got {transformer!r}"
    )
