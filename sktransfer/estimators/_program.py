"""A network that trains on features which lie where it runs, many steps in each execution."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

MOST_STEPS = 64
CHUNK_BYTES = 1 << 22
"""Features that are gathered for one execution: enough to hide what starting it costs."""


def steps_per_execution(batch_size: int, n_features: int) -> int:
    """Return the number of steps in an execution, the same on every machine."""
    return min(MOST_STEPS, max(1, CHUNK_BYTES // (4 * n_features * batch_size)))


@keras.saving.register_keras_serializable("sktransfer")  # for callbacks that save it
class Program(keras.Model):
    """A network whose `fit` takes the numbers of batches in place of the batches.

    Features, targets, weights and the order of an epoch are variables: a batch is gathered, and a
    step taken, without Python. Full batches are all of one shape, and run in a loop that XLA
    compiles, unless there is dropout; it would compile anew for the shape of a shorter last batch,
    which runs without it.

    All else is Keras' own: the loop over epochs, callbacks, evaluation and prediction of batches.
    """

    def make_room(self, n_features: int, targets: np.ndarray) -> None:
        """Make the variables, for any number of rows with targets like these."""

        def room(shape: tuple[int, ...], dtype: np.dtype | type) -> tf.Variable:
            return tf.Variable(np.empty((0, *shape), dtype), trainable=False, shape=(None, *shape))

        self._features = room((n_features,), np.float32)
        self._targets = room(targets.shape[1:], targets.dtype)
        self._weights = room((), np.float32)
        self._order = room((), np.int32)
        self._rate_factors = room((), np.float32)
        self._batch_size = tf.Variable(1, trainable=False)
        self._most_steps = tf.Variable(1, trainable=False)
        # Metrics make their variables of the first data they see, and a trace that makes variables
        # is made twice.
        outputs = self(np.zeros((1, n_features), np.float32))
        self.compute_metrics(None, np.zeros((1, *targets.shape[1:]), targets.dtype), outputs)
        batch = [tf.TensorSpec(data.shape, data.dtype) for data in self._data]
        # Traced once, for the loop as for the shorter batch.
        self._step = tf.function(self._take_step, autograph=False).get_concrete_function(
            *batch, tf.TensorSpec((), tf.float32)
        )
        self._loop = tf.function(
            self._take_steps, autograph=False, jit_compile=not self._has_dropout
        )

    @property
    def _has_dropout(self) -> bool:
        """Tell whether steps draw random numbers: in XLA that takes longer than all the rest."""
        return any(isinstance(layer, keras.layers.Dropout) and layer.rate for layer in self.layers)

    @property
    def _data(self) -> tuple[tf.Variable, ...]:
        """Return what a batch is gathered of."""
        return self._features, self._targets, self._weights

    def load(self, targets: np.ndarray, weights: np.ndarray, batch_size: int) -> None:
        """Take what is the same in every epoch."""
        self._targets.assign(targets)
        self._weights.assign(weights)
        self._batch_size.assign(batch_size)
        self._most_steps.assign(steps_per_execution(batch_size, self._features.shape[1]))

    def load_features(self, features: np.ndarray) -> None:
        """Take the features of all rows, as the epochs that follow see them."""
        self._features.assign(features)

    def load_epoch(self, order: np.ndarray, rate_factors: np.ndarray) -> None:
        """Take the order of an epoch's rows, and what the rate is multiplied by at each step."""
        self._order.assign(order)
        self._rate_factors.assign(rate_factors)

    def unload(self) -> None:
        """Let go of the data."""
        for variable in (*self._data, self._order, self._rate_factors):
            variable.assign(np.empty((0, *variable.shape[1:]), variable.dtype.as_numpy_dtype))

    def train_step(self, data: tf.Tensor) -> dict[str, tf.Tensor]:
        """Train on the epoch's batches of the numbers from `data[0]` to before `data[1]`."""
        first, stop = data[0], data[1]
        n_rows = tf.size(self._order)
        n_full = n_rows // self._batch_size
        tf.cond(first < n_full, lambda: self._run_full(first, tf.minimum(stop, n_full)), _nothing)
        shorter = n_rows > n_full * self._batch_size
        tf.cond(shorter & (stop > n_full), lambda: self._run_shorter(n_full), _nothing)
        return self.get_metrics_result()

    def _run_full(self, first: tf.Tensor, stop: tf.Tensor) -> tf.Tensor:
        """Take the steps of some full batches."""
        size, most = self._batch_size, self._most_steps
        rows = self._order[first * size : stop * size]
        # Filled up to one shape for any number of steps, for which XLA compiles once.
        rows = tf.pad(rows, [[0, most * size - tf.size(rows)]])
        factors = self._rate_factors[first:stop]
        factors = tf.pad(factors, [[0, most - tf.size(factors)]])
        batches = self._gather(tf.reshape(rows, (most, size)))
        return self._loop(*batches, factors, stop - first)

    def _run_shorter(self, number: tf.Tensor) -> tf.Tensor:
        """Take the step of the last batch, which is shorter."""
        rows = self._order[number * self._batch_size :]
        return self._step(*self._gather(rows), self._rate_factors[number])

    def _gather(self, rows: tf.Tensor) -> list[tf.Tensor]:
        return [tf.gather(data, rows) for data in self._data]

    def _take_steps(self, features, targets, weights, factors, n) -> tf.Tensor:
        def step(i):
            self._step(features[i], targets[i], weights[i], factors[i])
            return (i + 1,)

        return tf.while_loop(lambda i: i < n, step, (0,), parallel_iterations=1)[0]

    def _take_step(self, features, targets, weights, rate_factor) -> tf.Tensor:
        super().train_step((features, targets, weights))
        rate = self.optimizer.learning_rate
        rate.assign(rate * rate_factor)
        return _nothing()


def _nothing() -> tf.Tensor:
    """Return what branches of a graph must return, too, where they do nothing."""
    return tf.constant(0)
