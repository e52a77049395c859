"""Compare the speed of feature extraction with Keras, ONNX Runtime, OpenVINO and PyTorch.

    python -m benchmarks.extraction --data cifar10.zip --weights-dir DIR

Images of 32x32 pixels, uint8, go in and pooled features come out; resizing and preprocessing are
part of the time. "Keras predict" is `model.predict` of the whole array with its default batch
size; the other engines get batches that Keras' functions have prepared. Every contestant's
features are compared with those of Keras. The rate of a float32 matrix product, measured in the
same turns, tells how much of the processor is used.

A second part extracts features of JPEG files, and of the same images in an array.

Contestants are compared network by network, so each network may be measured in a run of its own:
``--networks`` measures some, and leaves what is stored of the others as it is.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks._engines import PACKAGES, Run, multiply_adds, other_engines
from benchmarks._plain import PlainFeatures, plain_network, prepare
from benchmarks._settings import (
    decoded,
    image_parser,
    jpeg_files,
    load_images,
    source_of,
    weights_of,
)
from benchmarks._side_by_side import Timed, compared, installed, store, take_turns

NETWORKS = {
    "vgg16": 32,
    "mobilenet": 96,
    "resnet50": 96,
    "efficientnet_v2_b0": 96,
    "efficientnet_lite0": 96,
}
"""Height and width that each network is given."""
FROM_FILES = ("vgg16", "mobilenet")
KERAS, OURS, PRODUCT = "Keras predict", "sktransfer", "matrix product"
BATCH = 64
"""Images in a batch of the other engines."""


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    images: int = 1024
    files: int = 10_000
    matrix: int = 4096


QUICK = Sizes(images=8, files=8, matrix=256)


@dataclass(frozen=True)
class Case:
    """A network with weights that all contestants share."""

    backbone: str
    size: int
    weights: str

    @classmethod
    def make(cls, backbone: str, folder: Path, weights_dir: Path | None) -> Case:
        """Write the weights to a file: ImageNet's where they are at hand, else random ones."""
        size = NETWORKS[backbone]
        file = folder / f"{backbone}.weights.h5"
        network = plain_network(backbone, size, weights_of(backbone, weights_dir))
        network_without_pooling(network).save_weights(file)
        return cls(backbone, size, str(file))

    def ours(self, **parameters):
        """Return the library's transformer, without its cache."""
        from sktransfer import BackboneFeatures

        return BackboneFeatures(
            self.backbone, weights=self.weights, input_size=self.size, cache=None, **parameters
        )

    def contestants(self, images: np.ndarray) -> dict[str, Callable[[], np.ndarray]]:
        """Return the calls that extract the features of all images."""
        network = plain_network(self.backbone, self.size, self.weights)
        plain = PlainFeatures(self.backbone, self.size, self.weights)
        ours = {OURS: self.ours(), f"{OURS}, bfloat16": self.ours(precision="bfloat16")}
        if installed("sktransfer on OpenVINO", "openvino"):
            ours[f"{OURS} on OpenVINO"] = self.ours(engine="openvino")
            ours[f"{OURS} on OpenVINO, bfloat16"] = self.ours(
                engine="openvino", precision="bfloat16"
            )
        calls = {KERAS: partial(plain.transform, images)}
        calls |= {name: partial(one.fit(images).transform, images) for name, one in ours.items()}
        for name, run in other_engines(network).items():
            calls[name] = partial(self.in_batches, run, images)
        return calls

    def in_batches(self, run: Run, images: np.ndarray) -> np.ndarray:
        """Prepare and run batch by batch."""
        batches = (images[start : start + BATCH] for start in range(0, len(images), BATCH))
        return np.concatenate([run(prepare(batch, self.backbone, self.size)) for batch in batches])


def network_without_pooling(network):
    """Return the network that files of weights are written for."""
    import keras

    return keras.Model(network.input, network.layers[-2].output)


def matrix_product(side: int) -> Callable[[], None]:
    """Return a call that multiplies two square matrices."""
    import tensorflow as tf

    matrix = tf.random.stateless_normal((side, side), seed=(0, 0))

    def multiply() -> None:
        tf.linalg.matmul(matrix, matrix).numpy()

    return multiply


def compare_engines(case: Case, images: np.ndarray, matrix: int, repeats: int) -> list[dict]:
    """Measure all contestants on one array."""
    calls = {**case.contestants(images), PRODUCT: matrix_product(matrix)}
    timed = take_turns(calls, repeats)
    product = timed.pop(PRODUCT)
    gigaflops_of_product = 2 * matrix**3 / product.median / 1e9
    network = plain_network(case.backbone, case.size, case.weights)
    gigaflops = 2 * multiply_adds(network) * len(images) / 1e9
    return [
        row(case, "array", len(images), one)
        | {
            "relative_error": relative_error(timed[one["contestant"]], timed[KERAS]),
            "gigaflops": gigaflops / one["seconds"],
            "percent_of_matrix_product": 100 * gigaflops / one["seconds"] / gigaflops_of_product,
        }
        for one in compared(timed, KERAS)
    ]


def compare_inputs(case: Case, paths: list[str], repeats: int) -> list[dict]:
    """Measure the library on files and on the same images in an array."""
    images = decoded(paths)
    ours = case.ours().fit(images)
    from_array, from_files = f"{OURS}, from an array", f"{OURS}, from JPEG files"
    calls = {
        from_array: partial(ours.transform, images),
        from_files: partial(case.ours().fit(paths).transform, paths),
    }
    timed = take_turns(calls, repeats)
    return [
        row(case, "array" if one["contestant"] == from_array else "JPEG files", len(paths), one)
        | {"relative_error": relative_error(timed[one["contestant"]], timed[from_array])}
        for one in compared(timed, from_array)
    ]


def row(case: Case, kind: str, n: int, one: dict) -> dict:
    """Put what was compared before the figures."""
    network = f"{case.backbone} at {case.size}"
    return {"network": network, "input": kind} | one | {"images_per_second": n / one["seconds"]}


def relative_error(timed: Timed, reference: Timed) -> float:
    """Compare features: the norm of the difference relative to that of the reference."""
    difference = np.linalg.norm(timed.result - reference.result)
    return float(difference / np.linalg.norm(reference.result))


def measure(arguments: argparse.Namespace, sizes: Sizes, folder: Path) -> list[dict]:
    """Run both parts."""
    images, _ = load_images(arguments.data, sizes.images, arguments.seed)
    paths = jpeg_files(arguments.data, folder, sizes.files, arguments.seed)
    rows = []
    for backbone in arguments.networks:
        print(f"{backbone} at {NETWORKS[backbone]}")
        case = Case.make(backbone, folder, arguments.weights_dir)
        rows += compare_engines(case, images, sizes.matrix, arguments.repeats)
        if backbone in FROM_FILES:
            rows += compare_inputs(case, paths, arguments.repeats)
    return rows


def stored_of_others(arguments: argparse.Namespace) -> list[dict]:
    """Return the stored rows of networks that are not measured now."""
    file = arguments.output / "extraction.csv"
    measured = [f"{name} at {NETWORKS[name]}" for name in arguments.networks]
    if not file.exists() or len(measured) == len(NETWORKS):
        return []
    table = pd.read_csv(file)
    return table[~table["network"].isin(measured)].to_dict("records")


def main(words: list[str] | None = None) -> None:
    options = image_parser(__doc__, repeats=3)
    options.add_argument("--networks", nargs="*", choices=list(NETWORKS), default=list(NETWORKS))
    arguments = options.parse_args(words)
    sizes = QUICK if arguments.quick else Sizes()
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(arguments, sizes, Path(folder))
    store(
        "extraction",
        [*stored_of_others(arguments), *rows],
        arguments,
        sizes,
        packages=PACKAGES,
        images_from=source_of(arguments.data),
        imagenet_weights=[name for name in NETWORKS if weights_of(name, arguments.weights_dir)],
    )


if __name__ == "__main__":
    main()
