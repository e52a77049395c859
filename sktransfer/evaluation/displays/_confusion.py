"""scikit-learn's confusion matrix, drawn large enough for many classes with long names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.utils.multiclass import unique_labels

from sktransfer.evaluation.displays._drawing import (
    LETTER_INCHES,
    longest_line,
    new_axes,
    wrap_name,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["confusion_display"]

CELL_INCHES = 0.42
"""Wide enough for four digits of the smaller font."""
MANY = 8
"""With more classes all is written smaller."""


def confusion_display(
    y_true, y_pred, *, labels=None, normalize: str | None = None, ax: Axes | None = None
) -> ConfusionMatrixDisplay:
    """Draw a confusion matrix with scikit-learn's own display.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels.
    y_pred : array-like of shape (n_samples,)
        Predicted labels.
    labels : array-like of shape (n_classes,), default=None
        The classes, in the order of rows and columns; None sorts all that occur.
    normalize : {"true", "pred", "all"} or None, default=None
        What the entries are fractions of: rows, columns, or all; None counts.
    ax : matplotlib Axes, default=None
        Where to draw; None makes a new figure, large enough for all classes and their names.

    Returns
    -------
    display : sklearn.metrics.ConfusionMatrixDisplay
        With `ax_` and `figure_`.

    Raises
    ------
    ValueError
        As scikit-learn's ``confusion_matrix`` does.

    Examples
    --------
    >>> from sktransfer.evaluation.displays import confusion_display
    >>> confusion_display(["cat", "dog", "dog"], ["cat", "cat", "dog"]).confusion_matrix
    array([[1, 0],
           [1, 1]])
    """
    classes = unique_labels(y_true, y_pred) if labels is None else labels
    are_many = len(classes) > MANY
    cell = CELL_INCHES if are_many else max(1.5 * CELL_INCHES, 2.5 / len(classes))
    side = cell * len(classes) + 1.5
    names = [wrap_name(name, 18) for name in classes]
    is_short = LETTER_INCHES * (longest_line(names) + 1) < cell
    font: dict[str, Any] = {"fontsize": 7 if are_many else 10}
    display = ConfusionMatrixDisplay.from_predictions(
        y_true,
        y_pred,
        labels=classes,
        display_labels=names,
        normalize=normalize,
        values_format="d" if normalize is None else ".2f",
        xticks_rotation="horizontal" if is_short else "vertical",
        cmap="Blues",
        colorbar=False,
        text_kw=font,
        ax=new_axes(ax, (side, side)),
    )
    display.ax_.tick_params(labelsize=8 if are_many else 9)
    return display
