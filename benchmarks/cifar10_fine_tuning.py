"""Measure what each ingredient of fine-tuning is worth, one at a time, on CIFAR-10.

    python -m benchmarks.cifar10_fine_tuning --data cifar10.zip --weights-dir DIR

A pretrained network is fine-tuned on 2,000 of the training images and scored on 2,000 others of
them; the test images are not looked at. The first row is where we start from, each other row
differs from it in one thing, and the last is the recipe "best". One draw of images has a standard
error of about a point by its validation images alone, and training adds to it: small differences
are noise, and ``--draws`` takes more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks._settings import image_parser, load_images, source_of, weights_of
from benchmarks._side_by_side import store

SIZE = 64


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    train: int = 2_000
    validation: int = 2_000
    epochs: int = 4


QUICK = Sizes(train=40, validation=40, epochs=2)


def base(epochs: int) -> dict[str, Any]:
    """Return the parameters that we start from."""
    return {
        "unfreeze": "all",
        "learning_rate": 1e-3,
        "backbone_learning_rate": 1e-4,
        "learning_rate_schedule": "cosine",
        "batch_size": 32,
        "epochs": epochs,
        "input_size": SIZE,
        "interpolation": "bicubic",
    }


def ingredients(epochs: int) -> dict[str, dict[str, Any]]:
    """Return what is compared: changes of the parameters, by name."""
    from sktransfer import ImageAugmentation, Mixing, TrivialAugment
    from sktransfer.strategies import BEST_FINE_TUNING

    stages = BEST_FINE_TUNING["unfreeze"]
    head_first = {"unfreeze": stages, "epochs": max(stages) + epochs}
    return {
        "rate 1e-3, of the backbone 1e-4, cosine, Adam": {},
        "head first (LP-FT)": head_first,
        "one rate of 1e-3 for all layers": {"backbone_learning_rate": None},
        "a lower rate for the backbone: 3e-5": {"backbone_learning_rate": 3e-5},
        "rates that fall with depth: layer_decay=0.1": {"layer_decay": 0.1},
        "constant rate": {"learning_rate_schedule": "constant"},
        "one cycle": {"learning_rate_schedule": "one_cycle"},
        "warm-up of an epoch": {"warmup_epochs": 1.0},
        "AdamW, decay 0.05": {"optimizer": "adamw", "weight_decay": 0.05},
        "batch norm: adapt": {"batch_norm": "adapt"},
        "batch norm: train": {"batch_norm": "train"},
        "augmentation: light": {"augmentation": ImageAugmentation.preset("light")},
        "augmentation: TrivialAugment": {"augmentation": TrivialAugment()},
        "MixUp, alpha 0.2": {"mixing": Mixing(mixup=0.2)},
        "clipped gradients: global_clipnorm=1": {"global_clipnorm": 1.0},
        "clipped gradients, the backbone at 2e-4": {
            "global_clipnorm": 1.0,
            "backbone_learning_rate": 2e-4,
        },
        "averaged weights: ema_momentum=0.98": {"ema_momentum": 0.98},
        "label smoothing 0.1": {"label_smoothing": 0.1},
        "L2-SP 0.01": {"l2_sp": 0.01},
        "head first, and one cycle": {**head_first, "learning_rate_schedule": "one_cycle"},
        'the recipe "best", not augmented': {**BEST_FINE_TUNING, **head_first},
    }


def measure(arguments, sizes: Sizes) -> list[dict]:
    """Fine-tune with every ingredient, on every draw."""
    from sktransfer import FineTuneClassifier

    rows: list[dict] = []
    starts: list[float] = []
    for name, parameters in ingredients(sizes.epochs).items():
        found, seconds = [], []
        for draw in range(arguments.draws):
            n = sizes.train + sizes.validation
            X, y = load_images(arguments.data, n, arguments.seed + draw)
            model = FineTuneClassifier(
                arguments.network,
                weights=weights_of(arguments.network, arguments.weights_dir),
                random_state=arguments.seed,
                **{**base(sizes.epochs), **parameters},
            ).fit(X[: sizes.train], y[: sizes.train])
            found.append(100 * model.score(X[sizes.train :], y[sizes.train :]))
            seconds.append(sum(model.epoch_seconds_))
        starts = starts or found
        print(f"{name}: {np.mean(found):.2f} %", flush=True)
        rows.append(
            {"network": f"{arguments.network} at {SIZE}", "ingredient": name}
            | {"accuracy": np.mean(found), "gain": np.mean(np.subtract(found, starts))}
            | {"seconds": np.mean(seconds)}
        )
    return rows


def main(words: list[str] | None = None) -> None:
    options = image_parser(__doc__, repeats=1)
    options.add_argument("--network", default="mobilenet", help="backbone that is fine-tuned")
    options.add_argument("--draws", type=int, default=1, help="draws of images")
    arguments = options.parse_args(words)
    sizes = QUICK if arguments.quick else Sizes()
    store(
        "cifar10_fine_tuning",
        measure(arguments, sizes),
        arguments,
        sizes,
        images_from=source_of(arguments.data),
        draws=arguments.draws,
    )


if __name__ == "__main__":
    main()
