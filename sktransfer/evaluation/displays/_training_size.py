"""What more training images are worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import stats

from sktransfer.evaluation._plots import tidy
from sktransfer.evaluation.displays._drawing import (
    LINE_INCHES,
    check_columns,
    error_lengths,
    new_axes,
    readable,
    series_look,
    strategy_names,
    wrap_names,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["TrainingSizeDisplay"]

SHIFT, LARGEST_SHIFT = 0.02, 0.15
"""How far two series of one size are set apart, and the outermost ones from the size, at most; as
fractions of the least distance of two sizes."""


@dataclass
class TrainingSizeDisplay:
    """Scores of several strategies against the number of training images.

    Parameters
    ----------
    train_sizes : array-like of int of shape (n_sizes,)
        Numbers of training images, increasing.
    mean : array-like of shape (n_strategies, n_sizes)
        Scores; NaN where there is none.
    low, high : array-like of shape (n_strategies, n_sizes)
        Ends of the confidence intervals, around the scores; NaN for none.
    labels : sequence of str
        Names of the strategies.
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
    sklearn.model_selection.LearningCurveDisplay : For one estimator, which it trains.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer.evaluation.displays import TrainingSizeDisplay
    >>> mean = np.array([[60, 70, 75], [40, 60, 72]])
    >>> display = TrainingSizeDisplay([10, 100, 1000], mean, mean - 2, mean + 2, ["probe", "cnn"])
    >>> [text.get_text() for text in display.plot().ax_.get_legend().get_texts()]
    ['probe', 'cnn']
    """

    train_sizes: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    labels: Sequence[str]
    score_name: str = "score"

    @classmethod
    def from_results(
        cls,
        results: pd.DataFrame,
        *,
        size: str = "train_images",
        score: str = "test_accuracy",
        confidence: float = 0.95,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> TrainingSizeDisplay:
        """Draw the results of benchmarks with several numbers of training images.

        Parameters
        ----------
        results : DataFrame
            Columns ``strategy``, perhaps ``backbone`` (empty for none), and those of `size` and
            `score`. Rows that miss a number are left out.
        size : str, default="train_images"
            Column of the numbers of training images.
        score : str, default="test_accuracy"
            Column of the scores.
        confidence : float, default=0.95
            Of the intervals, between 0 and 1: Student's t intervals of the means of rows of one
            strategy, backbone and size, which are taken for independent repeats. A single row has
            no interval.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        **kwargs : dict
            Passed to ``Axes.errorbar``.

        Returns
        -------
        display : TrainingSizeDisplay
            Drawn.

        Raises
        ------
        ValueError
            If `results` misses a column, or `confidence` is out of its range.
        """
        check_columns(results, "strategy", size, score)
        if not 0 < confidence < 1:
            raise ValueError(f"confidence must be between 0 and 1, got {confidence}")
        rows = results.dropna(subset=[size, score])
        groups = rows.groupby([strategy_names(rows), size], sort=False)[score]
        mean, deviation, n = (
            getattr(groups, part)().unstack().sort_index(axis=1) for part in ("mean", "std", "size")
        )
        # A single row has no deviation: NaN, and so no interval.
        quantile = stats.t.ppf((1 + confidence) / 2, (n - 1).clip(lower=1))
        margin = quantile * deviation / np.sqrt(n)
        return cls(
            mean.columns.to_numpy(dtype=int),
            mean.to_numpy(dtype=float),
            (mean - margin).to_numpy(dtype=float),
            (mean + margin).to_numpy(dtype=float),
            mean.index.tolist(),
            readable(score),
        ).plot(ax, **kwargs)

    def plot(self, ax: Axes | None = None, **kwargs: Any) -> TrainingSizeDisplay:
        """Draw a line for each strategy over a logarithmic axis of sizes, and intervals.

        The strategies' points of one size stand side by side, so that no interval hides another.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        **kwargs : dict
            Passed to ``Axes.errorbar``.

        Returns
        -------
        display : TrainingSizeDisplay
            With `ax_` and `figure_`.

        Raises
        ------
        ValueError
            If the shapes do not fit, the sizes are not positive and increasing, or an interval does
            not hold its score.
        """
        sizes, mean, low, high = self._arrays()
        names, n_lines = wrap_names(self.labels)
        ax = new_axes(ax, (7.5, max(4.2, 0.6 + LINE_INCHES * (n_lines + 0.4) * len(names))))
        lengths = error_lengths(mean, low, high)
        shifts = _shifts(sizes, len(names))
        for position, name in enumerate(names):
            style = {
                **series_look(position),
                "linestyle": ("-", "--", ":")[position % 3],
                "elinewidth": 1.2,
                "capsize": 2,
                **kwargs,
            }
            x, y, error = sizes * shifts[position], mean[position], lengths[:, position]
            ax.errorbar(x, y, yerr=error, label=name, **style)
        ax.set_xscale("log")
        ax.set_xticks(sizes, [f"{size:,}" for size in sizes.tolist()])
        ax.minorticks_off()
        ax.set(xlabel="training images", ylabel=self.score_name)
        ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=9)
        tidy(ax, grid_axis="both")
        self.ax_: Axes = ax
        self.figure_ = ax.get_figure()
        return self

    def _arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return sizes, scores and intervals as arrays that fit each other."""
        sizes = np.asarray(self.train_sizes)
        mean, low, high = (
            np.asarray(values, dtype=float) for values in (self.mean, self.low, self.high)
        )
        if not mean.shape == low.shape == high.shape == (len(self.labels), len(sizes)):
            raise ValueError(
                "mean, low and high must have a row for each of the labels and a column for each "
                f"of the train_sizes, {(len(self.labels), len(sizes))}; got {mean.shape}, "
                f"{low.shape} and {high.shape}"
            )
        if mean.size == 0 or sizes[0] <= 0 or (np.diff(sizes) <= 0).any():
            raise ValueError(
                f"train_sizes must be positive and increasing, one or more, got {sizes.tolist()}"
            )
        return sizes, mean, low, high


def _shifts(sizes: np.ndarray, n_series: int) -> np.ndarray:
    """Return factors that set series apart by a fraction of the least distance of two sizes."""
    least = np.diff(np.log(sizes)).min() if len(sizes) > 1 else 1.0
    ends = least * min(SHIFT * (n_series - 1), LARGEST_SHIFT)
    return np.exp(np.linspace(-ends, ends, n_series))
