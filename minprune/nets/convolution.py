"""Conv1d and Conv2d: y = w * x + b, cross-correlation with zero padding, in groups of channels."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from minprune import arguments, kernels
from minprune import autograd as ag
from minprune.autograd import Value
from minprune.core import Array
from minprune.errors import ArgumentError
from minprune.nets.layer import (
    ForwardContext,
    Layer,
    Pair,
    Params,
    Passing,
    Shape,
    rows,
    sizes,
    windows,
)

IDLE = (1, 1, 0)  # kernel, stride and padding along an axis of size 1


@dataclass(frozen=True)
class _Convolution(Passing):
    """What Conv1d and Conv2d share; kernel, stride and padding have one entry for each of `axes`"""

    inputs: int
    outputs: int
    kernel: int | Shape
    stride: int | Shape = 1
    padding: int | Shape = 0
    groups: int = 1
    bias: bool = True
    fuses: ClassVar[bool] = True
    biased: ClassVar[bool] = True
    axes: ClassVar[tuple[str, ...]]

    def __post_init__(self) -> None:
        owner = type(self).__name__
        for what in ("inputs", "outputs", "groups"):
            arguments.count(owner, what, getattr(self, what))
        for what, least in (("kernel", 1), ("stride", 1), ("padding", 0)):
            found = sizes(owner, what, getattr(self, what), least, len(self.axes))
            object.__setattr__(self, what, found)
        if self.inputs % self.groups or self.outputs % self.groups:
            raise ArgumentError(
                f"{owner}: groups must divide {self.inputs} inputs and {self.outputs} outputs, not "
                f"be {self.groups}; pass a number that divides both"
            )

    @property
    def window(self) -> tuple[Shape, Shape, Shape]:
        """kernel, stride and padding"""
        return self.kernel, self.stride, self.padding  # type: ignore[return-value]

    @property
    def image(self) -> list[Pair]:
        """The same as pairs (y, x), a sequence being an image of height 1"""
        return [s if len(s) == 2 else (i, *s) for s, i in zip(self.window, IDLE, strict=True)]  # type: ignore[misc]

    def params(self) -> dict[str, Shape]:
        weight = {"weight": (self.outputs, self.inputs // self.groups, *self.window[0])}
        return weight | ({"bias": (self.outputs,)} if self.bias else {})

    def fan(self) -> tuple[int, int]:
        area = math.prod(self.window[0])
        return self.inputs // self.groups * area, self.outputs // self.groups * area

    def out_shape(self, *shapes: Shape) -> Shape:
        owner = type(self).__name__
        sides = windows(owner, shapes[0], *self.window, self.axes)
        rows(owner, "channels", shapes[0], self.inputs)
        return (self.outputs, *sides)

    def positions(self, out: Shape) -> int:
        return math.prod(out[1:])

    def apply(self, p: Params, xs: list[Value], run: ForwardContext, act: str = "none") -> Value:
        _, stride, padding = self.image
        at: dict[str, Any] = {"stride": stride, "padding": padding, "groups": self.groups}
        return ag.conv2d(xs[0], p["weight"], p.get("bias"), **at, act=act)

    def columns(self, x: Array) -> Array:
        parts = np.split(x.reshape(len(x), -1, *x.shape[-2:]), self.groups)
        return np.stack([kernels.unfold(part, *self.image) for part in parts])

    def resized(self, shapes: Mapping[str, Shape]) -> Layer:
        outputs, per, *_ = shapes["weight"]
        groups = self.groups
        if groups > 1 and self.inputs == groups:  # depthwise: whole groups go
            groups = groups * outputs // self.outputs
        return replace(
            self, inputs=per * groups, outputs=outputs, groups=groups, bias="bias" in shapes
        )

    def refuses(self, slope: float, intercept: float) -> str:
        if intercept and any(self.window[2]):
            return (
                f"an intercept of {intercept} into a zero-padded convolution is not exact at the "
                f"edges; merge with intercept 0, or keep the unit"
            )
        if self.groups > 1:
            return "units that a grouped convolution reads cannot be merged; keep them"
        return ""


class Conv2d(_Convolution):
    """A convolution over images.

    y = w * x + b      weight: (outputs, inputs/groups, ky, kx), bias: (outputs,)

    Cross-correlation with zero padding, as torch.nn.Conv2d: (c, h, w) -> (outputs, h', w').

    Parameters
    ----------
    inputs, outputs : int
        How many channels it reads and makes.
    kernel : int or (int, int)
        The sides (y, x) of the window.
    stride, padding : int or (int, int), default 1 and 0
        Steps of the window, and zeros at each edge.
    groups : int, default 1
        Groups of channels that do not read one another; `inputs` for a depthwise convolution.
    bias : bool, default True
        Whether b is added.

    Raises
    ------
    ArgumentError
        If a size is not such an integer, or groups does not divide inputs and outputs.

    Examples
    --------
    >>> import minprune as mp
    >>> mp.Conv2d(3, 8, 5).out_shape((3, 28, 28))
    (8, 24, 24)
    """

    axes: ClassVar[tuple[str, ...]] = ("height", "width")
    sparse: ClassVar[str] = "SparseConv"


class Conv1d(_Convolution):
    """A convolution over sequences.

    y = w * x + b      weight: (outputs, inputs/groups, k), bias: (outputs,)

    Cross-correlation with zero padding, as torch.nn.Conv1d: (c, length) -> (outputs, length').

    Parameters
    ----------
    inputs, outputs : int
        How many channels it reads and makes.
    kernel : int
        The length of the window.
    stride, padding : int, default 1 and 0
        Steps of the window, and zeros at each end.
    groups : int, default 1
        Groups of channels that do not read one another; `inputs` for a depthwise convolution.
    bias : bool, default True
        Whether b is added.

    Raises
    ------
    ArgumentError
        If a size is not such an integer, or groups does not divide inputs and outputs.

    Examples
    --------
    >>> import minprune as mp
    >>> mp.Conv1d(2, 8, 5, stride=2, padding=2).out_shape((2, 100))
    (8, 50)
    """

    axes: ClassVar[tuple[str, ...]] = ("length",)
