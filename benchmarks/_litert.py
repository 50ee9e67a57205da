"""TensorFlow Lite files of dense nets, float32 and int8, without TensorFlow: the peer's own format.

A net is a list of (weight, bias, whether a ReLU follows). int8 as the format says: weights with a
scale for each row, activations with a zero point, biases int32.
"""

from typing import Any

import numpy as np

from benchmarks.harness import peer
from minprune.core import Array

Layers = list[tuple[Array, Array, bool]]
FLOAT32, INT32, INT8 = 0, 2, 9  # of the format's TensorType
FULLY_CONNECTED, OPTIONS, RELU = 9, 8, 1


class File:
    """One graph under construction."""

    def __init__(self) -> None:
        self.schema = peer("ai_edge_litert.schema_py_generated")
        self.graph, self.model = self.schema.SubGraphT(), self.schema.ModelT()
        self.graph.tensors, self.graph.operators = [], []
        self.model.version, self.model.buffers = 3, [self.schema.BufferT()]  # the first is empty

    def tensor(
        self, kind: int, shape: tuple[int, ...], a: Array | None = None,
        scale: Any = None, zero: int = 0,
    ) -> int:  # fmt: skip
        """The number of a tensor, constant with an array"""
        t = self.schema.TensorT()
        t.type, t.shape, t.name = kind, list(shape), f"t{len(self.graph.tensors)}"
        if a is not None:
            held = self.schema.BufferT()
            held.data = np.frombuffer(a.tobytes(), np.uint8)
            self.model.buffers.append(held)
            t.buffer = len(self.model.buffers) - 1
        if scale is not None:
            q = self.schema.QuantizationParametersT()
            q.scale = np.atleast_1d(scale).astype(np.float32)
            q.zeroPoint = np.full(q.scale.size, zero, np.int64)
            t.quantization = q
        self.graph.tensors.append(t)
        return len(self.graph.tensors) - 1

    def dense(self, x: int, w: int, b: int, y: int, relu: bool) -> None:
        op, how = self.schema.OperatorT(), self.schema.FullyConnectedOptionsT()
        how.fusedActivationFunction = RELU if relu else 0
        op.inputs, op.outputs = [x, w, b], [y]
        op.builtinOptionsType, op.builtinOptions = OPTIONS, how
        self.graph.operators.append(op)

    def packed(self, x: int, y: int) -> bytes:
        code = self.schema.OperatorCodeT()
        code.deprecatedBuiltinCode = code.builtinCode = FULLY_CONNECTED
        code.version = 5 if self.graph.tensors[0].type == INT8 else 1
        self.graph.inputs, self.graph.outputs = [x], [y]
        self.model.operatorCodes, self.model.subgraphs = [code], [self.graph]
        builder = peer("flatbuffers").Builder(0)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def float32(layers: Layers) -> bytes:
    """The file of a net in float32"""
    file = File()
    first = x = file.tensor(FLOAT32, (1, layers[0][0].shape[1]))
    for w, b, relu in layers:
        held = [file.tensor(FLOAT32, a.shape, a.astype(np.float32)) for a in (w, b)]
        y = file.tensor(FLOAT32, (1, len(w)))
        file.dense(x, *held, y, relu)
        x = y
    return file.packed(first, x)


def int8(layers: Layers, samples: Array) -> bytes:
    """The file of a net in int8, ranges from these samples (n, inputs)"""
    file, values = File(), samples
    scale, zero = _range(values)
    first = x = file.tensor(INT8, (1, values.shape[1]), None, scale, zero)
    for w, b, relu in layers:
        values = values @ w.T + b
        values = np.maximum(values, 0) if relu else values
        each = np.maximum(np.abs(w).max(axis=1), 1e-12) / 127
        q = np.rint(w / each[:, None]).astype(np.int8)
        bias = np.rint(b / (scale * each)).astype(np.int32)
        held = file.tensor(INT8, w.shape, q, each), file.tensor(INT32, b.shape, bias, scale * each)
        scale, zero = _range(values)
        y = file.tensor(INT8, (1, len(w)), None, scale, zero)
        file.dense(x, *held, y, relu)
        x = y
    return file.packed(first, x)


def _range(values: Array) -> tuple[float, int]:
    """Scale and zero point of a tensor of int8"""
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    scale = (high - low) / 255
    return scale, round(-low / scale) - 128


def interpreter(content: bytes) -> Any:
    """One that is ready, on one thread"""
    made = peer("ai_edge_litert.interpreter").Interpreter(model_content=content, num_threads=1)
    made.allocate_tensors()
    return made


def call(made: Any, x: Array) -> Array:
    """The outputs of one sample (1, inputs), in the file's own numbers"""
    (given,), (found,) = made.get_input_details(), made.get_output_details()
    made.set_tensor(given["index"], x)
    made.invoke()
    y: Array = made.get_tensor(found["index"])
    return y
