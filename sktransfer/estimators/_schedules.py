"""Learning rates over the steps of a fit."""

from __future__ import annotations

import numpy as np

SCHEDULES = ("constant", "cosine", "one_cycle")

ONE_CYCLE_WARMUP = 0.3
ONE_CYCLE_START, ONE_CYCLE_END = 1 / 25, 1e-4 / 25
"""Where the rate of "one_cycle" starts and ends, relative to its peak: those of PyTorch."""


def scheduled_rates(
    schedule: str, rate: float, n_steps: int, n_warmup: int = 0
) -> np.ndarray | None:
    """Return the learning rates before the first step and after each of them, (n_steps + 1,).

    Parameters
    ----------
    schedule : {"constant", "cosine", "one_cycle"}
        "cosine" lowers the rate to 0 behind the last step; "one_cycle" raises it along a cosine
        for 30 % of the steps, and lowers it along another for the others.
    rate : float
        The highest rate.
    n_steps : int
        Steps in all.
    n_warmup : int, default=0
        Steps, the first of all, over which the rate grows linearly up to `rate`; "one_cycle" has a
        beginning of its own, and none of these.

    Returns
    -------
    rates : ndarray of float64 or None
        None where the rate is the same at every step.
    """
    if schedule == "one_cycle":
        n_rising = max(1, round(ONE_CYCLE_WARMUP * n_steps))
        rising = _half_cosine(rate * ONE_CYCLE_START, rate, n_rising)[:-1]
        return np.concatenate(
            [rising, _half_cosine(rate, rate * ONE_CYCLE_END, n_steps - n_rising)]
        )
    n_warmup = min(n_warmup, n_steps)
    if schedule == "constant":
        if n_warmup == 0:
            return None
        rest = np.full(n_steps - n_warmup + 1, rate)
    else:
        rest = _half_cosine(rate, 0.0, n_steps - n_warmup)
    return np.concatenate([rate * np.arange(1, n_warmup + 1) / (n_warmup + 1), rest])


def _half_cosine(start: float, end: float, n_steps: int) -> np.ndarray:
    """Return (n_steps + 1,) values from `start` to `end`, flat at both ends."""
    if n_steps == 0:
        return np.array([start])
    falling = (1 + np.cos(np.pi * np.arange(n_steps + 1) / n_steps)) / 2
    return end + (start - end) * falling
