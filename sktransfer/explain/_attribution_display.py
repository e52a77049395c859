"""Attributions drawn over the images that they are of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import is_classifier

from sktransfer._errors import unknown_name
from sktransfer.explain._figures import as_grid_of_axes, show_picture
from sktransfer.explain._given_images import given_images
from sktransfer.explain._gradcam import grad_cam
from sktransfer.explain._occlusion import occlusion
from sktransfer.explain._outputs import chosen_outputs
from sktransfer.images._resize import resize

if TYPE_CHECKING:
    from matplotlib.axes import Axes

METHODS: dict[str, Callable[..., np.ndarray]] = {"grad_cam": grad_cam, "occlusion": occlusion}


@dataclass
class AttributionDisplay:
    """Maps of what a prediction rests on, over the images.

    Parameters
    ----------
    images : ndarray of shape (n_images, height, width, 3), uint8
        The images.
    maps : ndarray of shape (n_images, height, width)
        What each pixel contributes; what is not positive is not drawn.
    titles : sequence of str
        What is written above each image.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (n_images,)
        Where the images were drawn last.
    figure_ : matplotlib Figure
        The figure of `axes_`.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer.explain import AttributionDisplay
    >>> images, maps = np.zeros((2, 8, 8, 3), np.uint8), np.eye(8)[np.newaxis].repeat(2, axis=0)
    >>> display = AttributionDisplay(images, maps, ["cat, 90 %", "dog, 70 %"]).plot()
    >>> [axes.get_title() for axes in display.axes_]
    ['cat, 90 %', 'dog, 70 %']
    """

    images: np.ndarray
    maps: np.ndarray
    titles: Sequence[str]

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        method: str = "grad_cam",
        target: Any = None,
        ax: Axes | np.ndarray | None = None,
        **kwargs: Any,
    ) -> AttributionDisplay:
        """Compute maps of a few images, and draw them.

        Parameters
        ----------
        estimator : fitted estimator
            As `grad_cam` or `occlusion` takes it.
        X : array-like
            Images, as the estimator takes them.
        method : {"grad_cam", "occlusion"}, default="grad_cam"
            Makes the maps.
        target : label or array-like of shape (n_images,), default=None
            The class to explain, one for all images or one for each; None is what is predicted.
        ax : matplotlib Axes or array of them, default=None
            As in `plot`.
        **kwargs : dict
            Passed to the method, such as `layer` or `patch`.

        Returns
        -------
        display : AttributionDisplay
            With the prediction above each image and, of a classifier that tells it, its
            probability; then the target where it is another class, and what the worst patch of
            "occlusion" takes from it.

        Raises
        ------
        ValueError
            If the method is unknown, and where the method raises it.
        TypeError
            If the method does not take the estimator.
        """
        if method not in METHODS:
            raise unknown_name("method", method, METHODS)
        maps = METHODS[method](estimator, X, target=target, **kwargs)
        given = given_images(X, estimator, kwargs.get("image_shape"))
        size = maps.shape[1:]
        images = [resize(given.picture(row), size) for row in range(len(given))]
        pictures = np.rint(images).clip(0, 255).astype(np.uint8)
        titles = _titles(estimator, X, target)
        if method == "occlusion":
            unit = ".1%" if is_classifier(estimator) else ".3g"
            titles = [
                f"{title}\nloses up to {max(lost.max(), 0):{unit}}"
                for title, lost in zip(titles, maps, strict=True)
            ]
        return cls(pictures, maps, titles).plot(ax=ax)

    def plot(
        self,
        ax: Axes | np.ndarray | None = None,
        *,
        cmap: str = "inferno",
        alpha: float = 0.7,
    ) -> AttributionDisplay:
        """Draw the images in a row, each under its map.

        Parameters
        ----------
        ax : matplotlib Axes or array of them, default=None
            Where to draw, one for each image; None makes a new figure, which needs no display.
        cmap : str, default="inferno"
            A colormap of matplotlib, from nothing to the largest value of each map.
        alpha : float in [0, 1], default=0.7
            How opaque the largest value is drawn; smaller ones are more transparent.

        Returns
        -------
        display : AttributionDisplay
            With `axes_` and `figure_`.
        """
        self.axes_: np.ndarray = as_grid_of_axes(ax, [self.titles])[0]
        for axes, image, contributions, title in zip(
            self.axes_, self.images, self.maps, self.titles, strict=True
        ):
            show_picture(axes, image, title)
            positive = np.maximum(contributions, 0)
            share = positive / (positive.max() or 1)
            axes.imshow(share, cmap=cmap, alpha=alpha * share, vmin=0, vmax=1)
        self.figure_ = self.axes_[0].get_figure()
        return self


def _titles(estimator: Any, X: Any, target: Any) -> list[str]:
    """Say what is predicted of each image, how surely, and what is explained if that differs."""
    predicted = estimator.predict(X)
    if not is_classifier(estimator):
        return [np.array2string(np.asarray(numbers), precision=3) for numbers in predicted]
    if not hasattr(estimator, "predict_proba"):
        return [str(label) for label in predicted]
    probabilities = estimator.predict_proba(X)
    classes = estimator.classes_
    chosen = chosen_outputs(classes, len(classes), target, len(probabilities))
    best = probabilities.argmax(axis=1)

    def describe(row: int, output: int) -> str:
        return f"{classes[output]}, {probabilities[row, output]:.0%}"

    titles = [describe(row, output) for row, output in enumerate(best)]
    if chosen is None:
        return titles
    return [
        title if output == top else f"{title}\nexplained: {describe(row, output)}"
        for row, (title, output, top) in enumerate(zip(titles, chosen, best, strict=True))
    ]
