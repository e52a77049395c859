"""Pictures in rows, on axes that are given or in a figure that no global state knows of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INCHES = 2.2
"""Width and height of one picture in a new figure."""
LINE_INCHES = 0.18
"""Height of a line of its title."""


def as_grid_of_axes(ax: Any, titles: Sequence[Sequence[str]]) -> np.ndarray:
    """Return axes for rows of pictures: those given, or those of a new figure.

    Parameters
    ----------
    ax : matplotlib Axes, array of them or None
        What is given.
    titles : sequence of sequences of str
        One title a picture, perhaps of several lines.

    Returns
    -------
    axes : ndarray of shape (n_rows, n_columns)

    Raises
    ------
    ValueError
        If there are not as many axes as pictures.
    """
    n_rows, n_columns = len(titles), len(titles[0])
    if ax is None:
        from matplotlib.figure import Figure

        n_lines = max(title.count("\n") + 1 for row in titles for title in row)
        height = n_rows * (INCHES + LINE_INCHES * n_lines)
        figure = Figure(figsize=(INCHES * n_columns, height), layout="compressed")
        return figure.subplots(n_rows, n_columns, squeeze=False)
    given = np.atleast_1d(np.asarray(ax, dtype=object))
    if given.size != n_rows * n_columns:
        raise ValueError(
            f"ax must hold {n_rows} x {n_columns} axes, one for each picture; got {given.size}"
        )
    return given.reshape(n_rows, n_columns)


def show_picture(axes: Axes, picture: np.ndarray, title: str) -> None:
    """Draw a picture (height, width, 3), uint8, under its title."""
    axes.imshow(picture)
    axes.set_title(title, fontsize=9, parse_math=False)  # a dollar sign is one
    axes.set_axis_off()
