"""Which values a pixel may have, and how they are brought to 0..255."""

from __future__ import annotations

from typing import Literal

import numpy as np

__all__ = ["PixelRange", "check_pixel_range", "check_pixels", "pixel_dtype"]

PixelRange = Literal["auto"] | tuple[float, float] | None

_LARGEST = 1e30
"""Of scaled pixels: what a network sums up of larger ones overflows, and may be clipped unseen."""

_LIMITS: dict[PixelRange, tuple[float, float]] = {
    "auto": (0, 255),
    (0, 1): (0, 1),
    (0, 255): (0, 255),
    None: (-_LARGEST, _LARGEST),
}


def check_pixel_range(pixel_range: object) -> PixelRange:
    """Return `pixel_range` as "auto", None, (0, 1) or (0, 255), or raise ValueError."""
    if isinstance(pixel_range, list):
        pixel_range = tuple(pixel_range)
    for known in _LIMITS:
        if type(pixel_range) is type(known) and pixel_range == known:
            return known
    raise ValueError(f"pixel_range must be 'auto', (0, 1), (0, 255) or None; got {pixel_range!r}")


def pixel_dtype(dtype: np.dtype, pixel_range: PixelRange) -> np.dtype:
    """Return the type in which pixels of `dtype` are handed on: uint8 or float32."""
    whole = dtype.kind in "ui" and pixel_range in ("auto", (0, 255))
    return np.dtype(np.uint8 if whole else np.float32)


def check_pixels(array: np.ndarray, pixel_range: PixelRange) -> None:
    """Raise ValueError unless `array`, which is finite, holds pixels within `pixel_range`."""
    kind = array.dtype.kind
    if kind == "b":
        raise ValueError(
            "X holds booleans, which are masks rather than pixels; for black-and-white images "
            "pass X.astype('uint8') * 255"
        )
    if kind not in "uif":
        raise ValueError(f"X must hold integers or floats; got dtype {array.dtype}")
    low, high = _LIMITS[pixel_range]
    if array.dtype == np.uint8 and high >= 255:
        return
    smallest, largest = array.min(), array.max()
    if kind == "f" and pixel_range == "auto":
        raise ValueError(
            f"X holds {array.dtype} values from {smallest} to {largest}, and floats do not tell "
            "which range they span. Declare it: pixel_range=(0, 1) or (0, 255), or None if X is "
            "already scaled as the network expects"
        )
    if smallest < low or largest > high:
        raise ValueError(
            f"X holds {array.dtype} values from {smallest} to {largest}, but with "
            f"pixel_range={pixel_range!r} pixels lie in {low} to {high}. Declare the range of X "
            "by pixel_range, or np.clip(X, ...) if the excess is rounding or overshoot"
        )
