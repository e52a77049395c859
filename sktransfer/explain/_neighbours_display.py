"""Images drawn beside their nearest training images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sktransfer._validation import check_same_length
from sktransfer.explain._figures import as_grid_of_axes, show_picture
from sktransfer.explain._given_images import given_images
from sktransfer.explain._neighbours import nearest_training_images

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass
class NeighboursDisplay:
    """Rows of pictures: an image first, then the training images that are most alike.

    Parameters
    ----------
    pictures : sequence of sequences of ndarray of shape (height, width, 3), uint8
        One row an image: the image itself and its neighbours, of any sizes.
    titles : sequence of sequences of str
        What is written above each picture.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (n_images, 1 + n_neighbors)
        Where the pictures were drawn last.
    figure_ : matplotlib Figure
        The figure of `axes_`.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer.explain import NeighboursDisplay
    >>> dark, bright = np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 3), 255, np.uint8)
    >>> display = NeighboursDisplay([[dark, bright]], [["image", "at 0.210: moon"]]).plot()
    >>> display.axes_.shape
    (1, 2)
    """

    pictures: Sequence[Sequence[np.ndarray]]
    titles: Sequence[Sequence[str]]

    @classmethod
    def from_transformer(
        cls,
        transformer: Any,
        X_train: Any,
        X: Any,
        *,
        y_train: Any = None,
        y: Any = None,
        n_neighbors: int = 5,
        metric: str = "cosine",
        ax: np.ndarray | None = None,
    ) -> NeighboursDisplay:
        """Find the nearest training images of a few images, and draw them.

        Parameters
        ----------
        transformer : fitted BackboneFeatures or Pipeline
            Makes the features, as in `nearest_training_images`.
        X_train, X : array-like
            Training images, and the images to find neighbours of.
        y_train, y : array-like, default=None
            Their labels, which are written above the pictures.
        n_neighbors : int, default=5
            Neighbours of each image.
        metric : str, default="cosine"
            Distance of features.
        ax : array of matplotlib Axes, default=None
            As in `plot`.

        Returns
        -------
        display : NeighboursDisplay
            With the neighbours' distances above them.

        Raises
        ------
        TypeError, ValueError
            As `nearest_training_images` does, and where there is not one label for each image.
        """
        for name, images, labels in (("X_train", X_train, y_train), ("X", X, y)):
            if labels is not None:
                check_same_length(name, images, f"y{name[1:]}", labels)
        indices, distances = nearest_training_images(
            transformer, X_train, X, n_neighbors=n_neighbors, metric=metric
        )
        training, asked = given_images(X_train, transformer), given_images(X, transformer)
        pictures, titles = [], []
        for row, (neighbours, apart) in enumerate(zip(indices, distances, strict=True)):
            pictures.append([asked.picture(row), *map(training.picture, neighbours)])
            of_neighbours = [
                _title(f"at {distance:.3f}", y_train, neighbour)
                for neighbour, distance in zip(neighbours, apart, strict=True)
            ]
            titles.append([_title("image", y, row), *of_neighbours])
        return cls(pictures, titles).plot(ax=ax)

    def plot(self, ax: Axes | np.ndarray | None = None) -> NeighboursDisplay:
        """Draw one row of pictures for each image.

        Parameters
        ----------
        ax : array of matplotlib Axes, default=None
            Where to draw, one for each picture; None makes a new figure, which needs no display.

        Returns
        -------
        display : NeighboursDisplay
            With `axes_` and `figure_`.
        """
        self.axes_: np.ndarray = as_grid_of_axes(ax, self.titles)
        for axes_row, pictures, titles in zip(self.axes_, self.pictures, self.titles, strict=True):
            for axes, picture, title in zip(axes_row, pictures, titles, strict=True):
                show_picture(axes, picture, title)
        self.figure_ = self.axes_[0, 0].get_figure()
        return self


def _title(text: str, labels: Any, position: int) -> str:
    """Say something of a picture, and its label where there are labels."""
    return text if labels is None else f"{text}: {np.asarray(labels)[position]}"
