"""Running rows through a network: batches of one size, the next one loaded meanwhile."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from sktransfer._forks import refuse_fork
from sktransfer.backbones._graph import inputs_of, outputs_of

if TYPE_CHECKING:
    import keras

LARGEST_BATCH = 128
"""Larger batches are no faster, and cost more where few images come."""
ACTIVATION_BYTES = 256 << 20
"""Bound of what the widest layer of a network takes in and gives out for a batch, in float32."""


def choose_batch_size(network: keras.Model, largest: int = LARGEST_BATCH) -> int:
    """Return the power of two whose activations fit `ACTIVATION_BYTES`, alike on every machine."""
    widest = max(
        sum(math.prod(tensor.shape[1:]) for tensor in (*inputs_of(layer), *outputs_of(layer)))
        for layer in network.layers
    )
    fitting = max(1, ACTIVATION_BYTES // (4 * widest))
    return min(largest, 1 << (fitting.bit_length() - 1))


def load_ahead(
    take: Callable[[np.ndarray], np.ndarray], n_rows: int, batch_size: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (indices, rows) block by block, while a thread takes the next block."""
    refuse_fork()
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
    row's result does not depend on the rows beside it. Results that are not finite are an error.
    """
    padding = [(0, batch_size - len(rows))] + [(0, 0)] * (rows.ndim - 1)
    result = run(np.pad(rows, padding) if len(rows) < batch_size else rows)
    result = np.asarray(result)[: len(rows)]
    if not np.isfinite(result).all():
        raise ValueError(
            "the network's results are not finite: X holds numbers that it cannot compute with, "
            f"from {rows.min():.3g} to {rows.max():.3g}. Scale it as the network expects it"
        )
    return result
