"""Training on features: they are laid out for a program, which Keras' own ``fit`` runs."""

from __future__ import annotations

from typing import cast

import keras
import numpy as np
import tensorflow as tf

from sktransfer.estimators._program import steps_per_execution
from sktransfer.estimators._program_pool import borrowed_program
from sktransfer.estimators._training import (
    EpochTimer,
    Examples,
    Features,
    Plan,
    as_lists,
    n_batches,
    untuned,
)

VALIDATION_BATCH = 1024


def train_on_features(
    network: keras.Model, training: Examples, validation: Examples | None, plan: Plan
) -> tuple[dict[str, list[float]], list[float]]:
    """Train a compiled network as `train` does, for which callbacks see a program in its place."""
    timer = EpochTimer()
    n_features = network.input_shape[-1]
    n_steps = n_batches(training, plan.batch_size)
    per_execution = steps_per_execution(plan.batch_size, n_features)
    if any(map(_looks_at_batches, plan.callbacks)):
        per_execution = 1
    layout = _EpochLayout(_features(training), n_steps, plan)
    with borrowed_program(network, n_features, training.targets) as program:
        program.load(training.targets, _weights(training), plan.batch_size)
        history = program.fit(
            _executions(n_steps, per_execution),
            validation_data=None if validation is None else _whole(validation),
            validation_batch_size=VALIDATION_BATCH,
            initial_epoch=plan.initial_epoch,
            epochs=plan.initial_epoch + plan.epochs,
            shuffle=False,  # the layout shuffles
            callbacks=[timer, layout, *plan.callbacks],
            verbose=plan.verbose,
        )
    return as_lists(history), timer.seconds


class _EpochLayout(keras.callbacks.Callback):
    """Lay out each epoch before it begins: its features, their order, and the rates."""

    def __init__(self, rows: Features, n_steps: int, plan: Plan) -> None:
        super().__init__()
        self._rows, self._n_steps, self._plan = rows, n_steps, plan
        self._loaded: np.ndarray | None = None

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        features = self._rows.matrix(epoch)
        if features is not self._loaded:
            self.model.load_features(features)
            self._loaded = features
        order = np.random.default_rng((self._plan.seed, epoch)).permutation(len(self._rows))
        self.model.load_epoch(order, self._factors(epoch - self._plan.initial_epoch))

    def _factors(self, n_before: int) -> np.ndarray:
        """Return what brings the rate from step to step, so that callbacks may change it, too."""
        if self._plan.rates is None:
            return np.ones(self._n_steps)
        rates = self._plan.rates[n_before * self._n_steps :][: self._n_steps + 1]
        return rates[1:] / rates[:-1]


def _looks_at_batches(callback: keras.callbacks.Callback) -> bool:
    """Return whether a callback is to be called for every batch."""
    plain = keras.callbacks.Callback
    return any(
        getattr(getattr(callback, name), "__func__", None) is not getattr(plain, name)
        for name in ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")
    )


def _executions(n_steps: int, per_execution: int) -> tf.data.Dataset:
    """Return the first batch and the one behind the last of each execution in an epoch."""
    first = np.arange(0, n_steps, per_execution, dtype=np.int32)
    spans = np.stack([first, np.minimum(first + per_execution, n_steps)], axis=1)
    return untuned(tf.data.Dataset.from_tensor_slices(spans))


def _features(examples: Examples) -> Features:
    return cast(Features, examples.rows)


def _weights(examples: Examples) -> np.ndarray:
    """Return the weights of examples; ones change nothing where there are none."""
    if examples.sample_weight is None:
        return np.ones(len(examples), np.float32)
    return examples.sample_weight


def _whole(examples: Examples) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return _features(examples).matrix(), examples.targets, _weights(examples)
