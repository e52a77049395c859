"""The singular values of features and the directions of rows that belong to them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Spectrum:
    """A singular value decomposition without the directions of the features.

    Attributes
    ----------
    left : ndarray of shape (n_samples, rank)
        Orthonormal directions of the rows.
    squares : ndarray of shape (rank,)
        Squared singular values, the largest first, all positive.
    """

    left: np.ndarray
    squares: np.ndarray

    @classmethod
    def of(cls, X: np.ndarray) -> Spectrum:
        """Decompose X (n_samples, n_features), which is not zero.

        By the smaller of the two matrices of inner products, several times as fast as by X itself.
        Directions whose singular values are less than a 1e-5th of the largest are inexact, and
        those within the rounding of that matrix are left out; scores weigh neither.
        """
        wide = X.shape[0] < X.shape[1]
        squares, directions = np.linalg.eigh(X @ X.T if wide else X.T @ X)
        squares, directions = squares[::-1], directions[:, ::-1]
        kept = squares > squares[0] * max(X.shape) * np.finfo(X.dtype).eps
        squares, directions = squares[kept], directions[:, kept]
        return cls(directions if wide else X @ directions / np.sqrt(squares), squares)
