"""The initializers of an ONNX file, by the package onnx; files beside it are not opened."""

from typing import Any, BinaryIO

import numpy as np

from minprune.core import Arrays
from minprune.errors import FileError, MissingError


def read(f: BinaryIO) -> Arrays:
    """{name: array} of all initializers; raises MissingError without onnx, FileError otherwise"""
    try:
        from onnx import TensorProto, load, numpy_helper
    except ImportError:
        raise MissingError(
            "reading an .onnx file needs the package onnx; install it by pip install "
            "'minprune[onnx]'"
        ) from None
    found: Arrays = {}
    for tensor in load(f, load_external_data=False).graph.initializer:
        if tensor.data_location == TensorProto.EXTERNAL:
            raise FileError(
                f"{tensor.name}: its numbers must be in the file, not in another one; save the "
                f"model by onnx.save_model without external data"
            )
        a: Any = numpy_helper.to_array(tensor)
        if tensor.data_type == TensorProto.BFLOAT16:
            a = a.astype(np.float32)
        if a.dtype.kind not in "biufc":
            raise FileError(
                f"{tensor.name}: must hold numbers, not {a.dtype}; export the model without it"
            )
        if tensor.name in found:
            raise FileError(f"{tensor.name}: must be one array, not two; export the model again")
        found[tensor.name] = a.copy()
    return found
