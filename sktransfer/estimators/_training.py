"""Rows, and the training loop over images: index, gather, decode, augment, train.

Keras' own ``fit`` does the training. This module feeds it: batches are gathered by index while the
network trains on the one before, so that the training set is never copied, and every random choice
comes from an explicit seed, so that two fits agree to the bit and nothing global is seeded.
"""

from __future__ import annotations

import itertools
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from sktransfer.images import Augmentation, Mixing
from sktransfer.images._batch import ImageBatch


class Rows(ABC):
    """What a network trains on: rows that are gathered by index, perhaps anew each epoch."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def take(self, indices: np.ndarray, epoch: int = 0) -> np.ndarray:
        """Return some rows as an epoch sees them."""

    def subset(self, indices: np.ndarray) -> Rows:
        """Return some of the rows, counted from 0; the others are never looked at."""
        return Subset(self, indices)


class Features(Rows):
    """Rows that lie in memory, all of them at once, while a network trains on them."""

    @abstractmethod
    def matrix(self, epoch: int = 0) -> np.ndarray:
        """Return all rows (n_rows, n_features), float32, as an epoch sees them."""

    def take(self, indices: np.ndarray, epoch: int = 0) -> np.ndarray:
        return self.matrix(epoch)[indices]


@dataclass(frozen=True)
class FeatureRows(Features):
    """Rows of a matrix of features, float32: in each epoch the same."""

    features: np.ndarray

    def __len__(self) -> int:
        return len(self.features)

    def matrix(self, epoch: int = 0) -> np.ndarray:
        return self.features

    def subset(self, indices: np.ndarray) -> FeatureRows:
        return FeatureRows(self.features[indices])


@dataclass(frozen=True)
class ImageRows(Rows):
    """Images as they are."""

    images: ImageBatch

    def __len__(self) -> int:
        return len(self.images)

    def take(self, indices: np.ndarray, epoch: int = 0) -> np.ndarray:
        return self.images.take(indices)


@dataclass(frozen=True)
class AugmentedRows(Rows):
    """Images in another view each epoch, drawn from the seed, the epoch and the image's index."""

    rows: Rows
    augmentation: Augmentation
    seed: int

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, indices: np.ndarray, epoch: int = 0) -> np.ndarray:
        views = np.asarray(indices, dtype=np.int64) + epoch * len(self.rows)
        return self.augmentation.augment(self.rows.take(indices), seed=self.seed, ids=views)


@dataclass(frozen=True)
class Subset(Rows):
    """Some of the rows, counted from 0."""

    rows: Rows
    indices: np.ndarray

    def __len__(self) -> int:
        return len(self.indices)

    def take(self, indices: np.ndarray, epoch: int = 0) -> np.ndarray:
        return self.rows.take(self.indices[indices], epoch)


@dataclass(frozen=True)
class Examples:
    """Rows with their encoded targets and, perhaps, weights."""

    rows: Rows
    targets: np.ndarray
    sample_weight: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.targets)

    def subset(self, indices: np.ndarray) -> Examples:
        """Return some of the examples; the rows of the others are never looked at."""
        if len(indices) == len(self):
            return self
        weights = None if self.sample_weight is None else self.sample_weight[indices]
        return Examples(self.rows.subset(indices), self.targets[indices], weights)

    def batches(self, order: np.ndarray, batch_size: int, epoch: int) -> Iterator[tuple]:
        """Yield (rows, targets[, weights]) for each `batch_size` indices of `order`."""
        for start in range(0, len(order), batch_size):
            indices = order[start : start + batch_size]
            batch = (self.rows.take(indices, epoch), self.targets[indices])
            yield batch if self.sample_weight is None else (*batch, self.sample_weight[indices])

    def first(self) -> tuple:
        """Return a batch of the first example alone."""
        return next(self.batches(np.array([0]), 1, 0))


class EpochTimer(keras.callbacks.Callback):
    """Measure the wall time of each epoch, its validation included."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self.seconds.append(time.perf_counter() - self._start)


class RefuseDivergence(keras.callbacks.Callback):
    """End training with an error where the loss of an epoch is no number any more.

    It is the error of a computation, as NumPy raises it, and none of a wrong argument.
    """

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        loss = (logs or {})["loss"]
        if not math.isfinite(loss):
            raise FloatingPointError(
                f"The loss is {loss} in epoch {epoch + 1}: training has diverged. Lower "
                "learning_rate, set global_clipnorm=1, and check the targets and the scale of X"
            )


class FollowRates(keras.callbacks.Callback):
    """Set the learning rate after each step.

    Keras' own schedules belong to an optimizer for good, so that nothing could be trained after
    their end.
    """

    def __init__(self, rates: np.ndarray) -> None:
        super().__init__()
        self._rates, self._step = rates, 0

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self._step += 1
        self.model.optimizer.learning_rate = self._rates[self._step]


@dataclass(frozen=True)
class Plan:
    """How a network is trained.

    `rates` are the learning rates before the first step and after each of them; None leaves the
    rate to the optimizer and the callbacks.
    """

    epochs: int
    batch_size: int
    seed: int
    initial_epoch: int = 0
    callbacks: Sequence[keras.callbacks.Callback] = ()
    rates: np.ndarray | None = None
    mixing: Mixing | None = None
    verbose: int = 0


def train(
    network: keras.Model, training: Examples, validation: Examples | None, plan: Plan
) -> tuple[dict[str, list[float]], list[float]]:
    """Train a compiled network and return its history and the seconds of each epoch."""
    failures: list[Exception] = []
    timer = EpochTimer()
    follow = [] if plan.rates is None else [FollowRates(plan.rates)]
    pipeline = _Pipeline(failures, plan.batch_size)
    try:
        history = network.fit(
            pipeline.epochs(training, plan),
            steps_per_epoch=n_batches(training, plan.batch_size),
            validation_data=None if validation is None else pipeline.one_pass(validation),
            initial_epoch=plan.initial_epoch,
            epochs=plan.initial_epoch + plan.epochs,
            shuffle=False,  # the pipeline shuffles
            callbacks=[timer, *follow, *plan.callbacks],
            verbose=plan.verbose,
        )
    except tf.errors.OpError:
        # TensorFlow wraps what went wrong while a batch was made in an error of its own.
        if failures:
            raise failures[0] from None
        raise
    return as_lists(history), timer.seconds


def build_metrics(network: keras.Model, targets: np.ndarray) -> None:
    """Let metrics make their variables now: made while a step is traced, they have it traced twice.

    `targets` are any that the network is to be trained on.
    """
    outputs = np.zeros((1, *network.output_shape[1:]), np.float32)
    with network.distribute_strategy.scope():
        network.compute_metrics(None, targets[:1], outputs)
        network.reset_metrics()


def untuned(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Return a dataset whose speed TensorFlow does not tune.

    There is nothing to be tuned in ours, and the thread that tunes sleeps for up to a minute at a
    time: a fit that has taken about as long would wait at its end for the thread to wake up.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def as_lists(history: keras.callbacks.History) -> dict[str, list[float]]:
    """Return the numbers of each epoch by name, as plain floats."""
    return {name: list(map(float, values)) for name, values in history.history.items()}


def n_batches(examples: Examples, batch_size: int) -> int:
    """Return the number of batches in an epoch."""
    return -(-len(examples) // batch_size)


@dataclass(frozen=True)
class _Pipeline:
    """Makes tf.data pipelines, and keeps what goes wrong in them in `failures`."""

    failures: list[Exception]
    batch_size: int

    def epochs(self, examples: Examples, plan: Plan) -> tf.data.Dataset:
        """Yield the batches of one shuffled epoch after another, without end."""

        def batches() -> Iterator[tuple]:
            step = itertools.count(plan.initial_epoch * n_batches(examples, self.batch_size))
            for epoch in itertools.count(plan.initial_epoch):
                order = np.random.default_rng((plan.seed, epoch)).permutation(len(examples))
                for batch in examples.batches(order, self.batch_size, epoch):
                    yield self._mixed(batch, plan, next(step))

        first = self._mixed(examples.first(), plan, 0)
        return self._dataset(first, batches, tf.data.INFINITE_CARDINALITY)

    def one_pass(self, examples: Examples) -> tf.data.Dataset:
        """Yield the batches of every example once, in order."""

        def batches() -> Iterator[tuple]:
            return examples.batches(np.arange(len(examples)), self.batch_size, 0)

        return self._dataset(
            examples.first(),
            batches,
            n_batches(examples, self.batch_size),
        )

    def _mixed(self, batch: tuple, plan: Plan, step: int) -> tuple:
        """Mix the rows of a batch, if that is planned."""
        return batch if plan.mixing is None else plan.mixing.mix(*batch, seed=plan.seed, step=step)

    def _dataset(
        self, first: tuple, batches: Callable[[], Iterator[tuple]], cardinality: int
    ) -> tf.data.Dataset:
        """Make a dataset of batches of any length that are like the first."""

        def guarded() -> Iterator[tuple]:
            try:
                yield from batches()
            except Exception as error:
                self.failures.append(error)
                raise

        signature = tuple(tf.TensorSpec((None, *part.shape[1:]), part.dtype) for part in first)
        dataset = tf.data.Dataset.from_generator(guarded, output_signature=signature)
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(cardinality)).prefetch(2)
        return untuned(dataset)
