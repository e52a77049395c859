"""Mean ranks over several datasets, and which of them do not differ significantly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sktransfer.evaluation._plots import PALETTE
from sktransfer.evaluation._statistics import RankComparison
from sktransfer.evaluation.displays._drawing import (
    LETTER_INCHES,
    LINE_INCHES,
    longest_line,
    new_axes,
    wrap_names,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["CriticalDifferenceDisplay"]

SCALE_INCHES = 4.5
ABOVE = 2.2
"""Height of the scale and of the bar above it, in rows."""
BAR_STEP = 0.4
"""Distance of two bars that join groups, in rows."""


@dataclass
class CriticalDifferenceDisplay:
    """A scale of mean ranks with bars that join what does not differ significantly [1]_.

    Parameters
    ----------
    ranks : array-like of shape (n_classifiers,)
        Mean ranks, increasing; 1 is best.
    labels : sequence of str
        Names of the classifiers, in the order of `ranks`.
    critical_difference : float
        Mean ranks that differ by more differ significantly.
    groups : sequence of sequence of str
        Labels of classifiers that do not differ significantly from each other.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn last.
    figure_ : matplotlib Figure
        The figure of `ax_`.

    References
    ----------
    .. [1] Demsar, "Statistical Comparisons of Classifiers over Multiple Data Sets", JMLR 7, 2006.

    Examples
    --------
    >>> from sktransfer.evaluation import compare_ranks
    >>> from sktransfer.evaluation.displays import CriticalDifferenceDisplay
    >>> found = compare_ranks({"a": [0.9, 0.8, 0.7], "b": [0.8, 0.7, 0.6], "c": [0.7, 0.6, 0.5]})
    >>> CriticalDifferenceDisplay.from_comparison(found).groups
    [['a', 'b'], ['b', 'c']]
    """

    ranks: np.ndarray
    labels: Sequence[str]
    critical_difference: float
    groups: Sequence[Sequence[str]]

    @classmethod
    def from_comparison(
        cls, comparison: RankComparison, *, ax: Axes | None = None, **kwargs: Any
    ) -> CriticalDifferenceDisplay:
        """Draw what `compare_ranks` found.

        Parameters
        ----------
        comparison : RankComparison
            Mean ranks and their critical difference.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        **kwargs : dict
            Passed to ``Axes.plot`` for the bars that join groups.

        Returns
        -------
        display : CriticalDifferenceDisplay
            Drawn.
        """
        return cls(
            comparison.ranks.to_numpy(),
            list(comparison.ranks.index),
            comparison.critical_difference,
            comparison.groups(),
        ).plot(ax, **kwargs)

    def plot(self, ax: Axes | None = None, **kwargs: Any) -> CriticalDifferenceDisplay:
        """Draw the scale, the better half of the names on its left, the others on its right.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        **kwargs : dict
            Passed to ``Axes.plot`` for the bars that join groups.

        Returns
        -------
        display : CriticalDifferenceDisplay
            With `ax_` and `figure_`.

        Raises
        ------
        ValueError
            If the lengths differ, there are fewer than two ranks, or they do not increase.
        """
        ranks = np.asarray(self.ranks, dtype=float)
        if ranks.shape != (len(self.labels),) or len(ranks) < 2 or (np.diff(ranks) < 0).any():
            raise ValueError(
                "ranks must be two or more that increase, one for each label, got "
                f"{ranks.tolist()} for {len(self.labels)} labels"
            )
        joined = [group for group in self.groups if len(group) > 1]
        names, n_lines = wrap_names(self.labels, 40)
        names = [f"{name}  {rank:.2f}" for name, rank in zip(names, ranks, strict=True)]
        first_row = 1 + BAR_STEP * len(joined)
        depth = first_row + (len(ranks) - 1) // 2 + 0.5
        row_inches = LINE_INCHES * (n_lines + 0.3)
        width = SCALE_INCHES + 2 * LETTER_INCHES * longest_line(names)
        ax = new_axes(ax, (width, 0.3 + row_inches * (ABOVE + depth)))
        self._draw_scale(ax, len(ranks))
        for number, group in enumerate(joined):
            ends = ranks[[self.labels.index(group[0]), self.labels.index(group[-1])]]
            style = {"color": PALETTE[5], "linewidth": 4, "solid_capstyle": "round", **kwargs}
            ax.plot(ends, np.full(2, -0.5 - BAR_STEP * number), **style)
        self._draw_names(ax, ranks, names, first_row)
        ax.set_ylim(-depth, ABOVE)
        self.ax_: Axes = ax
        self.figure_ = ax.get_figure()
        return self

    def _draw_scale(self, ax: Axes, n_ranks: int) -> None:
        """Draw the scale of ranks, and above it how long the critical difference is."""
        ax.set_axis_off()
        ticks = range(1, n_ranks + 1)
        ax.plot([1, n_ranks], [0, 0], color="black", linewidth=1)
        ax.vlines(ticks, 0, 0.2, color="black", linewidth=1)
        for tick in ticks:
            ax.text(tick, 0.3, str(tick), ha="center", va="bottom", fontsize=9)
        end = 1 + self.critical_difference
        ax.plot([1, end], [1.5, 1.5], color="black", linewidth=1, marker="|")
        ax.text(
            (1 + end) / 2,
            1.65,
            f"critical difference {self.critical_difference:.2f}",
            ha="center",
            va="bottom",
            fontsize=9,
        )

    def _draw_names(
        self, ax: Axes, ranks: np.ndarray, names: Sequence[str], first_row: float
    ) -> None:
        """Draw a line from each rank down and out to its name; those inside hang lower."""
        n_left = (len(ranks) + 1) // 2
        margin = 0.04 * (len(ranks) - 1)
        ends = {"right": 1 - margin, "left": max(len(ranks), 1 + self.critical_difference) + margin}
        for position, (rank, name) in enumerate(zip(ranks, names, strict=True)):
            is_left = position < n_left
            row = -first_row - (position if is_left else len(ranks) - 1 - position)
            side = "right" if is_left else "left"
            end = ends[side]
            ax.plot([rank, rank, end], [0, row, row], color="black", linewidth=0.8)
            ax.annotate(
                name,
                (end, row),
                xytext=(-4 if is_left else 4, 0),
                textcoords="offset points",
                ha=side,
                va="center",
                fontsize=9,
                annotation_clip=False,
            )
