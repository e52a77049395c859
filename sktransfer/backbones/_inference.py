"""Running rows through a network: batches of one size, the next one loaded meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

LARGEST_BATCH = 256
BATCH_PIXELS = 128 * 96 * 96
"""Pixels in a batch: its activations stay below a gigabyte in every common backbone."""


def choose_batch_size(input_size: tuple[int, int]) -> int:
    """Return the power of two that fits `BATCH_PIXELS`, the same on every machine."""
    fitting = max(1, BATCH_PIXELS // (input_size[0] * input_size[1]))
    return min(LARGEST_BATCH, 1 << (fitting.bit_length() - 1))


def load_ahead(
    take: Callable[[np.ndarray], np.ndarray], n_rows: int, batch_size: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (indices, rows) block by block, while a thread takes the next block."""
    blocks = [
        np.arange(start, min(start + batch_size, n_rows)) for start in range(0, n_rows, batch_size)
    ]
    with ThreadPoolExecutor(1, thread_name_prefix="sktransfer-load") as loader:
        upcoming = loader.submit(take, blocks[0])
        for position, indices in enumerate(blocks):
            rows = upcoming.result()
            if position + 1 < len(blocks):
                upcoming = loader.submit(take, blocks[position + 1])
            yield indices, rows


def run_padded(run: Callable[[np.ndarray], Any], rows: np.ndarray, batch_size: int) -> np.ndarray:
    """Run at most `batch_size` rows, padded to exactly so many.

    A network computes batches of different sizes in different orders of summation. With one size a
    row's result does not depend on the rows beside it.
    """
    padding = [(0, batch_size - len(rows))] + [(0, 0)] * (rows.ndim - 1)
    result = run(np.pad(rows, padding) if len(rows) < batch_size else rows)
    return np.asarray(result)[: len(rows)]
