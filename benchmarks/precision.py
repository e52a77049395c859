"""Measure what a lower precision costs in accuracy.

    python -m benchmarks.precision --data cifar10.zip --weights-dir DIR

Linear probes on the features of 10,000 images, tested on 10,000 others: in float32 and in
bfloat16, of TensorFlow and, where it is installed, of OpenVINO. `points_lost` is the accuracy in
percent that float32 has more; the standard error of an accuracy on so many images is 0.4.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np

from benchmarks._settings import image_parser, load_images, source_of, weights_of
from benchmarks._side_by_side import installed, store

NETWORKS = {"vgg16": 32, "mobilenet": 96, "efficientnet_lite0": 96}
"""Height and width that each network is given."""


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    train: int = 10_000
    test: int = 10_000


QUICK = Sizes(train=150, test=50)


def accuracy(features, images: np.ndarray, labels: np.ndarray, n_train: int) -> float:
    """Return a linear probe's accuracy in percent on the images behind the first `n_train`."""
    from sktransfer import LinearProbe

    rows = features.fit_transform(images)
    probe = LinearProbe(random_state=0).fit(rows[:n_train], labels[:n_train])
    return 100 * probe.score(rows[n_train:], labels[n_train:])


def measure(arguments: argparse.Namespace, sizes: Sizes) -> list[dict]:
    """Measure each network in each engine and precision."""
    from sktransfer import BackboneFeatures

    images, labels = load_images(arguments.data, sizes.train + sizes.test, arguments.seed)
    engines = ["tensorflow", *(["openvino"] if installed("OpenVINO", "openvino") else [])]
    rows: list[dict] = []
    for backbone in arguments.networks:
        weights = weights_of(backbone, arguments.weights_dir)
        for engine in engines:
            for precision in ("float32", "bfloat16"):
                features = BackboneFeatures(
                    backbone,
                    weights=weights,
                    input_size=NETWORKS[backbone],
                    precision=precision,
                    engine=engine,
                    cache=None,
                    random_state=0,
                )
                found = accuracy(features, images, labels, sizes.train)
                print(f"{backbone}, {engine}, {precision}: {found:.2f} %", flush=True)
                exact = rows[-1]["accuracy"] if precision == "bfloat16" else found
                rows.append(
                    {"network": f"{backbone} at {NETWORKS[backbone]}", "engine": engine}
                    | {"precision": precision, "accuracy": found, "points_lost": exact - found}
                )
    return rows


def main(words: list[str] | None = None) -> None:
    options = image_parser(__doc__, repeats=1)
    options.add_argument("--networks", nargs="*", choices=list(NETWORKS), default=list(NETWORKS))
    arguments = options.parse_args(words)
    sizes = QUICK if arguments.quick else Sizes()
    store(
        "precision",
        measure(arguments, sizes),
        arguments,
        sizes,
        packages=("openvino",),
        images_from=source_of(arguments.data),
    )


if __name__ == "__main__":
    main()
