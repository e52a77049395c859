"""N-LEEP: the LEEP of clusters of features, for networks without a classifier."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.mixture import GaussianMixture
from sklearn.utils import check_scalar

from sktransfer.selection._checks import check_features
from sktransfer.selection._label_scores import leep
from sktransfer.selection._spectrum import Spectrum

_COMPONENTS_PER_CLASS = 5
_ROWS_PER_COMPONENT = 10


def n_leep(
    features: Any,
    y: Any,
    *,
    n_components: int | None = None,
    explained_variance: float = 0.8,
    random_state: int | np.random.RandomState | None = None,
) -> float:
    """Score features by the LEEP of a mixture of normal distributions, N-LEEP [1]_.

    Components of a Gaussian mixture, fitted to the features' principal components, stand for the
    classes that the network was trained on; see `leep`.

    Parameters
    ----------
    features : array-like of shape (n_samples, n_features)
        Features of images, of any number type; float64 inside.
    y : array-like of shape (n_samples,)
        Classes.
    n_components : int, default=None
        Components of the mixture. None is five for each class, as in [1]_, but no more than one for
        ten rows, and no fewer than classes.
    explained_variance : float in (0, 1), default=0.8
        Share of the variance that the principal components keep.
    random_state : int, RandomState instance or None, default=None
        Seed of where the mixture starts.

    Returns
    -------
    score : float
        At most 0. Higher is better. It flatters where components are many and rows few.

    Raises
    ------
    ValueError
        If the features are not finite or all the same, the lengths differ, y holds a single class
        or as many as rows, or there are more components than rows.

    Notes
    -----
    The covariances are diagonal: of a full one, forty rows would have to determine thousands of
    entries.

    References
    ----------
    .. [1] Li et al., "Ranking Neural Checkpoints", CVPR 2021, arXiv:2011.11200.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sktransfer.selection import n_leep
    >>> X, y = load_iris(return_X_y=True)
    >>> n_leep(X, y, random_state=0) > n_leep(X[:, :2], y, random_state=0)
    True
    """
    X, codes = check_features(features, y)
    check_scalar(
        explained_variance,
        "explained_variance",
        Real,
        min_val=0,
        max_val=1,
        include_boundaries="neither",
    )
    n_classes = codes.max() + 1
    if n_components is None:
        most = len(X) // _ROWS_PER_COMPONENT
        n_components = max(n_classes, min(_COMPONENTS_PER_CLASS * n_classes, most))
    check_scalar(n_components, "n_components", Integral, min_val=1, max_val=len(X))
    mixture = GaussianMixture(
        n_components, covariance_type="diag", max_iter=500, random_state=random_state
    )
    components = _principal_components(X, explained_variance)
    return leep(mixture.fit(components).predict_proba(components), codes)


def _principal_components(X: np.ndarray, explained_variance: float) -> np.ndarray:
    """Return those that keep such a share of the variance, the first with a variance of one."""
    spectrum = Spectrum.of(X - X.mean(axis=0))
    kept = np.cumsum(spectrum.squares) / spectrum.squares.sum()
    n_kept = np.searchsorted(kept, explained_variance, side="right") + 1
    scales = np.sqrt(len(X) * spectrum.squares / spectrum.squares[0])
    return (spectrum.left * scales)[:, :n_kept]
