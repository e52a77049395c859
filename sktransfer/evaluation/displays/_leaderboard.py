"""The scores of several classifiers, the best first, with their confidence intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sktransfer.evaluation._plots import PALETTE, tidy
from sktransfer.evaluation._statistics import score_interval
from sktransfer.evaluation.displays._drawing import (
    LETTER_INCHES,
    LINE_INCHES,
    error_lengths,
    longest_line,
    new_axes,
    wrap_names,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["LeaderboardDisplay"]


@dataclass
class LeaderboardDisplay:
    """Scores as dots with confidence intervals, one below the other, the best on top.

    Parameters
    ----------
    mean : array-like of shape (n_classifiers,)
        Scores; higher is better.
    low, high : array-like of shape (n_classifiers,)
        Ends of the confidence intervals, around the scores; NaN for none.
    labels : sequence of str
        Names of the classifiers.
    score_name : str, default="score"
        What the scores are, with their unit.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn last.
    figure_ : matplotlib Figure
        The figure of `ax_`.

    See Also
    --------
    CriticalDifferenceDisplay : Which of the differences over several datasets are significant.

    Examples
    --------
    >>> from sktransfer.evaluation.displays import LeaderboardDisplay
    >>> display = LeaderboardDisplay([81, 85], [78, 82], [84, 88], ["knn", "finetune"]).plot()
    >>> [text.get_text() for text in display.ax_.get_yticklabels()]
    ['finetune', 'knn']
    """

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    labels: Sequence[str]
    score_name: str = "score"

    @classmethod
    def from_scores(
        cls,
        scores: Mapping[str, Sequence[float]],
        *,
        test_fraction: float,
        confidence: float = 0.95,
        score_name: str = "score",
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> LeaderboardDisplay:
        """Draw the means of cross-validated scores, with the intervals of `score_interval`.

        Parameters
        ----------
        scores : mapping of str to array-like of shape (n_scores,)
            Scores of the folds, by the name of the classifier.
        test_fraction : float
            Number of test rows in a fold divided by that of its training rows.
        confidence : float, default=0.95
            Of the intervals, between 0 and 1.
        score_name : str, default="score"
            What the scores are, with their unit.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        **kwargs : dict
            Passed to ``Axes.errorbar``.

        Returns
        -------
        display : LeaderboardDisplay
            Drawn.

        Raises
        ------
        ValueError
            If a classifier has fewer than two scores, or a number is out of its range.
        """
        intervals = [
            score_interval(np.asarray(values), test_fraction=test_fraction, confidence=confidence)
            for values in scores.values()
        ]
        low, high = np.transpose(intervals)
        mean = np.array([np.mean(values) for values in scores.values()])
        return cls(mean, low, high, list(scores), score_name).plot(ax, **kwargs)

    def plot(self, ax: Axes | None = None, **kwargs: Any) -> LeaderboardDisplay:
        """Draw dots and intervals, the best score on top, and write the numbers beside them.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure, high enough for all names.
        **kwargs : dict
            Passed to ``Axes.errorbar``.

        Returns
        -------
        display : LeaderboardDisplay
            With `ax_` and `figure_`.

        Raises
        ------
        ValueError
            If the arrays differ in length or are empty, or an interval does not hold its score.
        """
        mean, low, high = (
            np.asarray(values, dtype=float) for values in (self.mean, self.low, self.high)
        )
        if not mean.shape == low.shape == high.shape == (len(self.labels),) or mean.size == 0:
            raise ValueError(
                f"mean, low and high must have a number for each of the {len(self.labels)} labels, "
                f"got shapes {mean.shape}, {low.shape} and {high.shape}"
            )
        order = np.argsort(-mean, kind="stable")
        lengths = error_lengths(mean, low, high)[:, order]
        names, n_lines = wrap_names([self.labels[position] for position in order], 40)
        rows = np.arange(len(order))
        width = 4.8 + LETTER_INCHES * longest_line(names)
        ax = new_axes(ax, (width, 0.8 + LINE_INCHES * (n_lines + 0.5) * len(rows)))
        # Error bars of unknown length leave nothing but the dot.
        style = {"fmt": "o", "color": PALETTE[0], "ecolor": PALETTE[4], "elinewidth": 2.5}
        ax.errorbar(mean[order], rows, xerr=lengths, **{**style, **kwargs})
        ax.set_yticks(rows, names)
        ax.set_ylim(len(rows) - 0.5, -0.5)
        ax.set_xlabel(self.score_name)
        ax.tick_params(axis="y", length=0)
        tidy(ax, grid_axis="both")
        for row, position in enumerate(order):
            text = _number_with_interval(mean[position], low[position], high[position])
            ax.text(1.02, row, text, transform=ax.get_yaxis_transform(), va="center", fontsize=8)
        self.ax_: Axes = ax
        self.figure_ = ax.get_figure()
        return self


def _number_with_interval(mean: float, low: float, high: float) -> str:
    """Write a score to three digits, with its interval if it has one."""
    mean_text, low_text, high_text = (f"{n:#.3g}".rstrip(".") for n in (mean, low, high))
    if np.isnan(low) or np.isnan(high):
        return mean_text
    return f"{mean_text} ({low_text} to {high_text})"
