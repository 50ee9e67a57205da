"""The door to the package onnx: a Graph of ops and constants, from a file and to one."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minprune import arguments
from minprune.core import Array, Arrays
from minprune.deploy.onnx_patterns import Op
from minprune.errors import FileError, MissingError
from minprune.files.atomic import write_atomic
from minprune.nets.layer import Shape

IR = 8  # the version of the format that is written
OPSETS = (17, 18)  # the versions of the operators that IR 8 may hold, and of which ours are
OLDEST = 7  # from here on broadcasting is as in NumPy
LIMIT = 2**31 - 2**16  # bytes of a file: protobuf has 2 GB, a part of which is for the graph
LOSS = "minprune.loss"  # the key of the loss among the notes of a file


@dataclass(frozen=True)
class Graph:
    """ops in order, and constants by name; input_shape without the batch, None for a free axis

    batch: how many samples it takes, None for any number; loss: that of the net, "" if not told.
    """

    ops: tuple[Op, ...]
    constants: Arrays
    input: str
    input_shape: tuple[int | None, ...]
    output: str
    batch: int | None = None
    loss: str = ""


def package(owner: str) -> Any:
    """The package onnx; raises MissingError where it is not installed."""
    try:
        import onnx
        import onnx.checker
        import onnx.inliner
    except ImportError:
        raise MissingError(
            f"{owner}: must have the package onnx, which is not installed; pip install "
            f"'minprune[onnx]'"
        ) from None
    return onnx


def read(path: str | os.PathLike[str], owner: str = "from_onnx") -> Graph:
    """The graph of a file; raises FileError for a file that is none, or has several inputs."""
    onnx, file = package(owner), arguments.file_path(owner, "path", path)
    model = _model(onnx, file)
    graph = model.graph
    texts = [t.name for t in (*graph.initializer, *graph.input, *graph.output)]
    texts += [p.key for p in model.metadata_props] + [p.value for p in model.metadata_props]
    for node in graph.node:
        texts += [
            node.name,
            node.op_type,
            node.domain,
            *node.input,
            *node.output,
            *(a.name for a in node.attribute),
        ]
    if not all(isinstance(text, str) for text in texts):  # bytes that are no UTF-8
        raise _garbled(file, ValueError("names must be text"))
    opset = next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 0)
    if opset < OLDEST:
        raise FileError(
            f"{file}: its operators must be of version {OLDEST} at least, not {opset}; convert it "
            f"with onnx.version_converter.convert_version(model, 17)"
        )
    try:
        constants = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
        constants |= {t.values.name: _dense(onnx, t) for t in graph.sparse_initializer}
        ops = tuple(_op(onnx, node, opset) for node in graph.node)
    except (ValueError, TypeError, KeyError, IndexError, OverflowError) as e:
        raise _garbled(file, e) from None
    inputs = [i for i in graph.input if i.name not in constants]
    for what, found in (("input", inputs), ("output", graph.output)):
        if len(found) != 1:
            names = ", ".join(i.name for i in found) or "none"
            raise FileError(
                f"{file}: it must have one {what}, not {len(found)} ({names}); export the part of "
                f"the net that has one"
            )
    shape = [d.dim_value if d.dim_value > 0 else None for d in inputs[0].type.tensor_type.shape.dim]
    notes = {p.key: p.value for p in model.metadata_props}
    first = shape[0] if shape else None
    return Graph(
        ops, constants, inputs[0].name, tuple(shape[1:]), graph.output[0].name, first,
        notes.get(LOSS, ""),
    )  # fmt: skip


def _model(onnx: Any, file: Path) -> Any:
    """What the package reads and finds right, with functions of its own written out"""
    try:
        size = file.stat().st_size
    except OSError as e:
        raise FileError(f"{file}: cannot be read ({e.strerror}); pass an ONNX file") from None
    if file.is_dir() or not size:
        found = "a folder" if file.is_dir() else "an empty file"
        raise FileError(f"{file}: must be an ONNX file, not {found}; pass one, such as net.onnx")
    try:
        model = onnx.load(file, format="protobuf")
        onnx.checker.check_model(model)
        return onnx.inliner.inline_local_functions(model) if model.functions else model
    except Exception as e:  # DecodeError, ValidationError and others of its own
        raise _garbled(file, e) from None


def _garbled(file: Path, error: Exception) -> FileError:
    """The first line of what the package says, without a full stop"""
    said = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(". ;")
    return FileError(
        f"{file}: must be a whole ONNX file, which the package onnx can read, and it says "
        f"{said[:200]!r}; export it again"
    )


def _dense(onnx: Any, t: Any) -> Array:
    """A sparse constant with its zeros"""
    values, places = onnx.numpy_helper.to_array(t.values), onnx.numpy_helper.to_array(t.indices)
    if places.ndim == 2:
        places = np.ravel_multi_index(tuple(places.T), tuple(t.dims))
    if np.prod(t.dims, dtype=float) > 1e9:
        raise ValueError("a sparse constant has more than 10^9 entries")
    dense = np.zeros(int(np.prod(t.dims)), values.dtype)
    dense[places] = values
    return dense.reshape(tuple(t.dims))


def _op(onnx: Any, node: Any, opset: int) -> Op:
    """A node with the values of the attributes that it leaves out"""
    domain = "" if node.domain == "ai.onnx" else node.domain
    at: dict[str, Any] = {}
    if not domain and onnx.defs.has(node.op_type):
        schema = onnx.defs.get_schema(node.op_type, opset)
        for name, a in schema.attributes.items():
            if a.default_value.type:
                at[name] = onnx.helper.get_attribute_value(a.default_value)
    for a in node.attribute:
        value = onnx.helper.get_attribute_value(a)
        if a.type == onnx.AttributeProto.TENSOR:
            value = onnx.numpy_helper.to_array(value)
        at[a.name] = value
    kind = f"{domain}.{node.op_type}" if domain else node.op_type
    return Op(node.name, kind, tuple(node.input), tuple(node.output), at)


def write(path: str | os.PathLike[str], graph: Graph, output: Shape, opset: int) -> None:
    """Write a graph whole or not at all; raises FileError where that is not possible."""
    onnx, make = package("export_onnx"), package("export_onnx").helper
    taken = sum(a.nbytes for a in graph.constants.values())
    if taken > LIMIT:
        raise FileError(
            f"{path}: an ONNX file must have less than 2 GB, and the arrays have {taken:,} bytes; "
            f"compact the model first"
        )
    kinds = {np.dtype(k): v for k, v in (("f4", 1), ("f8", 11))}  # FLOAT, DOUBLE
    dtype = next((kinds[a.dtype] for a in graph.constants.values() if a.dtype in kinds), 1)
    shapes = {graph.input: graph.input_shape, graph.output: output}
    ends = {k: make.make_tensor_value_info(k, dtype, ["n", *s]) for k, s in shapes.items()}
    model = make.make_model(
        make.make_graph(
            [make.make_node(o.kind, o.inputs, o.outputs, o.name, **o.at) for o in graph.ops],
            "net", [ends[graph.input]], [ends[graph.output]],
            [onnx.numpy_helper.from_array(np.ascontiguousarray(a).reshape(a.shape), k)
             for k, a in graph.constants.items()],
        ),
        ir_version=IR, opset_imports=[make.make_opsetid("", opset)],
        producer_name="minprune",
    )  # fmt: skip
    make.set_model_props(model, {LOSS: graph.loss})
    write_atomic(arguments.file_path("export_onnx", "path", path), model.SerializeToString())
