"""Augmented views of images, handed on in the very form in which the images came.

Whoever takes the images takes their views, too: rows of pixels stay rows, floats of 0 to 1 floats
of 0 to 1, and a list of files becomes a list of arrays, which counts as images just as well.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from sktransfer.estimators._images import check_range_is_not_needed
from sktransfer.images import Augmentation
from sktransfer.images._batch import ImageBatch, as_images
from sktransfer.images._pixels import check_pixel_range
from sktransfer.images._sequences import SequenceBatch

BLOCK_BYTES = 1 << 24
"""Bytes of the images, at 8 bits a value, whose views are held in memory at a time."""


class Views:
    """Images, and the views that an augmentation makes of them.

    View number k is drawn for the id k, whichever image it is of: what is said of an image depends
    neither on its place nor on the images beside it.

    Parameters
    ----------
    X : array-like, or sequence of images
        As `sktransfer.images.as_images` takes it with `image_shape` and `pixel_range`.
    augmentation : Augmentation
        Makes the views.
    seed : int
        Seed of the augmentation.
    """

    def __init__(
        self,
        X: Any,
        augmentation: Augmentation,
        seed: int,
        *,
        image_shape: Sequence[int] | None,
        pixel_range: Any,
    ) -> None:
        self._X = X
        self._augmentation = augmentation
        self._seed = seed
        pixel_range = check_pixel_range(pixel_range)
        self._images = as_images(X, image_shape=image_shape, pixel_range=pixel_range)
        self._scale = 255 if pixel_range == (0, 1) else 1
        if not self._images.canonical:
            check_range_is_not_needed(augmentation)

    def blocks(self, numbers: Sequence[int]) -> Iterator[tuple[slice, Any]]:
        """Yield (rows of X, view of these rows): block by block, each of the numbered views."""
        if isinstance(self._images, SequenceBatch):
            return self._blocks_of_items(numbers)
        return self._blocks_of_array(numbers)

    def _blocks_of_array(self, numbers: Sequence[int]) -> Iterator[tuple[slice, Any]]:
        given = self._X if hasattr(self._X, "shape") else np.asarray(self._X)
        for rows in _slices(self._images):
            pixels = self._images.take(rows)
            for number in numbers:
                view = self._view(pixels, number)
                view = _rounded(view) if pixels.dtype == np.uint8 else view / self._scale
                yield rows, self._in_frame(_in_shape(view, tuple(given.shape[1:])))

    def _blocks_of_items(self, numbers: Sequence[int]) -> Iterator[tuple[slice, Any]]:
        for rows, groups in _groups_of_one_size(self._images, _items(self._X)):
            for number in numbers:
                views = [_rounded(self._view(pixels, number)) for pixels in groups]
                yield rows, self._in_frame([image for view in views for image in view])

    def _view(self, pixels: np.ndarray, number: int) -> np.ndarray:
        """Return one view of images of one size, float32."""
        ids = np.full(len(pixels), number)
        view = self._augmentation.augment(pixels, seed=self._seed, ids=ids)
        # Interpolated floats exceed their range by a rounding, which would be refused.
        return view.clip(0, 255) if self._images.canonical else view

    def _in_frame(self, values: Any) -> Any:
        """Give values the names of the columns that X has."""
        if not isinstance(self._X, pd.DataFrame):
            return values
        if isinstance(values, list):
            values = pd.Series(values, dtype=object).to_frame()
        return pd.DataFrame(values).set_axis(self._X.columns, axis=1)


def _slices(images: ImageBatch) -> Iterator[slice]:
    """Yield the blocks of images of one size."""
    height, width = images.size or (1, 1)
    n = max(1, BLOCK_BYTES // (3 * height * width))
    for start in range(0, len(images), n):
        yield slice(start, min(start + n, len(images)))


def _groups_of_one_size(
    images: ImageBatch, items: Sequence[Any]
) -> Iterator[tuple[slice, list[np.ndarray]]]:
    """Yield (rows, their images in groups of one size): single images where sizes are mixed."""
    if images.size is not None:
        for rows in _slices(images):
            yield rows, [images.take(rows)]
        return
    group: list[np.ndarray] = []
    first, n_bytes = 0, 0
    for position, item in enumerate(items):
        group.append(as_images([item]).take([0]))
        n_bytes += group[-1].nbytes
        if n_bytes >= BLOCK_BYTES or position + 1 == len(items):
            yield slice(first, position + 1), group
            group, first, n_bytes = [], position + 1, 0


def _items(X: Any) -> Sequence[Any]:
    """Return the single images of a list, Series, array or one-column frame of them."""
    return X if isinstance(X, (list, tuple)) else list(np.ravel(X))


def _rounded(view: np.ndarray) -> np.ndarray:
    return np.rint(view).clip(0, 255).astype(np.uint8)


def _in_shape(view: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Bring images (n, height, width, 3) to (n, *shape); grey ones have three equal channels."""
    n_channels = math.prod(shape) // math.prod(view.shape[1:3])
    return view[..., :n_channels].reshape(len(view), *shape)
