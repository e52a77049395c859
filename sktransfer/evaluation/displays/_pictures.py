"""Pictures with words above them, side by side within the axes of a display."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sktransfer.evaluation.displays._drawing import new_axes, place_of
from sktransfer.images import as_images

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PICTURE_INCHES = 1.7


def read_picture(images: Any, position: int) -> np.ndarray:
    """Return one of several images, of whatever sizes, as an array (height, width, 3)."""
    return as_images([images[position]]).take(np.array([0]))[0]


def as_items(images: Any) -> Any:
    """Return images such that they can be counted, and indexed by position."""
    return images if isinstance(images, np.ndarray) else list(images)


def divide_axes(
    ax: Axes | None, n_rows: int, n_columns: int, title_lines: int
) -> tuple[Axes, list[Axes]]:
    """Return axes that show nothing themselves, and the places for pictures within, row by row."""
    height = PICTURE_INCHES + 0.2 * title_lines
    ax = new_axes(ax, (PICTURE_INCHES * n_columns, height * n_rows))
    grid = place_of(ax).subgridspec(n_rows, n_columns)
    ax.set_axis_off()
    cells = [ax.figure.add_subplot(grid[position]) for position in range(n_rows * n_columns)]
    for cell in cells:
        cell.set_axis_off()
    return ax, cells


def draw_picture(cell: Axes, pixels: np.ndarray, title: str, **kwargs: Any) -> None:
    """Draw pixels of 0 to 255, perhaps fractions, below a title."""
    cell.imshow(np.clip(np.rint(pixels), 0, 255).astype(np.uint8), **kwargs)
    cell.set_title(title, fontsize=8)
