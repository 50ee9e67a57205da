"""Layer <-> ONNX: what each layer is written as, and what each pattern of operators is read as.

A new layer is one row of WRITTEN and one of FORMS. Longer than most files: the two directions of
each layer are read side by side.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from minprune.core import Array, Arrays
from minprune.deploy.onnx_patterns import Match
from minprune.errors import ShapeError
from minprune.nets.activation_layers import GELU, LAYERS
from minprune.nets.convolution import Conv1d, Conv2d
from minprune.nets.dense import Dense, Flatten
from minprune.nets.dropout import Dropout
from minprune.nets.joining import Add, Concat
from minprune.nets.layer import Layer, Shape
from minprune.nets.normalisation import EPS, BatchNorm, GroupNorm, LayerNorm
from minprune.nets.pooling import AvgPool, GlobalAvgPool, MaxPool

ACTIVATIONS = {
    "relu": ("Relu(x)",),
    "leaky_relu": ("LeakyRelu(x, alpha=0.01)",),
    "tanh": ("Tanh(x)",),
    "sigmoid": ("Sigmoid(x)",),
    "elu": ("Elu(x, alpha=1.0)",),
    "silu": ("Mul(x, Sigmoid(x))",),
    "gelu": (
        "Mul(Mul(x, Add(Erf(Div(x, 1.4142135623730951)), 1)), 0.5)",
        "Mul(Mul(x, 0.5), Add(Erf(Div(x, 1.4142135623730951)), 1))",
        "Mul(Mul(x, 0.5), Add(Erf(Mul(x, 0.7071067811865476)), 1))",
    ),
    "gelu_tanh": (
        "Mul(0.5, Mul(x, Add(1, Tanh(Mul(0.7978845608028654, "
        "Add(x, Mul(0.044715, Mul(x, Mul(x, x)))))))))",
    ),
    "softplus": ("Softplus(x)",),
    "relu6": ("Clip(x, 0, 6)", "Clip(x, min=0, max=6)"),
    "hardswish": ("HardSwish(x)",),
}  # of each row of the table of activations; the first one is written


class Written(NamedTuple):
    """A layer as a pattern, the attributes of its operators, and constants that are no parameters

    at: {operator: {attribute: value}}. shapes: those of parameters, where the file has another one.
    """

    pattern: str
    at: Mapping[str, Mapping[str, Any]] = {}
    arrays: Mapping[str, Array] = {}
    shapes: Mapping[str, Shape] = {}


@dataclass
class Found:
    """A pattern in a graph: its ops, its constants by word, and the shapes of what it reads."""

    match: Match
    arrays: Arrays
    shapes: list[Shape]
    batch: int | None

    def at(self, *kinds: str) -> dict[str, Any]:
        """The attributes of the first op of these kinds, or of the last op"""
        ops = self.match.ops
        return next((op.at for op in ops if op.kind in kinds), ops[-1].at)

    def must(self, what: str, found: Any, wanted: Any) -> None:
        """Raises ShapeError unless an attribute is what a layer can do"""
        if found != wanted:
            raise ShapeError(f"{what} must be {wanted}, not {found}")


Read = tuple[Layer, Arrays]


class Form(NamedTuple):
    """Patterns, what reads them, and the operator that has the layer's name"""

    patterns: tuple[str, ...]
    read: Callable[[Found], Read]
    main: str = ""


# -- dense layers and convolutions


def read_dense(f: Found) -> Read:
    at, w = f.at("Gemm", "MatMul"), f.arrays["weight"]
    f.must("transA", at.get("transA", 0), 0)
    f.must("alpha", at.get("alpha", 1), 1)
    if "bias" in f.arrays:
        f.must("beta", at.get("beta", 1), 1)
    f.must("the number of axes of the weight", w.ndim, 2)
    w = w if at.get("transB") else w.T
    layer = Dense(w.shape[1], w.shape[0], bias="bias" in f.arrays)
    return layer, {"weight": w} | _vectors(f, w.shape[0], "bias")


def _vectors(f: Found, length: int, *words: str, after: int = 0) -> Arrays:
    """These constants as vectors: (length,), (1, length, 1, 1) and one number for all alike

    after: how many axes of the output come after the channels.
    """
    found = {}
    for word in words:
        if word in f.arrays:
            a = f.arrays[word]
            place = (length, *(1,) * after)
            full = (1,) * (a.ndim - len(place)) + place
            if a.size != 1 and a.shape != full[-a.ndim :]:
                raise ShapeError(f"{word} must have the shape {place}, not {a.shape}")
            found[word] = np.broadcast_to(a.reshape(-1), (length,))
    return found


def write_conv(layer: Any, shapes: list[Shape], p: Arrays) -> Written:
    at = dict(layer.window)
    pads = at["padding"] if len(at["padding"]) > len(layer.axes) else 2 * at["padding"]
    names = {
        "kernel_shape": at["kernel"], "strides": at["stride"], "pads": pads,
        "dilations": at["dilation"], "group": layer.groups,
    }  # fmt: skip
    return Written("Conv(x, weight, bias?)", {"Conv": names})


def read_conv(f: Found) -> Read:
    w, axes, (shape, *_) = f.arrays["weight"], f.arrays["weight"].ndim - 2, f.shapes
    if axes not in (1, 2):
        raise ShapeError(f"the weight must have 3 or 4 axes, not {axes + 2}")
    kernel, stride, first, last, dilation = _window(f, "Conv", shape, w.shape[2:])
    padding: Any = first
    if first != last:
        every = [(k - 1) * d for k, d in zip(kernel, dilation, strict=True)]
        padding = "same"
        f.must(
            "pads", (first, last), (tuple(e // 2 for e in every), tuple(e - e // 2 for e in every))
        )
        f.must("strides of pads that differ", stride, (1,) * axes)
    kind: Any = (Conv1d, Conv2d)[axes - 1]
    groups = f.at("Conv")["group"]
    how = (kernel, stride, padding) if axes == 2 else (kernel[0], stride[0], _first(padding))
    layer = kind(
        w.shape[1] * groups, w.shape[0], *how, groups=groups, bias="bias" in f.arrays,
        dilation=dilation if axes == 2 else dilation[0],
    )  # fmt: skip
    after = axes if f.match.ops[-1].kind == "Add" else 0
    return layer, {"weight": w} | _vectors(f, w.shape[0], "bias", after=after)


def _first(given: Any) -> Any:
    return given if isinstance(given, str) else given[0]


def _window(f: Found, kind: str, shape: Shape, kernel: Shape) -> tuple[Shape, ...]:
    """(kernel, stride, padding at the first edges, at the last, dilation), one entry for each axis

    shape: (channels, *sides) of the input.
    """
    at, axes, sides = f.at(kind), len(kernel), shape[1:]
    f.must("the number of sides of the input", len(sides), axes)
    f.must("kernel_shape", tuple(at.get("kernel_shape", kernel)), kernel)
    stride = tuple(at.get("strides", (1,) * axes))
    dilation = tuple(at.get("dilations", (1,) * axes))
    pads = tuple(at.get("pads", (0,) * 2 * axes))
    f.must("the number of entries of pads", len(pads), 2 * axes)
    f.must(
        "the number of entries of strides and dilations", (len(stride), len(dilation)), (axes,) * 2
    )
    auto = at.get("auto_pad", b"NOTSET")
    auto = auto.decode() if isinstance(auto, bytes) else str(auto)
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        extents = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
        every = [
            max((-(-n // s) - 1) * s + k - n, 0)
            for n, s, k in zip(sides, stride, extents, strict=True)
        ]
        low, high = tuple(e // 2 for e in every), tuple(e - e // 2 for e in every)
        pads = low + high if auto == "SAME_UPPER" else high + low
    elif auto == "VALID":
        pads = (0,) * 2 * axes
    if at.get("ceil_mode"):
        spare = [
            (n + p + q - (k - 1) * d - 1) % s
            for n, p, q, k, s, d in zip(
                sides, pads[:axes], pads[axes:], kernel, stride, dilation, strict=True
            )
        ]
        f.must("ceil_mode for windows that reach beyond the edge", 1 if any(spare) else 0, 0)
    return kernel, stride, pads[:axes], pads[axes:], dilation


# -- pooling


def write_pool(layer: Any, shapes: list[Shape], p: Arrays) -> Written:
    axes = len(shapes[0]) - 1
    at = {
        "kernel_shape": layer.kernel[-axes:], "strides": layer.stride[-axes:],
        "pads": 2 * layer.padding[-axes:],
    }  # fmt: skip
    if isinstance(layer, AvgPool):
        return Written("AveragePool(x, count_include_pad=1)", {"AveragePool": at})
    return Written("MaxPool(x)", {"MaxPool": at})


def _read_pool(f: Found, kind: str, layer: Any) -> Read:
    at, shape = f.at(kind), f.shapes[0]
    kernel, stride, first, last, dilation = _window(f, kind, shape, tuple(at["kernel_shape"]))
    f.must("dilations", set(dilation), {1})
    f.must("pads at the last edges", last, first)
    if any(first):
        f.must("count_include_pad", at.get("count_include_pad", 1), 1)
    how = (kernel, stride, first) if len(kernel) == 2 else (kernel[0], stride[0], first[0])
    return layer(*how), {}


def read_max_pool(f: Found) -> Read:
    return _read_pool(f, "MaxPool", MaxPool)


def read_avg_pool(f: Found) -> Read:
    return _read_pool(f, "AveragePool", AvgPool)


def write_global(layer: Any, shapes: list[Shape], p: Arrays) -> Written:
    return Written("Flatten(GlobalAveragePool(x), axis=1)")


def _averages_all(f: Found) -> None:
    """Raises ShapeError unless a ReduceMean is over all positions"""
    at, rank = f.at("ReduceMean", "GlobalAveragePool"), len(f.shapes[0]) + 1
    axes = f.arrays.get("axes", at.get("axes", range(2, rank)))
    f.must("axes", sorted(int(a) % rank for a in np.ravel(np.asarray(axes))), list(range(2, rank)))


def read_global(f: Found) -> Read:
    """Where what follows takes away the axes of size 1"""
    _averages_all(f)
    _to_features(f, f.shapes[0][0])
    return GlobalAvgPool(), {}


def read_global_alone(f: Found) -> Read:
    """GlobalAvgPool, or an AvgPool of the whole image where the axes of size 1 stay"""
    _averages_all(f)
    if f.match.ops[-1].at.get("keepdims", 1) == 0:
        return GlobalAvgPool(), {}
    sides = f.shapes[0][1:]
    return AvgPool(sides if len(sides) == 2 else sides[0]), {}


def _to_features(f: Found, features: int) -> None:
    """Raises ShapeError unless the last op makes (n, features)"""
    op = f.match.ops[-1]
    if op.kind == "Flatten":
        f.must("axis", op.at["axis"], 1)
    if op.kind == "Reshape":
        wanted = f.arrays["shape"].tolist()
        fits = len(wanted) == 2 and wanted[0] in (-1, 0, f.batch) and wanted[1] in (-1, features)
        fits = fits and wanted != [-1, -1] and not (op.at.get("allowzero") and 0 in wanted)
        f.must("shape", wanted, wanted if fits else [0, -1])


def read_flatten(f: Found) -> Read:
    _to_features(f, math.prod(f.shapes[0]))
    return Flatten(), {}


# -- normalisation

NORM = {"epsilon": EPS}


def write_batch_norm(layer: Any, shapes: list[Shape], p: Arrays) -> Written:
    text = "BatchNormalization(x, weight, bias, running_mean, running_var)"
    return Written(text, {"BatchNormalization": NORM})


def read_batch_norm(f: Found) -> Read:
    """running_var takes up what epsilon has more than 1e-5, rounded once"""
    at, channels = f.at("BatchNormalization"), f.arrays["weight"].size
    f.must("training_mode", at.get("training_mode", 0), 0)
    p = _vectors(f, channels, "weight", "bias", "running_mean", "running_var")
    if at["epsilon"] != np.float32(EPS):
        var = p["running_var"]
        p["running_var"] = (var + (np.float64(at["epsilon"]) - EPS)).astype(var.dtype)
        if (p["running_var"] < 0).any():
            raise ShapeError(f"epsilon must be {EPS} or more, not {at['epsilon']:g}")
    return BatchNorm(channels), p


def write_layer_norm(layer: Any, shapes: list[Shape], p: Arrays) -> Written:
    return Written("LayerNormalization(x, weight, bias, axis=-1)", {"LayerNormalization": NORM})


def _usual(f: Found, kind: str) -> None:
    f.must("epsilon", f.at(kind)["epsilon"], float(np.float32(EPS)))


def read_layer_norm(f: Found) -> Read:
    _usual(f, "LayerNormalization")
    rank = len(f.shapes[0]) + 1
    f.must("axis", f.at("LayerNormalization").get("axis", -1) % rank, rank - 1)
    features = f.arrays["weight"].size
    return LayerNorm(features), _vectors(f, features, "weight", "bias")


GROUPED = (
    "Add(Mul(Reshape(InstanceNormalization(Reshape(x, grouped), one, zero), whole), weight), bias)"
)


def write_group_norm(layer: Any, shapes: list[Shape], p: Arrays) -> Written:
    (shape, *_), dtype = shapes, p["weight"].dtype
    rows = (layer.channels, *(1,) * (len(shape) - 1))
    arrays = {
        "grouped": np.array([0, layer.groups, -1]), "whole": np.array([0, *shape]),
        "one": np.ones(layer.groups, dtype), "zero": np.zeros(layer.groups, dtype),
    }  # fmt: skip
    written = {"weight": rows, "bias": rows}
    return Written(GROUPED, {"InstanceNormalization": NORM}, arrays, written)


def read_group_norm(f: Found) -> Read:
    _usual(f, "InstanceNormalization")
    (shape, *_), a = f.shapes, f.arrays
    grouped = a["grouped"].tolist()
    fits = len(grouped) == 3 and grouped[0] in (0, f.batch) and grouped[2] == -1
    f.must("the shape of the groups", grouped, grouped if fits else [0, "groups", -1])
    f.must("the scale of groups", set(np.ravel(a["one"]).tolist()), {1})
    f.must("the shift of groups", set(np.ravel(a["zero"]).tolist()), {0})
    f.must("the shape afterwards", a["whole"].tolist()[1:], list(shape))
    words = _vectors(f, shape[0], "weight", "bias", after=len(shape) - 1)
    return GroupNorm(grouped[1], shape[0]), words


def read_instance_norm(f: Found) -> Read:
    _usual(f, "InstanceNormalization")
    channels = f.arrays["weight"].size
    return GroupNorm(channels, channels), _vectors(f, channels, "weight", "bias")


# -- the others


def write_dropout(layer: Any, shapes: list[Shape], p: Arrays) -> Written:
    return Written("Dropout(x, ratio)", arrays={"ratio": np.array(layer.rate, np.float32)})


def read_dropout(f: Found) -> Read:
    f.must("training_mode", bool(np.any(f.arrays.get("mode", False))), False)
    given = f.arrays.get("ratio", f.at("Dropout").get("ratio", 0.5))
    return Dropout(float(f"{np.asarray(given).item():.7g}")), {}  # float32 in shortest digits


def write_add(layer: Any, shapes: list[Shape], p: Arrays) -> Written:
    return Written("Add(x, y)" if len(shapes) == 2 else "Sum(x...)")


def read_add(f: Found) -> Read:
    return Add(), {}


def write_concat(layer: Any, shapes: list[Shape], p: Arrays) -> Written:
    return Written("Concat(x...)", {"Concat": {"axis": 1}})


def read_concat(f: Found) -> Read:
    f.must("axis", f.at("Concat")["axis"] % (len(f.shapes[0]) + 1), 1)
    return Concat(), {}


def _as_it_is(layer: Layer, f: Found) -> Read:
    return layer, {}


def write_dense(layer: Any, shapes: list[Shape], p: Arrays) -> Written:
    return Written("Gemm(x, weight, bias?, transB=1)")


def write_flatten(layer: Any, shapes: list[Shape], p: Arrays) -> Written:
    return Written("Flatten(x, axis=1)")


def write_activation(layer: Any, shapes: list[Shape], p: Arrays) -> Written:
    return Written(ACTIVATIONS[layer.kind][0])


WRITTEN: dict[type[Layer], Callable[[Any, list[Shape], Arrays], Written]] = {
    Dense: write_dense, Flatten: write_flatten, Conv1d: write_conv, Conv2d: write_conv,
    MaxPool: write_pool, AvgPool: write_pool, GlobalAvgPool: write_global,
    BatchNorm: write_batch_norm, LayerNorm: write_layer_norm, GroupNorm: write_group_norm,
    Dropout: write_dropout, Add: write_add, Concat: write_concat,
} | dict.fromkeys(LAYERS.values(), write_activation)  # fmt: skip

MEANS = ("GlobalAveragePool(x)", "ReduceMean(x, axes?)")
FLAT = ("Flatten({})", "Reshape({}, shape)", "Squeeze({}, axes?)")
_ALL = [LAYERS[k]() for k in LAYERS] + [GELU("tanh")]
FORMS: tuple[Form, ...] = (
    *(Form(ACTIVATIONS[layer.kind], partial(_as_it_is, layer)) for layer in _ALL),
    Form(
        ("Gemm(x, weight, bias?)", "MatMul(x, weight)", "Add(MatMul(x, weight), bias)"),
        read_dense,
        "MatMul",
    ),
    Form(("Conv(x, weight, bias?)", "Add(Conv(x, weight), bias)"), read_conv, "Conv"),
    Form(("MaxPool(x)",), read_max_pool),
    Form(("AveragePool(x)",), read_avg_pool),
    *(
        Form(tuple(flat.format(mean) for flat in FLAT), read_global, mean.partition("(")[0])
        for mean in MEANS
    ),
    Form(MEANS, read_global_alone),
    Form(("Flatten(x)", "Reshape(x, shape)"), read_flatten),
    Form(("BatchNormalization(x, weight, bias, running_mean, running_var)",), read_batch_norm),
    Form(("LayerNormalization(x, weight, bias)",), read_layer_norm),
    Form((GROUPED,), read_group_norm, "InstanceNormalization"),
    Form(("InstanceNormalization(x, weight, bias)",), read_instance_norm),
    Form(("Dropout(x, ratio?, mode?)",), read_dropout),
    Form(("Add(x, y)", "Sum(x...)"), read_add),
    Form(("Concat(x...)",), read_concat),
)
