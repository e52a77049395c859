"""Figures of the long tests of reliability, kept for whoever reports on them."""

from __future__ import annotations

import os
from pathlib import Path

from sktransfer.evaluation._environment import describe_environment
from sktransfer.evaluation._record import write_json


def record(name: str, **figures: object) -> None:
    """Write `<name>.json` into the folder that SKTRANSFER_RELIABILITY_DIR names, if it does."""
    if folder := os.environ.get("SKTRANSFER_RELIABILITY_DIR"):
        write_json(Path(folder, f"{name}.json"), {**describe_environment(), "figures": figures})
