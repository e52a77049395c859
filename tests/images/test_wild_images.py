"""Images as they come in the wild: each is decoded rightly, or refused by name."""

from __future__ import annotations

import io
import os
import struct
import threading
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageOps

from sktransfer._errors import ImageError
from sktransfer.images import as_images, find_unreadable
from tests._counters import record
from tests.images import wild

SEED = 20
N_DAMAGED = 1040
A_FEW = N_DAMAGED // 20

SOUND = wild.sound_files()
LOSSLESS = [
    "colour.png",
    "alpha.png",
    "animated.png",
    "lossless.webp",
    "animated.webp",
    "plain.tiff",
    "lzw.tif",
    "deflate.tif",
    "colour.bmp",
]


def decoded(item) -> np.ndarray:
    """The pixels of one image."""
    return as_images([item]).take([0])[0]


def refusal(item) -> str:
    """The message with which one image is refused."""
    with pytest.raises(ImageError) as caught:
        decoded(item)
    return str(caught.value)


def written(path: Path, data: bytes) -> str:
    """The name of a file of this content."""
    path.write_bytes(data)
    return str(path)


# A corpus of damaged files ----------------------------------------------------------------------


def check_corpus(folder: Path, n: int) -> dict[str, int]:
    """Decode a corpus of damaged files, and count what became of them."""
    outcomes = wild.run_corpus(folder, SEED, n)
    assert [outcome.name for outcome in outcomes] == [file.name for file in wild.corpus(SEED, n)]
    assert [each for each in outcomes if each.verdict not in ("decoded", "refused")] == []
    return wild.count(outcomes, SEED)


def test_a_few_damaged_files_are_decoded_rightly_or_refused_by_name(tmp_path):
    counts = check_corpus(tmp_path, A_FEW)
    assert counts["files"] == A_FEW
    assert counts["decoded"] > 0
    assert counts["refused"] > counts["decoded"]


@pytest.mark.slow
def test_damaged_files_are_decoded_rightly_or_refused_by_name(tmp_path):
    counts = check_corpus(tmp_path, N_DAMAGED)
    record("wild_images", **counts)
    assert counts["files"] == counts["decoded"] + counts["refused"] == N_DAMAGED


def test_a_crash_and_a_hang_are_told_from_refusals(tmp_path, monkeypatch):
    script = tmp_path / "script.py"
    script.write_text(
        "import os, sys, time\n"
        "first = int(sys.argv[4])\n"
        "print(first, flush=True)\n"
        "os.abort() if first == 0 else time.sleep(60)\n"
    )
    monkeypatch.setattr(wild, "__file__", str(script))
    monkeypatch.setattr(wild, "SECONDS_A_FILE", 0.5)
    outcomes = wild.run_corpus(tmp_path, SEED, 2)
    assert [outcome.verdict for outcome in outcomes] == ["crash", "hang"]
    assert outcomes[0].name == next(wild.corpus(SEED, 1)).name


# Sound files ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SOUND)
def test_sound_files_are_decoded_as_by_pillow_alone(name, tmp_path):
    path = written(tmp_path / name, SOUND[name])
    np.testing.assert_array_equal(decoded(path), wild.reference(SOUND[name]))
    assert find_unreadable([path, SOUND[name]]).empty


@pytest.mark.parametrize("name", LOSSLESS)
def test_lossless_files_give_the_pixels_that_were_saved(name):
    np.testing.assert_array_equal(decoded(SOUND[name]), wild.photo())


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_come_out_upright(file_format, orientation):
    data = wild.encoded(wild.photo(), file_format, exif=wild.turned(orientation))
    with Image.open(io.BytesIO(data)) as image:
        upright = np.asarray(ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(decoded(data), upright)


def test_damaged_metadata_turn_nothing(monkeypatch):
    def unreadable(image):
        raise SyntaxError("no EXIF")

    data = wild.encoded(wild.photo(), "PNG")
    monkeypatch.setattr(Image.Image, "getexif", unreadable)
    np.testing.assert_array_equal(decoded(data), wild.photo())


def test_sixteen_bits_are_rounded_to_eight():
    values = np.arange(1 << 16, dtype=np.uint16).reshape(256, 256)
    expected = np.rint(values / 257)  # 65,535 is 255 times 257
    np.testing.assert_array_equal(decoded(wild.encoded(values, "PNG"))[..., 0], expected)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 30_000, 3), (30_000, 1, 3)])
@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "BMP", "JPEG"])
def test_smallest_and_longest_images(shape, file_format):
    pixels = np.full(shape, (200, 100, 50), np.uint8)
    options = {"quality": 100, "subsampling": 0} if file_format == "JPEG" else {}
    found = decoded(wild.encoded(pixels, file_format, **options))
    np.testing.assert_allclose(found, pixels, atol=2 if options else 0)


@pytest.mark.parametrize("suffix", ["jpg", "txt", "exe", ""])
def test_the_content_counts_and_not_the_suffix(suffix, tmp_path):
    path = written(tmp_path / f"image.{suffix}", SOUND["colour.png"])
    np.testing.assert_array_equal(decoded(path), wild.photo())


@pytest.mark.parametrize("name", ["Zoë 猫 🐈.png", "two\nlines.png", " .png", "%s{0}'\".png"])
def test_any_name_will_do(name, tmp_path):
    path = written(tmp_path / name, SOUND["colour.png"])
    np.testing.assert_array_equal(decoded(path), wild.photo())
    assert repr(written(tmp_path / name, b"")) in refusal(path)


def test_grey_is_not_taken_for_missing_data():
    pixels = wild.photo(64, 64)
    pixels[32:] = 128
    for options in ({}, {"progressive": True}, {"restart_marker_blocks": 2}):
        data = wild.encoded(pixels, "JPEG", **options)
        np.testing.assert_array_equal(decoded(data), wild.reference(data))
    data = wild.encoded(pixels[..., 0], "JPEG")
    np.testing.assert_array_equal(decoded(data + b"what follows"), wild.reference(data))


# Files that are refused -------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in SOUND if name.lower().endswith(("jpg", "jpeg"))])
@pytest.mark.parametrize("share", [0.75, 0.9])
def test_jpeg_that_breaks_off_is_not_filled_up_with_grey(name, share):
    data = SOUND[name]
    cut = data[: int(share * len(data))]
    assert "truncated" in refusal(cut)
    if name != "progressive.jpg":  # whose later passes only add detail
        assert "truncated" in refusal(cut + wild.END_OF_JPEG)


@pytest.mark.parametrize("missing", [1, 12, 40, 300])
@pytest.mark.parametrize("name", [name for name in SOUND if name.endswith("png")])
def test_png_that_breaks_off_is_refused(name, missing):
    assert "truncated" in refusal(SOUND[name][:-missing])


def test_jpeg_is_not_filled_up_even_where_pillow_is_told_to(monkeypatch):
    monkeypatch.setattr("PIL.ImageFile.LOAD_TRUNCATED_IMAGES", True)
    data = SOUND["baseline.jpg"]
    assert "truncated" in refusal(data[: len(data) * 2 // 3])
    np.testing.assert_array_equal(decoded(data), wild.reference(data))


def test_png_with_a_changed_bit_in_its_pixels_is_refused():
    data = wild.encoded(wild.photo(), "PNG", compress_level=0)
    start = data.index(b"IDAT")
    for position in np.random.default_rng(0).integers(start + 20, len(data) - 30, 50):
        changed = bytearray(data)
        changed[position] ^= 1
        assert "checksum" in refusal(bytes(changed))


def png_header(width: int, height: int) -> bytes:
    """A PNG file that declares a size, and has next to no pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1000))
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def replaced(data: bytes, at: int, layout: str, *values: int) -> bytes:
    """A file with other numbers in its header."""
    content = bytearray(data)
    struct.pack_into(layout, content, at, *values)
    return bytes(content)


def jpeg_size_at(data: bytes) -> int:
    """Where a baseline JPEG file declares its height and width."""
    return data.index(b"\xff\xc0") + 5


BOMBS = {
    "png": png_header(30_000, 30_000),
    "png, largest": png_header(2**31 - 1, 2**31 - 1),
    "gif": replaced(SOUND["still.gif"], 6, "<HH", 65_535, 65_535),
    "bmp": replaced(SOUND["colour.bmp"], 18, "<ii", 30_000, 30_000),
    "jpeg": replaced(
        SOUND["baseline.jpg"], jpeg_size_at(SOUND["baseline.jpg"]), ">HH", 65_500, 65_500
    ),
    "ppm": b"P6\n999999 999999\n255\n" + bytes(100),
}


@pytest.mark.parametrize("name", BOMBS)
def test_decompression_bombs_are_refused_by_their_header(name):
    assert "DecompressionBombError" in refusal(BOMBS[name])


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_bombs_that_pillow_only_warns_of_are_refused():
    wide = replaced(SOUND["animated.webp"], 26, "B", 0x40)  # 10 KB that would fill gigabytes
    assert "4194356 x 40 pixels" in refusal(wide)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_the_limit_of_pixels_is_pillows(monkeypatch):
    n_pixels = wild.photo()[..., 0].size
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", n_pixels - 1)
    assert "raise PIL.Image.MAX_IMAGE_PIXELS" in refusal(SOUND["colour.png"])
    for limit in (n_pixels, None):
        monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", limit)
        np.testing.assert_array_equal(decoded(SOUND["colour.png"]), wild.photo())


def test_long_but_slim_header_without_its_pixels_is_refused():
    assert "truncated" in refusal(png_header(30_000, 20))


def test_bombs_in_metadata_are_refused():
    data = png_header(1, 1)
    body = b"zTXt" + b"comment\0\0" + zlib.compress(bytes(80 << 20), 9)
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    end_of_header = 8 + 25
    assert "too large" in refusal(data[:end_of_header] + chunk + data[end_of_header:])


@pytest.mark.parametrize(
    "data", [b"", b"\0", b"\xff\xd8", b"<html>404</html>", bytes(5000)], ids=range(5)
)
def test_what_is_no_image_is_refused_by_name(data, tmp_path):
    path = written(tmp_path / "photo.jpg", data)
    assert refusal(path).endswith(f"({path!r}): not an image of a format that Pillow reads")


def test_programs_are_not_run(tmp_path):
    postscript = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"
    path = written(tmp_path / "photo.jpg", postscript)
    assert "EPS files hold no pixels" in refusal(path)


def test_what_is_no_file_is_refused_by_name(tmp_path):
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "broken.jpg").symlink_to(tmp_path / "gone.jpg")
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    for name in ("folder.jpg", "broken.jpg", "loop.jpg", "missing.jpg", "n\0l.jpg", "x" * 5000):
        assert repr(str(tmp_path / name)) in refusal(str(tmp_path / name))


def test_pipes_are_not_waited_for(tmp_path):
    pipe = tmp_path / "pipe.jpg"
    os.mkfifo(pipe)
    # Were it waited for, this would end the wait, and with it the test.
    timer = threading.Timer(20, lambda: os.close(os.open(pipe, os.O_RDWR)))
    timer.start()
    try:
        assert "not a regular file" in refusal(str(pipe))
        assert timer.is_alive()
    finally:
        timer.cancel()


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read every file"
)
def test_files_that_may_not_be_read_are_refused_by_name(tmp_path):
    path = written(tmp_path / "secret.png", SOUND["colour.png"])
    os.chmod(path, 0)
    assert "PermissionError" in refusal(path)


# The table of what cannot be read ---------------------------------------------------------------


def test_table_of_unreadable_images(tmp_path):
    sound = written(tmp_path / "sound.png", SOUND["colour.png"])
    cut = written(tmp_path / "cut.png", SOUND["colour.png"][:-40])
    X = [sound, Path(cut), b"", wild.photo(), np.zeros((2, 2)), None, sound] * 3
    table = find_unreadable(X)
    assert table.columns.tolist() == ["position", "file", "error"]
    assert table["position"].tolist() == [k for k in range(21) if k % 7 in (1, 2, 4, 5)]
    assert table["file"].tolist()[:2] == [cut, "bytes"]
    assert table["error"][0] == "PNG file is truncated"
    assert len(find_unreadable(np.array([sound, cut]))) == 1
    assert len(find_unreadable(pd.Series([cut, sound, cut]))) == 2


def test_arrays_without_pixels_are_named():
    X = [wild.photo(), np.zeros((0, 4, 3), np.uint8), np.zeros(4, np.uint8)]
    assert find_unreadable(X)["position"].tolist() == [1, 2]


def test_rows_of_numbers_are_no_images():
    with pytest.raises(ValueError, match="image_shape"):
        as_images([np.zeros(12, np.uint8), np.zeros(12, np.uint8)])


def test_arrays_of_pixels_are_all_readable():
    assert find_unreadable(np.zeros((3, 8, 8, 3), np.uint8)).empty
    with pytest.raises(ValueError, match="image_shape"):
        find_unreadable(np.zeros((3, 8)))
