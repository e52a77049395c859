"""Measure memory: of extraction from files, and what repeated fits leave behind.

    python -m benchmarks.memory --data cifar10.zip --weights-dir DIR

Each figure is taken in a process of its own, above what the imports use. Extraction: the peak while
the features of 60,000 JPEG files are extracted; `kept_mib` is what they and the library's cache
occupy for good. Fits: the growth from the tenth part of them on, when everything that is needed
once is there. Plain fits, with Keras and an unmodified scikeras head, are given for comparison.
Linux only.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks._plain import dense_network, plain_head, plain_network
from benchmarks._processes import MEBIBYTE, in_fresh_process, memory_now, memory_peak
from benchmarks._settings import image_parser, jpeg_files, source_of, usual_backbone
from benchmarks._side_by_side import store

INPUT_SIZE = 96
FINE_TUNE_SIZE = 32
N_FEATURES, N_CLASSES, N_ROWS = 64, 10, 100
OURS, PLAIN = "sktransfer", "plain"


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    files: int = 60_000
    head_fits: int = 200
    fine_tune_fits: int = 30


QUICK = Sizes(files=40, head_fits=10, fine_tune_fits=1)


def extraction_memory(paths: list[str], backbone: str, weights: str | None, cache) -> dict:
    """Extract the features of files, and return the peak of memory."""
    import tensorflow  # noqa: F401

    from sktransfer import BackboneFeatures

    before = memory_now()
    transformer = BackboneFeatures(backbone, weights=weights, input_size=INPUT_SIZE, cache=cache)
    features = transformer.fit_transform(paths)
    copies = 1 if cache is None else 2
    return {"mib": memory_peak() - before, "kept_mib": copies * features.nbytes / MEBIBYTE}


def growth(fit: Callable[[], object], n_fits: int) -> dict:
    """Fit again and again, and return by how much memory grows."""
    n_first = -(-n_fits // 10)
    for _ in range(n_first):
        fit()
    before = memory_now()
    for _ in range(n_fits):
        fit()
    return {"mib": memory_now() - before, "mib_a_fit": (memory_now() - before) / n_fits}


def head_growth(contestant: str, n_fits: int) -> dict:
    """Fit dense heads."""
    from sktransfer import DenseHead

    rng = np.random.default_rng(0)
    X = rng.normal(size=(N_ROWS, N_FEATURES)).astype(np.float32)
    y = np.arange(N_ROWS) % N_CLASSES
    if contestant == OURS:
        return growth(lambda: DenseHead(epochs=1, random_state=0).fit(X, y), n_fits)
    return growth(lambda: plain_head(epochs=1).fit(X, y), n_fits)


def fine_tune_growth(contestant: str, n_fits: int) -> dict:
    """Fine-tune all of a small network."""
    from sktransfer import FineTuneClassifier

    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (N_ROWS, FINE_TUNE_SIZE, FINE_TUNE_SIZE, 3), dtype=np.uint8)
    y = np.arange(N_ROWS) % N_CLASSES
    if contestant == PLAIN:
        return growth(partial(fine_tune_in_keras, X, y), n_fits)
    model = FineTuneClassifier(
        "mobilenet", weights=None, unfreeze="all", epochs=1, batch_size=20, random_state=0
    )
    return growth(lambda: model.fit(X, y), n_fits)


def fine_tune_in_keras(images: np.ndarray, classes: np.ndarray) -> None:
    """Build, compile and fit a network, and let go of it."""
    import keras

    backbone = plain_network.__wrapped__("mobilenet", FINE_TUNE_SIZE, None)
    head = dense_network(backbone.output_shape[-1], N_CLASSES, ())
    network = keras.Sequential([backbone, head])
    network.compile("adam", loss="sparse_categorical_crossentropy")
    network.fit(images / 127.5 - 1, classes, epochs=1, batch_size=20, verbose=0)


def measure(arguments: argparse.Namespace, sizes: Sizes, folder: Path) -> list[dict]:
    """Measure each figure in a new process."""
    paths = jpeg_files(arguments.data, folder, sizes.files, arguments.seed)
    network = usual_backbone(arguments.weights_dir)
    rows = [
        {"task": "extraction from JPEG files", "contestant": f"{OURS}, cache={cache!r}"}
        | {"count": sizes.files}
        | in_fresh_process(extraction_memory, paths, *network, cache)
        for cache in (None, "auto")
    ]
    for task, function, n_fits in (
        ("fits of a head", head_growth, sizes.head_fits),
        ("fits of a fine-tuned MobileNet", fine_tune_growth, sizes.fine_tune_fits),
    ):
        for contestant in (OURS, PLAIN):
            measured = in_fresh_process(function, contestant, n_fits)
            rows.append({"task": task, "contestant": contestant, "count": n_fits} | measured)
    return rows


def main(words: list[str] | None = None) -> None:
    arguments = image_parser(__doc__, repeats=1).parse_args(words)
    sizes = QUICK if arguments.quick else Sizes()
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(arguments, sizes, Path(folder))
    store(
        "memory",
        rows,
        arguments,
        sizes,
        packages=("scikeras",),
        images_from=source_of(arguments.data),
        backbone=f"{usual_backbone(arguments.weights_dir)[0]} at {INPUT_SIZE}",
    )


if __name__ == "__main__":
    main()
