"""Batches no larger than memory allows."""

from __future__ import annotations

import warnings
from collections.abc import Callable

from sktransfer.backbones._network import NetworkRecipe

_affordable: dict[str, int] = {}
"""Images in a batch, by fingerprint of the recipes for which memory allowed no more."""


def with_affordable_batches(
    task: Callable[[int], None], recipe: NetworkRecipe, batch_size: int
) -> None:
    """Do a task with a batch size, or where memory is not enough for it, with half of it.

    The task is done anew each time, so that all its results are of one batch size. What was found
    out is told, and kept for the next task of an equal recipe.

    Raises
    ------
    MemoryError
        If memory is not enough for a single image.
    """
    key = recipe.fingerprint()
    first = affordable = min(batch_size, _affordable.get(key, batch_size))
    while not _is_done(task, recipe, affordable):
        affordable //= 2
    if affordable < first:
        _affordable[key] = affordable
        warnings.warn(
            f"memory is not enough for batches of {first} images in {recipe.backbone}: from now on "
            f"they have {affordable}, as with batch_size={affordable}",
            RuntimeWarning,
            stacklevel=5,  # where a transformer is called
        )


def _is_done(task: Callable[[int], None], recipe: NetworkRecipe, batch_size: int) -> bool:
    """Do a task; return whether memory was enough. Nothing of a failure is held then."""
    import tensorflow as tf

    try:
        task(batch_size)
    except (MemoryError, tf.errors.ResourceExhaustedError) as error:
        if batch_size > 1:
            return False
        height, width = recipe.input_size
        raise MemoryError(
            f"memory is not enough for one image of {height}x{width} pixels in {recipe.backbone}: "
            'a smaller input_size, precision="bfloat16", a smaller backbone or fewer processes at '
            "a time take less"
        ) from error
    return True
