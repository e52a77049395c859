"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["replacing"]


@contextlib.contextmanager
def replacing(target: Path, temporary: Path) -> Iterator[Path]:
    """Let `temporary`, in the folder of `target`, be written; without an error it becomes that."""
    try:
        yield temporary
        with temporary.open("rb+") as stream:
            os.fsync(stream)  # or else a power cut could leave the name without the content
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
