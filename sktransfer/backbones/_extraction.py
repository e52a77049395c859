"""Extraction: every image through the network, but for those whose features are known."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Container
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sktransfer.backbones._affordable import with_affordable_batches
from sktransfer.backbones._engine import shared_engine
from sktransfer.backbones._inference import load_ahead, run_padded
from sktransfer.backbones._network import NetworkRecipe
from sktransfer.cache import Store, row_keys

EXTRACTION_VERSION = 2
"""Part of every key of the cache: to be raised when features of the same recipe change."""

Waiting = dict[bytes, tuple[np.ndarray, list[int]]]
"""Images that a batch is to be made of, and the rows that each is for, by key."""


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
    extraction = _Extraction(recipe, images, store, verbose, unreadable)
    batch_size = batch_size or extraction.engine.batch_size
    with_affordable_batches(extraction.fill, recipe, batch_size)
    return extraction.features


@dataclass
class _Extraction:
    """The features of images, each of which is looked up or computed among others."""

    recipe: NetworkRecipe
    images: Images
    store: Store | None
    verbose: bool
    unreadable: Container[int]

    def __post_init__(self) -> None:
        self.engine = shared_engine(self.recipe)
        shape = len(self.images), self.engine.n_features
        self.features = np.empty(shape, dtype=np.float32)

    def fill(self, batch_size: int) -> None:
        """Fill in all rows of `features`, from batches of one size."""
        from tqdm import tqdm

        context = _context(self.recipe, batch_size)
        waiting: Waiting = {}
        n_images, name = len(self.images), self.recipe.backbone
        with tqdm(total=n_images, desc=name, unit="image", disable=not self.verbose) as bar:
            for indices, pixels in load_ahead(self.images.take, n_images, batch_size):
                bar.update(self._look_up(indices, pixels, context, waiting))
                while len(waiting) >= batch_size:
                    bar.update(self._compute(waiting, batch_size))
            if waiting:
                bar.update(self._compute(waiting, batch_size))

    def _look_up(
        self, indices: np.ndarray, pixels: np.ndarray, context: str, waiting: Waiting
    ) -> int:
        """Fill in rows that need no network, let the others wait, and return how many are done."""
        known: list[np.ndarray | None] = [None] * len(pixels)
        if self.store is None:
            keys = [b"%d" % row for row in indices]
        else:
            keys = row_keys(pixels, context)
            known = self.store.get(keys)
        n_done = 0
        for row, key, image, values in zip(indices, keys, pixels, known, strict=True):
            if int(row) in self.unreadable:
                self.features[row] = np.nan
            elif values is not None:
                self.features[row] = values
            else:
                waiting.setdefault(key, (image, []))[1].append(row)
                continue
            n_done += 1
        return n_done

    def _compute(self, waiting: Waiting, batch_size: int) -> int:
        """Fill in rows of the images that have waited longest, and return how many are done."""
        keys = list(itertools.islice(waiting, batch_size))
        batch = [waiting.pop(key) for key in keys]
        found = run_padded(self.engine.run, np.stack([image for image, _ in batch]), batch_size)
        for (_, rows), values in zip(batch, found, strict=True):
            self.features[rows] = values
        if self.store is not None:
            self.store.put(keys, found)
        return sum(len(rows) for _, rows in batch)


def _context(recipe: NetworkRecipe, batch_size: int) -> str:
    """Name everything that features depend on, beside the pixels."""
    parts = f"{EXTRACTION_VERSION}|{batch_size}|{recipe.fingerprint()}"
    return hashlib.sha256(parts.encode()).hexdigest()
