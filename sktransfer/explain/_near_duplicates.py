"""Images that are in a data set twice, or nearly so."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from sklearn.preprocessing import normalize
from sklearn.utils import check_scalar

from sktransfer.explain._extracted import features_by

BLOCK = 2048
"""Rows whose similarities are computed at a time: 16 MB of them."""

DECIMALS = 6
"""Of a similarity; float32 features tell no more."""


def find_near_duplicates(transformer: Any, X: Any, *, threshold: float = 0.9) -> pd.DataFrame:
    """Find pairs of images whose features are nearly parallel.

    Duplicates between training and test data make scores too good [1]_: search both at once, and
    look for pairs across them.

    Parameters
    ----------
    transformer : fitted BackboneFeatures, Pipeline or None
        Makes the features. Of a pipeline the steps up to its `BackboneFeatures` count. None: X
        holds features already.
    X : array-like
        Images, as the transformer takes them.
    threshold : float in (0, 1], default=0.9
        Cosine similarity from which a pair counts; 1 finds images with equal features, among them
        all exact duplicates. How alike different images are depends on the backbone and the data:
        look at the pairs near the threshold.

    Returns
    -------
    pairs : DataFrame
        Columns ``first`` and ``second``, positions in X with first < second, and ``similarity``,
        rounded to six decimals; the most similar pairs first.

    Raises
    ------
    TypeError
        If the transformer makes no features.
    ValueError
        If the threshold is out of range.

    See Also
    --------
    nearest_training_images : The most similar images of another set, however far.

    Notes
    -----
    All pairs are compared, in blocks: the time grows with the square of the number of images, the
    memory with it and the number of pairs found.

    References
    ----------
    .. [1] Barz and Denzler, "Do We Train on Test Data? Purging CIFAR of Near-Duplicates", Journal
           of Imaging 6(6), 2020, arXiv:1902.00423.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer.explain import find_near_duplicates
    >>> features = np.array([[1.0, 0.0], [0.0, 1.0], [2.0, 0.0], [0.1, 2.0]])
    >>> find_near_duplicates(None, features, threshold=0.99)
       first  second  similarity
    0      0       2    1.000000
    1      1       3    0.998752
    """
    check_scalar(threshold, "threshold", Real, min_val=0, max_val=1, include_boundaries="right")
    directions = normalize(features_by(transformer, X))
    blocks = [directions[start : start + BLOCK] for start in range(0, len(directions), BLOCK)]
    found = [
        _pairs(upper, lower, threshold, (BLOCK * i, BLOCK * j))
        for i, upper in enumerate(blocks)
        for j, lower in enumerate(blocks[i:], start=i)
    ]
    pairs = pd.concat(found, ignore_index=True)
    return pairs.sort_values(
        ["similarity", "first", "second"], ascending=[False, True, True], ignore_index=True
    )


def _pairs(
    upper: np.ndarray, lower: np.ndarray, threshold: float, starts: tuple[int, int]
) -> pd.DataFrame:
    """Find the similar pairs of a row of one block and a later row of the same or another."""
    likely = np.argwhere(upper @ lower.T >= threshold - 10**-DECIMALS)
    likely = likely[likely[:, 0] + starts[0] < likely[:, 1] + starts[1]]
    # Sums of float32 end beside 1 for equal rows.
    exact = np.einsum("ij,ij->i", upper[likely[:, 0]], lower[likely[:, 1]], dtype=np.float64)
    similarity = np.round(exact, DECIMALS)
    kept = similarity >= threshold
    return pd.DataFrame(
        {
            "first": likely[kept, 0] + starts[0],
            "second": likely[kept, 1] + starts[1],
            "similarity": similarity[kept],
        }
    )
