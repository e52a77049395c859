"""Measure what is equal to the last bit, and by how much the rest differs.

    python -m benchmarks.equality --weights-dir DIR

A task is done as usual: in float32 on TensorFlow, with two threads, in batches of the network's own
size, without a cache. It is to extract features of photo patches, to train a head on the first of
them, and to predict the probabilities of the rest. Then it is done in other circumstances.
Differences are the largest of all images: as they are, and relative to the largest feature or
probability of the image. `classes_changed` counts the predictions that are another class.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks._circumstances import INPUT_SIZES, USUAL, Answer, Task, in_all_circumstances
from benchmarks._settings import load_images, parser, source_of, weights_of
from benchmarks._side_by_side import store


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    train: int = 120
    test: int = 40
    epochs: int = 20


QUICK = Sizes(train=40, test=8, epochs=2)


def compared(circumstance: str, answers: list[Answer], usual: Answer) -> dict:
    """Return a row: how far answers are from the usual one, the worst of them."""
    row: dict = {"circumstance": circumstance}
    for part, expected in enumerate(usual):
        name = ("features", "probabilities")[part]
        found = [answer[part] for answer in answers]
        gaps = np.stack([np.abs(values - expected).max(axis=1) for values in found])
        equal = all(values.tobytes() == expected.tobytes() for values in found)
        row |= {
            f"{name}_bit_equal": "yes" if equal else "no",
            f"{name}_difference": gaps.max(),
            f"{name}_relative": (gaps / np.abs(expected).max(axis=1)).max(),
        }
    classes = usual[1].argmax(axis=1)
    changed = [(probabilities.argmax(axis=1) != classes).sum() for _, probabilities in answers]
    return row | {"classes_changed": max(changed)}


def measure(arguments: argparse.Namespace, sizes: Sizes) -> list[dict]:
    """Compare all circumstances for each network whose weights are at hand."""
    images, labels = load_images(None, sizes.train + sizes.test, arguments.seed)
    rows = []
    for backbone in arguments.networks:
        weights = None if backbone == "tiny" else weights_of(backbone, arguments.weights_dir)
        if backbone != "tiny" and weights is None:
            print(f"{backbone} is left out: --weights-dir does not have its weights")
            continue
        task = Task(backbone, weights, images, labels, sizes.train, sizes.epochs)
        answers = in_all_circumstances(task)
        (usual,) = answers.pop(USUAL)
        rows += [
            {"network": f"{backbone} at {INPUT_SIZES[backbone]}"}
            | compared(circumstance, found, usual)
            for circumstance, found in answers.items()
        ]
    return rows


def main(words: list[str] | None = None) -> None:
    options = parser(__doc__, repeats=1)
    options.add_argument("--weights-dir", type=Path, help="folder of ImageNet weights")
    networks = list(INPUT_SIZES)
    options.add_argument("--networks", nargs="*", choices=networks, default=networks)
    arguments = options.parse_args(words)
    sizes = QUICK if arguments.quick else Sizes()
    store(
        "equality",
        measure(arguments, sizes),
        arguments,
        sizes,
        packages=("openvino",),
        images_from=source_of(None),
    )


if __name__ == "__main__":
    main()
