"""Dense: y = W x + b; Flatten, which makes the features that it reads of channels."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from minprune import arguments
from minprune import autograd as ag
from minprune.autograd import Value
from minprune.core import Array
from minprune.errors import ShapeError
from minprune.nets.layer import ForwardContext, Layer, Params, Passing, Shape


@dataclass(frozen=True)
class Dense(Passing):
    """A fully connected layer.

    y = W x + b      weight: (outputs, inputs), bias: (outputs,)

    Parameters
    ----------
    inputs, outputs : int
        How many features it reads and makes.
    bias : bool, default True
        Whether b is added.

    Raises
    ------
    ArgumentError
        If a size is not an integer of at least 1.

    Examples
    --------
    >>> import minprune as mp
    >>> mp.Dense(4, 3).params()
    {'weight': (3, 4), 'bias': (3,)}
    """

    inputs: int
    outputs: int
    bias: bool = True
    fuses: ClassVar[bool] = True
    biased: ClassVar[bool] = True
    sparse: ClassVar[str] = "SparseDense"

    def __post_init__(self) -> None:
        for what in ("inputs", "outputs"):
            arguments.count("Dense", what, getattr(self, what))

    def params(self) -> dict[str, Shape]:
        weight: dict[str, Shape] = {"weight": (self.outputs, self.inputs)}
        return weight | ({"bias": (self.outputs,)} if self.bias else {})

    def fan(self) -> tuple[int, int]:
        return self.inputs, self.outputs

    def out_shape(self, *shapes: Shape) -> Shape:
        if shapes[0] != (self.inputs,):
            hint = "put Flatten before it" if len(shapes[0]) > 1 else "make the sizes agree"
            raise ShapeError(f"Dense: the input must be ({self.inputs},), not {shapes[0]}; {hint}")
        return (self.outputs,)

    def positions(self, out: Shape) -> int:
        return 1

    def apply(self, p: Params, xs: list[Value], run: ForwardContext, act: str = "none") -> Value:
        return ag.affine(p["weight"], xs[0], p.get("bias"), act=act)

    def columns(self, x: Array) -> Array:
        return x[None]

    def resized(self, shapes: Mapping[str, Shape]) -> Layer:
        outputs, inputs = shapes["weight"]
        return replace(self, inputs=inputs, outputs=outputs, bias="bias" in shapes)

    def constant(self, p: Params, level: Array) -> Array | None:
        return np.asarray(p["weight"] @ level)


class Flatten(Passing):
    """Channels become features.

    (c, h, w) -> (c h w,): channel k becomes the run of entries k h w ... (k + 1) h w - 1

    Examples
    --------
    >>> import minprune as mp
    >>> mp.Flatten().out_shape((8, 7, 7))
    (392,)
    """

    def out_shape(self, *shapes: Shape) -> Shape:
        return (math.prod(shapes[0]),)

    def apply(self, p: Params, xs: list[Value], run: ForwardContext, act: str = "none") -> Value:
        return ag.reshape(xs[0], shape=(-1, xs[0].shape[-1]))
