"""Calls in a process of their own, where nothing is cached and no memory is used yet."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

MEBIBYTE = 2**20


def in_fresh_process(function: Callable, *arguments) -> Any:
    """Return what a function of a module returns in a newly started process."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(function, *arguments).result()


def memory_now() -> float:
    """Resident memory of this process in MiB (Linux)."""
    return _status("VmRSS")


def memory_peak() -> float:
    """Most resident memory that this process has had so far, in MiB (Linux)."""
    return _status("VmHWM")


def _status(name: str) -> float:
    """Read one of the kernel's figures about this process."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024 / MEBIBYTE
    raise RuntimeError(f"/proc/self/status has no {name}")
