"""Layers with nothing to train: dropout, pooling, flatten, sum, concatenation."""

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import ClassVar

import numpy as np

from minprune import autograd as ag
from minprune.autograd import Value
from minprune.errors import ArgumentError, ShapeError
from minprune.nets.layer import ForwardContext, Layer, Pair, Shape, pair, window_shape

Params = Mapping[str, Value]


@dataclass(frozen=True)
class Dropout(Layer):
    """y = x m / (1 - rate), m ~ Bernoulli(1 - rate), in training; y = x otherwise

    Source: Srivastava et al. (2014), in the inverted form.
    """

    rate: float = 0.5

    def __post_init__(self) -> None:
        if not isinstance(self.rate, Real) or not 0 <= self.rate < 1:
            raise ArgumentError(
                f"Dropout: rate is {self.rate!r}, expected a share in [0, 1); give rate=0.5"
            )

    def apply(
        self, name: str, p: Params, xs: list[Value], run: ForwardContext, act: str = "none"
    ) -> Value:
        if not run.train or self.rate == 0:
            return xs[0]
        if run.rng is None:
            raise ArgumentError(
                f"{name}: dropout in training needs randomness; pass rng= a numpy Generator"
            )
        x = ag.value(xs[0])
        kept = run.rng.random(x.shape, np.float32) >= self.rate
        return ag.mul(xs[0], kept * x.dtype.type(1 / (1 - self.rate)))


@dataclass(frozen=True)
class _Pool(Layer):
    """Windows of `kernel`, a `stride` apart (the kernel's size unless given)."""

    kernel: int | Pair = 2
    stride: int | Pair | None = None
    padding: int | Pair = 0

    def __post_init__(self) -> None:
        owner = type(self).__name__
        if self.stride is None:
            object.__setattr__(self, "stride", self.kernel)
        for what, least in (("kernel", 1), ("stride", 1), ("padding", 0)):
            object.__setattr__(self, what, pair(owner, what, getattr(self, what), least))
        if any(2 * p > k for p, k in zip(self.padding, self.kernel, strict=True)):  # type: ignore[arg-type]
            raise ArgumentError(
                f"{owner}: padding is {self.padding}, more than half the window {self.kernel}; "
                f"use less padding, so that every window meets the image"
            )

    def out_shape(self, *shapes: Shape) -> Shape:
        owner = type(self).__name__
        sides = window_shape(owner, shapes[0], self.kernel, self.stride, self.padding)  # type: ignore[arg-type]
        return (shapes[0][0], *sides)


class MaxPool(_Pool):
    """y = the largest entry of each window; padding never wins"""

    def apply(
        self, name: str, p: Params, xs: list[Value], run: ForwardContext, act: str = "none"
    ) -> Value:
        at = {"kernel": self.kernel, "stride": self.stride, "padding": self.padding}
        return ag.max_pool(xs[0], **at)  # type: ignore[arg-type]


class AvgPool(_Pool):
    """y = the mean of each window, padding counted"""

    def apply(
        self, name: str, p: Params, xs: list[Value], run: ForwardContext, act: str = "none"
    ) -> Value:
        return ag.avg_pool(xs[0], kernel=self.kernel, stride=self.stride, padding=self.padding)


class GlobalAvgPool(Layer):
    """y_c = the mean of channel c over all positions: (c, h, w) -> (c,)"""

    def out_shape(self, *shapes: Shape) -> Shape:
        window_shape("GlobalAvgPool", shapes[0], (1, 1), (1, 1), (0, 0))
        return shapes[0][:1]

    def apply(
        self, name: str, p: Params, xs: list[Value], run: ForwardContext, act: str = "none"
    ) -> Value:
        c, h, w, n = xs[0].shape
        y = ag.avg_pool(xs[0], kernel=(h, w), stride=(h, w), padding=(0, 0))
        return ag.reshape(y, shape=(c, n))


class Flatten(Layer):
    """(c, h, w) -> (c h w,): channel k becomes the run of entries k h w ... (k + 1) h w - 1"""

    def out_shape(self, *shapes: Shape) -> Shape:
        return (int(np.prod(shapes[0])),)

    def apply(
        self, name: str, p: Params, xs: list[Value], run: ForwardContext, act: str = "none"
    ) -> Value:
        return ag.reshape(xs[0], shape=(-1, xs[0].shape[-1]))


class Add(Layer):
    """y = x_1 + x_2 + ...: a residual sum; all inputs have one shape"""

    arity: ClassVar[int | None] = None

    def out_shape(self, *shapes: Shape) -> Shape:
        if len(set(shapes)) > 1:
            raise ShapeError(
                f"Add: inputs are {' and '.join(map(str, shapes))}, expected one shape; "
                f"project the shorter branch with a 1 x 1 Conv2d"
            )
        return shapes[0]

    def apply(
        self, name: str, p: Params, xs: list[Value], run: ForwardContext, act: str = "none"
    ) -> Value:
        y = xs[0]
        for x in xs[1:]:
            y = ag.add(y, x)
        return y


class Concat(Layer):
    """y = the inputs one after another along the channels (features)"""

    arity: ClassVar[int | None] = None

    def out_shape(self, *shapes: Shape) -> Shape:
        if len({s[1:] for s in shapes}) > 1:
            raise ShapeError(
                f"Concat: inputs are {' and '.join(map(str, shapes))}, expected equal sizes after "
                f"the first; pool or pad one branch"
            )
        return (sum(s[0] for s in shapes), *shapes[0][1:])

    def apply(
        self, name: str, p: Params, xs: list[Value], run: ForwardContext, act: str = "none"
    ) -> Value:
        return ag.concat(*xs)
