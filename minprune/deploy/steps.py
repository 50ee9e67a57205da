"""The steps of a lowered model, y = f(x_1, x_2, ...), each with its definition in plain NumPy.

Values are batch-first: (n, features) or (n, c, h, w); a sequence is an image of height 1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from minprune.autograd.activations import ACTIVATIONS
from minprune.core import Array
from minprune.nets.layer import Shape

Pair = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Step:
    """name: the layer that it came from; reads: the numbers of the values that it reads

    Value 0 is the input; step k of a program, from 1, makes value k. out: its shape without the
    batch axis.
    """

    name: str
    reads: tuple[int, ...]
    out: Shape

    def apply(self, *xs: Array) -> Array:
        """The value that the step makes, by its definition."""
        raise NotImplementedError

    def taking(self, after: Step) -> Step | None:
        """This step with the next one inside it, or None where that has no such form."""
        return None


@dataclass(frozen=True, eq=False)
class Acting(Step):
    """A step that ends in an activation: y = f(z), act: a key of ACTIVATIONS"""

    act: str = "none"

    def activated(self, z: Array) -> Array:
        """f(z)"""
        y: Array = ACTIVATIONS[self.act].f(z)
        return y.astype(z.dtype, copy=False)

    def taking(self, after: Step) -> Step | None:
        if self.act == "none" and isinstance(after, Activate):
            return replace(self, act=after.act)
        return None


@dataclass(frozen=True, eq=False)
class Activate(Acting):
    """y = f(x)"""

    def apply(self, *xs: Array) -> Array:
        return self.activated(xs[0])


@dataclass(frozen=True, eq=False)
class Scale(Acting):
    """y_c = f(scale_c x_c + shift_c)      scale, shift: (c,)"""

    scale: Array = None  # type: ignore[assignment]
    shift: Array = None  # type: ignore[assignment]

    def apply(self, *xs: Array) -> Array:
        (x,) = xs
        return self.activated(rows(self.scale, x) * x + rows(self.shift, x))

    def scaled(self, scale: Array, shift: Array) -> Step:
        """scale y + shift as one step"""
        return replace(self, scale=scale * self.scale, shift=scale * self.shift + shift)

    def taking(self, after: Step) -> Step | None:
        return _scaled(self, after) or super().taking(after)


@dataclass(frozen=True, eq=False)
class Mixing(Acting):
    """A step with a weight matrix      weight: (o, ...), masked entries are 0; bias: (o,)"""

    weight: Array = None  # type: ignore[assignment]
    bias: Array = None  # type: ignore[assignment]

    @property
    def live(self) -> Array:
        """Which weights are not 0      the shape of weight, bool"""
        return np.asarray(self.weight != 0)

    @property
    def matrix(self) -> Array:
        """The weight with a row for each output      (o, ...)"""
        return self.weight.reshape(len(self.weight), -1)

    def scaled(self, scale: Array, shift: Array) -> Step:
        """scale y + shift as one step"""
        weight = self.weight * scale.reshape(-1, *[1] * (self.weight.ndim - 1))
        return replace(self, weight=weight, bias=scale * self.bias + shift)

    def taking(self, after: Step) -> Step | None:
        return _scaled(self, after) or super().taking(after)


@dataclass(frozen=True, eq=False)
class Linear(Mixing):
    """y = f(W x + b)      weight: (o, i)"""

    def apply(self, *xs: Array) -> Array:
        return self.activated(xs[0] @ self.weight.T + self.bias)


@dataclass(frozen=True, eq=False)
class Convolve(Mixing):
    """y = f(w * x + b), cross-correlation      weight: (o, i/groups, y, x)

    padding: zeros at the top, the left, the bottom and the right
    """

    stride: Pair = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1

    def apply(self, *xs: Array) -> Array:
        seen = windows(xs[0], self.weight.shape[2:], self.stride, self.padding, 0, self.dilation)
        n, _, *sides = seen.shape
        x = seen.reshape(n, self.groups, -1, *sides)
        w = self.weight.reshape(self.groups, -1, *self.weight.shape[1:])
        z = np.einsum("ngihwyx,goiyx->ngohw", x, w, optimize=True).reshape(n, *self.out)
        return self.activated(z + rows(self.bias, z))


@dataclass(frozen=True, eq=False)
class Pool(Step):
    """A number for each window and channel; padding at all edges (y, x)"""

    kernel: Pair = (1, 1)
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)

    def windows(self, x: Array, fill: float) -> Array:
        """(n, c, h', w', y, x)"""
        return windows(x, self.kernel, self.stride, self.padding * 2, fill)


@dataclass(frozen=True, eq=False)
class Largest(Pool):
    """y = max over the window; padding never wins"""

    def apply(self, *xs: Array) -> Array:
        y: Array = self.windows(xs[0], -np.inf).max(axis=(4, 5))
        return y


@dataclass(frozen=True, eq=False)
class Mean(Pool):
    """y = sum over the window / its size, padding counted"""

    def apply(self, *xs: Array) -> Array:
        seen = self.windows(xs[0], 0)
        return np.asarray(seen.sum(axis=(4, 5)) / seen.dtype.type(prod(self.kernel)))


@dataclass(frozen=True, eq=False)
class Normalise(Acting):
    """y = f(gamma (x - mean) / sqrt(var + eps) + beta), mean and var of each group of channels

    gamma, beta: (c,); var: biased, over all positions of a group
    """

    gamma: Array = None  # type: ignore[assignment]
    beta: Array = None  # type: ignore[assignment]
    groups: int = 1
    eps: float = 0.0

    def apply(self, *xs: Array) -> Array:
        (x,) = xs
        runs = x.reshape(len(x), self.groups, -1)
        centred = runs - runs.mean(axis=2, keepdims=True)
        var = np.mean(centred * centred, axis=2, keepdims=True)
        xhat = (centred / np.sqrt(var + x.dtype.type(self.eps))).reshape(x.shape)
        return self.activated(rows(self.gamma, x) * xhat + rows(self.beta, x))


@dataclass(frozen=True, eq=False)
class Sum(Acting):
    """y = f(x_1 + x_2 + ...)"""

    def apply(self, *xs: Array) -> Array:
        z = xs[0]
        for x in xs[1:]:
            z = z + x
        return self.activated(z)


@dataclass(frozen=True, eq=False)
class Concatenate(Step):
    """x_1, x_2, ... one after another along the channels (features)"""

    def apply(self, *xs: Array) -> Array:
        return np.concatenate(xs, axis=1)


@dataclass(frozen=True, eq=False)
class View(Step):
    """y = x with another shape: no work"""

    def apply(self, *xs: Array) -> Array:
        return xs[0].reshape(-1, *self.out)


def windows(
    x: Array, kernel: Shape, stride: Pair, padding: Any, fill: float, dilation: Pair = (1, 1)
) -> Array:
    """(n, c, h, w) -> (n, c, h', w', y, x), `padding`: top, left, bottom, right"""
    top, left, bottom, right = padding
    edges = ((0, 0), (0, 0), (top, bottom), (left, right))
    x = np.pad(x, edges, constant_values=fill)
    extent = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
    seen = np.lib.stride_tricks.sliding_window_view(x, extent, axis=(2, 3))
    found: Array = seen[:, :, :: stride[0], :: stride[1], :: dilation[0], :: dilation[1]]
    return found


def rows(a: Array, x: Array) -> Array:
    """A number for each channel, as x takes it"""
    return a.reshape(-1, *[1] * (x.ndim - 2))


def _scaled(step: Any, after: Step) -> Step | None:
    """The step with a scale inside, which has no activation of its own yet"""
    if step.act != "none" or not isinstance(after, Scale):
        return None
    found: Step = replace(step.scaled(after.scale, after.shift), act=after.act)
    return found
