"""Random rectangles within images, one for each image: crops, and patches that are replaced."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sktransfer.images._draws import between

__all__ = ["masks", "rectangle_sides", "starts"]


def rectangle_sides(
    areas: np.ndarray, ratio_range: Sequence[float], uniform: np.ndarray, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Give heights (n,) and widths (n,), in pixels, of rectangles of some areas.

    Areas (n,) are fractions of the image's. The ratio of width to height is log-uniform over that
    part of `ratio_range` with which the rectangle fits into the image, and where none of it does
    the nearest ratio that does: the area is kept in any case.
    """
    height, width = size
    narrowest, widest = areas * width / height, width / (areas * height)
    low, high = (np.log(np.clip(ratio, narrowest, widest)) for ratio in ratio_range)
    ratios = np.exp(between(low, high, uniform))
    pixels = areas * height * width
    # The borders can be exceeded by rounding only.
    return np.minimum(np.sqrt(pixels / ratios), height), np.minimum(np.sqrt(pixels * ratios), width)


def starts(lengths: np.ndarray, side: int, uniform: np.ndarray) -> np.ndarray:
    """Place intervals of whole lengths (n,) within a side, each start as likely as another."""
    return np.floor(uniform * (side - lengths + 1))


def masks(
    rows: tuple[np.ndarray, np.ndarray],
    columns: tuple[np.ndarray, np.ndarray],
    size: tuple[int, int],
) -> np.ndarray:
    """Mark, in (n, height, width, 1), the pixels in [first, end) of rows and columns, (n,) each."""
    inside_rows, inside_columns = (
        (first[:, None] <= np.arange(side)) & (np.arange(side) < end[:, None])
        for (first, end), side in zip((rows, columns), size, strict=True)
    )
    return (inside_rows[:, :, None] & inside_columns[:, None, :])[..., None]
