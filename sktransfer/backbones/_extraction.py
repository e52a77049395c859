"""Extraction: every image through the network, but for those whose features are known."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Container
from typing import Protocol

import numpy as np

from sktransfer.backbones._affordable import with_affordable_batches
from sktransfer.backbones._engine import Run, shared_engine
from sktransfer.backbones._inference import load_ahead, run_padded
from sktransfer.backbones._network import NetworkRecipe
from sktransfer.cache import Store, row_keys

EXTRACTION_VERSION = 2
"""Part of every key of the cache: to be raised when features of the same recipe change."""


class Images(Protocol):
    """What features are extracted of: an image batch, or views of one."""

    def __len__(self) -> int: ...

    def take(self, indices: np.ndarray) -> np.ndarray: ...


def extract(
    recipe: NetworkRecipe,
    images: Images,
    *,
    batch_size: int | None = None,
    store: Store | None,
    verbose: bool,
    unreadable: Container[int] = (),
) -> np.ndarray:
    """Return the features (n_images, n_features) of a recipe's network, float32.

    A `batch_size` of None is the network's own; it is halved where memory is not enough. Images
    whose positions are in `unreadable` once they have been taken get rows of NaN, and come neither
    into the network nor into the store.
    """
    engine = shared_engine(recipe)
    features = np.empty((len(images), engine.n_features), dtype=np.float32)

    def fill(batch_size: int) -> None:
        _fill(features, engine.run, recipe, images, batch_size, store, verbose, unreadable)

    with_affordable_batches(fill, recipe, batch_size or engine.batch_size)
    return features


def _fill(
    features: np.ndarray,
    run: Run,
    recipe: NetworkRecipe,
    images: Images,
    batch_size: int,
    store: Store | None,
    verbose: bool,
    unreadable: Container[int],
) -> None:
    """Compute all rows of `features`, or look them up."""
    from tqdm import tqdm

    context = _context(recipe, batch_size)
    waiting: dict[bytes, tuple[np.ndarray, list[int]]] = {}  # image, and its rows, by key

    def run_waiting(n: int) -> None:
        keys = list(itertools.islice(waiting, n))
        batch = [waiting.pop(key) for key in keys]
        found = run_padded(run, np.stack([image for image, _ in batch]), batch_size)
        for (_, rows), values in zip(batch, found, strict=True):
            features[rows] = values
            bar.update(len(rows))
        if store is not None:
            store.put(keys, found)

    with tqdm(total=len(images), desc=recipe.backbone, unit="image", disable=not verbose) as bar:
        for indices, pixels in load_ahead(images.take, len(images), batch_size):
            known: list[np.ndarray | None] = [None] * len(pixels)
            if store is None:
                keys = [b"%d" % row for row in indices]
            else:
                keys = row_keys(pixels, context)
                known = store.get(keys)
            for row, key, image, values in zip(indices, keys, pixels, known, strict=True):
                if int(row) in unreadable:
                    features[row] = np.nan
                    bar.update()
                elif values is None:
                    waiting.setdefault(key, (image, []))[1].append(row)
                else:
                    features[row] = values
                    bar.update()
            while len(waiting) >= batch_size:
                run_waiting(batch_size)
        if waiting:
            run_waiting(len(waiting))


def _context(recipe: NetworkRecipe, batch_size: int) -> str:
    """Name everything that features depend on, beside the pixels."""
    parts = f"{EXTRACTION_VERSION}|{batch_size}|{recipe.fingerprint()}"
    return hashlib.sha256(parts.encode()).hexdigest()
