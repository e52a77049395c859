"""What the benchmarks have in common: options, images, files and weights."""

from __future__ import annotations

import argparse
import importlib.util
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks._side_by_side import RESULTS

IMAGE_SIZE = 32
JPEG_QUALITY = 95


def parser(description: str, repeats: int) -> argparse.ArgumentParser:
    """Return a parser of the options that all benchmarks understand."""
    options = argparse.ArgumentParser(description=description.splitlines()[0])
    options.add_argument("--repeats", type=int, default=repeats, help="turns; medians are stored")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--quick", action="store_true", help="tiny sizes, to see that it works")
    options.add_argument("--output", type=Path, default=RESULTS, help="folder of the results")
    return options


def image_parser(description: str, repeats: int) -> argparse.ArgumentParser:
    """Return the same with the options of a benchmark that reads images."""
    options = parser(description, repeats)
    options.add_argument("--data", type=Path, help="zip file or folder of CIFAR-10")
    options.add_argument("--weights-dir", type=Path, help="folder of ImageNet weights")
    return options


def load_images(data: Path | None, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw images (n, 32, 32, 3) and their classes: of CIFAR-10, else patches of photographs.

    Where there are fewer they are repeated.
    """
    if data is not None:
        from sktransfer import load_cifar10

        bunch = load_cifar10(data)
    else:
        from sktransfer import load_photo_patches

        bunch = load_photo_patches(size=IMAGE_SIZE, test_per_class=1, random_state=seed)
    rows = _drawn(len(bunch.y_train), n, seed)
    return bunch.X_train[rows], bunch.y_train[rows]


def source_of(data: Path | None) -> str:
    """Say where `load_images` and `jpeg_files` have images from."""
    return "photo patches" if data is None else "CIFAR-10"


def jpeg_files(data: Path | None, folder: Path, n: int, seed: int) -> list[str]:
    """Write JPEG files into a folder, and return `n` paths: CIFAR-10's, else photo patches.

    Where there are fewer files their paths are repeated.
    """
    if data is not None and data.is_dir():
        paths = sorted(str(path) for path in data.rglob("*.jpg"))
    else:
        paths = list(_unpacked(data, folder) if data is not None else _written(folder, n, seed))
    return [paths[row] for row in _drawn(len(paths), n, seed)]


def decoded(paths: list[str]) -> np.ndarray:
    """Read files into one array, as a script without the library would."""
    from PIL import Image

    return np.stack([np.asarray(Image.open(path).convert("RGB")) for path in paths])


def weights_of(backbone: str, folder: Path | None) -> str | None:
    """Return the ImageNet weights that are at hand without a download, or None."""
    from sktransfer import get_backbone

    file = get_backbone(backbone).weights
    for name in (file.file_name, *file.aliases) if folder else ():
        if (folder / name).exists():
            return str(folder / name)
    if file.package and importlib.util.find_spec(file.package.replace("-", "_")):
        return "imagenet"
    return None


def usual_backbone(folder: Path | None) -> tuple[str, str | None]:
    """Return name and weights: MobileNet where its weights are, else EfficientNet-Lite0."""
    weights = weights_of("mobilenet", folder)
    if weights is not None:
        return "mobilenet", weights
    return "efficientnet_lite0", weights_of("efficientnet_lite0", folder)


def _drawn(available: int, n: int, seed: int) -> np.ndarray:
    """Draw `n` indices at random, each once before any comes again."""
    order = np.random.default_rng(seed).permutation(available)
    return order[np.arange(n) % available]


def _unpacked(archive: Path, folder: Path) -> Iterator[str]:
    """Unpack the JPEG files of a zip."""
    with zipfile.ZipFile(archive) as members:
        for name in sorted(members.namelist()):
            if name.endswith(".jpg"):
                yield members.extract(name, folder)


def _written(folder: Path, n: int, seed: int) -> Iterator[str]:
    """Write photo patches as JPEG files."""
    from PIL import Image

    images, _ = load_images(None, n, seed)
    for index, image in enumerate(np.unique(images, axis=0)):
        encoded = io.BytesIO()
        Image.fromarray(image).save(encoded, "JPEG", quality=JPEG_QUALITY)
        path = folder / f"{index}.jpg"
        path.write_bytes(encoded.getvalue())
        yield str(path)
