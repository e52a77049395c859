"""The mistakes of which a classifier was most sure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sktransfer.evaluation._metrics import check_predictions, rank_mistakes
from sktransfer.evaluation.displays._drawing import wrap_name
from sktransfer.evaluation.displays._pictures import (
    as_items,
    divide_axes,
    draw_picture,
    read_picture,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["MistakesDisplay"]

COLUMNS = 5


@dataclass
class MistakesDisplay:
    """Pictures that were taken for something else, each with what it is and what it was taken for.

    Parameters
    ----------
    images : sequence of ndarray of shape (height, width, 3)
        The pictures, pixels 0..255.
    positions : sequence of int
        Which rows of the data they are.
    true, predicted : sequence of str
        What each is, and what it was taken for.
    probability : sequence of float
        Probability of the predicted class, in 0..1.

    Attributes
    ----------
    ax_ : matplotlib Axes
        What the pictures were drawn within last.
    figure_ : matplotlib Figure
        The figure of `ax_`.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer.evaluation.displays import MistakesDisplay
    >>> images = np.zeros((3, 8, 8, 3), np.uint8)
    >>> proba = [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]
    >>> display = MistakesDisplay.from_predictions(
    ...     images, ["dog", "dog", "dog"], proba, ["cat", "dog"]
    ... )
    >>> list(display.positions)
    [0, 2]
    """

    images: Sequence[np.ndarray]
    positions: Sequence[int]
    true: Sequence[Any]
    predicted: Sequence[Any]
    probability: Sequence[float]

    @classmethod
    def from_predictions(
        cls,
        images,
        y_true,
        proba,
        classes,
        *,
        n: int = 10,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> MistakesDisplay:
        """Draw the mistakes of the highest probability, the worst first.

        Parameters
        ----------
        images : ndarray of uint8 of shape (n_samples, height, width[, channels]), or sequence
            The images; or paths, encoded bytes, Pillow images or uint8 arrays of any sizes.
        y_true : array-like of shape (n_samples,)
            True labels, each one of `classes`.
        proba : array-like of shape (n_samples, n_classes)
            Probabilities in 0..1, one column for each of `classes`.
        classes : array-like of shape (n_classes,)
            Labels of the columns of `proba`, sorted.
        n : int, default=10
            How many mistakes, at most.
        ax : matplotlib Axes, default=None
            What to divide among the pictures; None makes a new figure.
        **kwargs : dict
            Passed to ``Axes.imshow``.

        Returns
        -------
        display : MistakesDisplay
            Drawn.

        Raises
        ------
        ValueError
            If the lengths or shapes do not fit, `proba` holds what is no probability, `y_true` has
            labels that are not among `classes`, or `n` is not positive.
        """
        if n < 1:
            raise ValueError(f"n must be at least 1, got {n}")
        codes, proba, classes = check_predictions(y_true, proba, classes)
        items = as_items(images)
        if len(items) != len(codes):
            raise ValueError(
                f"images must have one image for each label, got {len(items)} and {len(codes)}"
            )
        worst = rank_mistakes(codes, proba)[:n]
        return cls(
            [read_picture(items, position) for position in worst],
            worst.tolist(),
            classes[codes[worst]].tolist(),
            classes[proba[worst].argmax(axis=1)].tolist(),
            proba[worst].max(axis=1).tolist(),
        ).plot(ax, **kwargs)

    def plot(self, ax: Axes | None = None, **kwargs: Any) -> MistakesDisplay:
        """Draw the pictures in rows of five; where there are none, say so.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            What to divide among the pictures; None makes a new figure.
        **kwargs : dict
            Passed to ``Axes.imshow``.

        Returns
        -------
        display : MistakesDisplay
            With `ax_` and `figure_`.

        Raises
        ------
        ValueError
            If `ax` cannot be divided, as it is not one of a figure's subplots.
        """
        titles = [
            f"{wrap_name(true, 20)}\n{wrap_name(f'taken for {predicted}', 20)}\n{probability:.1%}"
            for true, predicted, probability in zip(
                self.true, self.predicted, self.probability, strict=True
            )
        ]
        n_columns = min(COLUMNS, max(1, len(titles)))
        n_rows = max(1, -(-len(titles) // n_columns))
        n_lines = max((title.count("\n") + 1 for title in titles), default=0)
        ax, cells = divide_axes(ax, n_rows, n_columns, n_lines)
        for cell, image, title in zip(cells, self.images, titles, strict=False):
            draw_picture(cell, image, title, **kwargs)
        if not titles:
            cells[0].text(0.5, 0.5, "no mistakes", ha="center", va="center")
        self.ax_: Axes = ax
        self.figure_ = ax.get_figure()
        return self
