"""Fits that outlive their process: what a fit knows is in a file until the fit has ended.

As an epoch begins, all that the epochs before it have made is written down. What is drawn in an
epoch follows from the seed and the epoch's number (order, augmentation, mixing), or is counted by
variables of the network (dropout). So a fit that goes on from the file ends with the bits of one
that was never cut off.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import joblib
import keras
import numpy as np
import tensorflow as tf
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state

import sktransfer
from sktransfer._replacing import replacing
from sktransfer.backbones._inference import load_ahead
from sktransfer.estimators._training import EpochTimer, Examples, as_lists

_NOT_COUNTED = ("cache", "callbacks", "checkpoint", "verbose", "warm_start")
"""Parameters that change nothing in what is trained, or, as callbacks, cannot be compared."""

_OF_EARLY_STOPPING = ("best", "best_epoch", "wait")

_BLOCK = 256
"""Rows that are hashed at a time."""


@dataclass(frozen=True)
class Progress:
    """What a fit knows as an epoch begins."""

    seed: int | None
    """What `random_state` is taken for where it is None."""
    stage: int = 0
    n_epochs: int = 0
    """Epochs of the stage that are done."""
    history: dict[str, list[float]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    stopping: dict[str, Any] = field(default_factory=dict)
    numbers: Sequence[np.ndarray] = ()
    """Of the network, of its optimizer, and of the best network where one is kept."""


class Checkpoint:
    """The file of one fit; without a path there is none, and nothing is kept."""

    def __init__(self, path: Path | None, random_state: Any) -> None:
        self._path = path
        found = None if path is None else _read(path)
        if found is None:
            drawn = random_state is None
            found = Progress(check_random_state(None).randint(2**31 - 1) if drawn else None)
        self._start = found
        self.random_state = random_state if found.seed is None else found.seed

    @classmethod
    def of(
        cls,
        estimator: BaseEstimator,
        training: Examples,
        validation: Examples | None,
        network: keras.Model | None,
    ) -> Checkpoint:
        """Open the file of a fit on such data, which starts from a network if there is one."""
        path = None
        if estimator.checkpoint is not None:
            name = _fingerprint(estimator, training, validation, network)
            path = Path(estimator.checkpoint, f"{name}.npz")
        return cls(path, estimator.random_state)

    @property
    def stage(self) -> int:
        """Number of the stage that the fit begins with; those before it are done."""
        return self._start.stage

    def enter(self, stage: int, history: dict[str, list[float]], seconds: list[float]) -> Progress:
        """Return how far a stage has come: its beginning, after so much, unless it was left."""
        if stage == self.stage and self._start.numbers:
            return self._start
        return Progress(self._start.seed, stage, history=history, seconds=seconds)

    def keepers(
        self, progress: Progress, stopping: keras.callbacks.EarlyStopping | None = None
    ) -> list[keras.callbacks.Callback]:
        """Return what keeps a stage: it stands before all callbacks that change anything."""
        return [] if self._path is None else [_Keeper(self._path, progress, stopping)]

    def remove(self) -> None:
        """Remove the file, as the fit has ended."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def check_folder(folder: str | os.PathLike[str] | None) -> None:
    """Make the folder for checkpoints, and refuse one that cannot be written to."""
    if folder is None:
        return
    if not os.fspath(folder):
        raise ValueError("checkpoint must be the path of a folder or None, got an empty path")
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise ValueError(
            f"checkpoint={os.fspath(folder)!r} must be a folder that can be written to: {error}"
        ) from error


class _Keeper(EpochTimer):
    """Takes a stage up where it was left, and writes down how far it is as each epoch begins."""

    def __init__(
        self, path: Path, progress: Progress, stopping: keras.callbacks.EarlyStopping | None
    ) -> None:
        super().__init__()
        self._path, self._before, self._stopping = path, progress, stopping

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        if self._before.numbers and not self.seconds:
            self._restore()
        _write(self._path, self._progress())
        super().on_epoch_begin(epoch, logs)

    def _variables(self) -> list[keras.Variable]:
        return [*self.model.variables, *self.model.optimizer.variables]

    def _restore(self) -> None:
        numbers = iter(self._before.numbers)
        for variable in self._variables():
            variable.assign(next(numbers))
        if self._stopping is not None:
            vars(self._stopping).update(self._before.stopping, best_weights=list(numbers) or None)

    def _progress(self) -> Progress:
        before, history = self._before, as_lists(self.model.history)
        numbers = [variable.numpy() for variable in self._variables()]
        stopping = {}
        if self._stopping is not None:
            stopping = {name: getattr(self._stopping, name) for name in _OF_EARLY_STOPPING}
            numbers += self._stopping.best_weights or []
        return dataclasses.replace(
            before,
            n_epochs=before.n_epochs + len(self.seconds),
            history={
                name: before.history.get(name, []) + history.get(name, [])
                for name in before.history | history
            },
            seconds=before.seconds + self.seconds,
            stopping=stopping,
            numbers=numbers,
        )


def _write(path: Path, progress: Progress) -> None:
    """Write a file whole, in the place of the one before, or say why that is not possible."""
    facts = {**vars(progress), "numbers": len(progress.numbers)}
    try:
        # Its name is always the same, so that nothing piles up where processes are killed.
        with (
            replacing(path, path.with_suffix(".part")) as unfinished,
            unfinished.open("wb") as file,
        ):
            np.savez(file, *progress.numbers, facts=np.array(json.dumps(facts)))
    except OSError as error:
        warnings.warn(
            f"The checkpoint {path} could not be written, and training goes on without: {error}",
            stacklevel=2,
        )


def _read(path: Path) -> Progress | None:
    """Read a file, if there is one that is sound."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            facts = json.loads(archive["facts"].item())
            numbers = [archive[f"arr_{number}"] for number in range(facts["numbers"])]
        return Progress(**{**facts, "numbers": numbers})
    except FileNotFoundError:
        return None
    except Exception as error:  # damage makes NumPy and zipfile raise errors of many kinds
        warnings.warn(
            f"The checkpoint {path} is damaged, and training starts anew: {error}", stacklevel=2
        )
        return None


def _fingerprint(
    estimator: BaseEstimator,
    training: Examples,
    validation: Examples | None,
    network: keras.Model | None,
) -> str:
    """Return a name for all that decides what comes out of a fit."""
    digest = hashlib.sha256()
    parameters = estimator.get_params(deep=False)
    for part in (
        [library.__version__ for library in (sktransfer, keras, tf)],
        type(estimator).__qualname__,
        *((name, parameters[name]) for name in sorted({*parameters} - {*_NOT_COUNTED})),
        *_parts(training),
        *(() if validation is None else _parts(validation)),
        *(() if network is None else (variable.numpy() for variable in network.variables)),
    ):
        digest.update(joblib.hash(part).encode())
    return digest.hexdigest()[:32]


def _parts(examples: Examples) -> Iterator[Any]:
    """Yield the data of examples, images by their pixels, from wherever they come."""
    yield len(examples), examples.targets, examples.sample_weight
    for _, rows in load_ahead(examples.rows.take, len(examples), _BLOCK):
        yield rows
