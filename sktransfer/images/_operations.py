"""The list of changes that TrivialAugment and RandAugment choose from, with the papers' ranges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sktransfer.images._affine import about, centre, in_pixels, linear, rotations, upper_left
from sktransfer.images._photometry import (
    auto_contrast,
    change_brightness,
    change_contrast,
    change_saturation,
    change_sharpness,
    equalize,
    posterize,
    solarize,
)
from sktransfer.images._warp import affine_warp

__all__ = ["OPERATIONS", "SPACES", "Operation", "apply_operations"]

SPACES = ("standard", "wide")

Size = tuple[int, int]


@dataclass(frozen=True)
class Operation:
    """A change of images, which either gives them other values or moves their pixels, or neither.

    Attributes
    ----------
    name : str
    standard, wide : (float, float)
        Range of the change's value in each space, from strength 0 to strength 1.
    signed : bool
        Whether the value leaves the start of the range in either direction.
    change : callable or None
        Gives new images (n, height, width, 3) for images and values (n,).
    maps : callable or None
        Gives matrices (n, 2, 3), as `affine_warp` takes them, for values (n,) and a size.
    axis : int or None
        Of shifts: the axis (0 is the height) of whose length a range below 1 is a fraction.
    """

    name: str
    standard: tuple[float, float] = (0.0, 0.0)
    wide: tuple[float, float] = (0.0, 0.0)
    signed: bool = False
    change: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None
    maps: Callable[[np.ndarray, Size], np.ndarray] | None = None
    axis: int | None = None

    def values(
        self, strengths: np.ndarray, signs: np.ndarray, space: str, size: Size
    ) -> np.ndarray:
        """Give the values (n,) for strengths in [0, 1] and signs, which are 1 and -1."""
        start, end = getattr(self, space)
        if self.axis is not None:
            end = in_pixels(end, size[self.axis])
        return start + (end - start) * strengths * (signs if self.signed else 1)


def _turned(degrees: np.ndarray, size: Size) -> np.ndarray:
    return about(centre(size), rotations(degrees))


def _sheared_x(factors: np.ndarray, size: Size) -> np.ndarray:
    return about(upper_left(), linear(1, factors, 0, 1))


def _sheared_y(factors: np.ndarray, size: Size) -> np.ndarray:
    return about(upper_left(), linear(1, 0, factors, 1))


def _shifted_x(pixels: np.ndarray, size: Size) -> np.ndarray:
    return _shifted(pixels, np.zeros_like(pixels))


def _shifted_y(pixels: np.ndarray, size: Size) -> np.ndarray:
    return _shifted(np.zeros_like(pixels), pixels)


def _shifted(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    shifts = np.stack([x, y], axis=-1)[..., None]
    return np.concatenate([np.broadcast_to(np.eye(2), (len(x), 2, 2)), shifts], axis=-1)


# By position: to reorder the list would change every seeded result.
OPERATIONS = (
    Operation("identity"),
    Operation("auto_contrast", change=lambda images, _: auto_contrast(images)),
    Operation("equalize", change=lambda images, _: equalize(images)),
    Operation("rotate", (0, 30), (0, 135), signed=True, maps=_turned),
    Operation("solarize", (256, 0), (256, 0), change=solarize),
    Operation("color", (1, 1.9), (1, 1.99), signed=True, change=change_saturation),
    Operation(
        "posterize",
        (8, 4),
        (8, 2),
        change=lambda images, bits: posterize(images, np.rint(bits)),
    ),
    Operation("contrast", (1, 1.9), (1, 1.99), signed=True, change=change_contrast),
    Operation("brightness", (1, 1.9), (1, 1.99), signed=True, change=change_brightness),
    Operation("sharpness", (1, 1.9), (1, 1.99), signed=True, change=change_sharpness),
    Operation("shear_x", (0, 0.3), (0, 0.99), signed=True, maps=_sheared_x),
    Operation("shear_y", (0, 0.3), (0, 0.99), signed=True, maps=_sheared_y),
    Operation("translate_x", (0, 150 / 331), (0, 32), signed=True, maps=_shifted_x, axis=1),
    Operation("translate_y", (0, 150 / 331), (0, 32), signed=True, maps=_shifted_y, axis=0),
)


def apply_operations(
    images: np.ndarray,
    choices: np.ndarray,
    strengths: np.ndarray,
    signs: np.ndarray,
    *,
    space: str,
    fill_mode: str,
    fill_value: float,
) -> np.ndarray:
    """Change each image by one operation: the images of one operation together, all warps in one.

    Parameters
    ----------
    images : ndarray of shape (n, height, width, 3), float32
        Values 0..255.
    choices : ndarray of int of shape (n,)
        Positions in `OPERATIONS`.
    strengths, signs : ndarray of shape (n,)
        In [0, 1]; 1 or -1.
    space : {"standard", "wide"}
        Whose ranges count.
    fill_mode, fill_value
        What fills the points beyond the border, as for `affine_warp`.

    Returns
    -------
    ndarray of shape (n, height, width, 3), float32
        A new array, within 0..255 if `fill_value` is.
    """
    size = images.shape[1:3]
    changed = images.copy()
    moved, matrices = [], []
    for position in np.unique(choices):
        operation = OPERATIONS[position]
        rows = np.flatnonzero(choices == position)
        values = operation.values(strengths[rows], signs[rows], space, size)
        if operation.change is not None:
            changed[rows] = operation.change(images[rows], values)
        elif operation.maps is not None:
            moved.append(rows)
            matrices.append(operation.maps(values, size))
    if moved:
        rows = np.concatenate(moved)
        changed[rows] = affine_warp(
            images[rows], np.concatenate(matrices), fill_mode=fill_mode, fill_value=fill_value
        )
    return changed
