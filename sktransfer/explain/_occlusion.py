"""Occlusion: what an estimator no longer says when a patch of the image is covered."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils.validation import check_is_fitted

from sktransfer._nesting import to_the_images
from sktransfer.explain._given_images import given_images
from sktransfer.explain._outputs import chosen_outputs, classes_of
from sktransfer.images._resize import resize

PATCH = 1 / 6
"""Side of the default patch, as a fraction of the image's shorter side."""

BATCH_BYTES = 1 << 24
"""Bytes of the covered images that are made, and predicted, at a time."""


def occlusion(
    estimator: Any,
    X: Any,
    *,
    target: Any = None,
    patch: int | float | None = None,
    stride: int | None = None,
    fill: str | float | Sequence[float] = "mean",
    image_shape: tuple[int, int, int] | None = None,
) -> np.ndarray:
    """Show by how much a prediction falls when a patch of the image is covered [1]_.

    A square patch is moved over each image. A pixel's value is the mean, over the patches that
    cover it, of what they take from the prediction; a patch counts the more, the farther the pixel
    is from its border, in each direction. So the maps have no steps where patches begin.

    Parameters
    ----------
    estimator : fitted estimator
        Any classifier of images that has `predict_proba`, or any regressor, also a pipeline.
    X : array-like
        Images, as the estimator takes them.
    target : label or array-like of shape (n_images,), default=None
        The class to explain, one for all images or one for each. None is the most probable class.
        Of a regressor it is the number of an output, which may be left out if there is one.
    patch : int or float in (0, 1], default=None
        Side of the patch: pixels, or a float for a fraction of the image's shorter side. None is a
        sixth of it.
    stride : int, default=None
        Pixels by which the patch is moved. None is half of its side.
    fill : "mean", float or sequence of float, default="mean"
        What the patch shows, on the scale of X: the mean colour of the image, or a value for all
        channels or one for each.
    image_shape : (int, int, int), default=None
        Height, width and channels of images in two-dimensional rows. None is the parameter of that
        name that the estimator, or the first step within it, has.

    Returns
    -------
    maps : ndarray of shape (n_images, height, width), float32
        Probability, or units of the output, lost by covering: negative where covering helps. At the
        size of the images; of images of mixed sizes, at the size that the estimator is given.

    Raises
    ------
    TypeError
        If the estimator is a classifier without `predict_proba`.
    ValueError
        If there is no such class, the patch does not fit, or X is not images that the estimator
        takes.

    See Also
    --------
    grad_cam : For networks; needs one pass an image.
    AttributionDisplay : Draws the maps over the images.

    Notes
    -----
    An image is predicted some 120 times with the default patch. The covered images pass through the
    cache of a `BackboneFeatures` like any others, so that another target of the same images takes
    no more passes, as long as the cache has room.

    References
    ----------
    .. [1] Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014,
           arXiv:1311.2901.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sktransfer.explain import occlusion
    >>> X, y = load_digits(return_X_y=True)
    >>> model = LogisticRegression(C=0.01).fit(X / 16, y)
    >>> occlusion(model, X[:3] / 16, patch=2, image_shape=(8, 8, 1)).shape
    (3, 8, 8)
    """
    check_is_fitted(estimator)
    _check_patch(patch, stride)
    predict = _prediction(estimator)
    given = given_images(X, estimator, image_shape)
    size = given.images.size or _input_size(estimator)
    whole = predict(X)
    chosen = chosen_outputs(classes_of(estimator), whole.shape[1], target, len(given))
    if chosen is None:
        chosen = whole.argmax(axis=1)
    maps = np.empty((len(given), *size), dtype=np.float32)
    for row, output in enumerate(chosen):
        pixels = given.pixels(row)
        grid = _Grid.over(pixels, patch, stride)
        left = [
            predict(given.in_form(images))[:, output]
            for images in _covered(pixels, grid.windows, _colour(fill, pixels))
        ]
        lost = grid.spread(whole[row, output] - np.concatenate(left))
        maps[row] = resize(lost[..., None], size)[..., 0]
    return maps


@dataclass(frozen=True)
class _Grid:
    """Where patches lie on an image; the last ones end at its border."""

    height: int
    width: int
    patch: int
    stride: int

    @classmethod
    def over(cls, pixels: np.ndarray, patch: int | float | None, stride: int | None) -> _Grid:
        height, width = pixels.shape[:2]
        shorter = min(height, width)
        if isinstance(patch, (int, np.integer)):
            side = int(patch)
        else:
            side = max(1, round((patch or PATCH) * shorter))
        if side > shorter:
            raise ValueError(f"patch={patch} does not fit an image of {height} x {width} pixels")
        return cls(height, width, side, stride or -(-side // 2))

    @cached_property
    def windows(self) -> list[tuple[slice, slice]]:
        """Rows and columns of each patch."""
        return [
            (slice(top, top + self.patch), slice(left, left + self.patch))
            for top in self._starts(self.height)
            for left in self._starts(self.width)
        ]

    def _starts(self, side: int) -> list[int]:
        last = side - self.patch
        return [*range(0, last, self.stride), last]

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Return the weighted mean, at each pixel, of the values of the patches that cover it."""
        from_border = np.minimum(np.arange(self.patch), np.arange(self.patch)[::-1]) + 1
        weights = np.outer(from_border, from_border)
        total, sum_of_weights = np.zeros((2, self.height, self.width))
        for window, value in zip(self.windows, values, strict=True):
            total[window] += value * weights
            sum_of_weights[window] += weights
        # A stride longer than the patch leaves pixels out.
        return total / np.maximum(sum_of_weights, 1)


def _covered(
    pixels: np.ndarray, windows: list[tuple[slice, slice]], colour: np.ndarray
) -> Iterator[np.ndarray]:
    """Yield copies of an image with one window covered each, as many as fit in memory."""
    n = max(1, BATCH_BYTES // pixels.nbytes)
    for start in range(0, len(windows), n):
        some = windows[start : start + n]
        images = np.repeat(pixels[np.newaxis], len(some), axis=0)
        for image, window in zip(images, some, strict=True):
            image[window] = colour
        yield images


def _colour(fill: str | float | Sequence[float], pixels: np.ndarray) -> np.ndarray:
    """Return what a patch shows, one value a channel in the type of the pixels."""
    n_channels = pixels.shape[-1]
    if isinstance(fill, str):
        if fill != "mean":
            raise ValueError(f'fill must be "mean" or numbers on the scale of X, got {fill!r}')
        colour = pixels.mean(axis=(0, 1))
    else:
        colour = np.asarray(fill, dtype=float)
        if colour.shape not in ((), (n_channels,)) or not np.isfinite(colour).all():
            raise ValueError(
                f"fill must be one finite number, or one for each of {n_channels} channels, got "
                f"{fill!r}"
            )
    if pixels.dtype.kind not in "ui":
        return colour.astype(pixels.dtype)
    limits = np.iinfo(pixels.dtype)
    if (colour < limits.min).any() or (colour > limits.max).any():
        raise ValueError(f"fill={fill!r} is out of the range of {pixels.dtype} pixels")
    return np.rint(colour).astype(pixels.dtype)


def _prediction(estimator: Any) -> Callable[[Any], np.ndarray]:
    """Return what is asked of an estimator: images to outputs (n, n_outputs)."""
    if not is_classifier(estimator):
        return lambda X: _as_columns(estimator.predict(X))
    if not hasattr(estimator, "predict_proba"):
        raise TypeError(f"occlusion needs a classifier with predict_proba, got {estimator!r}")

    def predict(X: Any) -> np.ndarray:
        probabilities = np.asarray(estimator.predict_proba(X))
        if probabilities.ndim != 2:
            raise ValueError(
                "occlusion needs one column of probabilities a class, but predict_proba gives "
                f"shape {probabilities.shape}"
            )
        return probabilities

    return predict


def _as_columns(numbers: Any) -> np.ndarray:
    """Return a regressor's numbers as (n, n_outputs)."""
    numbers = np.asarray(numbers)
    return numbers[:, np.newaxis] if numbers.ndim == 1 else numbers


def _input_size(estimator: Any) -> tuple[int, int]:
    """Return the size to which an estimator brings images of mixed sizes."""
    for part in to_the_images(estimator):
        if hasattr(part, "input_size_"):
            return part.input_size_
    raise ValueError(
        "X has images of mixed sizes, and the estimator tells of no size to which it brings them: "
        "resize them before"
    )


def _check_patch(patch: Any, stride: Any) -> None:
    """Refuse sides that are neither pixels nor a fraction."""
    is_fraction = isinstance(patch, (float, np.floating)) and 0 < patch <= 1
    if patch is not None and not (_is_pixels(patch) or is_fraction):
        raise ValueError(
            f"patch must be a positive number of pixels or a float in (0, 1], got {patch!r}"
        )
    if stride is not None and not _is_pixels(stride):
        raise ValueError(f"stride must be a positive number of pixels, got {stride!r}")


def _is_pixels(side: Any) -> bool:
    return isinstance(side, (int, np.integer)) and side is not True and bool(side >= 1)
