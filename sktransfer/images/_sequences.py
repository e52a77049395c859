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
from sktransfer.images._problems import Problem, summarize

__all__ = ["SequenceBatch"]

_THREADS = min(8, os.cpu_count() or 1)
_ENOUGH_FOR_THREADS = 16


class SequenceBatch(ImageBatch):
    """Images that are decoded when they are taken.

    On construction the size of each is read, of files from the header alone, so that what is
    missing or no image at all is known at once. Where unreadable images are borne, a size counts
    once an image that has it has been decoded, so that a damaged one has no say in it.

    Parameters
    ----------
    items : sequence of str, PathLike, bytes, bytearray, PIL.Image.Image or uint8 ndarray
        One image each; kept, not copied.
    pixel_range : "auto", (0, 255) or None
        None hands the decoded values on as float32, marked as being scaled already.
    on_error : {"raise", "nan"}, default="raise"
        Whether an image that cannot be read is an error, or comes out black and is listed in
        `unreadable`.

    Raises
    ------
    ImageError
        If `pixel_range` is (0, 1), or an image cannot be read and that is an error.
    """

    def __init__(
        self, items: Sequence[Any], pixel_range: PixelRange, on_error: str = "raise"
    ) -> None:
        if pixel_range == (0, 1):
            raise ImageError(
                "pixel_range=(0, 1) is declared, but X holds images whose decoded pixels lie in "
                "0 to 255; use pixel_range='auto'"
            )
        self.canonical = pixel_range is not None
        self._items = items
        self._dtype = np.uint8 if self.canonical else np.float32
        self._sizes, problems = _read_sizes(items)
        self._bears_errors = on_error == "nan"
        if problems and not self._bears_errors:
            raise ImageError(summarize(problems, len(items)))
        self.unreadable: dict[int, Problem] = {each.position: each for each in problems}
        sizes = self._two_readable_sizes() if self._bears_errors else set(self._sizes.values())
        self.size = sizes.pop() if len(sizes) == 1 else None

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
            image = self._decode(int(positions[k]), of_header_size=resizing is None)
            if image is None:
                images[k] = 0
            else:
                images[k] = image if resizing is None else resizing(image)

        _repeat(read_one, len(positions))
        return images

    def find_unreadable(self) -> list[Problem]:
        """Decode every image, and return what cannot be read, in order."""
        _repeat(self._decode, len(self))
        return [self.unreadable[position] for position in sorted(self.unreadable)]

    def _decode(self, position: int, *, of_header_size: bool = False) -> np.ndarray | None:
        """Return the pixels of one image, uint8 (h, w, 3), or None if it is borne to have none."""
        if position in self.unreadable:
            return None
        item = self._items[position]
        try:
            image = decode(item)
            if of_header_size and image.shape[:2] != self._sizes[position]:
                raise ImageError(
                    f"has pixels of size {image.shape[:2]}, but its header says "
                    f"{self._sizes[position]}; give a size to resize it to"
                )
        except ImageError as error:
            problem = Problem(position, item, str(error))
            if not self._bears_errors:
                raise ImageError(str(problem)) from error
            self.unreadable[position] = problem
            return None
        return image

    def _two_readable_sizes(self) -> set[tuple[int, int]]:
        """Return two sizes that readable images have, or one if all have the same."""
        found: set[tuple[int, int]] = set()
        for position, size in self._sizes.items():
            if size not in found and self._decode(position) is not None:
                found.add(size)
            if len(found) > 1:
                break
        return found

    def _mixed_sizes(self) -> str:
        """Say which images differ in size."""
        readable = (item for item in self._sizes.items() if item[0] not in self.unreadable)
        first, size = next(readable)
        other, other_size = next(item for item in readable if item[1] != size)
        return (
            f"The images differ in size: {self._name(first)} has (height, width) {size}, "
            f"{self._name(other)} has {other_size}; give a size to which they are resized"
        )

    def _name(self, position: int) -> str:
        return f"X[{position}] ({describe(self._items[position])})"


def _read_sizes(items: Sequence[Any]) -> tuple[dict[int, tuple[int, int]], list[Problem]]:
    """Return the (height, width) of images by position, and what is wrong with the others."""
    # In one thread: reading a header is Python code, so that threads only wait for each other.
    sizes, problems = {}, []
    for position, item in enumerate(items):
        try:
            sizes[position] = read_size(item)
        except ImageError as error:
            problems.append(Problem(position, item, str(error)))
    return sizes, problems


def _repeat(task: Callable[[int], object], n: int) -> None:
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
