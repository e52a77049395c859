"""Images that come one by one: paths, encoded bytes, Pillow images and arrays of any sizes."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from sktransfer._errors import ImageError
from sktransfer.images._base import ImageBatch, Resizing
from sktransfer.images._decode import decode, describe, read_size
from sktransfer.images._pixels import PixelRange

__all__ = ["SequenceBatch"]

_THREADS = min(8, os.cpu_count() or 1)
_ENOUGH_FOR_THREADS = 16
_PROBLEMS_NAMED = 3


class SequenceBatch(ImageBatch):
    """Images that are decoded when they are taken.

    On construction the size of each is read, of files from the header alone, so that what is
    missing or no image at all is known at once.

    Parameters
    ----------
    items : sequence of str, PathLike, bytes, bytearray, PIL.Image.Image or uint8 ndarray
        One image each; kept, not copied.
    pixel_range : "auto", (0, 255) or None
        None hands the decoded values on as float32, marked as being scaled already.

    Raises
    ------
    ImageError
        If `pixel_range` is (0, 1), or an image cannot be read.
    """

    def __init__(self, items: Sequence[Any], pixel_range: PixelRange) -> None:
        if pixel_range == (0, 1):
            raise ImageError(
                "pixel_range=(0, 1) is declared, but X holds images whose decoded pixels lie in "
                "0 to 255; use pixel_range='auto'"
            )
        self.canonical = pixel_range is not None
        self._items = items
        self._dtype = np.uint8 if self.canonical else np.float32
        self._sizes = _read_sizes(items)
        self.size = self._sizes[0] if len(set(self._sizes)) == 1 else None

    def __len__(self) -> int:
        return len(self._items)

    def read(self, positions: np.ndarray, resizing: Resizing | None = None) -> np.ndarray:
        if resizing is not None:
            images = np.empty((len(positions), *resizing.size, 3), np.float32)
        elif self.size is not None:
            images = np.empty((len(positions), *self.size, 3), self._dtype)
        else:
            raise ValueError(self._mixed_sizes())

        def read_one(k: int) -> None:
            image = self._decode(positions[k])
            if resizing is None:
                self._check_size(image, positions[k])
                images[k] = image
            else:
                images[k] = resizing(image)

        _repeat(read_one, len(positions))
        return images

    def _decode(self, position: int) -> np.ndarray:
        """Return the pixels of one image, uint8 of shape (h, w, 3)."""
        item = self._items[position]
        try:
            return decode(item)
        except ImageError as error:
            raise ImageError(_problem(position, item, error)) from error

    def _check_size(self, image: np.ndarray, position: int) -> None:
        """Raise ImageError unless the pixels have the size that their header promised."""
        if image.shape[:2] != self._sizes[position]:
            raise ImageError(
                f"{_name(position, self._items[position])} has pixels of size {image.shape[:2]}, "
                f"but its header says {self._sizes[position]}; give a size to resize it to"
            )

    def _mixed_sizes(self) -> str:
        """Say which images differ in size."""
        first = self._sizes[0]
        other = next(k for k, size in enumerate(self._sizes) if size != first)
        return (
            f"The images differ in size: {_name(0, self._items[0])} has (height, width) {first}, "
            f"{_name(other, self._items[other])} has {self._sizes[other]}; give a size to which "
            "they are resized"
        )


def _read_sizes(items: Sequence[Any]) -> list[tuple[int, int]]:
    """Return each image's (height, width), or raise one ImageError for all that have none."""
    # In one thread: reading a header is Python code, so that threads only wait for each other.
    sizes, problems = [], []
    for position, item in enumerate(items):
        try:
            sizes.append(read_size(item))
        except ImageError as error:
            problems.append(_problem(position, item, error))
    if problems:
        more = len(problems) - _PROBLEMS_NAMED
        named = "; ".join(problems[:_PROBLEMS_NAMED]) + (f"; and {more} more" if more > 0 else "")
        raise ImageError(f"{len(problems)} of {len(items)} images cannot be read: {named}")
    return sizes


def _problem(position: int, item: object, error: ImageError) -> str:
    return f"{_name(position, item)}: {error}"


def _name(position: int, item: object) -> str:
    return f"X[{position}] ({describe(item)})"


def _repeat(task: Callable[[int], None], n: int) -> None:
    """Do `task` for 0 to n - 1, by several threads if that is worth it."""
    if n < _ENOUGH_FOR_THREADS:
        for k in range(n):
            task(k)
        return

    def do_share(first: int) -> None:
        for k in range(first, n, _THREADS):
            task(k)

    with ThreadPoolExecutor(_THREADS) as pool:
        for _ in pool.map(do_share, range(_THREADS)):
            pass  # asking for the results brings errors up
