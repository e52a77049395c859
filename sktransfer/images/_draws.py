"""Random numbers that are a function of a seed and an image's id, and of nothing else."""

from __future__ import annotations

import operator

import numpy as np

__all__ = ["between", "checked_ids", "checked_seed", "derived_seed", "uniforms"]


def checked_seed(seed: int) -> int:
    """Return the seed as an unsigned 64-bit integer, or raise TypeError."""
    try:
        return operator.index(seed) % 2**64
    except TypeError:
        raise TypeError(f"seed must be an integer, got {seed!r}") from None


def checked_ids(ids: np.ndarray, n: int) -> np.ndarray:
    """Return the ids as (n,) unsigned 64-bit integers, or raise ValueError or TypeError."""
    ids = np.asarray(ids)
    if ids.shape != (n,):
        raise ValueError(f"ids must have shape ({n},), one for each image; got shape {ids.shape}")
    if ids.dtype.kind not in "iu" and n > 0:
        raise TypeError(f"ids must be integers, got dtype {ids.dtype}")
    return ids.astype(np.uint64)


def uniforms(seed: int, ids: np.ndarray, n_draws: int) -> np.ndarray:
    """Draw (n_draws, n_ids) numbers in [0, 1): a hash of the seed, the id and the position.

    The first draws of an image are the same however many there are.
    """
    key = _splitmix64(_splitmix64(np.array([seed], dtype=np.uint64)) + ids)
    positions = np.arange(1, n_draws + 1, dtype=np.uint64)[:, None]
    bits = _splitmix64(key + positions * _GOLDEN_GAMMA)
    return (bits >> np.uint64(11)) * 2.0**-53


def derived_seed(seed: int, position: int) -> int:
    """Give the seed of what comes at a position among several that share one seed."""
    key = _splitmix64(np.array([seed], dtype=np.uint64))
    return int(_splitmix64(key + np.array([position + 1], dtype=np.uint64) * _GOLDEN_GAMMA)[0])


def between(low: float, high: float, uniform: np.ndarray) -> np.ndarray:
    """Stretch numbers in [0, 1) to [low, high); exact where the two are one."""
    return low + (high - low) * uniform


_GOLDEN_GAMMA = np.uint64(0x9E3779B97F4A7C15)


def _splitmix64(state: np.ndarray) -> np.ndarray:
    """Mix 64 bits thoroughly (Steele, Lea and Flood 2014), for each number on its own."""
    mixed = state + _GOLDEN_GAMMA
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
