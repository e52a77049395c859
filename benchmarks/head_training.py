"""Compare the training of a dense head with Keras, scikit-learn and PyTorch.

    python -m benchmarks.head_training

40,000 rows of 512 features, 10 classes, layers of 256 and 512 units, Adam, batches of 30. The time
of an epoch is that of a whole fit divided by its epochs, the start included. A second case, one
epoch on 100 rows, measures the start of a fit when the same architecture has been fitted before.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np

from benchmarks._plain import dense_network
from benchmarks._settings import parser
from benchmarks._side_by_side import compared, installed, store, take_turns

UNITS = (256, 512)
BATCH = 30
N_FEATURES, N_CLASSES = 512, 10
KERAS = "Keras fit"
NOISE = 6.0
"""Standard deviation of the features about their class: enough to make the task no trifle."""

Fit = Callable[[np.ndarray, np.ndarray, int], Callable[[np.ndarray], np.ndarray]]
"""From rows, classes and epochs to the fitted network's prediction of classes."""


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    rows: int = 40_000
    epochs: int = 3
    few_rows: int = 100


QUICK = Sizes(rows=300, epochs=1, few_rows=30)


def learnable(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw features (n, 512) about the centres of ten classes."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, N_CLASSES, n)
    centres = rng.normal(size=(N_CLASSES, N_FEATURES))
    features = centres[y] + NOISE * rng.normal(size=(n, N_FEATURES))
    return features.astype(np.float32), y


def fit_ours(X: np.ndarray, y: np.ndarray, epochs: int):
    from sktransfer import DenseHead

    return DenseHead(UNITS, batch_size=BATCH, epochs=epochs, random_state=0).fit(X, y).predict


def fit_keras(X: np.ndarray, y: np.ndarray, epochs: int):
    network = dense_network(N_FEATURES, N_CLASSES, UNITS)
    network.fit(X, y, batch_size=BATCH, epochs=epochs, verbose=0)
    return lambda rows: network.predict(rows, verbose=0).argmax(axis=1)


def fit_sklearn(X: np.ndarray, y: np.ndarray, epochs: int):
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    network = MLPClassifier(UNITS, alpha=0, batch_size=BATCH, max_iter=epochs, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return network.fit(X, y).predict


def fit_torch(X: np.ndarray, y: np.ndarray, epochs: int):
    import torch
    from torch import nn

    sizes = (N_FEATURES, *UNITS)
    layers = [
        layer
        for inputs, outputs in pairwise(sizes)
        for layer in (nn.Linear(inputs, outputs), nn.ReLU())
    ]
    network = nn.Sequential(*layers, nn.Linear(sizes[-1], N_CLASSES))
    optimizer = torch.optim.Adam(network.parameters())
    rows, classes = torch.from_numpy(X), torch.from_numpy(y)
    for _ in range(epochs):
        for batch in torch.randperm(len(rows)).split(BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(rows[batch]), classes[batch]).backward()
            optimizer.step()

    def predict(rows: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return network(torch.from_numpy(rows)).argmax(dim=1).numpy()

    return predict


def contestants() -> dict[str, Fit]:
    """Return the ways to train that are installed."""
    found: dict[str, Fit] = {
        KERAS: fit_keras,
        "sktransfer": fit_ours,
        "scikit-learn MLPClassifier": fit_sklearn,
    }
    if installed("PyTorch", "torch"):
        found["PyTorch"] = fit_torch
    return found


def compare(case: str, X: np.ndarray, y: np.ndarray, epochs: int, repeats: int) -> list[dict]:
    """Measure fits on some rows, and how well the fitted networks know those rows."""
    calls = {name: partial(fit, X, y, epochs) for name, fit in contestants().items()}
    timed = take_turns(calls, repeats)
    return [
        {"case": case}
        | one
        | {
            "seconds_an_epoch": one["seconds"] / epochs,
            "train_accuracy": np.mean(timed[one["contestant"]].result(X) == y),
        }
        for one in compared(timed, KERAS)
    ]


def measure(arguments: argparse.Namespace, sizes: Sizes) -> list[dict]:
    """Run both cases."""
    X, y = learnable(sizes.rows, arguments.seed)
    few = slice(0, sizes.few_rows)
    return [
        *compare(f"{sizes.rows:,} rows", X, y, sizes.epochs, arguments.repeats),
        *compare(f"{sizes.few_rows} rows, fitted before", X[few], y[few], 1, arguments.repeats),
    ]


def main(words: list[str] | None = None) -> None:
    arguments = parser(__doc__, repeats=5).parse_args(words)
    sizes = QUICK if arguments.quick else Sizes()
    store(
        "head_training",
        measure(arguments, sizes),
        arguments,
        sizes,
        packages=("torch",),
        batch_size=BATCH,
    )


if __name__ == "__main__":
    main()
