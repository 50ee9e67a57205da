"""Conv1d and Conv2d: y = w * x + b, cross-correlation with zero padding, in groups of channels.

padding="same": as many zeros as make the output as large as the input, (k - 1) d of each axis, an
odd one at the last edge (as PyTorch does). It has one meaning for a stride of 1 alone: elsewhere
frameworks differ in the size of the output and where the zeros go, so that it is refused.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
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
    Params,
    Passing,
    Shape,
    rows,
    sizes,
    windows,
)

IDLE = {"kernel": 1, "stride": 1, "padding": 0, "dilation": 1}  # along an axis of size 1


def place(layer: Any, axes: int) -> None:
    """Writes kernel, stride, padding and dilation of a new layer with an entry for each axis."""
    for what, least in IDLE.items():
        given = getattr(layer, what)
        if given != "same" or what != "padding":
            found = sizes(type(layer).__name__, what, given, least, axes)
            object.__setattr__(layer, what, found)


@dataclass(frozen=True)
class _Convolution(Passing):
    """What Conv1d and Conv2d share; kernel, stride, ... have one entry for each of `axes`"""

    inputs: int
    outputs: int
    kernel: int | Shape
    stride: int | Shape = 1
    padding: int | Shape | str = 0
    groups: int = 1
    bias: bool = True
    dilation: int | Shape = 1
    fuses: ClassVar[bool] = True
    biased: ClassVar[bool] = True
    axes: ClassVar[tuple[str, ...]]

    def __post_init__(self) -> None:
        owner = type(self).__name__
        for what in ("inputs", "outputs", "groups"):
            arguments.count(owner, what, getattr(self, what))
        place(self, len(self.axes))
        if self.padding == "same" and set(self.stride) != {1}:  # type: ignore[arg-type]
            raise ArgumentError(
                f"{owner}: padding='same' needs a stride of 1, not {self.stride}, since it has no "
                f"one meaning elsewhere; pass numbers, such as padding={self.window['padding'][0]}"
            )
        if self.inputs % self.groups or self.outputs % self.groups:
            raise ArgumentError(
                f"{owner}: groups must divide {self.inputs} inputs and {self.outputs} outputs, not "
                f"be {self.groups}; pass a number that divides both"
            )

    @cached_property
    def window(self) -> dict[str, Shape]:
        """kernel, stride, padding, dilation; padding: of both edges, or of first and last"""
        found: dict[str, Any] = {what: getattr(self, what) for what in IDLE}
        if self.padding == "same":
            every = [(k - 1) * d for k, d in zip(found["kernel"], found["dilation"], strict=True)]
            first, last = tuple(p // 2 for p in every), tuple(p - p // 2 for p in every)
            found["padding"] = first if first == last else first + last
        return found

    @cached_property
    def image(self) -> dict[str, Any]:
        """The same with axes (y, x), a sequence being an image of height 1"""
        if len(self.axes) == 2:
            return self.window
        return {k: sum(((IDLE[k], side) for side in sides), ()) for k, sides in self.window.items()}

    @cached_property
    def at(self) -> dict[str, Any]:
        """What the ops of windows take"""
        return {k: v for k, v in self.image.items() if k != "kernel"} | {"groups": self.groups}

    def params(self) -> dict[str, Shape]:
        weight = {"weight": (self.outputs, self.inputs // self.groups, *self.window["kernel"])}
        return weight | ({"bias": (self.outputs,)} if self.bias else {})

    def fan(self) -> tuple[int, int]:
        area = math.prod(self.window["kernel"])
        return self.inputs // self.groups * area, self.outputs // self.groups * area

    def out_shape(self, *shapes: Shape) -> Shape:
        owner = type(self).__name__
        sides = windows(owner, shapes[0], **self.window, axes=self.axes)
        rows(owner, "channels", shapes[0], self.inputs)
        return (self.outputs, *sides)

    def positions(self, out: Shape) -> int:
        return math.prod(out[1:])

    def apply(self, p: Params, xs: list[Value], run: ForwardContext, act: str = "none") -> Value:
        return ag.conv2d(xs[0], p["weight"], p.get("bias"), **self.at, act=act)

    def columns(self, x: Array) -> Array:
        parts = np.split(x.reshape(len(x), -1, *x.shape[-2:]), self.groups)
        return np.stack([kernels.unfold(part, **self.image) for part in parts])

    def resized(self, shapes: Mapping[str, Shape]) -> Layer:
        outputs, per, *_ = shapes["weight"]
        groups = self.groups
        if groups > 1 and self.inputs == groups:  # depthwise: whole groups go
            groups = groups * outputs // self.outputs
        return replace(
            self, inputs=per * groups, outputs=outputs, groups=groups, bias="bias" in shapes
        )

    def refuses(self, slope: float, intercept: float) -> str:
        if intercept and any(self.window["padding"]):
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
    stride : int or (int, int), default 1
        Steps of the window.
    padding : int, (int, int) or "same", default 0
        Zeros at each edge; "same", for a stride of 1: as many as keep the sides of the input, of
        an odd number one more at the bottom and the right.
    groups : int, default 1
        Groups of channels that do not read one another; `inputs` for a depthwise convolution.
    bias : bool, default True
        Whether b is added.
    dilation : int or (int, int), default 1
        How far apart the entries are that a window reads.

    Raises
    ------
    ArgumentError
        If a size is not such an integer, groups does not divide inputs and outputs, or padding is
        "same" and the stride not 1.

    Examples
    --------
    >>> import minprune as mp
    >>> mp.Conv2d(3, 8, 5).out_shape((3, 28, 28))
    (8, 24, 24)
    >>> mp.Conv2d(3, 8, 3, padding="same", dilation=2).out_shape((3, 28, 28))
    (8, 28, 28)
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
    stride : int, default 1
        Steps of the window.
    padding : int or "same", default 0
        Zeros at each end; "same", for a stride of 1: as many as keep the length of the input, of
        an odd number one more at the last end.
    groups : int, default 1
        Groups of channels that do not read one another; `inputs` for a depthwise convolution.
    bias : bool, default True
        Whether b is added.
    dilation : int, default 1
        How far apart the entries are that a window reads.

    Raises
    ------
    ArgumentError
        If a size is not such an integer, groups does not divide inputs and outputs, or padding is
        "same" and the stride not 1.

    Examples
    --------
    >>> import minprune as mp
    >>> mp.Conv1d(2, 8, 5, stride=2, padding=2).out_shape((2, 100))
    (8, 50)
    """

    axes: ClassVar[tuple[str, ...]] = ("length",)
