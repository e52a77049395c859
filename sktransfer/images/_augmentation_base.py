"""What an augmentation is: images in, changed images out, by a seed and the images' ids."""

from __future__ import annotations

from abc import ABC, abstractmethod
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator

from sktransfer._validation import validate_parameters
from sktransfer.images._batch import as_images
from sktransfer.images._draws import checked_ids, checked_seed

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.Image import Image

__all__ = ["Augmentation"]


class Augmentation(BaseEstimator, ABC):
    """Random changes to images, drawn anew for each (seed, id): what all augmentations share.

    An augmentation has no state and draws nothing from a global generator: what becomes of an image
    depends on the seed and the image's id, never on the rest of the batch. To write one, define
    `needs_pixel_range` and ``_augment(images, seed, ids)``, which is given float32 images
    (n, height, width, channels), n >= 1, that it must not write to, and the seed and the ids (n,)
    as unsigned 64-bit integers.

    Attributes
    ----------
    needs_pixel_range : bool
        Whether the changes take pixels for values from 0 to 255, so that they make no sense on
        another scale.

    See Also
    --------
    ImageAugmentation : Geometry, light, colour and erasing, by parameters of one's own.
    TrivialAugment : One change of a list for each image; nothing to tune.
    RandAugment : Several changes of a list for each image, of a common strength.
    AugmentationSequence : Several augmentations, one after another.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer.images import Augmentation
    >>> class Negative(Augmentation):
    ...     needs_pixel_range = True
    ...
    ...     def _augment(self, images, seed, ids):
    ...         return 255 - images
    >>> Negative().augment(np.full((1, 1, 1, 3), 55), seed=0, ids=[0]).ravel()
    array([200., 200., 200.], dtype=float32)
    """

    _parameter_constraints: dict[str, Any] = {}

    @property
    @abstractmethod
    def needs_pixel_range(self) -> bool:
        """Whether the changes take pixels for values from 0 to 255."""

    @abstractmethod
    def _augment(self, images: np.ndarray, seed: int, ids: np.ndarray) -> np.ndarray:
        """Change float32 images (n, height, width, channels), without writing to them."""

    def validate(self) -> None:
        """Check the parameters.

        Raises
        ------
        ValueError
            Also a TypeError (scikit-learn's ``InvalidParameterError``): names the first parameter
            of a wrong type or outside its range, and what is accepted.
        """
        validate_parameters(self)

    def augment(self, images: np.ndarray, *, seed: int, ids: np.ndarray) -> np.ndarray:
        """Change each image at random, as its id and the seed determine.

        Parameters
        ----------
        images : ndarray of shape (n, height, width, channels)
            Pixels 0..255, or on any scale where `needs_pixel_range` is false. Changes of colour
            need three channels.
        seed : int
            For all images together, such as one for each epoch; any whole number.
        ids : array-like of int of shape (n,)
            What tells the images apart, such as their positions in the data set.

        Returns
        -------
        ndarray of shape (n, height, width, channels), float32
            Within 0..255 if `needs_pixel_range`, else within each image's own range (the fill of
            what lies beyond the border aside). With nothing switched on these are the images as
            they came, not copied where they are float32.

        Raises
        ------
        ValueError
            If a parameter is out of its range, or the shape of `images` or `ids` doesn't fit.
        TypeError
            If `seed` or the `ids` are not whole numbers.
        """
        self.validate()
        images = np.asarray(images, dtype=np.float32)
        if images.ndim != 4:
            raise ValueError(
                f"images must have shape (n, height, width, channels), got shape {images.shape}"
            )
        seed, ids = checked_seed(seed), checked_ids(ids, len(images))
        return self._augment(images, seed, ids) if len(images) > 0 else images

    def plot(self, image: np.ndarray | str | PathLike | Image, n: int = 5, seed: int = 0) -> Figure:
        """Draw an image beside augmented versions of it.

        Parameters
        ----------
        image : ndarray of shape (height, width) or (height, width, 3), path or PIL image
            Pixels 0..255, also as floats.
        n : int, default=5
            How many versions: those of the ids 0 to n - 1.
        seed : int, default=0
            As in `augment`.

        Returns
        -------
        matplotlib.figure.Figure
            One row of n + 1 pictures, the original first. It needs no display; save it with
            ``savefig``.

        Raises
        ------
        ValueError
            If `n` is not positive, a parameter is out of its range, or it is no such image.
        """
        from matplotlib.figure import Figure

        if n < 1:
            raise ValueError(f"n must be at least 1, got {n!r}")
        original = _as_rgb(image)
        copies = np.repeat(original[None], n, axis=0)
        versions = self.augment(copies, seed=seed, ids=np.arange(n))

        height, width = original.shape[:2]
        figure = Figure(figsize=(1.6 * (n + 1), 1.6 * height / width + 0.3), layout="constrained")
        titles = ["original", *(f"version {i}" for i in range(1, n + 1))]
        pictures = [original, *versions]
        for axes, title, picture in zip(figure.subplots(1, n + 1), titles, pictures, strict=True):
            axes.imshow(picture.clip(0, 255).astype(np.uint8))
            axes.set_title(title, fontsize="medium")
            axes.set_axis_off()
        return figure


def _as_rgb(image: np.ndarray | str | PathLike | Image) -> np.ndarray:
    """Read one image as an array (height, width, 3) of pixels 0..255."""
    if isinstance(image, np.ndarray):
        return as_images(image[None], pixel_range=(0, 255)).take([0])[0]
    return as_images([image]).take([0])[0]
