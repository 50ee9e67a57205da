"""run_onnx: an ONNX file as a function, by onnxruntime, or slowly by the package onnx."""

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from minprune.core import Array
from minprune.deploy.onnx_file import package

Run = Callable[[Array], Array]


def run_onnx(path: str | os.PathLike[str]) -> tuple[str, Run]:
    """("onnxruntime 1.20.0", x -> outputs), on one thread      x: (n, ...) -> (n, outputs)

    The package onnx where onnxruntime is absent, or cannot run the file: it has few operators in
    float64.
    """
    session: Any
    try:
        import onnxruntime

        how = onnxruntime.SessionOptions()
        how.intra_op_num_threads = how.inter_op_num_threads = 1
        how.log_severity_level = 3
        session = onnxruntime.InferenceSession(os.fspath(path), how, ["CPUExecutionProvider"])
        runtime, given = f"onnxruntime {onnxruntime.__version__}", session.get_inputs()[0].name
    except Exception:  # its errors have no common class
        onnx = package("export --check")
        from onnx.reference import ReferenceEvaluator

        session = ReferenceEvaluator(os.fspath(path))
        runtime, given = f"onnx {onnx.__version__}", session.input_names[0]
    return runtime, lambda x: np.asarray(session.run(None, {given: x})[0])
