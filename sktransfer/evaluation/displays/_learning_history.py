"""How a network's training went, epoch by epoch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sktransfer._nesting import parts_of, within
from sktransfer.evaluation._plots import _draw_curves
from sktransfer.evaluation.displays._drawing import new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["LearningHistoryDisplay"]


@dataclass
class LearningHistoryDisplay:
    """A quantity of training and validation against the epoch.

    Parameters
    ----------
    history : dict of str to list of float
        Values of each epoch, with the prefix ``val_`` those of validation, as in the attribute
        ``history_`` of a network. None stands for what is not finite.
    metric : str, default="loss"
        Which of them is drawn.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn last.
    figure_ : matplotlib Figure
        The figure of `ax_`.

    Examples
    --------
    >>> from sktransfer.evaluation.displays import LearningHistoryDisplay
    >>> display = LearningHistoryDisplay({"loss": [1.2, 0.8], "val_loss": [1.4, 1.1]}).plot()
    >>> [line.get_label() for line in display.ax_.lines]
    ['training', 'validation']
    """

    history: dict[str, list[float]]
    metric: str = "loss"

    @classmethod
    def from_estimator(
        cls, estimator, *, metric: str = "loss", ax: Axes | None = None, **kwargs: Any
    ) -> LearningHistoryDisplay:
        """Draw the history of a fitted network.

        Parameters
        ----------
        estimator : estimator or Pipeline
            Fitted; the last step, or that of the estimator within a search or another
            meta-estimator, has the attribute ``history_``.
        metric : str, default="loss"
            What is drawn, such as "accuracy".
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        **kwargs : dict
            Properties of both lines.

        Returns
        -------
        display : LearningHistoryDisplay
            Drawn.

        Raises
        ------
        TypeError
            If the estimator has no history: it is no network, or not fitted.
        ValueError
            If the history has no such metric.
        """
        network = parts_of(within(estimator))[-1]
        if not hasattr(network, "history_"):
            raise TypeError(f"estimator must be a fitted network with history_, got {network!r}")
        return cls(network.history_, metric).plot(ax, **kwargs)

    def plot(self, ax: Axes | None = None, **kwargs: Any) -> LearningHistoryDisplay:
        """Draw training dashed and validation solid; accuracy in percent.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        **kwargs : dict
            Properties of both lines.

        Returns
        -------
        display : LearningHistoryDisplay
            With `ax_` and `figure_`.

        Raises
        ------
        ValueError
            If the history has no such metric.
        """
        if self.metric not in self.history:
            raise ValueError(
                f"metric={self.metric!r} is not in the history, which has {list(self.history)}"
            )
        is_accuracy = self.metric == "accuracy"
        ax = new_axes(ax, (5, 3.8))
        before = len(ax.lines)
        label = "accuracy (%)" if is_accuracy else self.metric
        _draw_curves(ax, self.history, self.metric, label, scale=100 if is_accuracy else 1)
        for line in ax.lines[before:]:
            line.set(**kwargs)
        ax.legend(frameon=False)
        self.ax_: Axes = ax
        self.figure_ = ax.get_figure()
        return self
