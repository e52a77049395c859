"""Seeding what Keras draws while a network is built, without a trace."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sktransfer._forks import refuse_fork

build_lock = threading.RLock()
"""Held while networks are built: Keras counts layer names and draws seeds globally."""


@contextmanager
def seeded_build(seed: int) -> Iterator[None]:
    """Seed the initializers and dropout layers of the networks that are built within.

    They take their seeds from Python's own generator, the only global state that is touched. It is
    put back afterwards, and a lock lets threads build at once.
    """
    refuse_fork()  # before the lock, which another thread may have held as the process forked
    with build_lock:
        state = random.getstate()
        random.seed(seed)
        try:
            yield
        finally:
            random.setstate(state)
