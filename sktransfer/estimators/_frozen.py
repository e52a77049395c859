"""Features of a frozen backbone as the rows that a head is trained on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sktransfer.backbones._extraction import Images, extract
from sktransfer.backbones._network import NetworkRecipe
from sktransfer.cache import Store
from sktransfer.estimators._training import FeatureRows, Features, Rows


def features_of(
    images: Images, recipe: NetworkRecipe, store: Store | None, *, verbose: bool
) -> FeatureRows:
    """Extract the features of images, as a transformer of the same recipe does."""
    return FeatureRows(extract(recipe, images, store=store, verbose=verbose))


@dataclass(frozen=True)
class FrozenViews(Features):
    """Features of `n` augmented views of each image, extracted once; an epoch trains on one."""

    views: list[FeatureRows]

    @classmethod
    def of(
        cls, rows: Rows, recipe: NetworkRecipe, n: int, store: Store | None, *, verbose: bool
    ) -> FrozenViews:
        """Extract the views that the first `n` epochs would draw."""
        views = [_View(rows, epoch) for epoch in range(n)]
        return cls([features_of(view, recipe, store, verbose=verbose) for view in views])

    def __len__(self) -> int:
        return len(self.views[0])

    def matrix(self, epoch: int = 0) -> np.ndarray:
        return self.views[epoch % len(self.views)].matrix()


@dataclass(frozen=True)
class FreshViews(Features):
    """Features of a new augmented view of each image in each epoch, extracted as it begins."""

    rows: Rows
    recipe: NetworkRecipe
    store: Store | None

    def __len__(self) -> int:
        return len(self.rows)

    def matrix(self, epoch: int = 0) -> np.ndarray:
        view = _View(self.rows, epoch)
        return features_of(view, self.recipe, self.store, verbose=False).matrix()


@dataclass(frozen=True)
class _View:
    """The rows as one epoch sees them."""

    rows: Rows
    epoch: int

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, indices: np.ndarray) -> np.ndarray:
        return self.rows.take(indices, self.epoch)
