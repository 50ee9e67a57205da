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
from minprune.nets.layer import ForwardContext, Layer, Params, Shape, sizes
from minprune.nets.registry import kind_of
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
        f"format must be 'csr', blocks of up to '64x64' such as '4x4', or N:M of up to 256 such as "
        f"'2:4', not {given!r}; choose one of them, or 'auto' or 'dense' for mp.sparsify"
    )


def matrix_of(layer: "Sparse", name: str, p: Mapping[str, Array]) -> Format:
    """The weight as a format value (outputs, inputs ...), from its arrays by kind

    Raises ArgumentError or ShapeError, naming the layer, where indices and values do not fit.
    """
    shape = layer.dense()["weight"]
    flat = shape[0], math.prod(shape[1:])
    values, form = p["weight"], tile(layer.format)
    try:
        if isinstance(form, tuple):
            return NofM(values, p["positions"], *form, flat)
        at = p["columns"], p["row_start"]
        return CSR(values, *at, flat) if form is None else BlockCSR(values, *at, form, flat)
    except (ArgumentError, ShapeError) as e:
        raise type(e)(f"{name}: {e}") from None


class Sparse(Layer):
    """What both layers share: stored values as the weight, their places in buffers, one product."""

    stored: int
    outputs: int
    bias: bool
    format: str
    tiles: ClassVar[bool] = False  # blocks and N:M too, not CSR alone
    timed: ClassVar[str] = ""  # begins the names of its measured speeds

    @classmethod
    def of(cls, layer: Any, found: Format, wanted: str) -> "Sparse":
        """The layer of the same shape as a dense one, with the weight `found` in that format."""
        raise NotImplementedError

    @staticmethod
    def copies(layer: Any, form: str) -> int:
        """How often a pass through the dense layer, or in a format, writes each input."""
        return 1

    def like(self) -> Layer:
        """The dense layer of the same shape."""
        raise NotImplementedError

    def places(self, p: Params) -> ops.Places:
        """Where the values are, from the buffers."""
        raise NotImplementedError

    def params(self) -> dict[str, Shape]:
        found: dict[str, Shape] = {"weight": (self.stored,)}
        return found | ({"bias": (self.outputs,)} if self.bias else {})

    def dense(self) -> dict[str, Shape]:
        return {"weight": self.like().params()["weight"]}

    def indices(self) -> dict[str, str]:
        return {"columns": "uint32", "row_start": "uint32"}

    def out_shape(self, *shapes: Shape) -> Shape:
        return self.like().out_shape(*shapes)

    def positions(self, out: Shape) -> int:
        return self.like().positions(out)

    def check(self, name: str, p: Mapping[str, Array]) -> None:
        matrix_of(self, name, p)

    def apply(self, p: Params, xs: list[Value], run: ForwardContext, act: str = "none") -> Value:
        w, b = p["weight"], p.get("bias")
        return ops.product(w, xs[0], b, at=self.places(p), act=act)

    def fits(self, what: str, most: int) -> None:
        """The argument `what` counts entries of which there are at most so many."""
        given = getattr(self, what)
        if type(given) is not int or not 0 <= given <= most:
            raise ArgumentError(
                f"{type(self).__name__}: {what} must be an integer from 0 to {most}, not "
                f"{given!r}; make the layer with mp.sparsify"
            )


@dataclass(frozen=True)
class SparseDense(Sparse):
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
    tiles: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for what in ("inputs", "outputs"):
            arguments.count("SparseDense", what, getattr(self, what))
        tile(self.format)
        most = self.inputs * self.outputs
        self.fits("stored", most)
        self.fits("blocks", most if isinstance(tile(self.format), int) else 0)

    @classmethod
    def of(cls, layer: Any, found: Format, wanted: str) -> Sparse:
        blocks = found.columns.size if isinstance(found, BlockCSR) else 0
        return cls(layer.inputs, layer.outputs, found.values.size, wanted, blocks, layer.bias)

    def like(self) -> Dense:
        """The dense layer of the same shape."""
        return Dense(self.inputs, self.outputs, self.bias)

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

    def places(self, p: Params) -> ops.Places:
        """Where its values stand, from the buffers."""
        form = tile(self.format)
        if isinstance(form, tuple):
            at = as_csr(p["positions"], *form, self.inputs)
            return ops.CSRPlaces(*at, self.inputs)
        at = p["columns"], p["row_start"]
        if form is None:
            return ops.CSRPlaces(*at, self.inputs)
        return ops.BlockPlaces(*at, form, self.stored, (self.outputs, self.inputs))


@dataclass(frozen=True)
class SparseConv(Sparse):
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
    timed: ClassVar[str] = "conv "

    def __post_init__(self) -> None:
        for what, least in (("kernel", 1), ("stride", 1), ("padding", 0)):
            object.__setattr__(self, what, sizes("SparseConv", what, getattr(self, what), least))
        self.fits("stored", math.prod(self.like().params()["weight"]))
        if self.format != "csr":
            raise ArgumentError(
                f"SparseConv: format must be 'csr', the only one of a convolution, not "
                f"{self.format!r}; leave it out"
            )

    @classmethod
    def of(cls, layer: Any, found: Format, wanted: str) -> Sparse:
        size = layer.inputs, layer.outputs, layer.kernel, found.values.size
        return cls(*size, layer.stride, layer.padding, layer.groups, layer.bias)

    @staticmethod
    def copies(layer: Any, form: str) -> int:
        return math.prod(layer.kernel if form == "dense" else layer.stride)

    def like(self) -> Conv2d:
        """The dense layer of the same shape."""
        return Conv2d(
            self.inputs, self.outputs, self.kernel, self.stride, self.padding, self.groups,
            self.bias,
        )  # fmt: skip

    def buffers(self) -> dict[str, Shape]:
        return {"columns": (self.stored,), "row_start": (self.outputs + 1,)}

    def places(self, p: Params) -> ops.Places:
        """Where its values stand, from the buffers."""
        return ops.ConvPlaces(
            p["columns"], p["row_start"], self.kernel, self.stride, self.padding,  # type: ignore[arg-type]
            self.groups,
        )  # fmt: skip


def sparse_kind(layer: Layer) -> type[Sparse] | None:
    """The layer that stores only the live weights of this one, or None: the class names it."""
    return kind_of(layer.sparse)  # type: ignore[return-value]
