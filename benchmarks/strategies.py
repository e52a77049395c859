"""Compare the strategies: ``python -m benchmarks.strategies`` is ``sktransfer bench``."""

from __future__ import annotations

import sys

from sktransfer.cli import main

if __name__ == "__main__":
    sys.exit(main(["bench", *sys.argv[1:]]))
