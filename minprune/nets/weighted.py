"""Trained layers: Dense y = W x + b, Conv2d y = w * x + b, BatchNorm y = gamma xhat + beta."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from minprune import autograd as ag
from minprune.autograd import Value
from minprune.errors import ArgumentError, ShapeError
from minprune.nets.layer import ForwardContext, Layer, Pair, Shape, count, pair, window_shape


@dataclass(frozen=True)
class Dense(Layer):
    """y = W x + b      weight: (outputs, inputs), bias: (outputs,)"""

    inputs: int
    outputs: int
    bias: bool = True
    fuses: ClassVar[bool] = True

    def __post_init__(self) -> None:
        count("Dense", "inputs", self.inputs)
        count("Dense", "outputs", self.outputs)

    def params(self) -> dict[str, Shape]:
        return {"weight": (self.outputs, self.inputs)} | (
            {"bias": (self.outputs,)} if self.bias else {}
        )

    def fan(self) -> tuple[int, int]:
        return self.inputs, self.outputs

    def out_shape(self, *shapes: Shape) -> Shape:
        if shapes[0] != (self.inputs,):
            hint = "put Flatten before it" if len(shapes[0]) > 1 else "make the sizes agree"
            raise ShapeError(f"Dense: input is {shapes[0]}, expected ({self.inputs},); {hint}")
        return (self.outputs,)

    def positions(self, out: Shape) -> int:
        return 1

    def apply(
        self,
        name: str,
        p: Mapping[str, Value],
        xs: list[Value],
        run: ForwardContext,
        act: str = "none",
    ) -> Value:
        return ag.affine(p[f"{name}.weight"], xs[0], p.get(f"{name}.bias"), act=act)


@dataclass(frozen=True)
class Conv2d(Layer):
    """y = w * x + b      weight: (outputs, inputs/groups, ky, kx), bias: (outputs,)

    Cross-correlation, zero padding; kernel, stride and padding are one int or a pair (y, x).
    """

    inputs: int
    outputs: int
    kernel: int | Pair
    stride: int | Pair = 1
    padding: int | Pair = 0
    groups: int = 1
    bias: bool = True
    fuses: ClassVar[bool] = True

    def __post_init__(self) -> None:
        count("Conv2d", "inputs", self.inputs)
        count("Conv2d", "outputs", self.outputs)
        count("Conv2d", "groups", self.groups)
        for what, least in (("kernel", 1), ("stride", 1), ("padding", 0)):
            object.__setattr__(self, what, pair("Conv2d", what, getattr(self, what), least))
        if self.inputs % self.groups or self.outputs % self.groups:
            raise ArgumentError(
                f"Conv2d: groups is {self.groups}, which does not divide {self.inputs} inputs and "
                f"{self.outputs} outputs; give a number that divides both"
            )

    @property
    def window(self) -> dict[str, Any]:
        return {"stride": self.stride, "padding": self.padding}

    def params(self) -> dict[str, Shape]:
        shape = (self.outputs, self.inputs // self.groups, *self.kernel)  # type: ignore[misc]
        return {"weight": shape} | ({"bias": (self.outputs,)} if self.bias else {})

    def fan(self) -> tuple[int, int]:
        area = int(np.prod(self.kernel))
        return self.inputs // self.groups * area, self.outputs // self.groups * area

    def out_shape(self, *shapes: Shape) -> Shape:
        sides = window_shape("Conv2d", shapes[0], kernel=self.kernel, **self.window)  # type: ignore[arg-type]
        if shapes[0][0] != self.inputs:
            raise ShapeError(
                f"Conv2d: input has {shapes[0][0]} channels, expected {self.inputs}; "
                f"make the sizes agree"
            )
        return (self.outputs, *sides)

    def positions(self, out: Shape) -> int:
        return out[1] * out[2]

    def apply(
        self,
        name: str,
        p: Mapping[str, Value],
        xs: list[Value],
        run: ForwardContext,
        act: str = "none",
    ) -> Value:
        w, b = p[f"{name}.weight"], p.get(f"{name}.bias")
        return ag.conv2d(xs[0], w, b, **self.window, groups=self.groups, act=act)


@dataclass(frozen=True)
class BatchNorm(Layer):
    """y = gamma (x - mean) / sqrt(var + 1e-5) + beta      weight: gamma, bias: beta, (channels,)

    In training the batch's own mean and biased variance; otherwise the running ones, which move by
    0.1 towards the batch's mean and UNBIASED variance at each training step, as in PyTorch.
    """

    channels: int
    fuses: ClassVar[bool] = True
    eps: ClassVar[float] = 1e-5
    momentum: ClassVar[float] = 0.1

    def __post_init__(self) -> None:
        count("BatchNorm", "channels", self.channels)

    def params(self) -> dict[str, Shape]:
        return {"weight": (self.channels,), "bias": (self.channels,)}

    def buffers(self) -> dict[str, Shape]:
        return {"running_mean": (self.channels,), "running_var": (self.channels,)}

    def out_shape(self, *shapes: Shape) -> Shape:
        if shapes[0][0] != self.channels:
            raise ShapeError(
                f"BatchNorm: input has {shapes[0][0]} channels, expected {self.channels}; "
                f"make the sizes agree"
            )
        return shapes[0]

    def apply(
        self,
        name: str,
        p: Mapping[str, Value],
        xs: list[Value],
        run: ForwardContext,
        act: str = "none",
    ) -> Value:
        (x,) = xs
        gamma, beta = p[f"{name}.weight"], p[f"{name}.bias"]
        if run.train:
            m = int(np.prod(x.shape[1:]))
            if m == 1:
                raise ShapeError(
                    f"{name}: one value per channel has no variance to train on; "
                    f"use a batch of at least 2"
                )
            xhat, mean, var = ag.normalise(x, eps=self.eps)
            run.moments[name] = mean, var, m
            return ag.scale_shift(xhat, gamma, beta, act=act)
        mean, var = p[f"{name}.running_mean"], p[f"{name}.running_var"]
        inv = 1 / np.sqrt(var + var.dtype.type(self.eps))
        if run.direct:
            return ag.scale_shift(ag.scale_shift(x, inv, -mean * inv), gamma, beta, act=act)
        scale = ag.mul(gamma, inv)
        return ag.scale_shift(x, scale, ag.sub(beta, ag.mul(scale, mean)), act=act)

    @classmethod
    def moved(cls, old: tuple[Any, Any], seen: tuple[Any, Any, int]) -> tuple[Any, Any]:
        """r + 0.1 (s - r)      the running (mean, variance) after a batch of m values a channel"""
        mean, var, m = seen
        unbiased = var * var.dtype.type(m / (m - 1))
        rate = mean.dtype.type(cls.momentum)
        return old[0] + rate * (mean - old[0]), old[1] + rate * (unbiased - old[1])
