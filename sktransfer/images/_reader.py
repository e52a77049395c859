"""A transformer that reads images into one array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags

from sktransfer._validation import StrOptions, validate_parameters
from sktransfer.images._base import ImageBatch
from sktransfer.images._batch import as_images
from sktransfer.images._resize import INTERPOLATIONS

__all__ = ["ImageReader"]

_CHUNK = 256


class ImageReader(TransformerMixin, BaseEstimator):
    """Read images from files, encoded bytes, Pillow images or arrays into one array.

    EXIF orientation is applied, alpha dropped, and grey, palette, CMYK and 16-bit images become
    8-bit RGB. The transformer learns nothing: it can be used without `fit`.

    Parameters
    ----------
    size : (int, int) or None, default=None
        Height and width, in pixels, to which each image is resized. None keeps the images' own
        size, which must then be the same for all.
    interpolation : {"area", "bicubic", "bilinear", "lanczos3", "nearest"}, default="bilinear"
        How images are resized. Where a side shrinks, the image is antialiased.

    See Also
    --------
    sktransfer.images.as_images : Read images piece by piece, without one large array.

    Examples
    --------
    >>> import io
    >>> from PIL import Image
    >>> from sktransfer.images import ImageReader
    >>> file = io.BytesIO()
    >>> Image.new("RGB", (64, 48), "red").save(file, "PNG")
    >>> images = ImageReader(size=(24, 32)).fit_transform([file.getvalue()])
    >>> images.shape, images.dtype
    ((1, 24, 32, 3), dtype('uint8'))
    >>> images[0, 0, 0].tolist()
    [255, 0, 0]
    """

    _parameter_constraints = {
        "size": [tuple, list, None],
        "interpolation": [StrOptions(set(INTERPOLATIONS))],
    }

    def __init__(self, size: Sequence[int] | None = None, interpolation: str = "bilinear") -> None:
        self.size = size
        self.interpolation = interpolation

    def fit(self, X: Any, y: Any = None) -> ImageReader:
        """Check the parameters and that `X` is images; of files, the headers alone are read.

        Parameters
        ----------
        X : sequence of images or array
            As `sktransfer.images.as_images` takes it, integers from 0 to 255.
        y : None
            Ignored.

        Returns
        -------
        self

        Raises
        ------
        ImageError
            If a file is missing or no image.
        ValueError
            If a parameter is invalid, or `size` is None and the images differ in size.
        """
        self._open(X).take([])  # raises if the images differ in size
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Read images.

        Parameters
        ----------
        X : sequence of images or array
            As for `fit`.

        Returns
        -------
        ndarray of shape (n, height, width, 3), uint8

        Raises
        ------
        ImageError
            If a file is missing, no image, or damaged.
        ValueError
            If a parameter is invalid, or `size` is None and the images differ in size.
        """
        images = self._open(X)
        shape = images.take([]).shape[1:]  # raises if the images differ in size
        pixels = np.empty((len(images), *shape), np.uint8)
        start = 0
        for chunk in images.chunks(_CHUNK):
            if chunk.dtype != np.uint8:
                chunk = np.clip(np.rint(chunk), 0, 255)
            pixels[start : start + len(chunk)] = chunk
            start += len(chunk)
        return pixels

    def set_output(self, *, transform: str | None = None) -> ImageReader:
        """Do nothing: images have four dimensions, which no DataFrame holds.

        It exists so that a pipeline with this step can be told what its other steps give out.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"} or None, default=None
            Ignored.

        Returns
        -------
        self
        """
        return self

    def _open(self, X: Any) -> ImageBatch:
        """Return `X` as images, resized if a size is set."""
        validate_parameters(self)
        if self.size is None:
            return as_images(X)
        return as_images(X).resized(self.size, self.interpolation)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        return tags
