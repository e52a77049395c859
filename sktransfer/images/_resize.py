"""Resizing: one function, so that an image is the same pixels wherever it is resized."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sktransfer._errors import unknown_name
from sktransfer._forks import refuse_fork

__all__ = ["INTERPOLATIONS", "check_interpolation", "check_size", "resize"]

INTERPOLATIONS = ("area", "bicubic", "bilinear", "lanczos3", "nearest")


def check_size(size: Sequence[int]) -> tuple[int, int]:
    """Return `size` as a tuple (height, width) of positive integers, or raise ValueError."""
    sides = tuple(size) if isinstance(size, (tuple, list)) else ()
    if len(sides) != 2 or not all(
        isinstance(side, (int, np.integer)) and side > 0 for side in sides
    ):
        raise ValueError(f"size must be (height, width), two positive integers; got {size!r}")
    return int(sides[0]), int(sides[1])


def check_interpolation(interpolation: str) -> None:
    """Raise ValueError unless `interpolation` is one of `INTERPOLATIONS`."""
    if interpolation not in INTERPOLATIONS:
        raise unknown_name("interpolation", interpolation, INTERPOLATIONS)


def resize(images: np.ndarray, size: Sequence[int], interpolation: str = "bilinear") -> np.ndarray:
    """Resize one image or a batch of images of one size.

    Where a side shrinks, the kernel is widened (antialiasing), so that no pixel is skipped.
    An image has the same bits whether it is resized alone or within a batch.

    Parameters
    ----------
    images : ndarray of shape (h, w, c) or (n, h, w, c)
        Pixels of any number type.
    size : (int, int)
        Height and width wanted, in pixels.
    interpolation : {"area", "bicubic", "bilinear", "lanczos3", "nearest"}, default="bilinear"
        Bicubic and Lanczos kernels overshoot: near edges, values may lie a little outside
        the range of the input.

    Returns
    -------
    ndarray of shape (height, width, c) or (n, height, width, c), float32
        A new array, on the scale of the input.

    Raises
    ------
    ValueError
        If `size` is not two positive integers or `interpolation` is not known.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer.images._resize import resize
    >>> resize(np.full((2, 4, 4, 3), 7, dtype="uint8"), (2, 8)).shape
    (2, 2, 8, 3)
    """
    height, width = check_size(size)
    check_interpolation(interpolation)
    if images.shape[-3:-1] == (height, width):
        return images.astype(np.float32)
    refuse_fork()

    import tensorflow as tf

    shrinks = height < images.shape[-3] or width < images.shape[-2]
    # On the CPU also where there is a GPU: its kernels give other bits, and single images
    # would cost a transfer each.
    with tf.device("CPU"):
        resized = tf.image.resize(images, (height, width), interpolation, antialias=shrinks)
    return resized.numpy().astype(np.float32, copy=False)
