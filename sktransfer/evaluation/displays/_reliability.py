"""Whether a classifier is right as often as it says: the reliability diagram."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sktransfer.evaluation._calibration import N_BINS, ReliabilityBins, bin_confidences
from sktransfer.evaluation._metrics import check_predictions
from sktransfer.evaluation._plots import GREY, PALETTE, tidy
from sktransfer.evaluation.displays._drawing import new_axes, place_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["ReliabilityDisplay"]


@dataclass
class ReliabilityDisplay:
    """Accuracy against confidence, the probability of the predicted class, in bins [1]_.

    Parameters
    ----------
    bins : ReliabilityBins
        Number of predictions, mean confidence and accuracy of each bin, as `from_predictions` and
        `from_estimator` compute them.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where the diagram was drawn last.
    counts_ax_ : matplotlib Axes
        Where the numbers of predictions were drawn, above it.
    figure_ : matplotlib Figure
        The figure of `ax_`.

    See Also
    --------
    sklearn.calibration.CalibrationDisplay : For two classes.

    References
    ----------
    .. [1] Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, arXiv:1706.04599.

    Examples
    --------
    >>> from sktransfer.evaluation.displays import ReliabilityDisplay
    >>> proba = [[0.9, 0.1], [0.6, 0.4], [0.4, 0.6]]
    >>> y_true, classes = ["cat", "dog", "dog"], ["cat", "dog"]
    >>> display = ReliabilityDisplay.from_predictions(y_true, proba, classes)
    >>> round(display.bins.expected_error, 3)
    0.1
    """

    bins: ReliabilityBins

    @classmethod
    def from_predictions(
        cls,
        y_true,
        proba,
        classes,
        *,
        n_bins: int = N_BINS,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> ReliabilityDisplay:
        """Draw the reliability of predicted probabilities.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True labels, each one of `classes`.
        proba : array-like of shape (n_samples, n_classes)
            Probabilities in 0..1, one column for each of `classes`.
        classes : array-like of shape (n_classes,)
            Labels of the columns of `proba`, sorted.
        n_bins : int, default=15
            Number of bins of equal width.
        ax : matplotlib Axes, default=None
            What to divide between diagram and numbers; None makes a new figure.
        **kwargs : dict
            Passed to ``Axes.plot``.

        Returns
        -------
        display : ReliabilityDisplay
            Drawn.

        Raises
        ------
        ValueError
            If the shapes do not fit, `proba` holds what is no probability, `y_true` has labels that
            are not among `classes`, or `n_bins` is not positive.
        """
        codes, proba, _ = check_predictions(y_true, proba, classes)
        bins = bin_confidences(proba.max(axis=1), proba.argmax(axis=1) == codes, n_bins)
        return cls(bins).plot(ax, **kwargs)

    @classmethod
    def from_estimator(
        cls, estimator, X, y, *, n_bins: int = N_BINS, ax: Axes | None = None, **kwargs: Any
    ) -> ReliabilityDisplay:
        """Draw the reliability of a fitted classifier.

        Parameters
        ----------
        estimator : estimator with `predict_proba`
            Fitted.
        X : array-like
            Test data, as the estimator takes them.
        y : array-like of shape (n_samples,)
            True labels.
        n_bins : int, default=15
            Number of bins of equal width.
        ax : matplotlib Axes, default=None
            What to divide between diagram and numbers; None makes a new figure.
        **kwargs : dict
            Passed to ``Axes.plot``.

        Returns
        -------
        display : ReliabilityDisplay
            Drawn.

        Raises
        ------
        ValueError
            As `from_predictions` does.
        """
        return cls.from_predictions(
            y, estimator.predict_proba(X), estimator.classes_, n_bins=n_bins, ax=ax, **kwargs
        )

    def plot(self, ax: Axes | None = None, **kwargs: Any) -> ReliabilityDisplay:
        """Draw the accuracy of each bin, and the number of its predictions above.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            What to divide between diagram and numbers; None makes a new figure.
        **kwargs : dict
            Passed to ``Axes.plot``.

        Returns
        -------
        display : ReliabilityDisplay
            With `ax_`, `counts_ax_` and `figure_`.

        Raises
        ------
        ValueError
            If `ax` cannot be divided, as it is not one of a figure's subplots.
        """
        ax = new_axes(ax, (4.8, 5.6))
        places = place_of(ax).subgridspec(2, 1, height_ratios=(1, 4))
        ax.set_subplotspec(places[1])
        self._draw_diagram(ax, **kwargs)
        self.ax_: Axes = ax
        self.counts_ax_: Axes = ax.figure.add_subplot(places[0], sharex=ax)
        self._draw_counts(self.counts_ax_)
        self.figure_ = ax.get_figure()
        return self

    def _draw_diagram(self, ax: Axes, **kwargs: Any) -> None:
        """Draw accuracy against confidence, beside the diagonal on which they would be equal."""
        bins = self.bins
        filled = bins.counts > 0
        ax.plot([0, 1], [0, 1], linestyle="--", color=GREY, label="right as often as it says")
        label = f"expected calibration error {bins.expected_error:.3f}"
        style = {"color": PALETTE[0], "marker": "o", "label": label, **kwargs}
        ax.plot(bins.confidence[filled], bins.accuracy[filled], **style)
        ax.set(
            xlabel="confidence: probability of the predicted class",
            ylabel="accuracy",
            xlim=(0, 1.02),
            ylim=(0, 1.02),
        )
        ax.legend(loc="best")
        tidy(ax, grid_axis="both")

    def _draw_counts(self, ax: Axes) -> None:
        """Draw how many predictions each bin has."""
        from matplotlib.ticker import MaxNLocator

        edges = self.bins.edges
        ax.stairs(self.bins.counts, edges, fill=True, color=PALETTE[4])
        ax.tick_params(labelbottom=False)
        ax.yaxis.set_major_locator(MaxNLocator(3, integer=True))
        ax.set_ylabel("predictions")
        tidy(ax, grid_axis="y")
