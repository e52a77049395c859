"""The pictures of a benchmark, as matplotlib figures that no global state knows of."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_bars", "plot_data", "plot_learning_curves", "plot_samples"]

# Okabe and Ito's palette, told apart with every kind of colour vision. Grey is for no backbone.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
NO_BACKBONE = "#7F7F7F"
# After one round of colours, bars are hatched, so that two backbones never look the same.
HATCHES = ("", "//", "..", "xx")

# Images of mixed sizes are brought to this size for the picture of samples.
SAMPLE_SIZE = (128, 128)

BAR_INCHES = 0.52  # wide enough for the number above it


def plot_samples(images: np.ndarray, labels: Iterable[str]) -> Figure:
    """Draw images in rows of five, each under its class.

    Parameters
    ----------
    images : ndarray of shape (n_images, height, width, 3)
        Values in 0..255.
    labels : iterable of str
        The class of each image.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer.evaluation._plots import plot_samples
    >>> figure = plot_samples(np.zeros((7, 32, 32, 3), np.uint8), ["cat"] * 7)
    >>> len([axes for axes in figure.axes if axes.get_title() == "cat"])
    7
    """
    from matplotlib.figure import Figure

    columns = 5
    rows = -(-len(images) // columns)
    figure = Figure(figsize=(2 * columns, 2.3 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    for axes, image, label in zip(grid, images, labels, strict=False):
        axes.imshow(np.clip(np.rint(image), 0, 255).astype(np.uint8))
        axes.set_title(textwrap.fill(str(label), 22), fontsize=11)
    return figure


def plot_data(folder: Path, X: Any, y: Any, augmentation: Any = None) -> None:
    """Draw the first ten images, and the first of them as an augmentation changes it.

    Parameters
    ----------
    folder : Path
        Where ``samples.png`` and, with an augmentation, ``augmentation.png`` are written.
    X : images
        As `sktransfer.images.as_images` takes them.
    y : array-like of str
        The class of each image.
    augmentation : Augmentation, default=None
        The augmentation to show.

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from sktransfer.evaluation._plots import plot_data
    >>> plot_data(Path("pictures"), np.zeros((2, 8, 8, 3), np.uint8), ["cat", "dog"])
    >>> [path.name for path in Path("pictures").iterdir()]
    ['samples.png']
    """
    from sktransfer.images import as_images

    batch = as_images(X[:10])
    samples = (batch if batch.size else batch.resized(SAMPLE_SIZE)).take(slice(None))
    folder.mkdir(exist_ok=True)
    plot_samples(samples, y[:10]).savefig(folder / "samples.png", dpi=120)
    if augmentation is not None:
        augmentation.plot(samples[0]).savefig(folder / "augmentation.png", dpi=120)


def plot_learning_curves(history: dict[str, list[float]], title: str) -> Figure:
    """Draw accuracy and loss against the epoch, for training and validation.

    Parameters
    ----------
    history : dict of lists
        ``accuracy`` (fractions) and ``loss`` for each epoch, and with the prefix ``val_`` for
        validation, as in the attribute ``history_`` of a network.
    title : str
        Title of the figure.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> from sktransfer.evaluation._plots import plot_learning_curves
    >>> figure = plot_learning_curves({"accuracy": [0.5, 0.7], "loss": [1.2, 0.8]}, "cnn")
    >>> [axes.get_ylabel() for axes in figure.axes]
    ['accuracy (%)', 'loss']
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    accuracy, loss = figure.subplots(1, 2)
    _draw_curves(accuracy, history, "accuracy", "accuracy (%)", scale=100)
    _draw_curves(loss, history, "loss", "loss")
    handles, labels = accuracy.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    figure.suptitle(title)
    return figure


def _draw_curves(axes: Axes, history: dict, name: str, label: str, scale: float = 1) -> None:
    """Draw one quantity against the epoch; training dashed, so that colour is not all."""
    from matplotlib.ticker import MaxNLocator

    curves = [("training", name, "--", PALETTE[0]), ("validation", f"val_{name}", "-", PALETTE[5])]
    for part, key, style, colour in curves:
        if key not in history:
            continue
        # None stands for a number that is not finite, which JSON has no word for.
        values = scale * np.array(history[key], dtype=float)
        marker = "o" if len(values) <= 30 else None
        epochs = np.arange(1, len(values) + 1)
        axes.plot(epochs, values, style, color=colour, marker=marker, markersize=4, label=part)
    axes.set_xlabel("epoch")
    axes.set_ylabel(label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _tidy(axes, grid_axis="both")


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
    >>> from sktransfer.evaluation._plots import plot_bars
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
    _tidy(axes, grid_axis="y")
    _add_backbone_legend(figure, styles)
    return figure


def _bar_styles(backbones) -> dict[str, dict]:
    """Give each backbone a look of its own; the colour runs through the palette first."""
    styles = {}
    for index, backbone in enumerate(sorted(filter(None, backbones))):
        hatch = HATCHES[index // len(PALETTE) % len(HATCHES)]
        styles[backbone] = {"facecolor": PALETTE[index % len(PALETTE)], "hatch": hatch}
    if "" in backbones:
        styles[""] = {"facecolor": NO_BACKBONE}
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


def _tidy(axes: Axes, grid_axis: Literal["both", "y"]) -> None:
    """Draw a light grid behind the data, and no box around it."""
    axes.grid(axis=grid_axis, color="#DDDDDD", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
