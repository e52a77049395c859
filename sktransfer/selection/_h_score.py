"""H-score: how much of the features' variance lies between the classes."""

from __future__ import annotations

from typing import Any

import numpy as np

from sktransfer.selection._checks import check_features, indicators
from sktransfer.selection._spectrum import Spectrum


def h_score(features: Any, y: Any) -> float:
    """Score features by the H-score [1]_ with a shrunk covariance [2]_.

    The trace of the inverse covariance of the features times the covariance of their class means:
    in each direction the share of the variance that lies between the classes. Of many features and
    few rows the covariance is estimated badly, and its inverse worse; so it is drawn towards a
    multiple of the identity by the amount of Ledoit and Wolf [3]_, and the covariance of the means
    is multiplied by what is left.

    Parameters
    ----------
    features : array-like of shape (n_samples, n_features)
        Features of images, of any number type; float64 inside.
    y : array-like of shape (n_samples,)
        Classes.

    Returns
    -------
    score : float
        From 0 to the number of classes less one. Higher is better.

    Raises
    ------
    ValueError
        If the features are not finite or all the same, the lengths differ, or y holds a single
        class or as many as rows.

    References
    ----------
    .. [1] Bao et al., "An Information-Theoretic Approach to Transferability in Task Transfer
           Learning", ICIP 2019.
    .. [2] Ibrahim, Ponomareva and Mazumder, "Newer is not always better: Rethinking transferability
           metrics, their peculiarities, stability and performance", ECML PKDD 2022,
           arXiv:2110.06893.
    .. [3] Ledoit and Wolf, "A well-conditioned estimator for large-dimensional covariance
           matrices", Journal of Multivariate Analysis 88, 2004.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sktransfer.selection import h_score
    >>> X, y = load_iris(return_X_y=True)
    >>> h_score(X, y) > h_score(X[:, :2], y)
    True
    """
    X, codes = check_features(features, y)
    X = X - X.mean(axis=0)
    spectrum = Spectrum.of(X)
    variances = spectrum.squares / len(X)
    shrinkage = _shrinkage(X, variances)
    kept = (1 - shrinkage) * variances
    # Each direction of the rows, of length one, summed over the rows of each class.
    sums = spectrum.left.T @ indicators(codes)
    between = (np.square(sums) / np.bincount(codes)).sum(axis=1)
    return float((kept / (kept + shrinkage * variances.sum() / X.shape[1]) * between).sum())


def _shrinkage(X: np.ndarray, variances: np.ndarray) -> float:
    """Return how far Ledoit and Wolf draw the covariance of centred X towards the identity.

    The same as of `sklearn.covariance.ledoit_wolf`, which forms the square matrix of the features,
    however many they are, where the variances of the principal components say it all.
    """
    n, d = X.shape
    distance = np.square(variances).sum() - variances.sum() ** 2 / d
    if d == 1 or distance <= 0:  # a multiple of the identity already
        return 0.0
    fourth_moment = np.square(np.square(X).sum(axis=1)).mean()
    noise = (fourth_moment - np.square(variances).sum()) / n
    return float(min(noise / distance, 1.0))
