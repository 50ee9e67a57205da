"""Layers that store live weights alone: y = act(A x + b), A in CSR, blocks or N:M; sparse w * x.

The weight is the vector of the stored values, in the order of the format, so optimizers work
unchanged; the indices are buffers. The structure is fixed: training moves values, and methods that
move connections replace indices of the same size. Long because of its documentation.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, ClassVar

from minprune import arguments, kernels
from minprune.autograd import Value
from minprune.core import Array
from minprune.errors import ArgumentError, ShapeError
from minprune.nets.convolution import Conv2d, place
from minprune.nets.dense import Dense
from minprune.nets.layer import ForwardContext, Layer, Params, Passing, Shape
from minprune.nets.registry import kind_of
from minprune.sparse import ops
from minprune.sparse.formats import CSR, BlockCSR, Stored
from minprune.sparse.nofm import NofM
from minprune.sparse.ops import Products

Pair = tuple[int, ...]
Format = CSR | BlockCSR | NofM


def form(given: Any) -> tuple[Any, tuple[int, ...]]:
    """The class and the numbers of a format: "4x4" -> BlockCSR, (4,); "2:4" -> NofM, (2, 4)

    Raises ArgumentError for another format.
    """
    if given == "csr":
        return CSR, ()
    found = re.fullmatch(r"([1-9][0-9]{0,2})(x|:)([1-9][0-9]{0,2})", str(given))
    if found:
        first, between, second = int(found[1]), found[2], int(found[3])
        if between == ":" and first <= second <= 256:
            return NofM, (first, second)
        if between == "x" and first == second <= 64:
            return BlockCSR, (first,)
    raise ArgumentError(
        f"format must be 'csr', blocks of up to '64x64' such as '4x4', or N:M of up to 256 such as "
        f"'2:4', not {given!r}; choose one of them, or 'auto' or 'dense' for mp.sparsify"
    )


class Sparse(Passing):
    """What the sparse layers share: stored values as the weight, indices in buffers, one product"""

    twin: ClassVar[Any]  # the dense layer of which this is the sparse form
    only: ClassVar[tuple[str, ...]] = ()  # the formats it can have; () for all
    prefix: ClassVar[str] = ""  # of its rows in mp.sparse.speeds()
    fuses: ClassVar[bool] = True
    stored: int
    outputs: int
    bias: bool
    format: str

    @cached_property
    def kind(self) -> tuple[type[Stored], tuple[int, ...]]:
        """The class of its format, and the numbers of that"""
        return form(self.format)

    @cached_property
    def full(self) -> Shape:
        """The shape of the dense weight"""
        full: Shape = self.like().params()["weight"]
        return full

    @cached_property
    def matrix_shape(self) -> tuple[int, int]:
        """(m, n) of the weight as a matrix, a row for each output"""
        return self.full[0], math.prod(self.full[1:])

    def like(self) -> Layer:
        """The dense layer of the same shape."""
        like: Layer = self.twin(**{f.name: getattr(self, f.name) for f in fields(self.twin)})
        return like

    @staticmethod
    def copies(layer: Any, format: str) -> int:
        """How many copies of each input the kernel of `layer`, dense or in a format, makes"""
        return 1

    @cached_property
    def products(self) -> Products:
        """The products with the weight"""
        kind, numbers = self.kind
        return kind.products(self.matrix_shape, self.stored, *numbers)

    def params(self) -> dict[str, Shape]:
        found: dict[str, Shape] = {"weight": (self.stored,)}
        return found | ({"bias": (self.outputs,)} if self.bias else {})

    def buffers(self) -> dict[str, Shape]:
        kind, numbers = self.kind
        blocks = getattr(self, "blocks", 0)
        return kind.index_shapes(self.matrix_shape, self.stored, blocks, *numbers)

    def dense(self) -> dict[str, Shape]:
        return {"weight": self.full}

    def indices(self) -> dict[str, str]:
        return self.kind[0].INDICES

    def out_shape(self, *shapes: Shape) -> Shape:
        return self.like().out_shape(*shapes)

    def positions(self, out: Shape) -> int:
        return self.like().positions(out)

    def check(self, name: str, p: Mapping[str, Array]) -> None:
        self.matrix(name, p)

    def apply(self, p: Params, xs: list[Value], run: ForwardContext, act: str = "none") -> Value:
        at: Any = self.products, [p[k] for k in self.kind[0].INDICES]
        return ops.product(p["weight"], xs[0], p.get("bias"), at=at, act=act)

    def matrix(self, name: str, p: Mapping[str, Array]) -> Format:
        """The weight as a format value (outputs, inputs ...), from its arrays by kind

        Raises ArgumentError or ShapeError, naming the layer, where indices and values do not fit.
        """
        kind: Any = self.kind[0]
        values, *indices = (p[k] for k in ("weight", *kind.INDICES))
        try:
            found: Format = kind(values, *indices, *self.kind[1], self.matrix_shape)
        except (ArgumentError, ShapeError) as e:
            raise type(e)(f"{name}: {e}") from None
        return found

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
    """A fully connected layer that stores its live weights alone; made by `mp.sparsify`.

    y = A x + b      A: (outputs, inputs); weight: (stored,), bias: (outputs,)

    Parameters
    ----------
    inputs, outputs : int
        How many features it reads and makes.
    stored : int
        How many weights are live.
    format : str, default "csr"
        "csr", blocks such as "4x4", or N:M such as "2:4".
    blocks : int, default 0
        How many blocks there are, for a format of blocks.
    bias : bool, default True
        Whether b is added.

    Raises
    ------
    ArgumentError
        If a size is not an integer, more is stored than the matrix has, or the format is unknown.

    Examples
    --------
    >>> import minprune as mp
    >>> layer = mp.sparse.SparseDense(4, 3, stored=5)
    >>> layer.params(), layer.buffers()
    ({'weight': (5,), 'bias': (3,)}, {'columns': (5,), 'row_start': (4,)})
    """

    twin: ClassVar[Any] = Dense
    inputs: int
    outputs: int
    stored: int
    format: str = "csr"
    blocks: int = 0
    bias: bool = True

    def __post_init__(self) -> None:
        for what in ("inputs", "outputs"):
            arguments.count("SparseDense", what, getattr(self, what))
        most = self.inputs * self.outputs
        self.fits("stored", most)
        self.fits("blocks", most if self.kind[0] is BlockCSR else 0)


@dataclass(frozen=True)
class SparseConv(Sparse):
    """A convolution over images that stores its live weights alone; made by `mp.sparsify`.

    y = w * x + b      w: (outputs, inputs/groups, y, x) in CSR; weight: (stored,)

    No unfolded copy of the image is made.

    Parameters
    ----------
    inputs, outputs : int
        How many channels it reads and makes.
    kernel : int or (int, int)
        The sides (y, x) of the window.
    stored : int
        How many weights are live.
    stride, padding, groups, bias, dilation
        As in Conv2d.
    format : str
        "csr", the only one of a convolution.

    Raises
    ------
    ArgumentError
        If a size is out of range, more is stored than the weight has, or the format is another.

    Examples
    --------
    >>> import minprune as mp
    >>> mp.sparse.SparseConv(2, 3, 3, stored=5, padding=1).out_shape((2, 8, 8))
    (3, 8, 8)
    """

    twin: ClassVar[Any] = Conv2d
    only: ClassVar[tuple[str, ...]] = ("csr",)
    prefix: ClassVar[str] = "conv "
    inputs: int
    outputs: int
    kernel: int | Pair
    stored: int
    stride: int | Pair = 1
    padding: int | Pair | str = 0
    groups: int = 1
    bias: bool = True
    format: str = "csr"
    dilation: int | Pair = 1

    def __post_init__(self) -> None:
        place(self, 2)
        self.fits("stored", math.prod(self.full))
        arguments.choice("SparseConv", "format", self.format, self.only)

    @staticmethod
    def copies(layer: Any, format: str) -> int:
        return math.prod(layer.kernel if format == "dense" else layer.stride)

    @cached_property
    def products(self) -> Products:
        twin: Any = self.like()
        window, how = twin.window["kernel"], twin.at
        return Products(
            lambda at, values, x, b, act: kernels.csr_conv2d(
                values, at[0], at[1], window, x, b, act=act, **how
            ),
            lambda at, values, g, shape: kernels.csr_conv2d_grad_input(
                values, at[0], at[1], window, g, shape, **how
            ),
            lambda at, g, x: kernels.csr_conv2d_grad_weight(at[0], at[1], window, g, x, **how),
            lambda g, x: kernels.conv2d_grad_weight(g, x, window, **how),
        )


def sparse_kind(layer: Layer) -> type[Sparse] | None:
    """The layer that stores only the live weights of this one: its class, not a base, names it"""
    kind: Any = kind_of(layer.sparse)
    return kind if kind and kind.twin is type(layer) else None


def stored(layer: Layer, name: str, w: Array, mask: Array, wanted: str) -> tuple[Layer, Format]:
    """The sparse form of a layer, and the live entries of its weight w, in a format

    Raises ArgumentError, naming the layer, where the layer or its mask do not fit the format.
    """
    of: Any = sparse_kind(layer)
    kind, numbers = form(wanted)
    if of.only and wanted not in of.only:
        raise ArgumentError(
            f"{name}: format must be 'csr' or 'dense' for a convolution, not {wanted!r}; choose "
            f"one of them, or 'auto', or name each dense layer that has it, {{layer: {wanted!r}}}"
        )
    try:
        found = kind.from_dense(w.reshape(len(w), -1), mask.reshape(len(w), -1), *numbers)
    except ArgumentError as e:
        raise ArgumentError(f"{name}: {e}") from None
    own = {f.name: getattr(layer, f.name) for f in fields(of.twin)}
    return of(**own, **found.counts(), format=wanted), found
