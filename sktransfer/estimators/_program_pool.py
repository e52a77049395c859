"""Programs that wait for the next network of their architecture: tracing one takes seconds."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import keras
import numpy as np

from sktransfer._seeding import build_lock
from sktransfer.estimators._architecture import architecture_of, network_of, training_of
from sktransfer.estimators._program import Program

MOST_PROGRAMS = 16
MOST_BYTES = 1 << 28
"""What the numbers of waiting programs may take; the last one used waits however large it is."""

_waiting: list[tuple[tuple, Program]] = []  # the last used last
_lock = threading.Lock()


@contextmanager
def borrowed_program(
    network: keras.Model, n_features: int, targets: np.ndarray
) -> Iterator[Program]:
    """Lend a program that starts with the numbers of a compiled network, and ends in them.

    Whether it is fresh or used makes no difference to what comes out. Where something goes wrong
    meanwhile, the network stays as it was, and the program is dropped.
    """
    key = (architecture_of(network), training_of(network), targets.dtype, targets.shape[1:])
    program = _take(key) or _build(network, key[0], n_features, targets)
    network.optimizer.build(network.trainable_variables)
    _copy_numbers(network, program)
    yield program
    _copy_numbers(program, network)
    program.unload()
    _put_back(key, program)


def _take(key: tuple) -> Program | None:
    """Take a waiting program out of the pool."""
    with _lock:
        for position in reversed(range(len(_waiting))):
            if _waiting[position][0] == key:
                return _waiting.pop(position)[1]
    return None


def _put_back(key: tuple, program: Program) -> None:
    """Let a program wait, and drop those that have waited longest where there are too many."""
    with _lock:
        _waiting.append((key, program))
        while len(_waiting) > MOST_PROGRAMS or (
            len(_waiting) > 1 and sum(_size(waiting) for _, waiting in _waiting) > MOST_BYTES
        ):
            del _waiting[0]


def _build(
    network: keras.Model, architecture: str, n_features: int, targets: np.ndarray
) -> Program:
    """Make a program that trains as a network would."""
    with build_lock:
        layers = network_of(architecture)
        program = Program(layers.input, layers.output)
        program.compile_from_config(network.get_compile_config())
    program.optimizer.build(program.trainable_variables)
    program.make_room(n_features, targets)
    return program


def _copy_numbers(source: keras.Model, target: keras.Model) -> None:
    """Copy all variables of a network and of its optimizer."""
    for variables, values in (
        (target.variables, source.variables),
        (target.optimizer.variables, source.optimizer.variables),
    ):
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)


def _size(program: Program) -> int:
    """Return the bytes of a program's numbers."""
    variables = [*program.variables, *program.optimizer.variables]
    return sum(4 * math.prod(variable.shape) for variable in variables)
