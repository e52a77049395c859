"""What counts as images: the one way from a user's X to pixels."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from PIL import Image
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from sktransfer._errors import ImageError
from sktransfer.images._arrays import check_image_shape, images_of_rows, images_of_shape
from sktransfer.images._base import ImageBatch
from sktransfer.images._decode import is_image
from sktransfer.images._pixels import PixelRange, check_pixel_range
from sktransfer.images._problems import summarize
from sktransfer.images._sequences import SequenceBatch

__all__ = ["ImageBatch", "as_images", "check_images", "open_images"]

_ACCEPTED = (
    "images are an array of shape (n, height, width, 3), (n, height, width, 1) or "
    "(n, height, width), or a list, Series or 1-D array of paths, encoded bytes, Pillow images "
    "or uint8 arrays"
)


def as_images(
    X: Any,
    *,
    image_shape: Sequence[int] | None = None,
    pixel_range: PixelRange = "auto",
) -> ImageBatch:
    """Turn whatever stands for images into a batch that is read piece by piece.

    `X` is neither changed nor copied as a whole: pixels are converted, and files decoded, when
    they are taken.

    Parameters
    ----------
    X : array-like, or sequence of images
        One of

        - an array of shape (n, height, width, 3), (n, height, width, 1) or (n, height, width),
          or nested lists or an object with ``__array__`` that make one;
        - with `image_shape`: an array or DataFrame of numbers of shape (n, n_values), one
          flattened image a row;
        - a list, tuple, Series, 1-D array or one-column DataFrame of paths (str or PathLike),
          encoded bytes, Pillow images and uint8 arrays, also of mixed kinds and sizes. EXIF
          orientation is applied, alpha dropped, all modes become RGB, 16-bit grey is scaled to
          8 bits, and of an animated file the first frame is used.

        Grey images come out with three equal channels. Three-dimensional arrays whose last axis
        has length 3 are refused, for they may be one colour image.
    image_shape : (int, int, int) or None, default=None
        Height, width and channels of images in two-dimensional rows. One entry may be -1. It
        applies to such rows only.
    pixel_range : "auto", (0, 1), (0, 255) or None, default="auto"
        The range that the values of `X` span.

        - ``"auto"``: 0 to 255; `X` must be integers or encoded images, as floats do not tell.
        - ``(0, 1)`` or ``(0, 255)``: this range; values outside of it are an error, and 0 to 1
          is brought to 0 to 255.
        - ``None``: already scaled as a network expects; used as it is.

    Returns
    -------
    ImageBatch
        With ``len()``, ``size``, ``canonical``, ``take(indices)``, ``chunks(n)`` and
        ``resized(size, interpolation)``; pixels are uint8, or float32 if `X` has floats.

    Raises
    ------
    ImageError
        If a file is missing or no image (all such files are counted, the first ones named).
        Damage behind the header shows only when the image is taken.
    TypeError, ValueError
        If `X` is nothing that stands for images, holds NaN or infinity, or values outside of
        `pixel_range`.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer.images import as_images
    >>> digits = np.arange(128).reshape(2, 8, 8)
    >>> images = as_images(digits)
    >>> len(images), images.size
    (2, (8, 8))
    >>> images.take([1]).shape, images.take([1]).dtype
    ((1, 8, 8, 3), dtype('uint8'))
    >>> as_images(digits.reshape(2, 64) / 127, image_shape=(8, 8, 1), pixel_range=(0, 1)).size
    (8, 8)
    """
    return open_images(X, image_shape, pixel_range)


def check_images(
    estimator: BaseEstimator, X: Any, *, reset: bool, on_error: str = "raise"
) -> ImageBatch:
    """Turn `X` into images on behalf of an estimator, and keep scikit-learn's books.

    Parameters
    ----------
    estimator : estimator
        With parameters `image_shape`, `pixel_range` and `input_size`. Sets on it
        `image_size_`, (height, width) or None for mixed sizes, `feature_names_in_` where `X` has
        column names, and, for two-dimensional rows of numbers, `n_features_in_`.
    X : array-like, or sequence of images
        As `as_images` takes it.
    reset : bool
        True in `fit`: set these attributes. False afterwards: check `X` against them.
    on_error : {"raise", "nan"}, default="raise"
        Whether an image that cannot be read is an error, or is listed in the batch's `unreadable`
        and has no say in the images' size.

    Returns
    -------
    ImageBatch

    Raises
    ------
    ImageError
        If an image cannot be read, or in `fit` not one of them where that is borne.
    TypeError, ValueError
        As `as_images` does, and where `X` does not fit what the estimator was fitted on. Sizes
        are compared if `estimator.input_size` is None and the images of `fit` were of one size.
    """
    if reset and hasattr(estimator, "n_features_in_"):
        del estimator.n_features_in_
    check = partial(validate_data, estimator, reset=reset)
    images = open_images(X, estimator.image_shape, estimator.pixel_range, check, on_error)
    if isinstance(images, SequenceBatch):
        check(X, skip_check_array=True, ensure_2d=False)  # the column's name
    if len(images.unreadable) == len(images):
        if reset:
            raise ImageError(summarize(list(images.unreadable.values()), len(images)))
        return images  # whose size is of no account
    if reset:
        estimator.image_size_ = images.size
    elif estimator.input_size is None and estimator.image_size_ not in (None, images.size):
        raise ValueError(
            f"X has images of (height, width) {images.size or 'mixed sizes'}, but "
            f"{type(estimator).__name__} was fitted on images of {estimator.image_size_}; resize "
            "them, or set input_size before fit"
        )
    return images


def open_images(
    X: Any,
    image_shape: Sequence[int] | None = None,
    pixel_range: PixelRange = "auto",
    check: Callable[..., np.ndarray] = partial(check_array, input_name="X"),  # noqa: B008
    on_error: str = "raise",
) -> ImageBatch:
    """Find out what X is; `check` is scikit-learn's validation of arrays.

    Where `on_error` is "nan", unreadable images are listed in the batch's `unreadable`.
    """
    shape = check_image_shape(image_shape)
    pixel_range = check_pixel_range(pixel_range)
    items = _items_of(X)
    if items is not None:
        return SequenceBatch(items, pixel_range, on_error)
    array = X if _is_frame(X) else _as_array(X)
    if len(array.shape) < 2:
        raise _not_images(array)
    if len(array.shape) == 2:
        if shape is None:
            raise ValueError(
                f"X has shape {array.shape}; for rows that are flattened images, set "
                f"image_shape=(height, width, channels). Otherwise {_ACCEPTED}"
            )
        return images_of_rows(check(array), shape, pixel_range)
    return images_of_shape(check(array, allow_nd=True, ensure_2d=False), pixel_range)


def _items_of(X: Any) -> Sequence[Any] | None:
    """Return the single images that X is a sequence of, or None if it is an array of numbers."""
    if issparse(X):
        raise TypeError("X is a sparse matrix; images must be dense: pass X.toarray()")
    if isinstance(X, (str, os.PathLike, bytes, bytearray, Image.Image)):
        raise TypeError(f"X is a single image ({type(X).__name__}); pass a list: [X]")
    items = X
    if not isinstance(X, (list, tuple)):
        if _is_frame(X) and X.shape[1] != 1:
            return None
        items = np.asarray(X)
        if items.dtype.kind not in "OSUT":
            return None
        if items.ndim == 2 and items.shape[1] == 1:
            items = items[:, 0]
        if items.ndim != 1:
            return None
    return items if any(map(is_image, items)) else None


def _is_frame(X: Any) -> bool:
    """Say whether X is a DataFrame, of pandas or another library."""
    return hasattr(X, "columns") and hasattr(X, "shape")


def _as_array(X: Any) -> np.ndarray:
    """Return X as an array, or say why it is none."""
    try:
        return np.asarray(X)
    except ValueError as error:
        raise ValueError(f"X makes no array ({error}); {_ACCEPTED}") from error


def _not_images(array: np.ndarray) -> Exception:
    """Build the error for what has less than two dimensions."""
    if array.size == 0:
        return ValueError(
            f"Found array with 0 sample(s) (shape={array.shape}) while a minimum of 1 is required."
        )
    if array.dtype.kind == "O":
        first = array.ravel()[0]
        return TypeError(f"X holds {first!r:.80} ({type(first).__name__}); {_ACCEPTED}")
    return ValueError(
        f"X has shape {array.shape}. Reshape your data: {_ACCEPTED}; numbers in two-dimensional "
        "rows need image_shape"
    )
