"""The errors and warnings of the library, for those who catch or filter them."""

from __future__ import annotations

from sktransfer._errors import (
    CacheWarning,
    ImageError,
    MissingWeightsError,
    PersistenceError,
    UnreadableImagesWarning,
    WeightsError,
)

__all__ = [
    "CacheWarning",
    "ImageError",
    "MissingWeightsError",
    "PersistenceError",
    "UnreadableImagesWarning",
    "WeightsError",
]
