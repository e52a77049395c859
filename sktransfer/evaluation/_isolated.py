"""The other side of `_isolation`: ``python -m sktransfer.evaluation._isolated QUESTION ANSWER``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import cloudpickle

if __name__ == "__main__":
    question, answer = map(Path, sys.argv[1:])
    unfinished = answer.with_suffix(".tmp")
    unfinished.write_bytes(cloudpickle.dumps(cloudpickle.loads(question.read_bytes())()))
    os.replace(unfinished, answer)
