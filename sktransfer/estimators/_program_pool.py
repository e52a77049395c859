"""Programs that wait for the next network of their architecture: tracing one takes seconds."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import keras
import numpy as np

from sktransfer._forks import refuse_fork
from sktransfer._seeding import build_lock
from sktransfer.estimators._architecture import architecture_of, network_of, training_of
from sktransfer.estimators._distribution import scope_of
from sktransfer.estimators._program import Program
from sktransfer.estimators._updates import UpdateRules

_Network = TypeVar("_Network", bound=keras.Model)

MOST_PROGRAMS = 16
MOST_BYTES = 1 << 28
"""What the numbers of waiting programs may take; the last one used waits however large it is."""

_waiting: list[tuple[tuple, keras.Model]] = []  # the last used last
_lock = threading.Lock()


@contextmanager
def borrowed_program(
    network: keras.Model, n_features: int, targets: np.ndarray
) -> Iterator[Program]:
    """Lend a program in which a compiled network's numbers are trained on features."""
    architecture, training = architecture_of(network), training_of(network)

    def build() -> Program:
        with build_lock:
            layers = network_of(architecture)
            program = Program(layers.inputs[0], layers.outputs[0])
            program.compile_from_config(network.get_compile_config())
        UpdateRules().install(program)
        program.optimizer.build(program.trainable_variables)
        program.make_room(n_features, targets)
        return program

    with _borrowed((architecture, training, targets.dtype, targets.shape[1:]), network, build) as (
        program
    ):
        yield program
        program.unload()


@contextmanager
def borrowed_twin(
    network: keras.Model,
    rules: UpdateRules,
    starts: Sequence[np.ndarray],
    distribution: str | None = None,
) -> Iterator[keras.Model]:
    """Lend a network of the same layers in which a compiled network's numbers are trained.

    `starts` are what the rules pull the backbone's trainable weights to, if they do; with a
    `distribution` it trains on several devices.
    """
    architecture = architecture_of(network)
    trainable = tuple(weight.trainable for weight in network.weights)

    def build() -> keras.Model:
        with build_lock, scope_of(distribution):
            twin = network_of(architecture)
            for weight, moves in zip(twin.weights, trainable, strict=True):
                weight.trainable = moves
            twin.compile_from_config(network.get_compile_config())
            twin.pulled_to = rules.install(twin)
            twin.optimizer.build(twin.trainable_variables)
        return twin

    key = (architecture, training_of(network), trainable, rules, distribution)
    with _borrowed(key, network, build) as twin:
        for variable, value in zip(twin.pulled_to, starts, strict=True):
            variable.assign(value)
        yield twin


@contextmanager
def _borrowed(
    key: tuple, network: keras.Model, build: Callable[[], _Network]
) -> Iterator[_Network]:
    """Lend a network that starts with the numbers of another, which ends in those of this one.

    Whether it is fresh or used makes no difference to what comes out. Where something goes wrong
    meanwhile, the other stays as it was, and the one that was lent is dropped.
    """
    refuse_fork()
    lent = _take(key) or build()
    network.optimizer.build(network.trainable_variables)
    _copy_numbers(network, lent)
    yield lent
    _copy_numbers(lent, network)
    _put_back(key, lent)


def _take(key: tuple) -> Any:
    """Take a waiting program out of the pool."""
    with _lock:
        for position in reversed(range(len(_waiting))):
            if _waiting[position][0] == key:
                return _waiting.pop(position)[1]
    return None


def _put_back(key: tuple, program: keras.Model) -> None:
    """Let a program wait, and drop those that have waited longest where there are too many."""
    with _lock:
        _waiting.append((key, program))
        while len(_waiting) > MOST_PROGRAMS or (
            len(_waiting) > 1 and sum(_size(waiting) for _, waiting in _waiting) > MOST_BYTES
        ):
            del _waiting[0]


def _copy_numbers(source: keras.Model, target: keras.Model) -> None:
    """Copy all variables of a network and of its optimizer."""
    for variables, values in (
        (target.variables, source.variables),
        (target.optimizer.variables, source.optimizer.variables),
    ):
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)


def _size(program: keras.Model) -> int:
    """Return the bytes of a program's numbers."""
    variables = [*program.variables, *program.optimizer.variables]
    return sum(4 * math.prod(variable.shape) for variable in variables)
