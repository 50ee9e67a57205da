"""What a layer is: a frozen description with all its rules; its arrays live in the Model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from minprune.arguments import is_count
from minprune.autograd import Value
from minprune.core import Array, Arrays
from minprune.errors import ArgumentError, ShapeError

Shape = tuple[int, ...]
Pair = tuple[int, int]
Params = Mapping[str, Value]  # what a layer owns, by kind: {"weight": ..., "running_mean": ...}


@dataclass
class ForwardContext:
    """One run through a net: its mode, its randomness, and the statistics that it gathers."""

    train: bool = False
    direct: bool = False  # every parameter goes, as it is, into an op that has a batch axis
    rng: np.random.Generator | None = None  # of dropout
    layer: str = ""  # the one that runs now
    buffers: Arrays = field(default_factory=dict)  # running statistics after this batch, by name
    still: frozenset[str] = frozenset()  # the layers that run in evaluation mode all the same

    def at(self, name: str) -> ForwardContext:
        """The run as that layer sees it."""
        self.layer = name
        return ForwardContext(layer=name) if name in self.still else self


@dataclass(frozen=True)
class Layer:
    """A layer without parameters. A subclass overrides what differs, and is complete then.

    Shapes have no batch axis; values in `apply` and `path` are batch-last. A layer of your own is a
    frozen dataclass whose fields are its settings.

    Examples
    --------
    >>> import minprune as mp
    >>> from minprune.nets.layer import Layer
    >>> class Square(Layer):
    ...     bends = True
    ...     def apply(self, p, xs, run, act="none"):
    ...         return xs[0] * xs[0]
    >>> net = mp.build((2,), [("square", Square()), ("fc", mp.Dense(2, 1))], loss="mse")
    >>> net.shapes["square"]
    (2,)
    """

    arity: ClassVar[int | None] = 1  # how many inputs; None: two or more
    fuses: ClassVar[bool] = False  # takes an activation into its own kernel
    fused: ClassVar[str] = ""  # of an activation: its name in those kernels; "": it runs by itself
    bends: ClassVar[bool | None] = None  # an activation: not linear; None: not known, see `bent`
    sums: ClassVar[bool] = False  # adds up its inputs, row by row
    sparse: ClassVar[str] = ""  # the layer that stores only its live weights; "": there is none
    normalises: ClassVar[bool] = False  # scales rows to a mean of 0 and a variance of 1
    biased: ClassVar[bool] = False  # adds a bias to each row of its output, or can
    ones: ClassVar[tuple[str, ...]] = ()  # vectors that start at 1; the others start at 0
    shifts: ClassVar[tuple[str, ...]] = ("bias",)  # parameters that are added, not multiplied

    def params(self) -> dict[str, Shape]:
        """The shapes of what is trained; weights are (o, i), (o, i/groups, x) or with (y, x)."""
        return {}

    def buffers(self) -> dict[str, Shape]:
        """The shapes of what is kept but not trained."""
        return {}

    def dense(self) -> dict[str, Shape]:
        """The full shapes of parameters of which only the live entries are stored."""
        return {}

    def indices(self) -> dict[str, str]:
        """The dtypes of buffers that hold indices of stored entries."""
        return {}

    def check(self, name: str, p: Mapping[str, Array]) -> None:
        """Raises ArgumentError or ShapeError where indices in p, by kind, are out of range."""

    def own(self, name: str, p: Params) -> dict[str, Value]:
        """Its parameters and buffers, by kind      p: those of the net, by full name"""
        return {kind: p[f"{name}.{kind}"] for kind in self.params() | self.buffers()}

    def fan(self) -> tuple[int, int]:
        """(inputs, outputs) that one output, or one input, is connected to."""
        raise ArgumentError(f"{type(self).__name__} has no weight, so it has no fan")

    def out_shape(self, *shapes: Shape) -> Shape:
        """The shape of the output; raises ShapeError where the inputs do not fit."""
        return shapes[0]

    def least_batch(self, shape: Shape) -> int:
        """The fewest samples that a batch of training may have, by the shape of the output."""
        return 1

    def positions(self, out: Shape) -> int:
        """How often each weight is used on one sample: multiply-adds = weights x positions."""
        return 0

    def apply(self, p: Params, xs: list[Value], run: ForwardContext, act: str = "none") -> Value:
        """The output, batch-last. p: the parameters and buffers of this layer, by kind."""
        raise NotImplementedError(type(self).__name__)

    def path(self, p: Params, xs: list[Value]) -> Value:
        """The output in SynFlow's pass: linear in x, with a factor of at least 0 on every path

        p: absolute weights, shifts of 0, and the buffers as they are. That of a layer that is not
        linear must be defined.
        """
        if self.bent():
            raise ArgumentError(
                f"{type(self).__name__} is not linear, and SynFlow needs a linear pass; define its "
                f"method path"
            )
        return self.apply(p, xs, ForwardContext())

    def bent(self) -> bool:
        """Whether the output is not linear in the input; ArgumentError where that is not known."""
        if self.bends is None:
            raise ArgumentError(
                f"{type(self).__name__} does not say whether it is linear; set bends = True in the "
                f"class, or False if it is"
            )
        return self.bends

    def columns(self, x: Array) -> Array:
        """What the weight of one output multiplies      (groups, features, positions n)

        x: the input, batch-last. For a layer with a weight matrix.
        """
        raise ArgumentError(
            f"{type(self).__name__} does not say what each output reads; define its method columns"
        )

    def resized(self, shapes: Mapping[str, Shape]) -> Layer:
        """The layer whose parameters have these shapes, by kind: some units fewer, or a bias more

        Raises ArgumentError for a layer that has no such rule.
        """
        raise ArgumentError(f"{type(self).__name__} cannot shrink; define its method resized")

    def constant(self, p: Params, level: Array) -> Array | None:
        """What `level`, a constant of each input row, adds to each output row

        None where that differs between positions, or is not known.
        """
        return None

    def refuses(self, slope: float, intercept: float) -> str:
        """Why a_dropped = slope a_kept + intercept does not pass through, or "" where it does

        Asked of the layers that read merged units, and of those between.
        """
        return (
            f"{type(self).__name__} does not say whether merged units pass through it; define its "
            f"method refuses"
        )


@dataclass(frozen=True)
class Passing(Layer):
    """A linear layer that changes no row of its input by a factor of its own: lines pass through"""

    bends: ClassVar[bool | None] = False

    def refuses(self, slope: float, intercept: float) -> str:
        return ""


def sizes(owner: str, what: str, given: Any, least: int, axes: int = 2) -> Shape:
    """An int, or one for each axis, as a tuple; each at least `least`."""
    found = tuple(given) if isinstance(given, tuple | list) else (given,) * axes
    if len(found) != axes or not all(is_count(v, least) for v in found):
        raise ArgumentError(
            f"{owner}: {what} must be {'one or two integers' if axes == 2 else 'an integer'} of at "
            f"least {least}, not {given!r}; pass {what}={max(least, 1)}, for example"
        )
    return tuple(map(int, found))


def rows(owner: str, what: str, shape: Shape, wanted: int) -> None:
    """Raises ShapeError unless the input has that many channels (features)."""
    if shape[0] != wanted:
        raise ShapeError(f"{owner}: must read {wanted} {what}, not {shape[0]}; make sizes agree")


def windows(
    owner: str, shape: Shape, kernel: Shape, stride: Shape, padding: Shape, axes: tuple[str, ...],
    dilation: Shape = (1, 1),
) -> Shape:  # fmt: skip
    """(side + first p + last p - (k - 1) d - 1) // s + 1 for each      shape: (channels, *sides)

    axes: the names of the sides; padding: one number for each, or all at the first edges and then
    all at the last. Raises ShapeError where no window fits.
    """
    if len(shape) != 1 + len(kernel):
        raise ShapeError(
            f"{owner}: the input must be (channels, {', '.join(axes)}), not {shape}; "
            f"put the layer before Flatten, or change input_shape"
        )
    extent = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=False))
    rooms = zip(shape[1:], padding, padding[-len(kernel) :], extent, strict=False)
    free = [side + p + q - k for side, p, q, k in rooms]
    if min(free) < 0:
        size, sides = (" x ".join(map(str, s)) for s in (extent, shape[1:]))
        raise ShapeError(
            f"{owner}: a window of {size} does not fit an input of {sides} with padding "
            f"{', '.join(map(str, padding))}; use larger inputs, a smaller window or more padding"
        )
    return tuple(room // s + 1 for room, s in zip(free, stride, strict=True))
