"""Measure whether scores of features rank backbones as their accuracy does.

    python -m benchmarks.backbone_ranking --data cifar10.zip --weights-dir DIR

The candidates are backbones at two input sizes each. `rank_backbones` sees 2,000 images of CIFAR-10
and scores them. Then a linear probe is trained on 10,000 images, the same ones among them, and its
accuracy measured on 10,000 others; of the photo patches, the left parts of the photographs are
scored and trained on, and the right parts measured. Below the candidates stand, for each score, its
rank correlations with the accuracy, and how many points the candidate that it puts first is less
accurate than the best.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmarks._settings import image_parser, load_images, weights_of
from benchmarks._side_by_side import installed, store

INPUT_SIZES = {"vgg16": (32, 64), "mobilenet": (64, 128), "efficientnet_lite0": (64, 128)}


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    ranking: int = 2000
    train: int = 10_000
    test: int = 10_000
    patches_train_per_class: int = 60
    patches_test_per_class: int = 40


QUICK = Sizes(ranking=150, train=150, test=50, patches_train_per_class=6, patches_test_per_class=3)


@dataclass(frozen=True)
class Task:
    """Images to rank backbones by and to train on, and those to measure accuracy on."""

    name: str
    X_train: np.ndarray
    y_train: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray
    n_ranking: int
    """How many of the training images the ranking sees, the first ones."""


def tasks(arguments: argparse.Namespace, sizes: Sizes) -> list[Task]:
    """Load CIFAR-10, where it is given, and the photo patches, where they are installed."""
    found = []
    if arguments.data is not None:
        X, y = load_images(arguments.data, sizes.train + sizes.test, arguments.seed)
        train, test = slice(None, sizes.train), slice(sizes.train, None)
        found.append(Task("CIFAR-10", X[train], y[train], X[test], y[test], sizes.ranking))
    if installed("photo patches", "skimage"):
        from sktransfer import load_photo_patches

        bunch = load_photo_patches(
            train_per_class=sizes.patches_train_per_class,
            test_per_class=sizes.patches_test_per_class,
            random_state=arguments.seed,
        )
        parts = (bunch.X_train, bunch.y_train, bunch.X_test, bunch.y_test)
        found.append(Task("photo patches", *parts, len(bunch.y_train)))
    return found


def candidate(task: Task, backbone: str, size: int, weights: str, seed: int) -> dict:
    """Score a backbone on the images of the ranking, and measure what it is worth."""
    from sktransfer import BackboneFeatures, LinearProbe
    from sktransfer.selection import rank_backbones

    ranked = slice(None, task.n_ranking)
    scores = rank_backbones(
        task.X_train[ranked],
        task.y_train[ranked],
        [backbone],
        weights=weights,
        input_size=size,
        max_samples=None,
        random_state=seed,
    )
    features = BackboneFeatures(backbone, weights=weights, input_size=size)
    probe = LinearProbe().fit(features.fit_transform(task.X_train), task.y_train)
    accuracy = 100 * probe.score(features.transform(task.X_test), task.y_test)
    print(f"{task.name}, {backbone} at {size}: {accuracy:.2f} %", flush=True)
    return {
        "images": task.name,
        "candidate": f"{backbone} at {size}",
        "accuracy_percent": accuracy,
        "ranking_seconds": scores["seconds"].item(),
        **scores.drop(columns=["consensus", "seconds", "images_per_second", "parameters"]).iloc[0],
    }


def agreement(scores: pd.DataFrame, accuracy: pd.Series) -> pd.DataFrame:
    """Compare each column of scores with the accuracies: a row for each measure of agreement."""
    chosen = [accuracy[best] for best in scores.idxmax()]
    rows = {
        "Spearman's rank correlation": scores.corrwith(accuracy, method="spearman"),
        "Kendall's rank correlation": scores.corrwith(accuracy, method="kendall"),
        "points lost by its choice": pd.Series(accuracy.max() - chosen, index=scores.columns),
    }
    return pd.DataFrame(rows).T.rename_axis("candidate")


def measure(arguments: argparse.Namespace, sizes: Sizes) -> list[dict]:
    """Rank and measure the candidates on each task, and compare the two."""
    from sktransfer.selection._ranking import METRICS, consensus

    at_hand = {name: weights_of(name, arguments.weights_dir) for name in INPUT_SIZES}
    for name in [name for name, weights in at_hand.items() if weights is None]:
        print(f"{name} is left out: its weights are not here")
        del at_hand[name]
    rows: list[dict] = []
    for task in tasks(arguments, sizes):
        table = pd.DataFrame(
            [
                candidate(task, backbone, size, weights, arguments.seed)
                for backbone, weights in at_hand.items()
                for size in INPUT_SIZES[backbone]
            ]
        )
        table["consensus"] = consensus(table[list(METRICS)])
        found = agreement(table[[*METRICS, "consensus"]], table["accuracy_percent"])
        found = found.reset_index().assign(images=task.name)
        rows += pd.concat([table, found]).to_dict("records")
    return rows


def main(words: list[str] | None = None) -> None:
    options = image_parser(__doc__, repeats=1)
    arguments = options.parse_args(words)
    sizes = QUICK if arguments.quick else Sizes()
    store(
        "backbone_ranking",
        measure(arguments, sizes),
        arguments,
        sizes,
        probe="LinearProbe()",
    )


if __name__ == "__main__":
    main()
