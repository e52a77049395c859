"""Images one by one, and changed ones in the very form in which the images came."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from sktransfer._nesting import to_the_images
from sktransfer.images._batch import ImageBatch, as_images
from sktransfer.images._sequences import SequenceBatch


class GivenImages(ABC):
    """Images as a user has given them.

    Attributes
    ----------
    images : ImageBatch
        The same as the library's estimators see them.
    """

    def __init__(self, X: Any, images: ImageBatch) -> None:
        self.images = images
        self._X = X

    def __len__(self) -> int:
        return len(self.images)

    @abstractmethod
    def pixels(self, position: int) -> np.ndarray:
        """Return a copy of one image (height, width, channels), on the scale of what was given."""

    @abstractmethod
    def in_form(self, images: np.ndarray) -> Any:
        """Return images, such as `pixels` gives them, in the form of what was given."""

    def picture(self, position: int) -> np.ndarray:
        """Return one image to be looked at: (height, width, 3), uint8."""
        if self.images.size is None:
            return self.pixels(position)
        pixels = self.images.take([position])[0]
        if not self.images.canonical:
            darkest, brightest = pixels.min(), pixels.max()
            pixels = 255 * (pixels - darkest) / ((brightest - darkest) or 1)
        return np.rint(pixels).clip(0, 255).astype(np.uint8)


class _GivenArray(GivenImages):
    """Numbers: an array, nested lists, or a frame of pixels."""

    def __init__(self, X: Any, images: ImageBatch, size: tuple[int, int]) -> None:
        super().__init__(X, images)
        self._array = np.asarray(X)
        self._size = size

    def pixels(self, position: int) -> np.ndarray:
        return self._array[position].reshape(*self._size, -1).copy()

    def in_form(self, images: np.ndarray) -> Any:
        array = images.reshape(len(images), *self._array.shape[1:])
        if isinstance(self._X, pd.DataFrame):
            return pd.DataFrame(array, columns=self._X.columns)
        return array


class _GivenItems(GivenImages):
    """Paths, encoded bytes, Pillow images and arrays, perhaps of mixed sizes."""

    def __init__(self, X: Any, images: ImageBatch) -> None:
        super().__init__(X, images)
        self._items = X if isinstance(X, (list, tuple)) else np.ravel(X)

    def pixels(self, position: int) -> np.ndarray:
        return as_images([self._items[position]]).take([0])[0]

    def in_form(self, images: np.ndarray) -> Any:
        if isinstance(self._X, pd.DataFrame):
            return pd.Series(list(images), dtype=object).to_frame(self._X.columns[0])
        return list(images)


def given_images(X: Any, estimator: Any, image_shape: Sequence[int] | None = None) -> GivenImages:
    """Find out what images X are, as the estimator that they are given to does.

    Parameters
    ----------
    X : array-like, or sequence of images
        As `sktransfer.images.as_images` takes it.
    estimator : estimator
        Where it has the parameters `image_shape` and `pixel_range`, or the first step within it
        does, they count. Else floats may be on any scale.
    image_shape : (int, int, int), default=None
        Shape of the images in two-dimensional rows; None is the estimator's own.
    """
    reader = next((part for part in to_the_images(estimator) if hasattr(part, "pixel_range")), None)
    images = as_images(
        X,
        image_shape=image_shape or getattr(reader, "image_shape", None),
        pixel_range=getattr(reader, "pixel_range", None),
    )
    if isinstance(images, SequenceBatch) or images.size is None:
        return _GivenItems(X, images)
    return _GivenArray(X, images, images.size)
