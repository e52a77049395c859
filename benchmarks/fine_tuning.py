"""Compare fine-tuning of all layers with Keras, in float32 and in bfloat16.

    python -m benchmarks.fine_tuning --data cifar10.zip --weights-dir DIR

Two epochs on 1,000 images, batches of 32, Adam, batch normalization in inference mode as Keras'
guide has it. In bfloat16, Keras has the policy ``mixed_bfloat16`` for the whole network.
The times are those of whole fits, the start included; Keras is given images that are resized and
scaled already.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from benchmarks._plain import prepare
from benchmarks._settings import image_parser, load_images, source_of, weights_of
from benchmarks._side_by_side import compared, store, take_turns

NETWORKS = {"mobilenet": 96, "efficientnet_lite0": 96, "vgg16": 32}
"""Height and width that each network is given."""

BATCH = 32
RATE = 1e-5
KERAS = "Keras fit"


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    images: int = 1_000
    epochs: int = 2


QUICK = Sizes(images=64, epochs=1)


def fit_ours(
    backbone: str, weights: str | None, X: np.ndarray, y: np.ndarray, epochs: int, precision: str
) -> None:
    """Fine-tune all layers with the library."""
    from sktransfer import FineTuneClassifier

    FineTuneClassifier(
        backbone,
        weights=weights,
        input_size=NETWORKS[backbone],
        unfreeze="all",
        precision=precision,
        learning_rate=RATE,
        batch_size=BATCH,
        epochs=epochs,
        random_state=0,
    ).fit(X, y)


def fit_keras(
    backbone: str, weights: str | None, X: np.ndarray, y: np.ndarray, epochs: int, policy: str
) -> None:
    """Fine-tune all layers as Keras' guide to transfer learning does."""
    import keras

    from sktransfer.backbones import get_backbone
    from sktransfer.backbones._weights import resolve_weights

    spec, size = get_backbone(backbone), NETWORKS[backbone]
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        network = spec.build((size, size, 3), resolve_weights(spec, weights))
        images = keras.Input((size, size, 3))
        pooled = keras.layers.GlobalAveragePooling2D()(network(images, training=False))
        output = keras.layers.Dense(len(np.unique(y)), activation="softmax", dtype="float32")
        model = keras.Model(images, output(pooled))
    finally:
        keras.config.set_dtype_policy(before)
    model.compile(keras.optimizers.Adam(RATE), loss="sparse_categorical_crossentropy")
    model.fit(X, y, batch_size=BATCH, epochs=epochs, verbose=0)


def contestants(
    backbone: str, weights: str | None, images: np.ndarray, labels: np.ndarray, epochs: int
) -> dict[str, Callable[[], None]]:
    """Return the fits that are compared, with what they are given."""
    prepared = prepare(images, backbone, NETWORKS[backbone])
    classes = np.unique(labels, return_inverse=True)[1]
    plain = partial(fit_keras, backbone, weights, prepared, classes, epochs)
    ours = partial(fit_ours, backbone, weights, images, labels, epochs)
    return {
        KERAS: partial(plain, "float32"),
        f"{KERAS}, mixed_bfloat16": partial(plain, "mixed_bfloat16"),
        "sktransfer": partial(ours, "float32"),
        "sktransfer, bfloat16": partial(ours, "bfloat16"),
    }


def measure(arguments: argparse.Namespace, sizes: Sizes) -> list[dict]:
    """Measure the fits of each network."""
    images, labels = load_images(arguments.data, sizes.images, arguments.seed)
    rows = []
    for backbone in arguments.networks:
        weights = weights_of(backbone, arguments.weights_dir)
        calls = contestants(backbone, weights, images, labels, sizes.epochs)
        rows += [
            {"network": f"{backbone} at {NETWORKS[backbone]}"}
            | one
            | {"images_per_second": sizes.images * sizes.epochs / one["seconds"]}
            for one in compared(take_turns(calls, arguments.repeats), KERAS)
        ]
    return rows


def main(words: list[str] | None = None) -> None:
    options = image_parser(__doc__, repeats=3)
    options.add_argument("--networks", nargs="*", choices=list(NETWORKS), default=list(NETWORKS))
    arguments = options.parse_args(words)
    sizes = QUICK if arguments.quick else Sizes()
    store(
        "fine_tuning",
        measure(arguments, sizes),
        arguments,
        sizes,
        images_from=source_of(arguments.data),
        batch_size=BATCH,
    )


if __name__ == "__main__":
    main()
