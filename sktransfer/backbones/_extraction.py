"""Extraction: every image through the network, but for those whose features are known."""

from __future__ import annotations

import hashlib
from typing import Protocol

import numpy as np

from sktransfer.backbones._inference import load_ahead, run_padded
from sktransfer.backbones._network import NetworkRecipe, shared_network
from sktransfer.cache import FeatureStore, row_keys

EXTRACTION_VERSION = 1
"""Part of every key of the cache: to be raised when features of the same recipe change."""


class Images(Protocol):
    """What features are extracted of: an image batch, or views of one."""

    def __len__(self) -> int: ...

    def take(self, indices: np.ndarray) -> np.ndarray: ...


def extract(
    recipe: NetworkRecipe,
    images: Images,
    *,
    batch_size: int,
    store: FeatureStore | None,
    verbose: bool,
) -> np.ndarray:
    """Return the features (n_images, n_features) of a recipe's network, float32."""
    from tqdm import tqdm

    shared = shared_network(recipe)
    context = _context(recipe, batch_size)
    features = np.empty((len(images), shared.network.output_shape[-1]), dtype=np.float32)
    waiting: list[tuple[int, bytes, np.ndarray]] = []

    def run(batch: list[tuple[int, bytes, np.ndarray]]) -> None:
        rows, keys, pixels = map(list, zip(*batch, strict=True))
        features[rows] = run_padded(shared.run, np.stack(pixels), batch_size)
        if store is not None:
            store.put(keys, features[rows])
        bar.update(len(rows))

    with tqdm(total=len(images), desc=recipe.backbone, unit="image", disable=not verbose) as bar:
        for indices, pixels in load_ahead(images.take, len(images), batch_size):
            keys = row_keys(pixels, context) if store is not None else [b""] * len(pixels)
            known = store.get(keys) if store is not None else [None] * len(pixels)
            for row, key, image, found in zip(indices, keys, pixels, known, strict=True):
                if found is None:
                    waiting.append((row, key, image))
                else:
                    features[row] = found
                    bar.update()
            while len(waiting) >= batch_size:
                run(waiting[:batch_size])
                del waiting[:batch_size]
        if waiting:
            run(waiting)
    return features


def _context(recipe: NetworkRecipe, batch_size: int) -> str:
    """Name everything that features depend on, beside the pixels."""
    parts = f"{EXTRACTION_VERSION}|{batch_size}|{recipe.fingerprint()}"
    return hashlib.sha256(parts.encode()).hexdigest()
