"""Errors and warnings of the library, and the one way to say that a name is unknown."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "CacheWarning",
    "ImageError",
    "MissingWeightsError",
    "PersistenceError",
    "UnreadableImagesWarning",
    "WeightsError",
    "unknown_name",
]


class ImageError(ValueError):
    """An image that is missing, damaged or of a kind that cannot be used."""


class WeightsError(ValueError):
    """A file of weights that is damaged or belongs to another network."""


class MissingWeightsError(WeightsError, FileNotFoundError):
    """Pretrained weights that are neither on this machine nor within its reach."""


class PersistenceError(ValueError):
    """An estimator that cannot be saved, or a file that cannot be loaded.

    The message names the file and what is wrong.
    """


class CacheWarning(UserWarning):
    """A cache that is damaged or cannot be used in full; results are right all the same."""


class UnreadableImagesWarning(UserWarning):
    """Images that could not be read, and that were passed over because that was asked for.

    Parameters
    ----------
    message : str
        How many they are, the first of them, and what was done.
    unreadable : DataFrame or None, default=None
        All of them: "position" in X, "file" and "error".
    """

    def __init__(self, message: str, unreadable: pd.DataFrame | None = None) -> None:
        super().__init__(message)
        self.unreadable = unreadable


def unknown_name(kind: str, name: object, known: Iterable[str]) -> ValueError:
    """Build the error for a `name` that is not among the `known`, with near matches."""
    known = sorted(known)
    near = difflib.get_close_matches(str(name).lower(), known, n=3)
    advice = f"did you mean {' or '.join(map(repr, near))}?" if near else f"known: {known}"
    return ValueError(f"Unknown {kind} {name!r}; {advice}")
