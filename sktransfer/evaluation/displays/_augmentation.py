"""What an augmentation makes of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sktransfer.evaluation.displays._pictures import (
    as_items,
    divide_axes,
    draw_picture,
    read_picture,
)
from sktransfer.images import Augmentation

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["AugmentationDisplay"]


@dataclass
class AugmentationDisplay:
    """Images, each at the head of a row of augmented views of it.

    Parameters
    ----------
    images : sequence of ndarray of shape (height, width, 3)
        The images as they are, pixels 0..255.
    views : sequence of ndarray of shape (n_views, height, width, 3)
        Views of each image.

    Attributes
    ----------
    ax_ : matplotlib Axes
        What the pictures were drawn within last.
    figure_ : matplotlib Figure
        The figure of `ax_`.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer import ImageAugmentation
    >>> from sktransfer.evaluation.displays import AugmentationDisplay
    >>> images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    >>> display = AugmentationDisplay.from_images(ImageAugmentation(rotation=30), images)
    >>> [view.shape for view in display.views]
    [(5, 8, 8, 3), (5, 8, 8, 3)]
    """

    images: Sequence[np.ndarray]
    views: Sequence[np.ndarray]

    @classmethod
    def from_images(
        cls,
        augmentation: Augmentation,
        images,
        *,
        n_views: int = 5,
        seed: int = 0,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> AugmentationDisplay:
        """Draw images beside augmented views of them.

        Parameters
        ----------
        augmentation : Augmentation
            What makes the views.
        images : ndarray of uint8 of shape (n_images, height, width[, channels]), or sequence
            The images; or paths, encoded bytes, Pillow images or uint8 arrays of any sizes.
        n_views : int, default=5
            Views of each image, which are drawn as those of as many images: view j of image i has
            the id i * n_views + j.
        seed : int, default=0
            As in ``Augmentation.augment``.
        ax : matplotlib Axes, default=None
            What to divide among the pictures; None makes a new figure.
        **kwargs : dict
            Passed to ``Axes.imshow``.

        Returns
        -------
        display : AugmentationDisplay
            Drawn.

        Raises
        ------
        ValueError
            If there are no images, `n_views` is not positive, or a parameter of the augmentation is
            out of its range.
        """
        if n_views < 1:
            raise ValueError(f"n_views must be at least 1, got {n_views}")
        items = as_items(images)
        if len(items) == 0:
            raise ValueError("images is empty: there is nothing to draw")
        originals = [read_picture(items, position) for position in range(len(items))]
        views = [
            augmentation.augment(
                np.repeat(image[None], n_views, axis=0),
                seed=seed,
                ids=position * n_views + np.arange(n_views),
            )
            for position, image in enumerate(originals)
        ]
        return cls(originals, views).plot(ax, **kwargs)

    def plot(self, ax: Axes | None = None, **kwargs: Any) -> AugmentationDisplay:
        """Draw a row for each image: itself, then its views.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            What to divide among the pictures; None makes a new figure.
        **kwargs : dict
            Passed to ``Axes.imshow``.

        Returns
        -------
        display : AugmentationDisplay
            With `ax_` and `figure_`.

        Raises
        ------
        ValueError
            If `ax` cannot be divided, as it is not one of a figure's subplots.
        """
        pictures = [[image, *views] for image, views in zip(self.images, self.views, strict=True)]
        n_columns = len(pictures[0])
        titles = ["original", *(f"view {number}" for number in range(1, n_columns))]
        ax, cells = divide_axes(ax, len(pictures), n_columns, title_lines=1)
        flat = [picture for row in pictures for picture in row]
        for position, (cell, picture) in enumerate(zip(cells, flat, strict=True)):
            title = titles[position] if position < n_columns else ""
            draw_picture(cell, picture, title, **kwargs)
        self.ax_: Axes = ax
        self.figure_ = ax.get_figure()
        return self
