"""Whether a classifier is right as often as it says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["N_BINS", "ReliabilityBins", "bin_confidences"]

N_BINS = 15
"""As in Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, arXiv:1706.04599."""


@dataclass(frozen=True)
class ReliabilityBins:
    """Predictions in bins of their confidence, the probability of the predicted class.

    Parameters
    ----------
    edges : ndarray of shape (n_bins + 1,)
        Bounds of the bins, from 0 to 1; a bin holds its upper bound, and the first one 0, too.
    counts : ndarray of int of shape (n_bins,)
        Number of predictions in each bin.
    confidence : ndarray of shape (n_bins,)
        Mean confidence of each bin's predictions; NaN where there are none.
    accuracy : ndarray of shape (n_bins,)
        Fraction of each bin's predictions that are right; NaN where there are none.
    """

    edges: np.ndarray
    counts: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray

    @property
    def expected_error(self) -> float:
        """The expected calibration error: the mean gap of accuracy and confidence, in 0..1."""
        gaps = np.abs(self.accuracy - self.confidence)
        return float(np.nansum(self.counts * gaps) / self.counts.sum())


def bin_confidences(
    confidence: np.ndarray, is_right: np.ndarray, n_bins: int = N_BINS
) -> ReliabilityBins:
    """Sort predictions into bins of equal width.

    Parameters
    ----------
    confidence : ndarray of shape (n_samples,)
        Probability of the predicted class, in 0..1.
    is_right : ndarray of bool of shape (n_samples,)
        Whether the predicted class is the true one.
    n_bins : int, default=15
        Number of bins.

    Returns
    -------
    bins : ReliabilityBins
        With means of each bin.

    Raises
    ------
    ValueError
        If `n_bins` is not positive.
    """
    if n_bins < 1:
        raise ValueError(f"n_bins must be at least 1, got {n_bins}")
    edges = np.linspace(0, 1, n_bins + 1)
    bins = np.digitize(confidence, edges[1:-1], right=True)

    def sums(values: np.ndarray) -> np.ndarray:
        return np.bincount(bins, weights=values, minlength=n_bins)

    counts = np.bincount(bins, minlength=n_bins)
    size = np.where(counts > 0, counts, np.nan)
    return ReliabilityBins(edges, counts, sums(confidence) / size, sums(is_right) / size)
