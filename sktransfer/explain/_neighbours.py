"""The training images that a backbone finds most alike."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.neighbors import NearestNeighbors

from sktransfer.explain._extracted import features_by


def nearest_training_images(
    transformer: Any, X_train: Any, X: Any, *, n_neighbors: int = 5, metric: str = "cosine"
) -> tuple[np.ndarray, np.ndarray]:
    """Find the training images whose features are nearest to those of given images [1]_.

    What an estimator has learned of an image, it has learned from others: its nearest neighbours
    among them show mislabelled images, shortcuts and data unlike the training data.

    Parameters
    ----------
    transformer : fitted BackboneFeatures, Pipeline or None
        Makes the features. Of a pipeline the steps up to its `BackboneFeatures` count, whatever
        stands behind them; what its cache holds is not extracted anew. None: `X_train` and `X` hold
        features already.
    X_train : array-like
        Training images, as the transformer takes them.
    X : array-like
        The images to find neighbours of.
    n_neighbors : int, default=5
        Neighbours of each image.
    metric : str, default="cosine"
        Distance of features, by a name that scikit-learn's `NearestNeighbors` knows.

    Returns
    -------
    indices : ndarray of shape (n_images, n_neighbors), int
        Positions in `X_train`, the nearest first. An image that is in `X_train` is its own nearest
        neighbour.
    distances : ndarray of shape (n_images, n_neighbors)
        Their distances.

    Raises
    ------
    TypeError
        If the transformer makes no features.
    ValueError
        If there are fewer training images than neighbours, or the metric is unknown.

    See Also
    --------
    NeighboursDisplay : Draws images beside their neighbours.
    find_near_duplicates : Images that are nearly equal, within one set.

    References
    ----------
    .. [1] Caruana et al., "Case-based Explanation of Non-case-based Learning Methods", AMIA
           Symposium 1999.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer.explain import nearest_training_images
    >>> features = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    >>> nearest_training_images(None, features, [[0.1, 2.0]], n_neighbors=2)[0]
    array([[1, 2]])
    """
    search = NearestNeighbors(n_neighbors=n_neighbors, metric=metric)
    search.fit(features_by(transformer, X_train, "X_train"))
    distances, indices = search.kneighbors(features_by(transformer, X))
    return indices, distances
