"""Names beside the points of a scatter plot, none of them over another or over a point."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Annotation

FONT_SIZE = 8
CLEARANCE, CLEARANCE_OF_OTHERS = 5.0, 8.0
"""Points (1/72 inch) that a name leaves free around its own point, and around all others."""
STEP = 4.0
"""Distance of the places that are tried, in points."""
FAR = 6.0
"""A name farther than this from the free space around its point gets a line to it, in points."""
N_STEPS = 16
"""Points that are looked at between a point and its name."""
LEADER = "#7F7F7F"
N_CANDIDATES = 400
"""Places for a name, the nearest ones, of which one is sought that a line can reach."""


def place_labels(
    ax: Axes, points: np.ndarray, names: Sequence[str], line: np.ndarray
) -> list[Annotation]:
    """Write each name at the free place that is nearest to its point, within the axes.

    Places are chosen for the size that the figure has now; everything else must have been drawn.

    Parameters
    ----------
    ax : matplotlib Axes
        Where the points are; limits and scales are final.
    points : ndarray of shape (n, 2)
        The points, in data coordinates.
    names : sequence of str
        A name for each point, perhaps of several lines.
    line : ndarray of shape (n_corners, 2)
        Corners of a line that names should not cover, in data coordinates.

    Returns
    -------
    labels : list of Annotation
        One for each point, in their order.
    """
    labels = [
        ax.annotate(
            name,
            tuple(point),
            xytext=(0, 0),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=FONT_SIZE,
            annotation_clip=False,
            # The layout must not change any more.
            in_layout=False,
        )
        for point, name in zip(points, names, strict=True)
    ]
    figure = ax.figure.figure  # of a subfigure, too, the whole
    figure.draw_without_rendering()  # fixes the layout, and with it what a point is in pixels
    unit = figure.dpi / 72
    pixels = ax.transData.transform(points)
    own, others = (_boxes(pixels, free * unit) for free in (CLEARANCE, CLEARANCE_OF_OTHERS))
    under_line = _boxes(_along(ax.transData.transform(line), 2 * STEP * unit), np.full(2, unit))
    written = np.empty((0, 4))
    leaders = np.empty((0, 4))
    for position, (label, pixel) in enumerate(zip(labels, pixels, strict=True)):
        box = label.get_window_extent()
        half = np.array([box.width, box.height]) / 2 + unit
        places = _places(ax, half, STEP * unit)
        ends = np.clip(pixel, places - half, places + half)
        distances = np.hypot(*(ends - pixel).T) - CLEARANCE * unit
        beside = np.concatenate([np.delete(others, position, axis=0), written])
        covered = _overlaps(
            _boxes(places, half), np.concatenate([own, beside, under_line, leaders])
        )
        # Should nothing be free, then what covers least.
        candidates = np.flatnonzero(covered == covered.min())
        candidates = candidates[np.argsort(distances[candidates], kind="stable")][:N_CANDIDATES]
        unhindered = (place for place in candidates if _sees(pixel, ends[place], beside))
        best = next(unhindered, candidates[0])
        label.set_position((places[best] - pixel) / unit)
        written = np.concatenate([written, _boxes(places[best : best + 1], half)])
        if distances[best] > FAR * unit:
            _draw_leader(ax, points[position], (ends[best] - pixel) / unit)
            trace = _along(np.stack([pixel, ends[best]]), STEP * unit)
            leaders = np.concatenate([leaders, _boxes(trace, unit / 2)])
    return labels


def _places(ax: Axes, half: np.ndarray, step: float) -> np.ndarray:
    """Return the centres (n, 2) of boxes of a half-size that lie within the axes."""
    low, high = ax.bbox.min + half + step, ax.bbox.max - half
    columns, rows = (
        np.arange(start, max(stop, start) + 1, step) for start, stop in zip(low, high, strict=True)
    )
    return np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)


def _boxes(centres: np.ndarray, half: np.ndarray | float) -> np.ndarray:
    """Return boxes (n, 4) of a half-size: left, bottom, right, top."""
    return np.concatenate([centres - half, centres + half], axis=1)


def _overlaps(boxes: np.ndarray, obstacles: np.ndarray) -> np.ndarray:
    """Count for each box the obstacles that it overlaps."""
    low, high = boxes[:, None, :2], boxes[:, None, 2:]
    apart = (low >= obstacles[:, 2:]) | (high <= obstacles[:, :2])
    return (~apart.any(axis=2)).sum(axis=1)


def _sees(point: np.ndarray, end: np.ndarray, obstacles: np.ndarray) -> bool:
    """Say whether there is no obstacle between a point and the end of a line from it."""
    steps = np.linspace(0, 1, N_STEPS)[:, None]
    return not _overlaps(_boxes(point + steps * (end - point), 0), obstacles).any()


def _along(corners: np.ndarray, step: float) -> np.ndarray:
    """Return points (n, 2) on a line through corners, no farther than a step from each other."""
    pieces = [corners[:1]]
    for start, stop in itertools.pairwise(corners):
        n = int(np.ceil(np.hypot(*(stop - start)) / step)) + 1
        pieces.append(np.linspace(start, stop, n))
    return np.concatenate(pieces)


def _draw_leader(ax: Axes, point: np.ndarray, end: np.ndarray) -> None:
    """Draw a thin line from a point to a place given as an offset in points."""
    ax.annotate(
        "",
        tuple(point),
        xytext=tuple(end),
        textcoords="offset points",
        arrowprops={"arrowstyle": "-", "linewidth": 0.6, "color": LEADER, "shrinkA": 0},
        annotation_clip=False,
        in_layout=False,
    )
