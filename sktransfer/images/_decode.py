"""One image: a path, encoded bytes, a Pillow image or an array, its size and its pixels."""

from __future__ import annotations

import io
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from sktransfer._errors import ImageError
from sktransfer.images._integrity import check_jpeg, check_png

__all__ = ["decode", "describe", "is_image", "read_size"]

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = (5, 6, 7, 8)
_SIXTEEN_BITS = ("I;16", "I;16L", "I;16B", "I;16N")
# Pillow opens this format's 16-bit pixels as 32-bit integers, on the scale of 16 bits.
_SIXTEEN_BITS_IN_32 = "PPM"

_JPEG = ("JPEG", "MPO")
# Pillow would have Ghostscript run these.
_PROGRAMS = ("EPS",)

# Modes that Pillow does not convert to RGB, or only with a warning, and the way round.
_VIA = {"P": "RGBA", "PA": "RGBA", "RGBa": "RGBA", "La": "LA"}

# Pillow reads a file when its pixels are first asked for, which two threads must not do to
# one image at a time.
_shared_load = threading.Lock()


def is_image(item: object) -> bool:
    """Say whether `item` is of a kind that stands for one image."""
    if isinstance(item, np.ndarray):
        return item.dtype == np.uint8 and item.ndim > 1
    return isinstance(item, (str, os.PathLike, bytes, bytearray, Image.Image))


def describe(item: object) -> str:
    """Name an image for a message: its path, or what it is."""
    if isinstance(item, (str, os.PathLike)):
        return repr(str(os.fspath(item)))  # NumPy's strings would name their type
    if isinstance(item, np.ndarray):
        return f"array of {item.dtype}, shape {item.shape}"
    return type(item).__name__


def read_size(item: object) -> tuple[int, int]:
    """Return an image's (height, width) as it will be decoded; of files, read only the header.

    Raises
    ------
    ImageError
        If `item` is not an image, or its header cannot be read.
    """
    if isinstance(item, np.ndarray):
        return _check_array(item).shape[:2]
    with _opened(item) as (image, _):
        width, height = image.size
        # Pillow gives TIFF sizes upright.
        sideways = image.format != "TIFF" and _orientation(image) in _SIDEWAYS
    return (width, height) if sideways else (height, width)


def decode(item: object) -> np.ndarray:
    """Return an image's pixels, upright, as uint8 of shape (h, w, 3).

    The result may be a read-only view. Alpha is dropped; of an animation, the first frame is
    read.

    Raises
    ------
    ImageError
        If `item` is not an image, or cannot be decoded.
    """
    if isinstance(item, np.ndarray):
        return _three_channels(np.atleast_3d(_check_array(item)))
    with _opened(item) as (image, file):
        if file is None:
            with _shared_load:
                image.load()
        else:
            _load_whole(image, file)
        turn = _TURNS.get(_orientation(image))
        return _pixels(image if turn is None else image.transpose(turn), image.format)


def _check_array(array: np.ndarray) -> np.ndarray:
    """Return `array` if it is one uint8 image, or raise ImageError."""
    if array.dtype != np.uint8:
        raise ImageError(f"arrays in a sequence of images must be uint8, got {array.dtype}")
    if array.ndim not in (2, 3) or array.shape[2:] not in ((), (1,), (3,)) or 0 in array.shape:
        advice = (
            "; if the fourth channel is alpha, pass [..., :3]" if array.shape[2:] == (4,) else ""
        )
        raise ImageError(
            "arrays in a sequence of images must have shape (height, width), (height, width, 1) "
            f"or (height, width, 3), got {array.shape}{advice}"
        )
    return array


@contextmanager
def _opened(item: object) -> Iterator[tuple[Image.Image, BinaryIO | None]]:
    """Give `item` as a Pillow image, and the file behind it unless it is one already.

    Whatever goes wrong with it becomes an ImageError.
    """
    try:
        if isinstance(item, Image.Image):
            yield item, None
            return
        with _file(item) as file, Image.open(file) as image:
            _check_header(image)
            yield image, file
    except (ImageError, MemoryError):
        raise
    except FileNotFoundError as error:
        raise ImageError("no such file") from error
    except UnidentifiedImageError as error:
        raise ImageError("not an image of a format that Pillow reads") from error
    except Exception as error:  # Pillow's readers fail on damaged files in all kinds of ways
        raise ImageError(f"{type(error).__name__}: {error}") from error


def _check_header(image: Image.Image) -> None:
    """Raise ImageError if to decode an image file would be dangerous."""
    if image.format in _PROGRAMS:
        raise ImageError(f"{image.format} files hold no pixels, but a program to be run")
    limit = Image.MAX_IMAGE_PIXELS
    # Pillow itself only warns up to twice its limit: gigabytes, where threads decode such files.
    if limit is not None and image.width * image.height > limit:
        raise ImageError(
            f"the header declares {image.width} x {image.height} pixels, which may be a "
            f"decompression bomb; for images that are so large, raise PIL.Image.MAX_IMAGE_PIXELS "
            f"from {limit}"
        )


def _file(item: object) -> BinaryIO:
    """Return the opened file that `item` names or holds."""
    if isinstance(item, (bytes, bytearray)):
        return io.BytesIO(item)
    if not isinstance(item, (str, os.PathLike)):
        raise ImageError(
            "an image is a path, encoded bytes, a Pillow image or a uint8 array; got "
            f"{item!r:.80} ({type(item).__name__})"
        )
    mode = os.stat(item).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # who opens a pipe waits for its other end
        raise ImageError("not a regular file")
    return open(item, "rb")


def _load_whole(image: Image.Image, file: BinaryIO) -> None:
    """Read the pixels of an image file, or raise ImageError if some are missing or damaged."""
    if image.format == "PNG":
        here = file.tell()
        check_png(_content(file))
        file.seek(here)
    image.load()
    if image.format in _JPEG:
        check_jpeg(image, lambda: _content(file))


def _content(file: BinaryIO) -> bytes:
    """Read a file from its beginning."""
    file.seek(0)
    return file.read()


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8, as far as it has been read."""
    try:
        # The base class' method: that of PNG images would read all pixels for it.
        return Image.Image.getexif(image).get(ExifTags.Base.Orientation, 1)
    except Exception:  # damaged metadata, of which there are as many kinds as cameras
        return 1


def _pixels(image: Image.Image, file_format: str | None) -> np.ndarray:
    """Return an image of any mode as uint8 of shape (h, w, 3)."""
    mode = image.mode
    if mode in _SIXTEEN_BITS or (mode == "I" and file_format == _SIXTEEN_BITS_IN_32):
        values = np.asarray(image).astype(np.uint32)
        return _three_channels(((values * 255 + 32767) // 65535).astype(np.uint8)[..., np.newaxis])
    if mode in ("I", "F"):
        raise ImageError(
            f"pixels of mode {mode} (32 bits) have no known range; scale them to 8 bits"
        )
    if mode in _VIA:
        image = image.convert(_VIA[mode])
    return np.asarray(image.convert("RGB"))


def _three_channels(image: np.ndarray) -> np.ndarray:
    """Return an image of 1 or 3 channels as a view with 3."""
    return np.broadcast_to(image, (*image.shape[:2], 3))
