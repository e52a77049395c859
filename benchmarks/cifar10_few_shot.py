"""Classify CIFAR-10 from ten images a class, with frozen features and several probes.

    python -m benchmarks.cifar10_few_shot --data cifar10.zip --weights-dir DIR

Five draws of 100 images to train; 5,000 other training images say which backbone and probe is the
best, and the test images are asked about that one alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks._settings import image_parser, weights_of
from benchmarks._side_by_side import store

BACKBONES = {"mobilenet": 160, "vgg16": 64, "efficientnet_lite0": 160}
"""Height and width that each backbone is given."""

TOGETHER = ("mobilenet", "efficientnet_lite0")
"""Backbones whose features are tried side by side, too."""


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    images_per_class: int = 10
    draws: int = 5
    validation: int = 5_000
    test: int = 10_000


QUICK = Sizes(images_per_class=5, draws=2, validation=50, test=50)


def probes() -> dict:
    """Return what is trained on features; each takes tens of rows."""
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import Normalizer, StandardScaler

    from sktransfer import KNNProbe, LDAProbe, LinearProbe, RidgeProbe

    return {
        "LinearProbe": LinearProbe(),
        "LinearProbe on unit vectors": make_pipeline(Normalizer(), LinearProbe()),
        "RidgeProbe": RidgeProbe(),
        # The probe takes the cube of the number of features. It standardizes them, so components
        # that hardly vary must not reach it.
        "LDAProbe on principal components": make_pipeline(PCA(n_components=0.9), LDAProbe()),
        "KNNProbe": make_pipeline(StandardScaler(), KNNProbe(n_neighbors=5)),
    }


def draws(labels: np.ndarray, sizes: Sizes, seed: int) -> list[np.ndarray]:
    """Return the rows of each draw, so many of every class."""
    rows = []
    for draw in range(sizes.draws):
        rng = np.random.default_rng((seed, draw))
        of_class = [np.flatnonzero(labels == name) for name in np.unique(labels)]
        chosen = [rng.choice(found, sizes.images_per_class, replace=False) for found in of_class]
        rows.append(np.concatenate(chosen))
    return rows


def extractors(arguments) -> dict:
    """Return what turns images into features: each backbone, and two of them side by side."""
    from sklearn.pipeline import FeatureUnion

    from sktransfer import make_strategy

    single = {
        backbone: make_strategy(
            "linear_probe",
            backbone,
            weights=weights_of(backbone, arguments.weights_dir),
            input_size=size,
            precision=arguments.precision,
            engine=arguments.engine,
        )[0]
        for backbone, size in BACKBONES.items()
    }
    named = {f"{backbone} at {BACKBONES[backbone]}": single[backbone] for backbone in single}
    union = FeatureUnion([(backbone, single[backbone]) for backbone in TOGETHER])
    return {**named, " and ".join(TOGETHER): union}


def measure(arguments, sizes: Sizes) -> list[dict]:
    """Score every probe on the validation images, and the best of them on the test images."""
    from sklearn.base import clone

    from sktransfer import load_cifar10

    cifar = load_cifar10(arguments.data)
    X, y = cifar.X_train, cifar.y_train
    trained_on = draws(y, sizes, arguments.seed)
    others = np.setdiff1d(np.arange(len(y)), np.concatenate(trained_on))
    held_out = np.random.default_rng(arguments.seed).choice(others, sizes.validation, replace=False)
    rows, searched = [], {}
    for backbone, features in extractors(arguments).items():
        maps = [features.fit(X[:1]).transform(X[part]) for part in (*trained_on, held_out)]
        for name, probe in probes().items():
            fitted = [clone(probe).fit(maps[i], y[part]) for i, part in enumerate(trained_on)]
            scores = [100 * one.score(maps[-1], y[held_out]) for one in fitted]
            print(f"{backbone}, {name}: {np.mean(scores):.2f} %", flush=True)
            rows.append(
                {"backbone": backbone, "probe": name}
                | {"val_accuracy": np.mean(scores), "val_deviation": np.std(scores, ddof=1)}
            )
            searched[len(rows) - 1] = features, fitted
    best = max(range(len(rows)), key=lambda row: rows[row]["val_accuracy"])
    features, fitted = searched[best]
    test = features.transform(cifar.X_test[: sizes.test])
    scores = [100 * one.score(test, cifar.y_test[: sizes.test]) for one in fitted]
    rows[best] |= {"test_accuracy": np.mean(scores), "test_deviation": np.std(scores, ddof=1)}
    return rows


def main(words: list[str] | None = None) -> None:
    options = image_parser(__doc__, repeats=1)
    options.add_argument("--precision", default="float32", help="of the backbones")
    options.add_argument("--engine", default="tensorflow", help="what runs the backbones")
    arguments = options.parse_args(words)
    sizes = QUICK if arguments.quick else Sizes()
    store("cifar10_few_shot", measure(arguments, sizes), arguments, sizes)


if __name__ == "__main__":
    main()
