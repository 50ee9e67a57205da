"""export_onnx: a Model as an ONNX file, layer by layer, its arrays bit for bit."""

import os
from typing import Any

import numpy as np

from minprune import arguments
from minprune.core import Array, Arrays
from minprune.deploy import onnx_file
from minprune.deploy.onnx_file import OPSETS, Graph
from minprune.deploy.onnx_layers import WRITTEN, Written
from minprune.deploy.onnx_patterns import Call, Op, pattern
from minprune.errors import ArgumentError
from minprune.nets.model import Model, is_model
from minprune.nets.net import INPUT
from minprune.sparse.convert import densify

OUTPUT = "output"


def export_onnx(model: Model, path: str | os.PathLike[str], opset: int = 17) -> None:
    """Write a model as an ONNX file of IR version 8, for any number of samples.

    Each layer becomes one operator, or a few (GELU, SiLU, GroupNorm, GlobalAvgPool), with its name;
    arrays are written bit for bit, BatchNorm stays a layer, and sparse layers are made dense. The
    input is called "input", the output "output", in the dtype of the model. Masks are not written,
    since masked weights are 0: mp.compact(model) first makes the file smaller. The extra `onnx`
    must be installed.

    Parameters
    ----------
    model : Model
        Any, of layers of minprune.
    path : str or Path
        The file; it is written whole or not at all.
    opset : {17, 18}
        The version of the operators.

    Raises
    ------
    ArgumentError
        If model is no Model, opset is another, or a layer has no ONNX form: one of your own.
    FileError
        If the file cannot be written, or would have more than 2 GB.
    MissingError
        If the package onnx is not installed.

    Examples
    --------
    >>> import minprune as mp
    >>> model = mp.zoo.mlp(((4,), 2), (3,))
    >>> mp.export_onnx(model, "net.onnx")
    >>> bool((mp.from_onnx("net.onnx").params["fc1.weight"] == model.params["fc1.weight"]).all())
    True
    """
    is_model(model, "export_onnx")
    arguments.choice("export_onnx", "opset", opset, OPSETS)
    dense = densify(model)
    net, writer = dense.net, _Writer(dense.dtype)
    values = {INPUT: INPUT}
    for node in net.nodes:
        rule = WRITTEN.get(type(node.layer))
        if rule is None:
            raise ArgumentError(
                f"{node.name}: {type(node.layer).__name__} has no ONNX form, as a layer of your "
                f"own; use layers of minprune in its place"
            )
        p = node.layer.own(node.name, dense.params | dense.buffers)
        written = rule(node.layer, [net.shapes[i] for i in node.inputs], p)
        last = node is net.nodes[-1]
        reads = [values[i] for i in node.inputs]
        values[node.name] = writer.layer(node.name, written, p, reads, last)
    graph = Graph(
        tuple(writer.ops), writer.constants, INPUT, net.input_shape, OUTPUT, None, net.loss
    )
    onnx_file.write(path, graph, net.shapes[net.nodes[-1].name], opset)


class _Writer:
    """Gathers the ops and constants of one layer after another"""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self.ops: list[Op] = []
        self.constants: Arrays = {}

    def layer(self, name: str, written: Written, p: Arrays, reads: list[str], last: bool) -> str:
        """Write the ops of a pattern; the name of what the last one makes"""
        self.name, self.written, self.reads = name, written, reads
        self.arrays = {k: a.reshape(written.shapes.get(k, a.shape)) for k, a in p.items()}
        self.arrays |= written.arrays
        self.count: dict[str, int] = {}
        call = pattern(written.pattern)
        return self.op(call, name, OUTPUT if last else f"{name}/{call.kind}")

    def op(self, call: Call, name: str, to: str) -> str:
        given = [self.value(arg) for arg in call.args]
        inputs = self.reads if call.args == ("x...",) else [i for i in given if i]
        at = call.at | {k: _plain(v) for k, v in self.written.at.get(call.kind, {}).items()}
        self.ops.append(Op(name, call.kind, tuple(inputs), (to,), at))
        return to

    def value(self, arg: Any) -> str:
        """The name of the value of an argument; "" for one that is absent"""
        if isinstance(arg, Call):
            known = self.count[arg.kind] = self.count.get(arg.kind, 0) + 1
            name = f"{self.name}/{arg.kind}_{known}"
            return self.op(arg, name, name)
        if isinstance(arg, int | float):
            return self.constant(f"{self.name}/{arg:g}", np.array(arg, self.dtype))
        if arg in ("x", "y"):
            return self.reads[("x", "y").index(arg)]
        word = arg.rstrip("?")
        if word not in self.arrays:
            return ""
        return self.constant(f"{self.name}.{word}", self.arrays[word])

    def constant(self, name: str, a: Array) -> str:
        self.constants[name] = a
        return name


def _plain(v: Any) -> Any:
    return list(v) if isinstance(v, tuple) else v
