"""Affine maps, learned from the answers that a function of rows gives.

Scalers, projections, selections of columns and linear models are all affine. What such a step does
to the rows of the unit matrix says all of it, so that no list of classes has to be kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

BLOCK = 1024
"""Rows of the unit matrix that a function is asked about at a time."""

TOLERANCE = 1e-4
"""Error, relative to the largest value, up to which a function counts as affine."""


@dataclass(frozen=True)
class AffineMap:
    """Rows x to ``x * scale + offset``, or to ``x @ scale + offset`` where `scale` is a matrix.

    Attributes
    ----------
    scale : ndarray of shape (n_inputs,) or (n_inputs, n_outputs), float32
        Factors of the columns, or a matrix.
    offset : ndarray of shape (n_outputs,), float32
        What zeros become.
    """

    scale: np.ndarray
    offset: np.ndarray

    @property
    def n_outputs(self) -> int:
        """Number of columns that come out."""
        return len(self.offset)

    def __call__(self, rows: Any) -> Any:
        """Map the rows of an array or a tensor."""
        scaled = rows * self.scale if self.scale.ndim == 1 else rows @ self.scale
        return scaled + self.offset


def find_affine_map(
    function: Callable[[np.ndarray], np.ndarray], n_inputs: int
) -> AffineMap | None:
    """Return a function of rows (n, n_inputs) to (n, n_outputs) as an affine map, if it is one.

    Of a function that treats each column by itself no matrix is made, which would not fit in
    memory where features are many.
    """
    offset = function(np.zeros((1, n_inputs)))[0]
    rows = np.random.default_rng(0).normal(size=(8, n_inputs))
    values = function(rows)
    if len(offset) == n_inputs:
        scale = function(np.ones((1, n_inputs)))[0] - offset
        if _agree(rows * scale + offset, values):
            return _in_float32(scale, offset)
    matrix = np.concatenate([function(block) - offset for block in _unit_rows(n_inputs)])
    return _in_float32(matrix, offset) if _agree(rows @ matrix + offset, values) else None


def _unit_rows(n: int) -> Iterator[np.ndarray]:
    """Yield the rows of the unit matrix, some at a time."""
    for start in range(0, n, BLOCK):
        yield np.eye(min(BLOCK, n - start), n, start)


def _agree(found: np.ndarray, values: np.ndarray) -> bool:
    return bool(np.abs(found - values).max() <= TOLERANCE * np.abs(values).max())


def _in_float32(scale: np.ndarray, offset: np.ndarray) -> AffineMap:
    return AffineMap(scale.astype(np.float32), offset.astype(np.float32))
