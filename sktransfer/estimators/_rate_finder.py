"""The learning-rate range test: the loss of each step while the rate grows."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from sklearn.base import clone

from sktransfer.estimators._base import NetworkEstimator
from sktransfer.estimators._training import n_batches

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SMOOTHING = 0.9
"""Momentum of the average of the losses, which are those of single batches."""
DIVERGED = 4.0
"""How many times the smallest loss is taken for the end."""


@dataclass
class LearningRateDisplay:
    """The loss against the learning rate, as `find_learning_rate` returns it.

    Parameters
    ----------
    learning_rates : ndarray of shape (n_steps,)
        Rate of each step.
    losses : ndarray of shape (n_steps,)
        Smoothed loss of the batch of each step, before the step.
    suggestion : float
        The rate at which the loss falls most steeply.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn last.
    figure_ : matplotlib Figure
        The figure of `ax_`.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer import LearningRateDisplay
    >>> display = LearningRateDisplay(np.array([0.01, 0.1]), np.array([2.0, 1.0]), 0.1).plot()
    >>> display.ax_.get_xscale()
    'log'
    """

    learning_rates: np.ndarray
    losses: np.ndarray
    suggestion: float

    def plot(self, ax: Axes | None = None, **kwargs: Any) -> LearningRateDisplay:
        """Draw the losses over the rates on a logarithmic axis, and mark the suggestion.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure, which needs no display.
        **kwargs : dict
            Passed to ``Axes.plot``.

        Returns
        -------
        display : LearningRateDisplay
            With `ax_` and `figure_`.
        """
        if ax is None:
            from matplotlib.figure import Figure

            ax = Figure(figsize=(5, 3.5), layout="constrained").subplots()
        ax.plot(self.learning_rates, self.losses, **kwargs)
        ax.axvline(self.suggestion, color="black", linestyle="--", linewidth=1)
        ax.annotate(
            f" {self.suggestion:.2g}", (self.suggestion, 0.95), xycoords=("data", "axes fraction")
        )
        ax.set(xscale="log", xlabel="learning rate", ylabel="loss of a batch, smoothed")
        self.ax_: Axes = ax
        self.figure_ = ax.get_figure()
        return self


def find_learning_rate(
    estimator: NetworkEstimator,
    X: Any,
    y: Any,
    *,
    smallest: float = 1e-6,
    largest: float = 1.0,
    n_steps: int = 100,
) -> LearningRateDisplay:
    """Try learning rates, from small to large, in one short training [1]_.

    A clone is trained while the rate grows exponentially from step to step, and is thrown away. The
    rate at which the loss falls most steeply is a good one for training with a schedule; for a
    constant rate take a third of it or less.

    Parameters
    ----------
    estimator : DenseHead, ConvNetClassifier, FineTuneClassifier or one of the regressors
        What is to be trained, with all its parameters but the rate; it stays as it is. Of several
        stages the last is tried, and a `backbone_learning_rate` grows in its ratio to
        `learning_rate`: keep the ratio where you take the suggestion.
    X : array-like
        Training data, as the estimator takes them.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Targets.
    smallest, largest : float > 0, default=1e-6 and 1.0
        Rates of the first and the last step.
    n_steps : int, default=100
        Number of steps; fewer are taken where the loss grows to four times its smallest value.

    Returns
    -------
    display : LearningRateDisplay
        Rates, losses and a suggestion; ``display.plot()`` draws them.

    Raises
    ------
    ValueError
        If the rates or the number of steps are out of range.
    TypeError
        If the estimator is none of the library's networks.

    References
    ----------
    .. [1] Smith, "Cyclical Learning Rates for Training Neural Networks", WACV 2017,
           arXiv:1506.01186.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sktransfer import DenseHead, find_learning_rate
    >>> X, y = load_iris(return_X_y=True)
    >>> found = find_learning_rate(DenseHead(random_state=0), X, y, n_steps=30)
    >>> 1e-6 <= found.suggestion <= 1
    True
    """
    if not isinstance(estimator, NetworkEstimator):
        raise TypeError(f"estimator must be a network of this library, got {estimator!r}")
    if not 0 < smallest < largest:
        raise ValueError(
            f"smallest must be positive and less than largest, got {smallest} and {largest}"
        )
    if n_steps < 3:
        raise ValueError(f"n_steps must be at least 3, got {n_steps}")
    sweep = _Sweep(np.geomspace(smallest, largest, n_steps))
    trial = clone(estimator).set_params(
        **_of_fine_tuning(estimator, smallest),
        learning_rate=smallest,
        learning_rate_schedule="constant",
        warmup_epochs=0.0,
        ema_momentum=None,
        early_stopping=False,
        validation_split=None,
        warm_start=False,
        checkpoint=None,
        epochs=-(-n_steps // n_batches(y, estimator.batch_size)),
        callbacks=[sweep],
    )
    with suppress(FloatingPointError):  # a rate that is far too large is worth knowing
        trial.fit(X, y)
    rates, losses = sweep.rates[: len(sweep.losses)], np.array(sweep.losses)
    return LearningRateDisplay(rates, losses, _steepest(rates, losses))


def _of_fine_tuning(estimator: NetworkEstimator, smallest: float) -> dict[str, Any]:
    """Return the parameters of fine-tuning alone that a trial has other values of."""
    parameters = estimator.get_params(deep=False)
    changed: dict[str, Any] = {}
    stages = parameters.get("unfreeze")
    if isinstance(stages, dict):  # of several stages the last, which trains most
        changed["unfreeze"] = stages[max(stages)]
        if changed["unfreeze"] != "head":
            changed["frozen_views"] = None
    rate = parameters.get("backbone_learning_rate")
    if rate is not None:
        changed["backbone_learning_rate"] = rate / estimator.learning_rate * smallest
    return changed


class _Sweep(keras.callbacks.Callback):
    """Sets the rate of each step, and keeps the smoothed loss of its batch."""

    def __init__(self, rates: np.ndarray) -> None:
        super().__init__()
        self.rates = rates
        self.losses: list[float] = []
        self._average, self._sum_before = 0.0, 0.0

    def __deepcopy__(self, memo: dict) -> _Sweep:
        return self  # the losses are wanted outside of the fit

    def on_train_begin(self, logs: dict | None = None) -> None:
        self.model.optimizer.learning_rate = self.rates[0]

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._sum_before = 0.0

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        mean = (logs or {})["loss"]  # of the epoch so far
        total = mean * (batch + 1)
        loss, self._sum_before = total - self._sum_before, total
        self._average = SMOOTHING * self._average + (1 - SMOOTHING) * loss
        step = len(self.losses) + 1
        self.losses.append(self._average / (1 - SMOOTHING**step))
        diverged = not self.losses[-1] <= DIVERGED * min(self.losses)
        if diverged or step == len(self.rates):
            self.model.stop_training = True
        else:
            self.model.optimizer.learning_rate = self.rates[step]


def _steepest(rates: np.ndarray, losses: np.ndarray) -> float:
    """Return the rate at which the loss falls most steeply over the logarithm of the rate."""
    finite = np.isfinite(losses)
    rates, losses = rates[finite], losses[finite]
    return float(rates[np.gradient(losses, np.log(rates)).argmin()])
