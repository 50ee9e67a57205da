"""run_onnx: an ONNX file as a function, by onnxruntime, or slowly by the package onnx."""

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from minprune.core import Array
from minprune.deploy.onnx_file import package

Run = Callable[[Array], Array]


def run_onnx(path: str | os.PathLike[str]) -> tuple[str, Run]:
    """("onnxruntime 1.20.0", x -> outputs), on one thread      x: (n, ...) -> (n, outputs)"""
    session: Any
    try:
        import onnxruntime
    except ImportError:
        onnx = package("export --check")
        from onnx.reference import ReferenceEvaluator

        session = ReferenceEvaluator(os.fspath(path))
        runtime, given = f"onnx {onnx.__version__}", session.input_names[0]
    else:
        how = onnxruntime.SessionOptions()
        how.intra_op_num_threads = how.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(os.fspath(path), how, ["CPUExecutionProvider"])
        runtime, given = f"onnxruntime {onnxruntime.__version__}", session.get_inputs()[0].name
    return runtime, lambda x: np.asarray(session.run(None, {given: x})[0])
