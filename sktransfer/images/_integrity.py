"""Damage that Pillow passes over in silence."""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Callable

from PIL import Image

from sktransfer._errors import ImageError

__all__ = ["check_jpeg", "check_png"]

_PNG_SIGNATURE_LENGTH = 8

_END_OF_IMAGE = 0xD9
# Within a scan, 0xFF is followed by 0 where it is data, and by 0xD0 to 0xD7 where it restarts.
_NEXT_MARKER = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]")
_BLOCK = 8
# What libjpeg fills in is 128 before colours are converted, which rounds.
_GREY = range(125, 132)
# Any data do, but they must not be those of grey blocks; restart markers go with files that have
# them, and end the data for those that do not.
_MORE_DATA = b"".join(bytes(range(1, 128)) + bytes((0xFF, 0xD0 + k)) for k in range(8))


def check_png(data: bytes) -> None:
    """Raise ImageError unless a PNG file is complete and each chunk has its checksum.

    Pillow does not look at the checksums of the pixels' chunks, and stops at the last row.
    """
    position, kind = _PNG_SIGNATURE_LENGTH, b""
    while kind != b"IEND":
        length, kind = struct.unpack(">I4s", data[position : position + 8].ljust(8, b"\0"))
        end = position + 8 + length
        if end + 4 > len(data):
            raise ImageError("PNG file is truncated")
        checksum = zlib.crc32(memoryview(data)[position + 4 : end])
        if data[end : end + 4] != checksum.to_bytes(4, "big"):
            raise ImageError(f"PNG chunk {kind.decode('latin-1')!r} is damaged: wrong checksum")
        position = end + 4


def check_jpeg(image: Image.Image, read: Callable[[], bytes]) -> None:
    """Raise ImageError if the data of a JPEG file end before the picture does.

    Where a file breaks off behind a marker that looks like its end, libjpeg fills the picture up
    with grey. Whether grey is what the data say is seen from what data behind them change.

    Parameters
    ----------
    image : PIL.Image.Image
        The loaded image.
    read : callable
        Gives the file's content, which is asked for only if the picture ends in grey.
    """
    if not _ends_in_grey(image):
        return
    data = read()
    end = _end_of_scans(data)
    with Image.open(io.BytesIO(data[:end] + _MORE_DATA + data[end:])) as longer:
        longer.load()
        if longer.tobytes() != image.tobytes():
            raise ImageError("JPEG file is truncated: the picture is longer than its data")


def _ends_in_grey(image: Image.Image) -> bool:
    """Say whether the last block of a picture is of the grey that stands for missing data."""
    width, height = image.size
    left, top = ((side - 1) // _BLOCK * _BLOCK for side in image.size)
    block = image.crop((left, top, width, height))
    # Brightness alone: colours of lower resolution mix with those of the blocks beside.
    brightness = block.getchannel("K") if block.mode == "CMYK" else block.convert("L")
    return all(value in _GREY for value in brightness.getextrema())


def _end_of_scans(data: bytes) -> int:
    """Return where the marker stands that ends a JPEG picture, or the file's length."""
    marker = _NEXT_MARKER.search(data, 2)
    while marker is not None:
        if data[marker.end() - 1] == _END_OF_IMAGE:
            return marker.start()
        length = int.from_bytes(data[marker.end() : marker.end() + 2], "big")
        marker = _NEXT_MARKER.search(data, marker.end() + length)
    return len(data)
