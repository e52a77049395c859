"""Figures of the long tests of reliability, kept for whoever reports on them."""

from __future__ import annotations

import json
import os
from pathlib import Path


def record(name: str, **figures: object) -> None:
    """Write `<name>.json` into the folder that SKTRANSFER_RELIABILITY_DIR names, if it does."""
    if folder := os.environ.get("SKTRANSFER_RELIABILITY_DIR"):
        path = Path(folder)
        path.mkdir(parents=True, exist_ok=True)
        (path / f"{name}.json").write_text(json.dumps(figures, indent=2) + "\n")
