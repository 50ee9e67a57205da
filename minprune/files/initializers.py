"""The initializers of an ONNX file, by the package onnx; files beside it are not opened."""

from typing import Any, BinaryIO

from minprune.core import Arrays
from minprune.errors import FileError, MissingError


def read(f: BinaryIO) -> Arrays:
    """{name: array} of all initializers; raises MissingError without onnx, FileError otherwise"""
    try:
        from onnx import TensorProto, load, numpy_helper
    except ImportError:
        raise MissingError(
            "reading an .onnx file needs the package onnx; install it by pip install minprune[onnx]"
        ) from None
    found: Any = load(f, load_external_data=False).graph.initializer
    for tensor in found:
        if tensor.data_location == TensorProto.EXTERNAL:
            raise FileError(
                f"{tensor.name}: its numbers must be in the file, not in another one; save the "
                f"model by onnx.save_model without external data"
            )
    return {tensor.name: numpy_helper.to_array(tensor).copy() for tensor in found}
