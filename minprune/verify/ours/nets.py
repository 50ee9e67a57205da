"""Random small nets for hypothesis: every kind of layer, odd shapes, sums and concatenations.

`models()` draws the structure; numbers come from a drawn seed, in float64, and no parameter or
running statistic keeps its initial value.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from minprune.core import Arrays
from minprune.nets.activation_layers import LAYERS as ACTIVATIONS
from minprune.nets.activation_layers import Sigmoid
from minprune.nets.convolution import Conv1d, Conv2d
from minprune.nets.dense import Dense
from minprune.nets.joining import Add
from minprune.nets.layer import Layer, Shape
from minprune.nets.losses import LOSSES
from minprune.nets.model import Model
from minprune.nets.net import Net, build
from minprune.nets.normalisation import BatchNorm
from minprune.nets.registry import LAYERS

WIDEST = 6  # channels or features before a concatenation stops being drawn
NAMED = "{}", "layer{}", "block.{}.conv"  # names of layers, as frameworks give them
Draw = Callable[..., Any]  # st.DrawFn
ALSO = ("Conv1d", "GroupNorm", "LayerNorm")  # drawn where a test asks for them
CONV: dict[int, Any] = {2: Conv1d, 3: Conv2d}  # by the number of axes of what it reads


@dataclass
class Growing:
    """The layers so far; `at` is the name of the last one."""

    shapes: dict[str, Shape]
    layers: list[tuple[str, Layer, tuple[str, ...]]] = field(default_factory=list)
    at: str = "input"

    @property
    def shape(self) -> Shape:
        return self.shapes[self.at]

    def add(self, layer: Layer, *also: str) -> None:
        """A layer that reads the last one, and `also` others."""
        k, reads = len(self.layers) + 1, (self.at, *also)
        name = NAMED[k % len(NAMED)].format(k)
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
    outputs, bias = groups * draw(st.integers(1, 2)), draw(st.booleans())
    more: tuple[Any, ...] = (padding, groups, bias)
    spread = draw(st.integers(0, 4))
    if spread > 2:  # a window with gaps, as far as one fits
        fits = [2 * k - 1 <= s + 2 * p for k, s, p in zip(kernel, sides, padding, strict=True)]
        more = padding, groups, bias, tuple(1 + fit for fit in fits)
    if spread == 4:
        stride, more = (1,) * len(sides), ("same", *more[1:])
    net.add(kind(c, outputs, kernel, stride, *more))


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


# how random nets draw each layer; one without a row is not drawn
ROWS: dict[str, Row] = {
    "Dense": Row(dense, (1,)), "Conv1d": Row(conv, (2,)), "Conv2d": Row(conv, (3,)),
    "MaxPool": Row(pool, (2, 3)), "AvgPool": Row(pool, (2, 3)), "GlobalAvgPool": Row(alone, (2, 3)),
    "Flatten": Row(alone), "BatchNorm": Row(over_channels), "GroupNorm": Row(group_norm),
    "LayerNorm": Row(over_channels, (1,)), "Dropout": Row(dropout), "Add": Row(residual),
    "Concat": Row(join), **dict.fromkeys(ACTIVATIONS, Row(alone)),
}  # fmt: skip
KINDS = tuple(name for name in LAYERS if name in ROWS and name not in ALSO)


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
    draw: Draw, most: int = 5, without: Collection[str] = (), also: Collection[str] = ()
) -> Net:
    """A net of up to about `most` layers and an end, without some kinds of layer.

    also: kinds besides those of KINDS; with Conv1d, inputs may be sequences.
    """
    side, channels = st.integers(3, 6), st.integers(1, 3)
    images = draw(st.booleans())
    start = draw(st.tuples(channels, side, side) if images else st.tuples(st.integers(1, 5)))
    if images and "Conv1d" in also and draw(st.booleans()):
        start = start[:2]
    net, allowed = Growing({"input": start}), (set(KINDS) | set(also)) - set(without)
    for _ in range(draw(st.integers(0, most))):
        grow(draw, net, choices(net.shape, allowed))
    if len(net.shape) > 1:
        grow(draw, net, [end for end in ("Flatten", "GlobalAvgPool") if end in allowed])
    loss = draw(st.sampled_from(sorted(LOSSES)))
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


@st.composite
def stacks(draw: Draw) -> Model:
    """Convolutions in a row: a padded one, a grouped or depthwise one that is normalised, and a
    branch that is added; random nets seldom have them, nor enough units that some may go.
    """
    net, groups = Growing({"input": (2, 4, 4)}), draw(st.sampled_from([1, 2, 4]))
    net.add(Conv2d(2, 4, 3, padding=1))
    net.add(Sigmoid())
    net.add(Conv2d(4, 4, 3, 1, draw(st.integers(0, 1)), groups, draw(st.booleans())))
    net.add(BatchNorm(4))
    short = net.at
    net.add(Conv2d(4, 4, 3, padding=1))
    net.add(Add(), short)
    grow(draw, net, ["GlobalAvgPool", "Flatten"])
    net.add(Dense(net.shape[0], 2))
    return filled(build((2, 4, 4), net.layers), draw(st.integers(0, 999)))
