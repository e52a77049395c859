"""What makes a run the run that it is: another one must not go on in its folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from sktransfer.evaluation._splits import Fold, Pools

__all__ = ["described", "described_cv"]


def described(name: str, pools: Pools) -> dict:
    """Describe a dataset, so that another one is not taken for it."""
    return {
        "name": name,
        "hash": joblib.hash(
            [_content(pools.X), _content(pools.X_test), pools.y, pools.y_test, pools.groups]
        ),
        "classes": np.unique(pools.y).tolist(),
        "images": len(pools.y),
        "test_images": 0 if pools.y_test is None else len(pools.y_test),
    }


def _content(X: Any) -> Any:
    """Return images, or of files what they are called and how long they are."""
    if X is None or getattr(X, "ndim", 1) > 1:
        return X
    items = np.ravel(X).tolist() if hasattr(X, "shape") else list(X)
    return [
        (item, Path(item).stat().st_size) if isinstance(item, (str, Path)) else item
        for item in items
    ]


def described_cv(cv: Any, folds: Mapping[str, Sequence[Fold]]) -> int | str | None:
    """Describe the folds; of a splitter by what it did, so that other folds are told from them."""
    if cv is None or isinstance(cv, Integral):
        return cv if cv is None else int(cv)
    positions = {
        name: [(np.asarray(train).tolist(), np.asarray(test).tolist()) for train, test, *_ in parts]
        for name, parts in folds.items()
    }
    return f"{type(cv).__name__} {joblib.hash(positions)}"
