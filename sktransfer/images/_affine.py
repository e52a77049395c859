"""Affine maps of the plane, one for each image: matrices (n, 2, 3) and how they are composed.

They map pixels (x, y) of the output to points of the input, as `affine_warp` takes them; x counts
columns and y rows, and pixel centres lie at whole numbers.
"""

from __future__ import annotations

import numpy as np

__all__ = ["about", "centre", "composed", "in_pixels", "linear", "rotations", "upper_left"]


def linear(a, b, c, d) -> np.ndarray:
    """Stack numbers and (n,) arrays to matrices [[a, b], [c, d]] of shape (n, 2, 2)."""
    return np.stack(np.broadcast_arrays(a, b, c, d), axis=-1).reshape(-1, 2, 2)


def rotations(degrees: np.ndarray) -> np.ndarray:
    """Give the linear maps that turn images counterclockwise by angles (n,)."""
    angles = np.deg2rad(degrees)
    return linear(np.cos(angles), -np.sin(angles), np.sin(angles), np.cos(angles))


def about(point: np.ndarray, maps: np.ndarray, shifts: np.ndarray | float = 0.0) -> np.ndarray:
    """Let linear maps (n, 2, 2) keep a point (2, 1) in its place, then shift by (n, 2, 1)."""
    return np.concatenate([maps, shifts + point - maps @ point], axis=-1)


def composed(outer: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """Give the maps that apply `inner`, then `outer`."""
    maps = outer[..., :2] @ inner
    maps[..., 2] += outer[..., 2]
    return maps


def centre(size: tuple[int, int]) -> np.ndarray:
    """Give the point (2, 1) in the middle of images of size (height, width)."""
    height, width = size
    return np.array([[width / 2 - 0.5], [height / 2 - 0.5]])


def upper_left() -> np.ndarray:
    """Give the point (2, 1) at the outer corner of the first pixel."""
    return np.array([[-0.5], [-0.5]])


def in_pixels(shift: float, side: int) -> float:
    """Give a shift in pixels: below 1 it is a fraction of the side."""
    return shift * side if shift < 1 else shift
