"""The ONNX files that Python packages carry, found and opened without importing those packages."""

import importlib.util
from pathlib import Path
from typing import Any

import onnxruntime

from inferometer.errors import InferometerError


def package_file(package: str, *parts: str) -> Path:
    """Where a file of an installed package lies.

    Raises:
        InferometerError: the package, or that file in it, is not installed.
    """
    spec = importlib.util.find_spec(package)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    for folder in folders:
        if (path := Path(folder, *parts)).is_file():
            return path
    raise InferometerError(
        f"the demo needs {'/'.join(parts)} of the package {package.replace('_', '-')}: "
        'pip install "inferometer[demo] @ file:///path/to/the/checkout"'
    )


def open_session(path: Path, *, optimised: bool = True) -> Any:
    """An inference session on one thread, so that its time is one core's time.

    Args:
        path: The ONNX file.
        optimised: Whether onnxruntime may rewrite the graph; without it the same model is slower.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimised else levels.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
