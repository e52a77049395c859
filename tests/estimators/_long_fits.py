"""Fits that may be cut off: `python -m tests.estimators._long_fits FOLDER RESULTS MOMENT NAME ...`.

Each named fit keeps its checkpoint in FOLDER, and writes what came of it to RESULTS/NAME.npz.
MOMENT is "never", or "EPOCH.BATCH", at which the process kills itself.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import keras
import numpy as np

from sktransfer import (
    ConvNetClassifier,
    DenseHead,
    DenseHeadRegressor,
    FineTuneClassifier,
    ImageAugmentation,
    Mixing,
)
from tests._tiny_backbones import registered, tiny_spec

RNG = np.random.default_rng(0)
POINTS = RNG.normal(size=(60, 4)).astype(np.float32)
KINDS = np.tile(["ant", "bee", "cat"], 20)
IMAGES = RNG.integers(0, 256, (24, 12, 12, 3), dtype=np.uint8)
LABELS = np.tile(["day", "night"], 12)
WEIGHTS = np.linspace(0.5, 2, 24)
AUGMENTATION = ImageAugmentation(rotation=20, horizontal_flip=True)

OF_POINTS = {"hidden_layer_sizes": (8,), "batch_size": 10, "epochs": 5, "random_state": 0}
OF_IMAGES = {"batch_size": 6, "epochs": 5, "random_state": 0}
TUNED = {"weights": None, "hidden_layer_sizes": (8,), "dropout": 0.3, **OF_IMAGES}

FITS = {
    "dropout and a schedule": DenseHead(
        dropout=0.3, learning_rate_schedule="cosine", warmup_epochs=1.5, **OF_POINTS
    ),
    "averages": DenseHead(ema_momentum=0.9, batch_normalization=True, **OF_POINTS),
    "accumulated gradients": DenseHeadRegressor(
        gradient_accumulation_steps=4, optimizer="nadam", **OF_POINTS
    ),
    "early stopping": DenseHead(
        early_stopping=True, patience=2, **{**OF_POINTS, "epochs": 30, "learning_rate": 0.1}
    ),
    "early stopping of averages": DenseHead(
        early_stopping=True,
        patience=2,
        ema_momentum=0.5,
        **{**OF_POINTS, "epochs": 30, "learning_rate": 0.1},
    ),
    "augmentation and mixing": ConvNetClassifier(
        filters=4,
        hidden_layer_sizes=(),
        conv_dropout=0.2,
        batch_normalization=True,
        augmentation=AUGMENTATION,
        mixing=Mixing(mixup=0.4),
        learning_rate_schedule="one_cycle",
        ema_momentum=0.9,
        **OF_IMAGES,
    ),
    "fresh views": FineTuneClassifier("tiny", augmentation=AUGMENTATION, **TUNED),
    "stages": FineTuneClassifier(
        "tiny",
        unfreeze={0: "head", 2: "last_block", 3: "all"},
        l2_sp=0.1,
        learning_rate_schedule="cosine",
        **TUNED,
    ),
    "stages that stop early": FineTuneClassifier(
        "tiny",
        unfreeze={0: "head", 8: "all"},
        batch_norm="adapt",
        early_stopping=True,
        patience=1,
        **{**TUNED, "epochs": 16, "learning_rate": 0.1},
    ),
}


def data_of(estimator) -> tuple[tuple, dict]:
    """What an estimator is fitted on."""
    if isinstance(estimator, DenseHeadRegressor):
        return (POINTS, POINTS.sum(axis=1)), {}
    if isinstance(estimator, DenseHead):
        return (POINTS, KINDS), {}
    images = {"sample_weight": WEIGHTS}
    if not estimator.early_stopping:
        images |= {"X_val": IMAGES[:8] // 2, "y_val": LABELS[:8]}
    return (IMAGES, LABELS), images


class At(keras.callbacks.Callback):
    """Does something behind a batch of an epoch, both counted from 0."""

    def __init__(self, epoch: int, batch: int, act: Callable[[], None]) -> None:
        super().__init__()
        self._moment, self._epoch, self._act = (epoch, batch), 0, act

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        if (self._epoch, batch) == self._moment:
            self._act()


def numbers_of(estimator) -> dict[str, np.ndarray]:
    """All that training makes: numbers of the network and of its optimizer, and the history."""
    variables = [*estimator.model_.variables, *estimator._trained.optimizer.variables]
    numbers = {f"{k}": variable.numpy() for k, variable in enumerate(variables)}
    return numbers | {name: np.array(losses) for name, losses in estimator.history_.items()}


def kill_this_process() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def tiny_backbone() -> AbstractContextManager[None]:
    """Let the backbone of these fits be known in a process of its own."""
    return registered(
        tiny_spec(
            "tiny",
            "tests.estimators.conftest:build_tiny",
            n_features=8,
            n_parameters=444,
            last_block="block_conv",
        )
    )


def main(folder: str, results: str, moment: str, *names: str) -> None:
    callbacks = None
    if moment != "never":
        callbacks = [At(*map(int, moment.split(".")), kill_this_process)]
    with tiny_backbone():
        for name in names:
            estimator = FITS[name].set_params(checkpoint=folder, callbacks=callbacks)
            data, more = data_of(estimator)
            print("begins", flush=True)
            np.savez(Path(results, f"{name}.npz"), **numbers_of(estimator.fit(*data, **more)))


if __name__ == "__main__":
    main(*sys.argv[1:])
