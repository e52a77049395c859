"""Networks run by OpenVINO, an optional installation."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import keras

LARGEST_BATCH = 32
"""Measured: what fits the processor's caches is faster than larger batches."""

HINTS = {"float32": "f32", "bfloat16": "bf16"}

OUT_OF_MEMORY = "alloc"
"""In what errors say where memory was not enough, which have a type in common with all others:
"std::bad_alloc", "Failed to allocate 402653184 bytes of memory", "can't alloc".
"""


def check_openvino() -> None:
    """Say how OpenVINO is to be had where it is missing."""
    if importlib.util.find_spec("openvino") is None:
        raise ImportError(
            'engine="openvino" needs OpenVINO, which is not installed: '
            'pip install "sktransfer[openvino]"'
        )


def run_with_openvino(network: keras.Model, precision: str) -> Callable[[np.ndarray], np.ndarray]:
    """Compile a network of float32 weights to a function of pixels, which threads may share."""
    import openvino

    core = openvino.Core()
    with tempfile.TemporaryDirectory() as folder:
        network.export(folder, format="tf_saved_model", verbose=False)
        # Not with OpenVINO's own converter: that reports each use to its makers.
        model = core.read_model(folder)

    @lru_cache(maxsize=4)
    def compiled(shape: tuple[int, ...]) -> openvino.CompiledModel:
        fixed = model.clone()
        fixed.reshape(list(shape))
        return core.compile_model(fixed, "CPU", {"INFERENCE_PRECISION_HINT": HINTS[precision]})

    def run(pixels: np.ndarray) -> np.ndarray:
        try:
            return compiled(pixels.shape).infer_new_request(pixels.astype(np.float32))[0]
        except RuntimeError as error:
            if OUT_OF_MEMORY in str(error):
                raise MemoryError(f"OpenVINO: {error}") from error
            raise

    return run
