"""Random small nets for hypothesis: every layer of the table, odd shapes, sums and concatenations;
and NETS, one of every structure that ties units.

`models()` draws the structure; numbers come from a drawn seed, in float64, and no parameter or
running statistic keeps its initial value. Longer than most files: NETS is a table of 63 lines.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from minprune.core import Arrays
from minprune.nets.activations import LAYERS as ACTIVATIONS
from minprune.nets.activations import ReLU, Sigmoid, Tanh
from minprune.nets.convolution import Conv1d, Conv2d
from minprune.nets.dense import Dense, Flatten
from minprune.nets.joining import Add, Concat
from minprune.nets.layer import Layer, Shape
from minprune.nets.model import Model
from minprune.nets.net import Net, build
from minprune.nets.normalisation import BatchNorm
from minprune.nets.pooling import GlobalAvgPool
from minprune.nets.registry import LAYERS

WIDEST = 6  # channels or features before a concatenation stops being drawn
Draw = Callable[..., Any]  # st.DrawFn
ALSO = ("Conv1d", "GroupNorm", "LayerNorm")  # drawn where a test asks for them
KINDS = tuple(name for name in LAYERS if name not in ALSO)
CONV: dict[int, Any] = {2: Conv1d, 3: Conv2d}  # by the number of axes of what it reads


@dataclass
class Growing:
    """The layers so far; `at` is the name of the last one."""

    input_shape: Shape
    layers: list[tuple[str, Layer, tuple[str, ...]]] = field(default_factory=list)
    shapes: dict[str, Shape] = field(default_factory=dict)
    at: str = "input"

    def __post_init__(self) -> None:
        self.shapes["input"] = self.input_shape

    @property
    def shape(self) -> Shape:
        return self.shapes[self.at]

    def add(self, layer: Layer, *also: str) -> None:
        """A layer that reads the last one, and `also` others."""
        name, reads = f"layer{len(self.layers) + 1}", (self.at, *also)
        self.shapes[name] = layer.out_shape(*(self.shapes[r] for r in reads))
        self.layers.append((name, layer, reads))
        self.at = name


Grow = Callable[[Draw, Growing, Any], None]  # the last: the layer's class


class Row(NamedTuple):
    """How one kind of layer is drawn, and after outputs of how many axes it may come."""

    grow: Grow
    axes: Collection[int] = (1, 2, 3)


def alone(draw: Draw, net: Growing, kind: Any) -> None:
    net.add(kind())


def over_channels(draw: Draw, net: Growing, kind: Any) -> None:
    net.add(kind(net.shape[0]))


def dense(draw: Draw, net: Growing, kind: Any) -> None:
    net.add(kind(net.shape[0], draw(st.integers(1, 4)), draw(st.booleans())))


def conv(draw: Draw, net: Growing, kind: Any) -> None:
    c, *sides = net.shape
    groups = draw(st.sampled_from([g for g in (1, 2, 3) if c % g == 0]))
    padding = draw(st.tuples(*[st.integers(0, 1)] * len(sides)))
    kernel = tuple(
        draw(st.integers(1, min(3, side + 2 * p))) for side, p in zip(sides, padding, strict=True)
    )
    stride = draw(st.tuples(*[st.integers(1, 2)] * len(sides)))
    outputs = groups * draw(st.integers(1, 2))
    net.add(kind(c, outputs, kernel, stride, padding, groups, draw(st.booleans())))


def pool(draw: Draw, net: Growing, kind: Any) -> None:
    kernel = tuple(draw(st.integers(1, min(3, side))) for side in net.shape[1:])
    kernel = kernel if len(kernel) == 2 else (1, *kernel)
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    net.add(kind(kernel, draw(st.none() | st.integers(1, 2)), padding))


def group_norm(draw: Draw, net: Growing, kind: Any) -> None:
    c = net.shape[0]
    net.add(kind(draw(st.sampled_from([g for g in range(1, c + 1) if c % g == 0])), c))


def dropout(draw: Draw, net: Growing, kind: Any) -> None:
    net.add(kind(draw(st.sampled_from([0.0, 0.25, 0.5]))))


def residual(draw: Draw, net: Growing, kind: Any) -> None:
    """The sum of an earlier output and the last one, or a layer on it that keeps its shape."""
    fits = [name for name, shape in net.shapes.items() if shape == net.shape]
    short, c, conv = draw(st.sampled_from(fits)), net.shape[0], CONV.get(len(net.shape))
    if draw(st.booleans()):
        bias = draw(st.booleans())
        net.add(conv(c, c, 3, padding=1, bias=bias) if conv else Dense(c, c, bias))
    net.add(kind(), short)


def join(draw: Draw, net: Growing, kind: Any) -> None:
    """A concatenation with any earlier output that fits, itself too."""
    fits = [name for name, shape in net.shapes.items() if shape[1:] == net.shape[1:]]
    net.add(kind(), draw(st.sampled_from(fits)))


# a new layer is one row
ROWS: dict[str, Row] = {
    "Dense": Row(dense, (1,)), "Conv1d": Row(conv, (2,)), "Conv2d": Row(conv, (3,)),
    "MaxPool": Row(pool, (2, 3)), "AvgPool": Row(pool, (2, 3)), "GlobalAvgPool": Row(alone, (2, 3)),
    "Flatten": Row(alone), "BatchNorm": Row(over_channels), "GroupNorm": Row(group_norm),
    "LayerNorm": Row(over_channels, (1,)), "Dropout": Row(dropout), "Add": Row(residual),
    "Concat": Row(join), **dict.fromkeys(ACTIVATIONS, Row(alone)),
}  # fmt: skip


def grow(draw: Draw, net: Growing, kinds: Iterable[str]) -> None:
    """One more layer of one of these kinds (two for Add)."""
    kind = draw(st.sampled_from([*kinds]))
    ROWS[kind].grow(draw, net, LAYERS[kind])


def choices(shape: Shape, allowed: Collection[str]) -> list[str]:
    """The kinds of layer that may come after an output of that shape."""
    unfit = {"Concat"} if shape[0] > WIDEST else set()
    conv = CONV.get(len(shape))
    unfit |= {"Add"} if conv and conv.__name__ not in allowed else set()
    fit = (kind for kind in (*KINDS, *ALSO) if len(shape) in ROWS[kind].axes)
    return [kind for kind in fit if kind in allowed and kind not in unfit]


@st.composite
def random_nets(
    draw: Draw, without: Collection[str] = (), losses: Collection[str] = ("cross_entropy", "mse"),
    images: bool | None = None, most: int = 5, also: Collection[str] = (),
) -> Net:  # fmt: skip
    """A net of up to about `most` layers and an end. images: None draws it. without: kinds.

    also: kinds besides those of KINDS; with Conv1d, inputs may be sequences.
    """
    side, channels = st.integers(3, 6), st.integers(1, 3)
    images = draw(st.booleans()) if images is None else images
    start = draw(st.tuples(channels, side, side) if images else st.tuples(st.integers(1, 5)))
    if images and "Conv1d" in also and draw(st.booleans()):
        start = start[:2]
    net, allowed = Growing(start), (set(KINDS) | set(also)) - set(without)
    for _ in range(draw(st.integers(0, most))):
        grow(draw, net, choices(net.shape, allowed))
    if len(net.shape) > 1:
        grow(draw, net, [end for end in ("Flatten", "GlobalAvgPool") if end in allowed])
    loss = draw(st.sampled_from(sorted(losses)))
    least = 2 if loss == "cross_entropy" else 1
    net.add(Dense(net.shape[0], draw(st.integers(least, 3))))
    if loss == "mse" and "Sigmoid" in allowed and draw(st.booleans()):
        net.add(Sigmoid())
    return build(start, net.layers, loss)


def filled(net: Net, seed: int, dtype: type = np.float64) -> Model:
    """A model of the net with no entry left at its initial value; gammas of both signs."""
    rng = np.random.default_rng(seed)
    params: Arrays = {}
    for name, shape in net.params.items():
        fan = np.prod(shape[1:]) if len(shape) > 1 else 1
        params[name] = (rng.standard_normal(shape) / np.sqrt(fan)).astype(dtype)
    buffers = {
        f"{n.name}.{kind}": rng.uniform(0.5, 2, s) if kind in n.layer.ones else rng.normal(size=s)
        for n in net.nodes
        for kind, s in n.layer.buffers().items()
    }
    return Model(net, params, {name: b.astype(dtype) for name, b in buffers.items()})


def models(dtype: type = np.float64, **how: object) -> st.SearchStrategy[Model]:
    """Random models; the keywords are those of `random_nets`."""
    return st.builds(
        lambda net, seed: filled(net, seed, dtype), random_nets(**how), st.integers(0, 999)
    )


# every structure that ties units
NETS: dict[str, Net] = {
    "chain": build((3,), [("a", Dense(3, 4)), ("r", ReLU()), ("fc", Dense(4, 2))]),
    "sigmoid": build((3,), [
        ("a", Dense(3, 4)), ("r", Sigmoid()), ("b", Dense(4, 3, False)), ("t", Sigmoid()),
        ("fc", Dense(3, 2)),
    ]),
    "batchnorm": build((2, 4, 4), [
        ("a", Conv2d(2, 4, 3, bias=False)), ("a_bn", BatchNorm(4)), ("r", ReLU()),
        ("p", GlobalAvgPool()), ("fc", Dense(4, 2)),
    ]),
    "padded": build((1, 4, 4), [
        ("a", Conv2d(1, 3, 3, padding=1)), ("r", Sigmoid()), ("b", Conv2d(3, 4, 3, padding=1)),
        ("t", ReLU()), ("p", GlobalAvgPool()), ("fc", Dense(4, 2)),
    ]),
    "residual": build((2, 3, 3), [
        ("a", Conv2d(2, 4, 1)), ("r", ReLU()), ("b", Conv2d(4, 3, 3, padding=1)),
        ("t", ReLU()), ("c", Conv2d(3, 4, 1, bias=False)), ("c_bn", BatchNorm(4)),
        ("sum", Add(), ("c_bn", "r")), ("u", ReLU()), ("f", Flatten()),
        ("fc", Dense(36, 2)),
    ]),
    "branch": build((3,), [
        ("a", Dense(3, 4)), ("r", ReLU()), ("b", Dense(4, 4)), ("t", Sigmoid()),
        ("sum", Add(), ("t", "r")), ("fc", Dense(4, 2)),
    ]),
    "concat": build((2,), [
        ("a", Dense(2, 2)), ("b", Dense(2, 3), "input"), ("cat", Concat(), ("a", "b", "a")),
        ("r", ReLU()), ("fc", Dense(7, 2)),
    ]),
    "shared": build((2,), [
        ("a", Dense(2, 3)), ("r", Tanh()), ("b", Dense(3, 2), "r"), ("c", Dense(3, 2), "r"),
        ("sum", Add(), ("b", "c")), ("fc", Dense(2, 2)),
    ]),
    "flatten": build((1, 3, 3), [
        ("a", Conv2d(1, 3, 2)), ("r", ReLU()), ("f", Flatten()), ("fc", Dense(12, 2)),
    ]),
    "grouped": build((2, 3, 3), [
        ("a", Conv2d(2, 4, 2)), ("r", ReLU()), ("b", Conv2d(4, 6, 1, groups=2)), ("t", ReLU()),
        ("p", GlobalAvgPool()), ("fc", Dense(6, 2)),
    ]),
    "depthwise": build((2, 4, 4), [
        ("a", Conv2d(2, 3, 2)), ("r", ReLU()), ("b", Conv2d(3, 6, 3, padding=1, groups=3)),
        ("t", ReLU()), ("c", Conv2d(6, 3, 1)), ("p", GlobalAvgPool()), ("fc", Dense(3, 2)),
    ]),
    # the rows of c go with those of a and of b: one weight, two groups
    "halves": build((2,), [
        ("c", Dense(2, 5)), ("a", Dense(2, 2), "input"), ("b", Dense(2, 3), "input"),
        ("cat", Concat(), ("a", "b")), ("sum", Add(), ("c", "cat")), ("r", ReLU()),
        ("fc", Dense(5, 2)),
    ]),
    # the first rows of c go with the input, which cannot shrink
    "half_tied": build((2,), [
        ("c", Dense(2, 5)), ("a", Dense(2, 3), "input"), ("cat", Concat(), ("input", "a")),
        ("sum", Add(), ("c", "cat")), ("r", ReLU()), ("fc", Dense(5, 2)),
    ]),
    "unread": build((2,), [("a", Dense(2, 4)), ("side", Dense(4, 3)), ("fc", Dense(4, 2), "a")]),
}  # fmt: skip
