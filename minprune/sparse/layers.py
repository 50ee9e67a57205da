"""Layers that store live weights alone: y = act(A x + b), A in CSR, blocks or N:M; sparse w * x.

The weight is the vector of the stored values, in the order of the format, so optimizers work as
they do; the indices are buffers. The structure is fixed: training moves values, and methods that
move connections replace indices of the same size.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from minprune import arguments
from minprune.autograd import Value
from minprune.core import Array
from minprune.errors import ArgumentError, ShapeError
from minprune.nets.convolution import Conv2d
from minprune.nets.dense import Dense
from minprune.nets.layer import ForwardContext, Layer, Shape, sizes
from minprune.sparse import ops
from minprune.sparse.formats import CSR, BlockCSR, NofM
from minprune.sparse.packed import as_csr, bytes_of

Pair = tuple[int, ...]
Format = CSR | BlockCSR | NofM


def tile(given: str) -> tuple[int, int] | int | None:
    """(keep, group) of "2:4", the side of "4x4", None of "csr"

    Raises ArgumentError for another format.
    """
    if given == "csr":
        return None
    found = re.fullmatch(r"([1-9][0-9]{0,2})(x|:)([1-9][0-9]{0,2})", str(given))
    if found:
        first, between, second = int(found[1]), found[2], int(found[3])
        if between == ":" and first <= second <= 256:
            return first, second
        if between == "x" and first == second <= 64:
            return first
    raise ArgumentError(
        f"format is {given!r}, expected 'csr', blocks of up to '64x64' such as '4x4', or N:M of up "
        f"to 256 such as '2:4'; choose one of them, or 'auto' or 'dense' for mp.sparsify"
    )


def matrix_of(layer: "SparseDense | SparseConv", name: str, p: Mapping[str, Array]) -> Format:
    """The weight as a format value (outputs, inputs ...), from arrays by full name

    Raises ArgumentError or ShapeError, naming the layer, where indices and values do not fit.
    """
    shape = layer.dense()["weight"]
    flat = shape[0], math.prod(shape[1:])
    values, form = p[f"{name}.weight"], tile(layer.format)
    try:
        if isinstance(form, tuple):
            return NofM(values, p[f"{name}.positions"], *form, flat)
        at = p[f"{name}.columns"], p[f"{name}.row_start"]
        return CSR(values, *at, flat) if form is None else BlockCSR(values, *at, form, flat)
    except (ArgumentError, ShapeError) as e:
        raise type(e)(f"{name}: {e}") from None


@dataclass(frozen=True)
class SparseDense(Layer):
    """y = A x + b      A: (outputs, inputs), `stored` values; weight: (stored,), bias: (outputs,)

    format: "csr", blocks such as "4x4", or "2:4". blocks: how many there are, of "4x4".
    """

    inputs: int
    outputs: int
    stored: int
    format: str = "csr"
    blocks: int = 0
    bias: bool = True
    fuses: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for what in ("inputs", "outputs"):
            arguments.count("SparseDense", what, getattr(self, what))
        tile(self.format)
        for what in ("stored", "blocks"):
            given, most = getattr(self, what), self.inputs * self.outputs
            if what == "blocks" and not isinstance(tile(self.format), int):
                most = 0
            if type(given) is not int or not 0 <= given <= most:
                raise ArgumentError(
                    f"SparseDense: {what} is {given!r}, expected 0 to {most}; "
                    f"make the layer with mp.sparsify"
                )

    def params(self) -> dict[str, Shape]:
        found: dict[str, Shape] = {"weight": (self.stored,)}
        return found | ({"bias": (self.outputs,)} if self.bias else {})

    def dense(self) -> dict[str, Shape]:
        return {"weight": (self.outputs, self.inputs)}

    def indices(self) -> dict[str, str]:
        if ":" in self.format:
            return {"positions": "uint8"}
        return {"columns": "uint32", "row_start": "uint32"}

    def buffers(self) -> dict[str, Shape]:
        rows: Shape = (self.outputs + 1,)
        form = tile(self.format)
        if isinstance(form, tuple):
            return {"positions": (self.outputs, bytes_of(*form, self.inputs))}
        if form is None:
            return {"columns": (self.stored,), "row_start": rows}
        return {"columns": (self.blocks,), "row_start": (-(-self.outputs // form) + 1,)}

    def out_shape(self, *shapes: Shape) -> Shape:
        return Dense(self.inputs, self.outputs, self.bias).out_shape(*shapes)

    def positions(self, out: Shape) -> int:
        return 1

    def check(self, name: str, p: Mapping[str, Array]) -> None:
        matrix_of(self, name, p)

    def places(self, name: str, p: Mapping[str, Any]) -> ops.Places:
        """Where its values stand, from the buffers."""
        form = tile(self.format)
        if isinstance(form, tuple):
            at = as_csr(p[f"{name}.positions"], *form, self.inputs)
            return ops.CSRPlaces(*at, self.inputs)
        at = p[f"{name}.columns"], p[f"{name}.row_start"]
        if form is None:
            return ops.CSRPlaces(*at, self.inputs)
        return ops.BlockPlaces(*at, form, self.stored, (self.outputs, self.inputs))

    def apply(
        self,
        name: str,
        p: Mapping[str, Value],
        xs: list[Value],
        run: ForwardContext,
        act: str = "none",
    ) -> Value:
        w, b = p[f"{name}.weight"], p.get(f"{name}.bias")
        return ops.product(w, xs[0], b, at=self.places(name, p), act=act)


@dataclass(frozen=True)
class SparseConv(Layer):
    """y = w * x + b      w: (outputs, inputs/groups, y, x) in CSR, `stored` values; no unfold"""

    inputs: int
    outputs: int
    kernel: int | Pair
    stored: int
    stride: int | Pair = 1
    padding: int | Pair = 0
    groups: int = 1
    bias: bool = True
    format: str = "csr"
    fuses: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for what, least in (("kernel", 1), ("stride", 1), ("padding", 0)):
            object.__setattr__(self, what, sizes("SparseConv", what, getattr(self, what), least))
        self.like()  # raises for what a convolution cannot be
        size = self.outputs * self.inputs // self.groups * self.kernel[0] * self.kernel[1]  # type: ignore[index]
        if type(self.stored) is not int or not 0 <= self.stored <= size:
            raise ArgumentError(
                f"SparseConv: stored is {self.stored!r}, expected 0 to {size}; "
                f"make the layer with mp.sparsify"
            )
        if self.format != "csr":
            raise ArgumentError(
                f"SparseConv: format is {self.format!r}, expected 'csr', which is all that a "
                f"convolution has; leave it out"
            )

    def like(self) -> Conv2d:
        """The dense layer of the same shape."""
        return Conv2d(
            self.inputs, self.outputs, self.kernel, self.stride, self.padding, self.groups,
            self.bias,
        )  # fmt: skip

    def params(self) -> dict[str, Shape]:
        found: dict[str, Shape] = {"weight": (self.stored,)}
        return found | ({"bias": (self.outputs,)} if self.bias else {})

    def dense(self) -> dict[str, Shape]:
        return {"weight": self.like().params()["weight"]}

    def indices(self) -> dict[str, str]:
        return {"columns": "uint32", "row_start": "uint32"}

    def buffers(self) -> dict[str, Shape]:
        return {"columns": (self.stored,), "row_start": (self.outputs + 1,)}

    def out_shape(self, *shapes: Shape) -> Shape:
        return self.like().out_shape(*shapes)

    def positions(self, out: Shape) -> int:
        return out[1] * out[2]

    def check(self, name: str, p: Mapping[str, Array]) -> None:
        matrix_of(self, name, p)

    def places(self, name: str, p: Mapping[str, Any]) -> ops.Places:
        """Where its values stand, from the buffers."""
        return ops.ConvPlaces(
            p[f"{name}.columns"], p[f"{name}.row_start"], self.kernel, self.stride, self.padding,  # type: ignore[arg-type]
            self.groups,
        )  # fmt: skip

    def apply(
        self,
        name: str,
        p: Mapping[str, Value],
        xs: list[Value],
        run: ForwardContext,
        act: str = "none",
    ) -> Value:
        w, b = p[f"{name}.weight"], p.get(f"{name}.bias")
        return ops.product(w, xs[0], b, at=self.places(name, p), act=act)
