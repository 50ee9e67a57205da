"""What a layer is: a frozen description; its arrays live in the Model, its work is one `apply`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from minprune.autograd import Value
from minprune.core import Array
from minprune.errors import ArgumentError, ShapeError

Shape = tuple[int, ...]
Pair = tuple[int, int]


@dataclass
class ForwardContext:
    """One run through a net: its mode, its randomness, and the statistics that it gathers."""

    train: bool = False
    direct: bool = False  # every parameter goes, as it is, into an op that has a batch axis
    rng: np.random.Generator | None = None  # of dropout
    moments: dict[str, tuple[Array, Array, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Layer:
    """A layer without parameters; the others override what differs. Shapes have no batch axis."""

    arity: ClassVar[int | None] = 1  # how many inputs; None: two or more
    fuses: ClassVar[bool] = False  # takes an activation into its own kernel

    def params(self) -> dict[str, Shape]:
        """The shapes of what is trained; weights are (o, i) or (o, i/groups, y, x)."""
        return {}

    def buffers(self) -> dict[str, Shape]:
        """The shapes of what is kept but not trained."""
        return {}

    def dense(self) -> dict[str, Shape]:
        """The full shapes of parameters of which only the live entries are stored."""
        return {}

    def indices(self) -> dict[str, str]:
        """The dtypes of buffers that hold no floats, but where stored entries stand."""
        return {}

    def check(self, name: str, p: Mapping[str, Array]) -> None:
        """Raises ArgumentError or ShapeError where indices, by full name, point to no entries."""

    def fan(self) -> tuple[int, int]:
        """(inputs, outputs) that one output, or one input, is connected to."""
        raise ArgumentError(f"{type(self).__name__} has no weight, so it has no fan")

    def out_shape(self, *shapes: Shape) -> Shape:
        """The shape of the output; raises ShapeError where the inputs do not fit."""
        return shapes[0]

    def positions(self, out: Shape) -> int:
        """How often each weight is used on one sample: multiply-adds = weights x positions."""
        return 0

    def apply(
        self,
        name: str,
        p: Mapping[str, Value],
        xs: list[Value],
        run: ForwardContext,
        act: str = "none",
    ) -> Value:
        """The output, batch-last. p: all parameters and buffers of the net, by full name."""
        raise NotImplementedError(type(self).__name__)


def pair(owner: str, what: str, given: Any, least: int) -> Pair:
    """An int or two ints as a pair, each at least `least`."""
    both = tuple(given) if isinstance(given, tuple | list) else (given, given)
    if len(both) != 2 or any(
        isinstance(v, bool) or not isinstance(v, int | np.integer) or v < least for v in both
    ):
        raise ArgumentError(
            f"{owner}: {what} is {given!r}, expected one or two integers of at least {least}; "
            f"give {what}={max(least, 1)}, for example"
        )
    return int(both[0]), int(both[1])


def count(owner: str, what: str, given: Any) -> None:
    """Raises ArgumentError unless `given` is an integer of at least 1."""
    if isinstance(given, bool) or not isinstance(given, int | np.integer) or given < 1:
        raise ArgumentError(
            f"{owner}: {what} is {given!r}, expected an integer of at least 1; "
            f"give the layer a size"
        )


def window_shape(owner: str, shape: Shape, kernel: Pair, stride: Pair, padding: Pair) -> Pair:
    """(h + 2 p - k) // s + 1 for each side; raises ShapeError where no window fits."""
    if len(shape) != 3:
        raise ShapeError(
            f"{owner}: input is {shape}, expected (channels, height, width); "
            f"put it before Flatten, or give images"
        )
    sides = [
        (side + 2 * p - k) // s + 1
        for side, k, s, p in zip(shape[1:], kernel, stride, padding, strict=True)
    ]
    if min(sides) < 1 or any(
        side + 2 * p < k for side, k, p in zip(shape[1:], kernel, padding, strict=True)
    ):
        raise ShapeError(
            f"{owner}: a window of {kernel[0]} x {kernel[1]} does not fit an input of "
            f"{shape[1]} x {shape[2]} with padding {padding[0]}, {padding[1]}; "
            f"use larger images, a smaller window or more padding"
        )
    return sides[0], sides[1]
