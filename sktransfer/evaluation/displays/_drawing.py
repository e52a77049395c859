"""What the displays share: axes to draw on, names that fit, looks that are told apart."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sktransfer.evaluation._plots import PALETTE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.gridspec import SubplotSpec

# As many filled markers as have no divisor in common with the palette: 105 different looks.
MARKERS = "os^DvPX<>p*hd8H"

WORDS = re.compile(r"\S+\s*|\s+")
SEPARATED = re.compile(r"[^+,/_-]*[+,/_-]|[^+,/_-]+")
"""Parts of a word, each with the separator behind it."""

LINE_INCHES, LETTER_INCHES = 0.18, 0.08
"""Height of a line of a name, and width of a letter."""


def new_axes(ax: Axes | None, figsize: tuple[float, float]) -> Axes:
    """Return axes to draw on: those given, or those of a new figure unknown to pyplot."""
    if ax is not None:
        return ax
    from matplotlib.figure import Figure

    return Figure(figsize=figsize, layout="constrained").subplots()


def place_of(ax: Axes) -> SubplotSpec:
    """Return the place of axes in their figure, which can be divided."""
    spec = ax.get_subplotspec()
    if spec is None:
        raise ValueError("ax must be one of a figure's subplots, which can be divided")
    return spec


def wrap_name(name: object, width: int = 26) -> str:
    """Break a name into lines of at most `width` characters, behind words or else separators."""
    pieces = [piece for word in WORDS.findall(str(name)) for piece in _pieces(word, width)]
    lines = [""]
    for piece in pieces:
        if lines[-1] and len((lines[-1] + piece).rstrip()) > width:
            lines.append("")
        lines[-1] += piece
    # A dollar sign is no beginning of mathematics here.
    return "\n".join(line.strip() for line in lines).replace("$", r"\$")


def _pieces(word: str, width: int) -> list[str]:
    """Break a word that is longer than a line behind its separators, or anywhere at last."""
    if len(word.rstrip()) <= width:
        return [word]
    parts = SEPARATED.findall(word)
    return [part[at : at + width] for part in parts for at in range(0, len(part), width)]


def wrap_names(names: Sequence[object], width: int = 26) -> tuple[list[str], int]:
    """Break names into lines, and return them with the largest number of lines."""
    wrapped = [wrap_name(name, width) for name in names]
    return wrapped, 1 + max(name.count("\n") for name in wrapped)


def longest_line(names: Sequence[str]) -> int:
    """Return the number of letters of the longest line of names."""
    return max(len(line) for name in names for line in name.split("\n"))


def series_look(position: int) -> dict[str, Any]:
    """Return the colour and the marker of a series, together unlike those of any other."""
    return {
        "color": PALETTE[position % len(PALETTE)],
        "marker": MARKERS[position % len(MARKERS)],
        "markeredgecolor": "black",
        "markeredgewidth": 0.5,
    }


def error_lengths(mean: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return how far intervals reach below and above their means, (2, ...); NaN where unknown."""
    lengths = np.stack([mean - low, high - mean])
    if (lengths < 0).any():
        raise ValueError("intervals must hold their means: low <= mean <= high")
    return lengths


def check_columns(table: pd.DataFrame, *columns: str) -> None:
    """Refuse a table that misses one of the columns."""
    missing = [column for column in columns if column not in table]
    if missing:
        raise ValueError(f"results must have the columns {missing}, got {list(table)}")


def strategy_names(table: pd.DataFrame) -> pd.Series:
    """Name each row of results by its strategy, and its backbone where it has one."""
    check_columns(table, "strategy")
    if "backbone" not in table:
        return table["strategy"]
    backbone = table["backbone"].fillna("")
    return table["strategy"].where(backbone == "", table["strategy"] + ", " + backbone)


def readable(column: str) -> str:
    """Turn the name of a column into words."""
    return column.replace("_", " ")
