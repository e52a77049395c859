"""Image files as they come in the wild: sound ones of many kinds, and damaged copies of them.

``python wild.py FOLDER SEED N FIRST`` decodes the files FIRST to N - 1 of a corpus and prints two
lines of JSON for each: its position before, and what became of it after. A process of its own, so
that a crash or a hang ends that process, and not the tests.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

SECONDS_A_FILE = 60
SECONDS_TO_START = 120
ORIENTATION = 0x0112
GREY = 128  # what fills the pictures of JPEG files that end early
END_OF_JPEG = b"\xff\xd9"


def photo(height: int = 40, width: int = 52) -> np.ndarray:
    """Something like a photograph, uint8 (height, width, 3): gradients, edges and some noise."""
    rows, columns = np.mgrid[:height, :width]
    channels = [rows * 5 + columns, columns * 4, 255 * ((rows // 8 + columns // 8) % 2)]
    noise = np.random.default_rng(0).normal(scale=8, size=(height, width, 3))
    return np.clip(np.stack(channels, axis=-1) % 256 + noise, 0, 255).astype(np.uint8)


def encoded(image: np.ndarray | Image.Image, file_format: str, **options) -> bytes:
    """An image as the bytes of a file."""
    file = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(file, file_format, **options)
    return file.getvalue()


def turned(orientation: int) -> Image.Exif:
    """EXIF data that say how an image is turned."""
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return exif


def sound_files() -> dict[str, bytes]:
    """Undamaged files of many formats and modes, by a name with their suffix."""
    colour = Image.fromarray(photo())
    grey = colour.convert("L")
    frames = {"save_all": True, "append_images": [ImageOps.invert(colour)] * 2}
    grey16 = (np.asarray(grey).astype(np.uint16) * 257) ^ 0x5A
    see_through = colour.copy()
    see_through.putalpha(grey)
    return {
        "baseline.jpg": encoded(colour, "JPEG", quality=90),
        "progressive.jpg": encoded(colour, "JPEG", quality=90, progressive=True),
        "restarts.jpg": encoded(colour, "JPEG", restart_marker_blocks=2),
        "full_chroma.jpeg": encoded(colour, "JPEG", subsampling=0),
        "grey.JPG": encoded(grey, "JPEG"),
        "cmyk.jpg": encoded(colour.convert("CMYK"), "JPEG"),
        "sideways.jpg": encoded(colour, "JPEG", exif=turned(6)),
        "colour.png": encoded(colour, "PNG"),
        "alpha.png": encoded(see_through, "PNG"),
        "palette.png": encoded(colour.convert("P"), "PNG"),
        "two_colours.png": encoded(colour.convert("1"), "PNG"),
        "grey16.png": encoded(grey16, "PNG"),
        "animated.png": encoded(colour, "PNG", **frames),
        "lossy.webp": encoded(colour, "WEBP", quality=80),
        "lossless.webp": encoded(colour, "WEBP", lossless=True),
        "animated.webp": encoded(colour, "WEBP", lossless=True, **frames),
        "still.gif": encoded(colour, "GIF"),
        "animated.gif": encoded(colour, "GIF", **frames),
        "plain.tiff": encoded(colour, "TIFF"),
        "lzw.tif": encoded(colour, "TIFF", compression="tiff_lzw"),
        "deflate.tif": encoded(colour, "TIFF", compression="tiff_adobe_deflate"),
        "jpeg.tif": encoded(colour, "TIFF", compression="jpeg"),
        "grey16.tif": encoded(grey16, "TIFF"),
        "cmyk.tif": encoded(colour.convert("CMYK"), "TIFF"),
        "colour.bmp": encoded(colour, "BMP"),
        "palette.bmp": encoded(colour.convert("P"), "BMP"),
    }


def cut(data: bytes, rng: np.random.Generator) -> bytes:
    """Break off somewhere, at times within the last few bytes."""
    if rng.random() < 0.25:
        return data[: -int(rng.integers(1, 12))]
    return data[: int(rng.integers(0, len(data)))]


def flipped(data: bytes, rng: np.random.Generator) -> bytes:
    """Flip 1 to 8 bits."""
    values = np.frombuffer(data, np.uint8).copy()
    for _ in range(int(rng.integers(1, 9))):
        values[rng.integers(len(values))] ^= 1 << int(rng.integers(8))
    return values.tobytes()


def flipped_header(data: bytes, rng: np.random.Generator) -> bytes:
    """Flip a few bits of the first bytes, where sizes and offsets stand."""
    return flipped(data[:64], rng) + data[64:]


def wiped(data: bytes, rng: np.random.Generator) -> bytes:
    """Lose a block: zeros in its place, as a disk or a download leaves them."""
    start = int(rng.integers(len(data)))
    length = min(int(rng.integers(1, 400)), len(data) - start)
    return data[:start] + bytes(length) + data[start + length :]


def ended(data: bytes, rng: np.random.Generator) -> bytes:
    """Break off, and end as a sound JPEG file ends."""
    return cut(data, rng) + END_OF_JPEG


DAMAGES = (cut, flipped, flipped_header, wiped, ended)


@dataclass(frozen=True)
class Damaged:
    """A damaged copy of a sound file."""

    name: str
    source: str
    damage: str
    data: bytes


def corpus(seed: int, n: int, first: int = 0) -> Iterator[Damaged]:
    """Yield the files `first` to n - 1 of a corpus: all sources and damages take turns."""
    sources = sound_files()
    names = list(sources)
    for k in range(first, n):
        source = names[k % len(names)]
        damage = DAMAGES[(k // len(names) + k) % len(DAMAGES)]
        data = damage(sources[source], np.random.default_rng((seed, k)))
        yield Damaged(f"{k:04d}_{damage.__name__}_{source}", source, damage.__name__, data)


def reference(data: bytes) -> np.ndarray:
    """Decode by Pillow alone as the documentation says: upright, 8 bits, RGB, the first frame."""
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        upright = ImageOps.exif_transpose(image)
        if upright.mode.startswith("I;16"):
            grey = np.rint(np.asarray(upright) / 65535 * 255).astype(np.uint8)
            return np.stack([grey] * 3, axis=-1)
        if upright.mode in ("I", "F"):
            raise ValueError("pixels of 32 bits have no known range")
        if upright.mode == "P":
            upright = upright.convert("RGBA")
        return np.array(upright.convert("RGB"))


def reference_or_none(data: bytes) -> np.ndarray | None:
    """Decode by Pillow alone; None where that fails."""
    try:
        return reference(data)
    except Exception:  # whatever Pillow raises on damaged files
        return None


@dataclass(frozen=True)
class Outcome:
    """What became of one file."""

    name: str
    verdict: str
    """"decoded", "refused", "wrong" (another picture than it should be), "crash" or "hang"."""
    altered: bool = False
    """Whether the pixels differ from those of the sound file."""
    why: str = ""


def judge(file: Damaged, path: Path, whole: np.ndarray) -> Outcome:
    """Decode a damaged file, and compare with Pillow alone and with the sound file."""
    from sktransfer._errors import ImageError
    from sktransfer.images import as_images

    path.write_bytes(file.data)
    try:
        pixels = as_images([str(path)]).take([0])[0]
    except ImageError as error:
        named = repr(str(path)) in str(error)
        return Outcome(file.name, "refused" if named else "wrong", why=str(error))
    except Exception as error:
        return Outcome(file.name, "wrong", why=f"{type(error).__name__}: {error}")
    finally:
        path.unlink()
    altered = not np.array_equal(pixels, whole)
    expected = reference_or_none(file.data)
    if expected is None or not np.array_equal(pixels, expected):
        return Outcome(file.name, "wrong", altered, "Pillow alone reads it otherwise")
    if altered and is_told(file, pixels):
        return Outcome(file.name, "wrong", altered, "a part of the picture is missing or wrong")
    return Outcome(file.name, "decoded", altered)


def is_told(file: Damaged, pixels: np.ndarray) -> bool:
    """Say whether a file tells that it is damaged: by a checksum, by its length, by grey."""
    if file.source.endswith(".png") or file.damage == "cut":
        return True
    is_jpeg = file.source.lower().endswith((".jpg", ".jpeg"))
    return is_jpeg and bool((pixels[-4:, -4:] == GREY).all())


def decode_corpus(folder: Path, seed: int, n: int, first: int) -> None:
    """Print what becomes of each file of a corpus."""
    wholes = {name: reference(data) for name, data in sound_files().items()}
    for k, file in enumerate(corpus(seed, n, first), first):
        print(json.dumps(k), flush=True)
        outcome = judge(file, folder / file.name, wholes[file.source])
        print(json.dumps(asdict(outcome)), flush=True)


def run_corpus(folder: Path, seed: int, n: int) -> list[Outcome]:
    """Decode a corpus in processes of their own, and survive their end."""
    names = [file.name for file in corpus(seed, n)]
    outcomes: list[Outcome] = []
    while len(outcomes) < n:
        outcomes += _run_from(folder, seed, n, len(outcomes), names)
    return outcomes


def _run_from(folder: Path, seed: int, n: int, first: int, names: list[str]) -> list[Outcome]:
    """Decode the files from `first` on, up to the one that crashes or hangs, if one does."""
    outcomes = []
    arguments = map(str, (folder, seed, n, first))
    with subprocess.Popen(
        [sys.executable, __file__, *arguments], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        hung = threading.Event()

        def stop() -> None:
            hung.set()
            process.kill()

        timer = threading.Timer(SECONDS_TO_START, stop)
        timer.start()
        for line in process.stdout:
            timer.cancel()
            found = json.loads(line)
            if isinstance(found, dict):
                outcomes.append(Outcome(**found))
            timer = threading.Timer(SECONDS_A_FILE, stop)
            timer.start()
        timer.cancel()
    if first + len(outcomes) < n:
        why = f"exit status {process.returncode}"
        name = names[first + len(outcomes)]
        outcomes.append(Outcome(name, "hang" if hung.is_set() else "crash", why=why))
    return outcomes


def count(outcomes: list[Outcome], seed: int) -> dict[str, int]:
    """Sum up what became of a corpus."""
    verdicts = Counter(outcome.verdict for outcome in outcomes)
    return {
        "files": len(outcomes),
        "decoded": verdicts["decoded"],
        "decoded_with_altered_pixels": sum(outcome.altered for outcome in outcomes),
        "refused": verdicts["refused"],
        "wrong": verdicts["wrong"],
        "crashes": verdicts["crash"],
        "hangs": verdicts["hang"],
        "seed": seed,
    }


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    decode_corpus(Path(sys.argv[1]), *map(int, sys.argv[2:]))
