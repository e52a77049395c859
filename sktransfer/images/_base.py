"""What a batch of images is, whatever it is read from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from sktransfer.images._problems import Problem
from sktransfer.images._resize import check_interpolation, check_size, resize

__all__ = ["ImageBatch", "ResizedBatch", "Resizing"]


@dataclass(frozen=True)
class Resizing:
    """How images are resized: a function of an image or of a batch."""

    size: tuple[int, int]
    interpolation: str

    def __call__(self, images: np.ndarray) -> np.ndarray:
        return resize(images, self.size, self.interpolation)


class ImageBatch(ABC):
    """Images that are read when they are asked for.

    Attributes
    ----------
    canonical : bool
        Whether pixels lie in 0..255. False means that the user has scaled them already, and
        that they are to be used as they are.
    size : tuple of int (height, width) or None
        The size that all images share, in pixels; None if their sizes are mixed.
    unreadable : mapping of int to Problem
        The images, by position, that are known to be unreadable and come out black. They become
        known when they are read. Empty where an unreadable image is an error, as is usual.
    """

    canonical: bool
    size: tuple[int, int] | None
    unreadable: Mapping[int, Problem] = MappingProxyType({})

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of images."""

    @abstractmethod
    def read(self, positions: np.ndarray, resizing: Resizing | None = None) -> np.ndarray:
        """Return a new array of the images at `positions` (integers), resized if so asked."""

    def take(self, indices: Sequence[int] | np.ndarray | slice) -> np.ndarray:
        """Copy the images at `indices` (integers, a mask or a slice, as NumPy indexes an axis).

        Returns
        -------
        ndarray of shape (k, height, width, 3), uint8 or float32

        Raises
        ------
        ValueError
            If the images are of mixed sizes: then `resized` has to come first.
        ImageError
            If an image cannot be decoded.
        """
        return self.read(np.arange(len(self))[indices])

    def resized(self, size: Sequence[int], interpolation: str = "bilinear") -> ImageBatch:
        """Return these images, each resized on its own to `size` (height, width) when taken.

        They come out as float32; see `sktransfer.images._resize.resize`.
        """
        check_interpolation(interpolation)
        return ResizedBatch(self, Resizing(check_size(size), interpolation))

    def chunks(self, n: int) -> Iterator[np.ndarray]:
        """Yield all images in order, `n` at a time; the last array may be shorter."""
        for start in range(0, len(self), n):
            yield self.take(slice(start, start + n))


class ResizedBatch(ImageBatch):
    """The images of another batch, resized when they are taken."""

    def __init__(self, images: ImageBatch, resizing: Resizing) -> None:
        self.canonical = images.canonical
        self.size = resizing.size
        self.unreadable = images.unreadable
        self._images = images
        self._resizing = resizing

    def __len__(self) -> int:
        return len(self._images)

    def read(self, positions: np.ndarray, resizing: Resizing | None = None) -> np.ndarray:
        images = self._images.read(positions, self._resizing)
        return images if resizing is None else resizing(images)
