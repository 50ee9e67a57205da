"""Random small nets for hypothesis: every layer of the table, odd shapes, sums and concatenations.

`models()` draws the structure; numbers come from a drawn seed, in float64, and no parameter or
running statistic keeps its initial value.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st

from minprune.core import Arrays
from minprune.nets.layer import Layer, Shape
from minprune.nets.model import Model
from minprune.nets.net import Net, build
from minprune.nets.registry import LAYERS

WIDEST = 6  # channels or features before a concatenation stops being drawn
Draw = Callable[..., Any]  # st.DrawFn
ALSO = ("Conv1d", "GroupNorm", "LayerNorm")  # drawn where a test asks for them
KINDS = tuple(name for name in LAYERS if name not in ALSO)
CONV = {2: "Conv1d", 3: "Conv2d"}  # by the number of axes of what it reads
MAKE: dict[str, Any] = dict(LAYERS)  # each takes arguments of its own


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


def conv(draw: Draw, net: Growing) -> None:
    c, *sides = net.shape
    groups = draw(st.sampled_from([g for g in (1, 2, 3) if c % g == 0]))
    padding = draw(st.tuples(*[st.integers(0, 1)] * len(sides)))
    kernel = tuple(
        draw(st.integers(1, min(3, side + 2 * p))) for side, p in zip(sides, padding, strict=True)
    )
    stride = draw(st.tuples(*[st.integers(1, 2)] * len(sides)))
    outputs = groups * draw(st.integers(1, 2))
    kind = CONV[len(net.shape)]
    net.add(MAKE[kind](c, outputs, kernel, stride, padding, groups, draw(st.booleans())))


def pool(draw: Draw, net: Growing, kind: str) -> None:
    kernel = tuple(draw(st.integers(1, min(3, side))) for side in net.shape[1:])
    kernel = kernel if len(kernel) == 2 else (1, *kernel)
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    stride = draw(st.none() | st.integers(1, 2))
    net.add(MAKE[kind](kernel, stride, padding))


def residual(draw: Draw, net: Growing) -> None:
    """The sum of an earlier output and the last one, or a layer on it that keeps its shape."""
    fits = [name for name, shape in net.shapes.items() if shape == net.shape]
    short, c = draw(st.sampled_from(fits)), net.shape[0]
    if draw(st.booleans()):
        pass
    elif len(net.shape) in CONV:
        net.add(MAKE[CONV[len(net.shape)]](c, c, 3, padding=1, bias=draw(st.booleans())))
    else:
        net.add(MAKE["Dense"](c, c, draw(st.booleans())))
    net.add(MAKE["Add"](), short)


def join(draw: Draw, net: Growing) -> None:
    """A concatenation with any earlier output that fits, itself too."""
    fits = [name for name, shape in net.shapes.items() if shape[1:] == net.shape[1:]]
    net.add(MAKE["Concat"](), draw(st.sampled_from(fits)))


def grow(draw: Draw, net: Growing, kind: str) -> None:
    """One more layer of that kind (two for Add)."""
    c = net.shape[0]
    if kind == "Dense":
        net.add(MAKE[kind](c, draw(st.integers(1, 4)), draw(st.booleans())))
    elif kind in ("Conv1d", "Conv2d"):
        conv(draw, net)
    elif kind in ("MaxPool", "AvgPool"):
        pool(draw, net, kind)
    elif kind in ("BatchNorm", "LayerNorm"):
        net.add(MAKE[kind](c))
    elif kind == "GroupNorm":
        net.add(MAKE[kind](draw(st.sampled_from([g for g in range(1, c + 1) if c % g == 0])), c))
    elif kind == "Dropout":
        net.add(MAKE[kind](draw(st.sampled_from([0.0, 0.25, 0.5]))))
    elif kind == "Add":
        residual(draw, net)
    elif kind == "Concat":
        join(draw, net)
    else:
        net.add(MAKE[kind]())


def choices(shape: Shape, allowed: Collection[str]) -> list[str]:
    """The kinds of layer that may come after an output of that shape."""
    maps, conv = {"Conv1d", "Conv2d", "MaxPool", "AvgPool", "GlobalAvgPool"}, CONV.get(len(shape))
    unfit = {"Dense", "LayerNorm"} if conv else maps
    unfit |= {"Conv1d", "Conv2d"} - {conv}
    unfit |= {"Concat"} if shape[0] > WIDEST else set()
    unfit |= {"Add"} if conv and conv not in allowed else set()
    return [kind for kind in (*KINDS, *ALSO) if kind in allowed and kind not in unfit]


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
        grow(draw, net, draw(st.sampled_from(choices(net.shape, allowed))))
    if len(net.shape) > 1:
        ends = [kind for kind in ("Flatten", "GlobalAvgPool") if kind in allowed]
        grow(draw, net, draw(st.sampled_from(ends)))
    loss = draw(st.sampled_from(sorted(losses)))
    least = 2 if loss == "cross_entropy" else 1
    net.add(MAKE["Dense"](net.shape[0], draw(st.integers(least, 3))))
    if loss == "mse" and "Sigmoid" in allowed and draw(st.booleans()):
        net.add(MAKE["Sigmoid"]())
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
