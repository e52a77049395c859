"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["replacing"]


@contextlib.contextmanager
def replacing(target: Path, temporary: Path | None = None) -> Iterator[Path]:
    """Let `temporary`, in the folder of `target`, be written; without an error it becomes that.

    By default it is a file of this process alone.
    """
    temporary = temporary or target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        yield temporary
        with temporary.open("rb+") as stream:
            os.fsync(stream)  # or else a power cut could leave the name without the content
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
