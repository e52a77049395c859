"""Forked processes: networks run in none whose parent has run one before."""

from __future__ import annotations

import os

_process: int | None = None
"""The first process to run a network, of this one and those that it was forked from."""


def refuse_fork() -> None:
    """Raise where TensorFlow would wait for ever, before it is called.

    A fork takes along what TensorFlow knows of its threads, but not the threads. Its parent may
    have imported TensorFlow, but not used it.

    Raises
    ------
    RuntimeError
        If a process that this one was forked from has passed here before.
    """
    global _process
    if _process is None:
        _process = os.getpid()
    if _process != os.getpid():
        raise RuntimeError(
            "TensorFlow has run in the process that this one was forked from, and would hang in "
            'this one. Start processes afresh: by joblib\'s "loky", or by the "spawn" or '
            '"forkserver" of multiprocessing, as in multiprocessing.get_context("spawn").Pool()'
        )
