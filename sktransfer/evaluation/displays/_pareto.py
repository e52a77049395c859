"""What a score costs: which classifiers no other one beats at both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sktransfer.evaluation._plots import GREY, PALETTE, tidy
from sktransfer.evaluation.displays._drawing import (
    check_columns,
    new_axes,
    readable,
    strategy_names,
    wrap_name,
)
from sktransfer.evaluation.displays._labels import place_labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["ParetoDisplay"]


@dataclass
class ParetoDisplay:
    """Scores against costs, with the Pareto front: those that are best for what they cost.

    Parameters
    ----------
    cost : array-like of shape (n_classifiers,)
        Positive costs, such as seconds or parameters; lower is better.
    score : array-like of shape (n_classifiers,)
        Scores; higher is better.
    labels : sequence of str
        Names of the classifiers.
    cost_name, score_name : str, default="cost" and "score"
        What they are, with their units.

    Attributes
    ----------
    front_ : ndarray of bool of shape (n_classifiers,)
        Which ones are on the front: none costs as little, or less, and scores higher, nor costs
        less and scores as high.
    ax_ : matplotlib Axes
        Where it was drawn last.
    figure_ : matplotlib Figure
        The figure of `ax_`.

    Examples
    --------
    >>> from sktransfer.evaluation.displays import ParetoDisplay
    >>> names = ["knn", "linear_probe", "cnn", "finetune"]
    >>> display = ParetoDisplay([1, 2, 40, 60], [79, 84, 70, 86], names).plot()
    >>> display.front_.tolist()
    [True, True, False, True]
    """

    cost: np.ndarray
    score: np.ndarray
    labels: Sequence[str]
    cost_name: str = "cost"
    score_name: str = "score"

    @classmethod
    def from_results(
        cls,
        results: pd.DataFrame,
        *,
        cost: str = "fit_seconds",
        score: str = "test_accuracy",
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> ParetoDisplay:
        """Draw the results of a benchmark.

        Parameters
        ----------
        results : DataFrame
            Columns ``strategy``, perhaps ``backbone`` (empty for none), and those of `cost` and
            `score`. Several rows of a strategy and backbone are averaged; rows that miss a number
            are left out.
        cost : str, default="fit_seconds"
            Column of the costs.
        score : str, default="test_accuracy"
            Column of the scores.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        **kwargs : dict
            Passed to ``Axes.scatter``.

        Returns
        -------
        display : ParetoDisplay
            Drawn.

        Raises
        ------
        ValueError
            If `results` misses a column, or no row has both numbers, or a cost is not positive.
        """
        check_columns(results, "strategy", cost, score)
        rows = results.dropna(subset=[cost, score])
        means = rows.groupby(strategy_names(rows), sort=False)[[cost, score]].mean()
        return cls(
            means[cost].to_numpy(dtype=float),
            means[score].to_numpy(dtype=float),
            means.index.tolist(),
            readable(cost),
            readable(score),
        ).plot(ax, **kwargs)

    def plot(self, ax: Axes | None = None, **kwargs: Any) -> ParetoDisplay:
        """Draw the points over a logarithmic axis of costs, each with its name, and the front.

        Names are placed for the size that the figure has when this is called.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        **kwargs : dict
            Passed to ``Axes.scatter``.

        Returns
        -------
        display : ParetoDisplay
            With `front_`, `ax_` and `figure_`.

        Raises
        ------
        ValueError
            If the arrays differ in length or are empty, or a cost is not positive.
        """
        points = self._points()
        front = self.front_ = _pareto_front(*points.T)
        ax = new_axes(ax, (8, 5.5))
        ax.set_xscale("log")
        ax.margins(0.12)
        corners = _staircase(points[front])
        ax.plot(*corners.T, color=PALETTE[0], linewidth=1, zorder=1, label="Pareto front")
        style = {"edgecolors": "black", "linewidths": 0.5, "zorder": 2}
        on_front = {"color": PALETTE[0], "label": "on the front"}
        beaten = {"color": GREY, "marker": "s", "label": "beaten"}
        for rows, look in ((front, on_front), (~front, beaten)):
            if rows.any():
                ax.scatter(*points[rows].T, **{**style, **look, **kwargs})
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False)
        ax.set(xlabel=self.cost_name, ylabel=self.score_name)
        _label_costs(ax)
        tidy(ax, grid_axis="both")
        place_labels(ax, points, [wrap_name(label, 20) for label in self.labels], corners)
        self.ax_: Axes = ax
        self.figure_ = ax.get_figure()
        return self

    def _points(self) -> np.ndarray:
        """Return costs and scores as an array (n, 2)."""
        cost, score = (np.asarray(values, dtype=float) for values in (self.cost, self.score))
        if not cost.shape == score.shape == (len(self.labels),) or cost.size == 0:
            raise ValueError(
                f"cost and score must have a number for each of the {len(self.labels)} labels, got "
                f"shapes {cost.shape} and {score.shape}"
            )
        if not ((cost > 0) & np.isfinite(cost) & np.isfinite(score)).all():
            raise ValueError(
                "cost must be positive, and score a number; got "
                f"{cost.tolist()} and {score.tolist()}"
            )
        return np.column_stack([cost, score])


def _label_costs(ax: Axes) -> None:
    """Put numbers on a logarithmic axis of final limits that are read at a glance."""
    from matplotlib.ticker import AutoLocator, EngFormatter, FuncFormatter, LogLocator

    low, high = ax.get_xlim()
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)) if high > 10 * low else AutoLocator())
    with_prefix = EngFormatter(sep="")  # 12.5M rather than 12500000
    ax.xaxis.set_major_formatter(
        FuncFormatter(lambda cost, _: with_prefix(cost) if cost >= 1e4 else f"{cost:g}")
    )
    ax.minorticks_off()


def _pareto_front(cost: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Say of each point whether no other one is at least as good in both, and better in one."""
    cheaper, better = cost[:, None] < cost, score[:, None] > score
    as_good = (cost[:, None] <= cost) & (score[:, None] >= score)
    return np.logical_not((as_good & (cheaper | better)).any(axis=0))


def _staircase(front: np.ndarray) -> np.ndarray:
    """Return the corners (n, 2) of the line below which everything is beaten."""
    front = np.unique(front, axis=0)  # by cost, and so by score
    corners = np.repeat(front, 2, axis=0)
    corners[1:-1:2, 0] = front[1:, 0]
    return corners[:-1] if len(front) > 1 else front
