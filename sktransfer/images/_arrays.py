"""Images that are held in one array of numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from sktransfer.images._base import ImageBatch, Resizing
from sktransfer.images._pixels import PixelRange, check_pixels, pixel_dtype

__all__ = ["ArrayBatch", "check_image_shape", "images_of_rows", "images_of_shape"]


class ArrayBatch(ImageBatch):
    """Views of one array, copied and converted a few images at a time.

    Parameters
    ----------
    array : ndarray of shape (n, ...)
        Finite numbers; neither copied nor changed.
    shape : (int, int, int)
        Height, width and channels (1 or 3) of an entry of `array`.
    pixel_range : "auto", (0, 1), (0, 255) or None
        The range that the values span.
    """

    def __init__(
        self, array: np.ndarray, shape: tuple[int, int, int], pixel_range: PixelRange
    ) -> None:
        check_pixels(array, pixel_range)
        self.canonical = pixel_range is not None
        self.size = shape[:2]
        self._array = array
        self._shape = shape
        self._dtype = pixel_dtype(array.dtype, pixel_range)
        self._scale = 255 if pixel_range == (0, 1) else 1

    def __len__(self) -> int:
        return len(self._array)

    def read(self, positions: np.ndarray, resizing: Resizing | None = None) -> np.ndarray:
        # Indexing by integers copies these rows, and only these; the reshape comes after it,
        # since a reshape of the whole would copy all of an array that is not contiguous.
        images = self._array[positions].reshape(len(positions), *self._shape)
        images = images.astype(self._dtype, order="C", copy=False)
        if self._scale != 1:
            images *= self._scale
        if self._shape[-1] == 1:
            images = np.repeat(images, 3, axis=-1)
        return images if resizing is None else resizing(images)


def check_image_shape(image_shape: object) -> tuple[int, int, int] | None:
    """Return `image_shape` as a tuple (height, width, channels) or None, or raise ValueError."""
    if image_shape is None:
        return None
    shape = tuple(image_shape) if isinstance(image_shape, (tuple, list)) else ()
    valid = all(isinstance(side, (int, np.integer)) and (side > 0 or side == -1) for side in shape)
    if len(shape) != 3 or not valid or shape.count(-1) > 1 or shape[2] not in (-1, 1, 3):
        raise ValueError(
            "image_shape must be None or (height, width, channels): positive integers, one of "
            f"which may be -1, and 1 or 3 channels; got {image_shape!r}"
        )
    return int(shape[0]), int(shape[1]), int(shape[2])


def images_of_rows(
    rows: np.ndarray, image_shape: tuple[int, int, int], pixel_range: PixelRange
) -> ArrayBatch:
    """Return the images that the rows of a 2-D array hold, flattened in C order."""
    return ArrayBatch(rows, _fill_in(image_shape, rows.shape[1]), pixel_range)


def images_of_shape(array: np.ndarray, pixel_range: PixelRange) -> ArrayBatch:
    """Return the images of an array (n, h, w) or (n, h, w, c)."""
    return ArrayBatch(array, _image_shape_of(array.shape), pixel_range)


def _fill_in(image_shape: tuple[int, int, int], n_values: int) -> tuple[int, int, int]:
    """Return `image_shape` with its -1 replaced so that an image has `n_values` values."""
    known = math.prod(side for side in image_shape if side != -1)
    height, width, channels = (n_values // known if side == -1 else side for side in image_shape)
    if height * width * channels != n_values or channels not in (1, 3):
        raise ValueError(
            f"X has rows of {n_values} values, which do not make images of "
            f"image_shape={image_shape}"
        )
    return height, width, channels


def _image_shape_of(shape: Sequence[int]) -> tuple[int, int, int]:
    """Return (h, w, c) of images in an array of `shape`, or raise ValueError with advice."""
    if 0 in shape:
        raise ValueError(f"X has shape {shape}: there are no pixels in it")
    if len(shape) == 3:
        if shape[2] == 3:
            raise ValueError(
                f"X has shape {shape}: one colour image, or {shape[0]} grey images, 3 pixels "
                "wide? Pass X[np.newaxis] or X[..., np.newaxis], respectively"
            )
        return shape[1], shape[2], 1
    if len(shape) != 4:
        raise ValueError(
            f"X has shape {shape}; images are arrays of shape (n, height, width), "
            "(n, height, width, 1) or (n, height, width, 3)"
        )
    if shape[3] not in (1, 3):
        advice = "images have 1 or 3 channels, on the last axis"
        if shape[1] in (1, 3):
            advice += "; channels come first here: pass X.transpose(0, 2, 3, 1)"
        elif shape[3] == 4:
            advice += "; if the fourth is alpha, pass X[..., :3]"
        raise ValueError(f"X has shape {shape}, but {advice}")
    return shape[1], shape[2], shape[3]
