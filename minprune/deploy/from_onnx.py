"""from_onnx: an ONNX file of layers that we have as a Model, its arrays bit for bit."""

import os
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minprune.core import Array, Arrays
from minprune.deploy import onnx_file
from minprune.deploy.onnx_file import Graph
from minprune.deploy.onnx_layers import FORMS, Form, Found
from minprune.deploy.onnx_names import layer_names
from minprune.deploy.onnx_patterns import Match, Op, find, pattern, size, spelled
from minprune.errors import ArgumentError, FileError, ShapeError
from minprune.nets.layer import Layer, Shape
from minprune.nets.losses import Loss
from minprune.nets.model import FLOATS, Model
from minprune.nets.net import INPUT, build

ROWS = sorted(
    ((pattern(text), form) for form in FORMS for text in form.patterns), key=lambda r: -size(r[0])
)
REMEDY = dict.fromkeys(
    ("Softmax", "LogSoftmax"),
    "export the net without it, as the loss cross_entropy takes outputs before it",
)
OTHERS = "export the net without it, or build the net from layers of minprune"


class Row(NamedTuple):
    """A layer, the values that it reads and makes, and what has its name: a weight or an op"""

    layer: Layer
    reads: tuple[str, ...]
    makes: str
    arrays: Arrays
    name: str
    op: Op


def from_onnx(path: str | os.PathLike[str], loss: Loss | None = None) -> Model:
    """Read an ONNX file as a Model: dense layers, convolutions, pooling, norms, activations, sums.

    Arrays are taken bit for bit, names of layers from those of weights and nodes: "layer1.0.conv1"
    of the weight "layer1.0.conv1.weight", or of the node "/layer1/layer1.0/conv1/Conv". The extra
    `onnx` must be installed.

    Parameters
    ----------
    path : str or Path
        A file with one input (n, ...) of fixed size and one output (n, outputs), in float32 or
        float64.
    loss : {"cross_entropy", "binary_cross_entropy", "mse"}, optional
        What training minimises; that of the model that mp.export_onnx wrote, otherwise
        cross_entropy.

    Returns
    -------
    Model
        Without masks. A BatchNorm whose epsilon is above 1e-5 has a larger running variance
        instead.

    Raises
    ------
    FileError
        If the file is no ONNX file, or has an operator, or a setting of one, that no layer has; the
        message names its node.
    ArgumentError
        If loss is another, or the net has one output and loss is cross_entropy.
    MissingError
        If the package onnx is not installed.

    Examples
    --------
    >>> import minprune as mp
    >>> mp.export_onnx(mp.zoo.mlp(((4,), 2), (3,)), "net.onnx")
    >>> mp.from_onnx("net.onnx")
    Model(fc1, relu_fc1, fc2; float32)
    """
    graph = onnx_file.read(path)
    try:
        rows = _Reader(graph).rows()
    except FileError as e:
        raise FileError(f"{path}: {e}") from None
    names = layer_names((r.name, r.op) for r in rows)
    known = {graph.input: INPUT} | {r.makes: name for r, name in zip(rows, names, strict=True)}
    layers = [
        (name, r.layer, tuple(known[v] for v in r.reads))
        for r, name in zip(rows, names, strict=True)
    ]
    arrays = {f"{n}.{k}": a for n, r in zip(names, rows, strict=True) for k, a in r.arrays.items()}
    shape: Any = graph.input_shape
    net = build(shape, layers, loss or graph.loss or "cross_entropy")  # type: ignore[arg-type]
    arrays = {k: np.array(a, order="C") for k, a in arrays.items()}
    parts = ({k: arrays[k] for k in wanted} for wanted in (net.params, net.buffers))
    return Model(net, *parts)


FOLDED: dict[str, Callable[..., Any]] = {
    "Identity": lambda at, a: a,
    "Cast": lambda at, a: a.astype(np.int64) if at["to"] == 7 and a.dtype.kind in "iub" else _no(),
    "Concat": lambda at, *a: np.concatenate(a, at["axis"]),
    "Gather": lambda at, a, i: np.take(a, i, at.get("axis", 0)),
    "Squeeze": lambda at, a, axes=None: np.squeeze(a, _axes(at, axes)),
    "Unsqueeze": lambda at, a, axes=None: np.expand_dims(a, _axes(at, axes) or ()),
    "Transpose": lambda at, a: np.transpose(a, at.get("perm")),
    "Reshape": lambda at, a, s: a.reshape(s),
    "Slice": lambda at, a, b, e, axes=None, steps=None: _slice(a, b, e, axes, steps),
}  # what may stand between constants, or shapes, and the operators that take them


def _no() -> Any:
    raise ValueError("a constant must not change its type")


def _axes(at: Any, axes: Array | None) -> Any:
    given = at.get("axes") if axes is None else axes.tolist()
    return None if given is None else tuple(given)


def _slice(a: Array, begin: Array, end: Array, axes: Array | None, steps: Array | None) -> Array:
    places = range(len(begin)) if axes is None else axes.tolist()
    by = [1] * len(begin) if steps is None else steps.tolist()
    cut = [slice(None)] * a.ndim
    for axis, b, e, s in zip(places, begin.tolist(), end.tolist(), by, strict=True):
        cut[axis] = slice(b, e, s)
    return a[tuple(cut)]


class _Reader:
    """The layers of a graph: patterns are chosen backwards, and read forwards with their shapes"""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.constants: dict[str, Array | None] = dict(graph.constants)  # None: of a shape
        self.makers: dict[str, Op] = {}
        self.shapes: dict[str, Shape] = {}
        same: dict[str, str] = {}  # what Identity makes of values
        for op in graph.ops:
            op = op._replace(inputs=tuple(same.get(i, i) for i in op.inputs))
            self.makers |= dict.fromkeys(filter(None, op.outputs), op)
            to = op.outputs[0]
            fixed = op.kind in FOLDED and all(i in self.constants for i in op.inputs if i)
            if op.kind == "Constant":
                self.constants[to] = np.asarray(next(iter(op.at.values())))
            elif op.kind == "Shape" or fixed:
                self.constants[to] = None
            elif op.kind == "Identity":
                same[to] = op.inputs[0]
        self.output = same.get(graph.output, graph.output)

    def rows(self) -> list[Row]:
        """The layers in order, the last one the output; raises FileError, naming a node"""
        given = self.graph.input_shape
        if not given or None in given:
            raise FileError(
                f"the input must be (n, ...) with fixed sizes after the first axis, not "
                f"{('n', *given)}; export the net with the shape of one sample"
            )
        self.shapes[self.graph.input] = given  # type: ignore[assignment]
        chosen = self.chosen()
        if not chosen:
            raise FileError("it must have a layer, not only an input; export the whole net")
        return [self.row(match, form) for match, form in chosen]

    def chosen(self) -> list[tuple[Match, Form]]:
        """The patterns that the output needs, the largest first, in the order of the graph"""
        readers: dict[str, list[Op]] = {}
        ops = list({id(op): op for op in self.makers.values()}.values())
        for op in ops:
            if op.outputs[0] not in self.constants:
                for i in op.inputs:
                    readers.setdefault(i, []).append(op)
        found, needed, inside = [], {self.output}, set[int]()
        for op in reversed(ops):
            if id(op) in inside or not needed.intersection(op.outputs):
                continue
            if op.outputs[0] in self.constants:
                continue
            match, form = self.match(op, readers)
            inside |= {id(o) for o in match.ops}
            needed |= set(match.reads)
            found.append((match, form))
        return found[::-1]

    def match(self, last: Op, readers: dict[str, list[Op]]) -> tuple[Match, Form]:
        """The largest pattern that ends here, nothing of which is read from outside"""
        for p, form in ROWS:
            if p.kind != last.kind:
                continue
            match = find(p, last, self.makers, self.constants)
            if match is None:
                continue
            own = {id(op) for op in match.ops}
            between = {v for op in match.ops for v in op.outputs} - {last.outputs[0]}
            if self.output not in between and all(
                id(reader) in own for value in between for reader in readers.get(value, ())
            ):
                return match, form
        raise _refused(last, self.constants)

    def row(self, match: Match, form: Form) -> Row:
        """A layer, and its arrays"""
        last = match.ops[-1]
        plain = last.name and "/" not in last.name  # as export_onnx names the last op of a layer
        op = last if plain else next((o for o in match.ops if o.kind == form.main), last)
        try:
            words = {w: self.constant(v) for w, v in match.words.items() if v in self.constants}
            shapes = [self.shapes[v] for v in match.reads]
            layer, arrays = form.read(Found(match, words, shapes, self.graph.batch))
            self.shapes[last.outputs[0]] = layer.out_shape(*shapes)
            for kind, a in arrays.items():
                if a.dtype not in FLOATS:
                    raise ShapeError(f"{kind} must be float32 or float64, not {a.dtype}")
        except (ArithmeticError, KeyError, IndexError, TypeError, ValueError) as e:
            said = str(e).partition(";")[0] if isinstance(e, ArgumentError) else f"it says {e}"
            raise FileError(
                f"node {_title(op)} cannot be read as a layer: {said}; {OTHERS}"
            ) from None
        return Row(layer, match.reads, last.outputs[0], arrays, match.words.get("weight", ""), op)

    def constant(self, name: str) -> Array:
        """The value of a constant, which may follow from the shape of a value"""
        known = self.constants[name]
        if known is None:
            op = self.makers[name]
            if op.kind == "Shape":  # 0: the batch, which is copied
                full = (0, *self.shapes[op.inputs[0]])
                known = np.array(full[op.at.get("start") or 0 : op.at.get("end")])
            else:
                given = [self.constant(i) if i else None for i in op.inputs]
                known = np.asarray(FOLDED[op.kind](op.at, *given))
            self.constants[name] = known
        return known


def _title(op: Op) -> str:
    return f"{op.name or op.outputs[0]!r} ({op.kind})"


def _refused(op: Op, constants: dict[str, Array | None]) -> FileError:
    """What the operator would have to be"""
    texts = [t for form in FORMS for t in form.patterns if pattern(t).kind == op.kind]
    single = len(texts) < 3 and all(size(pattern(t)) == 1 for t in texts)
    must = " or ".join(texts) if texts and single else "an operator that minprune has a layer for"
    return FileError(
        f"node {_title(op)} must be {must}, not {spelled(op, constants)}; "
        f"{REMEDY.get(op.kind, OTHERS)}"
    )
