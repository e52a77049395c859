"""The pictures of a benchmark, as matplotlib figures that no global state knows of."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from sktransfer.evaluation._splits import taken

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_data", "plot_learning_curves", "plot_samples"]

# Okabe and Ito's palette, told apart with every kind of colour vision.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
GREY = "#7F7F7F"
# Images of mixed sizes are brought to this size for the picture of samples.
SAMPLE_SIZE = (128, 128)
MOST_SAMPLES = 20


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
        # A dollar sign in a name is no beginning of mathematics.
        axes.set_title(textwrap.fill(str(label), 22), fontsize=11, parse_math=False)
    return figure


def plot_data(folder: Path, X: Any, y: Any, augmentation: Any = None) -> None:
    """Draw an image of each class, and the first of them as an augmentation changes it.

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

    y = np.asarray(y)
    first = np.unique(y, return_index=True)[1]
    chosen = np.concatenate([first, np.setdiff1d(np.arange(len(y)), first)])[:MOST_SAMPLES]
    batch = as_images(taken(X, chosen))
    samples = (batch if batch.size else batch.resized(SAMPLE_SIZE)).take(slice(None))
    folder.mkdir(exist_ok=True)
    plot_samples(samples, y[chosen]).savefig(folder / "samples.png", dpi=120)
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
    figure.suptitle(title, parse_math=False)
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
    tidy(axes, grid_axis="both")


def tidy(axes: Axes, grid_axis: Literal["both", "y"]) -> None:
    """Draw a light grid behind the data, and no box around it."""
    axes.grid(axis=grid_axis, color="#DDDDDD", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
