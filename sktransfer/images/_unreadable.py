"""The images of a sequence that cannot be read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from sktransfer.images._batch import open_images
from sktransfer.images._problems import Problem, as_table
from sktransfer.images._sequences import SequenceBatch

__all__ = ["find_unreadable", "problems_of"]


def find_unreadable(X: Sequence[Any]) -> pd.DataFrame:
    """List the images that cannot be read, by decoding every one of them.

    Parameters
    ----------
    X : sequence of images
        Paths, encoded bytes, Pillow images or uint8 arrays, as `as_images` takes them.

    Returns
    -------
    DataFrame
        One row for each image that cannot be read, with the columns

        - ``position``: int, its position in `X`,
        - ``file``: str, its path, or what it is,
        - ``error``: str, what is wrong with it.

    Raises
    ------
    TypeError, ValueError
        If `X` is nothing that stands for images.

    Notes
    -----
    A file counts as unreadable if it is missing, of no known format, not to be decoded, of more
    pixels than ``PIL.Image.MAX_IMAGE_PIXELS``, or known to be incomplete or altered. PNG files are
    compared with their checksums, and JPEG files that break off are told from those that end in
    grey. Other formats have no checksums that are looked at: a changed bit within the pixels of a
    JPEG, BMP, GIF, TIFF or WebP file gives another picture, and nothing tells. Of a JPEG file that
    ends early in due form, what is missing from the last block, or from the later passes of a
    progressive one, is not noticed.

    Examples
    --------
    >>> import io
    >>> from PIL import Image
    >>> from sktransfer.images import find_unreadable
    >>> file = io.BytesIO()
    >>> Image.new("RGB", (64, 48), "red").save(file, "PNG")
    >>> whole = file.getvalue()
    >>> find_unreadable([whole, whole[:-20], b""])
       position   file                                           error
    0         1  bytes                           PNG file is truncated
    1         2  bytes  not an image of a format that Pillow reads
    """
    return as_table(problems_of(X))


def problems_of(X: Sequence[Any]) -> list[Problem]:
    """Decode every image, and return what is wrong with those that cannot be read, in order."""
    images = open_images(X, on_error="nan")
    return images.find_unreadable() if isinstance(images, SequenceBatch) else []
