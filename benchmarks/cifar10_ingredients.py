"""Measure what each ingredient of frozen features is worth, one at a time, on CIFAR-10.

    python -m benchmarks.cifar10_ingredients --data cifar10.zip --weights-dir DIR

A linear probe is trained on 10,000 of 15,000 training images and scored on the others; the test
images are not looked at. The first row is where we start from, each other row differs from it in
one thing, and the last has several together. Three splits of the images give a mean and a
standard deviation, and each row's gain over the first is taken split by split.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks._settings import image_parser, load_images, source_of, weights_of
from benchmarks._side_by_side import store

PENALTY = 0.001
DEPTHS = {
    "mobilenet": ("conv_pw_5_relu", "conv_pw_11_relu", "conv_pw_12_relu", "conv_pw_13_relu"),
    "vgg16": ("block3_pool", "block4_pool", "block5_pool"),
}
SIZES = {"mobilenet": 96, "vgg16": 64}


@dataclass(frozen=True)
class Ingredient:
    """One change of how features are made, trained on or asked about."""

    name: str
    features: Mapping[str, Any] = field(default_factory=dict)
    mirrored_training: bool = False
    mirrored_prediction: bool = False


def ingredients(backbone: str) -> list[Ingredient]:
    """Return what is compared for a backbone."""
    size, depths = SIZES[backbone], {"layers": DEPTHS[backbone]}
    both = {"pooling": "avg+max"}
    bicubic = {"interpolation": "bicubic"}
    return [
        Ingredient(f"last depth, avg, bilinear, at {size}"),
        Ingredient("preprocessing: divided by 255", {"preprocessing": "rescale"}),
        Ingredient("input size: 32", {"input_size": 32}),
        Ingredient(f"input size: {size * 5 // 3}", {"input_size": size * 5 // 3}),
        Ingredient("interpolation: bicubic", bicubic),
        Ingredient(f"{len(DEPTHS[backbone])} depths", depths),
        Ingredient("pooling: avg+max", both),
        Ingredient("pooling: gem", {"pooling": "gem"}),
        Ingredient("mirrored images in training", mirrored_training=True),
        Ingredient("mirrored images in prediction", mirrored_prediction=True),
        Ingredient(
            "depths, avg+max, bicubic, mirrored images",
            {**depths, **both, **bicubic},
            mirrored_training=True,
            mirrored_prediction=True,
        ),
    ]


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    train: int = 10_000
    validation: int = 5_000
    splits: int = 3


QUICK = Sizes(train=60, validation=40, splits=2)


@dataclass(frozen=True)
class Extracted:
    """Features of all images, of their mirror images where they are wanted, and the labels."""

    features: np.ndarray
    mirrored: np.ndarray | None
    labels: np.ndarray


def extract(
    features: Any, ingredient: Ingredient, images: np.ndarray, labels: np.ndarray
) -> Extracted:
    """Extract what an ingredient needs; what another has extracted comes from the cache."""
    features.fit(images)
    wants_mirrored = ingredient.mirrored_training or ingredient.mirrored_prediction
    mirrored = features.transform(images[:, :, ::-1]) if wants_mirrored else None
    return Extracted(features.transform(images), mirrored, labels)


def accuracy(
    of: Extracted, ingredient: Ingredient, train: np.ndarray, held_out: np.ndarray
) -> float:
    """Return the accuracy in percent on the rows that are held out."""
    from sktransfer import LinearProbe

    X, y = of.features[train], of.labels[train]
    if ingredient.mirrored_training:
        X, y = np.concatenate([X, of.mirrored[train]]), np.concatenate([y, y])
    probe = LinearProbe(C=PENALTY).fit(X, y)
    said = probe.predict_proba(of.features[held_out])
    if ingredient.mirrored_prediction:
        said = said + probe.predict_proba(of.mirrored[held_out])
    return 100 * float((probe.classes_[said.argmax(axis=1)] == of.labels[held_out]).mean())


def measure(arguments, sizes: Sizes) -> list[dict]:
    """Measure every ingredient on every split."""
    from sktransfer import BackboneFeatures

    images, labels = load_images(arguments.data, sizes.train + sizes.validation, arguments.seed)
    drawn = [np.random.default_rng((arguments.seed, split)) for split in range(sizes.splits)]
    splits = [np.split(rng.permutation(len(labels)), [sizes.train]) for rng in drawn]
    rows = []
    for backbone in arguments.networks:
        base: list[float] = []
        for ingredient in ingredients(backbone):
            features = BackboneFeatures(
                backbone,
                weights=weights_of(backbone, arguments.weights_dir),
                precision=arguments.precision,
                engine=arguments.engine,
                random_state=0,
            ).set_params(**{"input_size": SIZES[backbone], **ingredient.features})
            extracted = extract(features, ingredient, images, labels)
            found = [accuracy(extracted, ingredient, *split) for split in splits]
            base = base or found
            gains = np.subtract(found, base)
            print(f"{backbone}, {ingredient.name}: {np.mean(found):.2f} %", flush=True)
            rows.append(
                {"network": backbone, "ingredient": ingredient.name}
                | {"accuracy": np.mean(found), "deviation": np.std(found, ddof=1)}
                | {"gain": gains.mean(), "deviation_of_gain": gains.std(ddof=1)}
            )
    return rows


def main(words: list[str] | None = None) -> None:
    options = image_parser(__doc__, repeats=1)
    options.add_argument("--networks", nargs="*", choices=list(DEPTHS), default=list(DEPTHS))
    options.add_argument("--precision", default="float32", help="of the backbones")
    options.add_argument("--engine", default="tensorflow", help="what runs the backbones")
    arguments = options.parse_args(words)
    sizes = QUICK if arguments.quick else Sizes()
    store(
        "cifar10_ingredients",
        measure(arguments, sizes),
        arguments,
        sizes,
        images_from=source_of(arguments.data),
        probe=f"LinearProbe(C={PENALTY})",
    )


if __name__ == "__main__":
    main()
