"""A task in a process of its own, which may take so much time and memory and no more."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cloudpickle
import psutil

__all__ = ["LimitExceeded", "Limits", "ProcessDied"]

LOOKING_SECONDS = 0.1
"""Between two looks at the process."""


class LimitExceeded(RuntimeError):
    """A task took longer, or more memory, than it may."""


class ProcessDied(RuntimeError):
    """The process of a task ended before the task did."""


@dataclass(frozen=True)
class Limits:
    """What a task may take; None is no limit."""

    seconds: float | None = None
    mebibytes: float | None = None

    def __post_init__(self) -> None:
        for name, value in (("time_limit", self.seconds), ("memory_limit", self.mebibytes)):
            if value is not None and not value > 0:
                raise ValueError(f"{name} must be greater than 0, got {value!r}")

    def run(self, task: Callable[[], Any]) -> Any:
        """Return what a task returns; with a limit, it runs in a process of its own.

        Raises
        ------
        LimitExceeded
            If the process was killed because of a limit.
        ProcessDied
            If it ended in another way, such as by the system's want of memory.
        """
        if self.seconds is None and self.mebibytes is None:
            return task()
        with tempfile.TemporaryDirectory(prefix="sktransfer-") as folder:
            question, answer = Path(folder, "question"), Path(folder, "answer")
            question.write_bytes(cloudpickle.dumps(task))
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "sktransfer.evaluation._isolated",
                    *(question, answer, str(os.getpid())),
                ],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                start_new_session=True,  # Ctrl-C is for us, and so are the process' own children
            )
            try:
                self._watch(process)
            finally:
                _kill(process)
            if not answer.exists():
                raise ProcessDied(f"the cell's process ended with code {process.returncode}")
            return cloudpickle.loads(answer.read_bytes())

    def _watch(self, process: subprocess.Popen) -> None:
        """Wait for a process; raise an error once it exceeds a limit."""
        deadline = time.monotonic() + (self.seconds or float("inf"))
        while process.poll() is None:
            if time.monotonic() > deadline:
                raise LimitExceeded(f"time_limit: took more than {self.seconds:g} s")
            try:
                used = _memory(psutil.Process(process.pid))
            except psutil.Error:  # one of them has just ended
                continue
            if self.mebibytes is not None and used > self.mebibytes:
                raise LimitExceeded(f"memory_limit: took more than {self.mebibytes:g} MiB")
            time.sleep(LOOKING_SECONDS)


def _memory(process: psutil.Process) -> float:
    """Return the mebibytes that a process and its children hold."""
    family = [process, *process.children(recursive=True)]
    return sum(member.memory_info().rss for member in family) / 2**20


def _kill(process: subprocess.Popen) -> None:
    """End a process, and its children, which may have outlived it."""
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()
