"""One Keras network in other engines for inference, each as a function of float32 batches."""

from __future__ import annotations

import math
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks._side_by_side import installed

Run = Callable[[np.ndarray], np.ndarray]
PACKAGES = ("onnxruntime", "openvino", "tf2onnx", "torch")


def multiply_adds(network) -> int:
    """Count the multiply-adds of an image in convolutions and dense layers."""
    return sum(
        math.prod(layer.kernel.shape) * math.prod(layer.output.shape[1:-1])
        for layer in network.layers
        if hasattr(layer, "kernel")
    )


def other_engines(network) -> dict[str, Run]:
    """Return the network in each engine that is installed and can hold it."""
    network(np.zeros((1, *network.input_shape[1:]), np.float32))  # Keras exports what was called
    engines: dict[str, Run] = {}
    if installed("ONNX Runtime", "onnxruntime", "tf2onnx"):
        engines["ONNX Runtime"] = in_onnx_runtime(network)
    if installed("OpenVINO", "openvino"):
        engines |= {f"OpenVINO, {kind}": in_openvino(network, kind) for kind in ("f32", "bf16")}
    if installed("PyTorch", "torch"):
        from benchmarks._torch_port import is_chain, port

        if is_chain(network):
            engines["PyTorch"] = port(network)
    return engines


def in_onnx_runtime(network) -> Run:
    """Convert a SavedModel in a process of its own: Keras' own export loses captured constants."""
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder:
        network.export(folder, format="tf_saved_model", verbose=False)
        file = str(Path(folder, "network.onnx"))
        convert = [sys.executable, "-m", "tf2onnx.convert", "--saved-model", folder]
        subprocess.run([*convert, "--output", file], check=True, capture_output=True)
        session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda batch: session.run(None, {name: batch})[0]


def in_openvino(network, precision: str) -> Run:
    """Convert a SavedModel, and compile it for speed in a precision (its default is bf16)."""
    import openvino

    with tempfile.TemporaryDirectory() as folder:
        network.export(folder, format="tf_saved_model", verbose=False)
        converted = openvino.convert_model(folder)
        options = {"INFERENCE_PRECISION_HINT": precision}
        compiled = openvino.Core().compile_model(converted, "CPU", options)
    return lambda batch: compiled(batch)[0]
