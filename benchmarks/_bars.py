"""A bar for each strategy and backbone of the study."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sktransfer.evaluation._plots import GREY, PALETTE, tidy

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

# After one round of colours, bars are hatched, so that two backbones never look the same.
HATCHES = ("", "//", "..", "xx")
BAR_INCHES = 0.52  # wide enough for the number above it


def plot_bars(table: pd.DataFrame, column: str, label: str) -> Figure:
    """Draw a quantity as bars: one group a strategy, its backbones side by side.

    Parameters
    ----------
    table : DataFrame
        Columns ``strategy``, ``backbone`` (empty for none) and `column`. Rows that have no value in
        `column` are left out.
    column : str
        The column to draw.
    label : str
        What it is, with its unit.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import pandas as pd
    >>> from benchmarks._bars import plot_bars
    >>> table = pd.DataFrame(
    ...     {"strategy": ["cnn", "knn"], "backbone": ["", "vgg16"], "test_accuracy": [65.1, 66.0]}
    ... )
    >>> figure = plot_bars(table, "test_accuracy", "test accuracy (%)")
    >>> [text.get_text() for text in figure.axes[0].get_xticklabels()]
    ['cnn', 'knn']
    """
    from matplotlib.figure import Figure

    rows = table.dropna(subset=[column])
    groups = [group for _, group in rows.groupby("strategy", sort=False)]
    styles = _bar_styles(rows["backbone"].unique())
    # A group is as wide as its bars, and a bar's width is left free between two groups.
    slots = len(rows) + len(groups)
    figure = Figure(figsize=(max(6.0, BAR_INCHES * slots + 1.2), 4.8), layout="constrained")
    axes = figure.subplots()
    centres, position = [], 0
    for group in groups:
        centres.append(position + (len(group) - 1) / 2)
        for backbone, value in zip(group["backbone"], group[column], strict=True):
            bar = axes.bar(position, value, width=0.92, **styles[backbone])
            axes.bar_label(bar, fmt=_short_number, padding=2, fontsize=8)
            position += 1
        position += 1
    names = [group["strategy"].iloc[0].replace("+", "\n+") for group in groups]
    axes.set_xticks(centres, names)
    axes.tick_params(axis="x", length=0)
    axes.set_ylabel(label)
    axes.margins(y=0.1)
    tidy(axes, grid_axis="y")
    _add_backbone_legend(figure, styles)
    return figure


def _bar_styles(backbones) -> dict[str, dict]:
    """Give each backbone a look of its own; the colour runs through the palette first."""
    styles = {}
    for index, backbone in enumerate(sorted(filter(None, backbones))):
        hatch = HATCHES[index // len(PALETTE) % len(HATCHES)]
        styles[backbone] = {"facecolor": PALETTE[index % len(PALETTE)], "hatch": hatch}
    if "" in backbones:
        styles[""] = {"facecolor": GREY}
    return {backbone: style | {"edgecolor": "white"} for backbone, style in styles.items()}


def _add_backbone_legend(figure: Figure, styles: dict[str, dict]) -> None:
    """Name the backbones above the axes, where no bar can be hidden."""
    from matplotlib.patches import Patch

    handles = [Patch(label=name or "no backbone", **style) for name, style in styles.items()]
    figure.legend(handles=handles, loc="outside upper center", ncols=3, frameon=False)


def _short_number(value: float) -> str:
    """Write three significant digits, without an exponent."""
    decimals = max(0, 2 - int(np.floor(np.log10(value)))) if value > 0 else 0
    return f"{value:.{min(decimals, 3)}f}"
