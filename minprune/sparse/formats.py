"""A matrix of which only the live entries are stored: CSR and blocks of it; N:M is in nofm.py.

Stored means that the mask is True there: a live 0.0 is stored, a masked entry is not, whatever its
value. So `dense -> format -> dense` is exact, and so is the mask. The values are one vector, in the
order that the docstrings give; the indices are uint32 (packed positions: uint8) and read-only, so
that the kernels check them once. Long because of its documentation.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from minprune import arguments, kernels
from minprune.core import Array
from minprune.errors import ArgumentError
from minprune.masking.patterns import Pattern, per_entry, tiles, untiled
from minprune.sparse.ops import Products, turned

Shape = tuple[int, int]
PAIR = "array (m, n), mask: bool (m, n) ->"  # what a format is made from


class Stored:
    """What the formats share: values (k,) floats, index arrays, the shape (m, n) of the matrix"""

    INDICES: ClassVar[dict[str, str]] = {"columns": "uint32", "row_start": "uint32"}  # name: dtype
    TEXT: ClassVar[str]  # the shapes and dtypes of the fields, as of a kernel's arguments
    RULES: ClassVar[tuple[Any, ...]] = ()
    values: Array
    shape: Shape

    def __post_init__(self) -> None:
        sizes = kernels.check(type(self).__name__, f"{self.TEXT} ->", *self.RULES, **vars(self))
        for name in self.INDICES:
            a = getattr(self, name)
            if a.flags.writeable or a.base is not None or not a.flags.c_contiguous:
                a = np.array(a, order="C")
                a.flags.writeable = False
                object.__setattr__(self, name, a)
        self._check(sizes)

    mask: Callable[..., Array]  # (m, n), True where an entry is stored
    _check: Callable[..., None]  # raises where the indices are not those of such a matrix
    # the shapes of the index arrays, from: shape, stored, blocks, *numbers of the format
    index_shapes: ClassVar[Callable[..., dict[str, tuple[int, ...]]]]
    # the products with such a matrix, from: shape, stored, *numbers of the format
    products: ClassVar[Callable[..., Products]]

    def to_dense(self) -> Array:
        """(m, n), 0 where nothing is stored"""
        out = np.zeros(self.shape, self.values.dtype)
        out[self.mask()] = self.values
        return out

    def counts(self) -> dict[str, int]:
        """What a layer must know to give its arrays their shapes"""
        return {"stored": self.values.size}

    @property
    def bytes(self) -> int:
        """What values and indices take"""
        return sum(getattr(self, name).nbytes for name in ("values", *self.INDICES))


@dataclass(frozen=True, eq=False)
class CSR(Stored):
    """A matrix in compressed sparse rows.

    A[r, columns[k]] = values[k]      for k in row_start[r] .. row_start[r + 1] - 1

    Source: Saad (2003), Iterative Methods for Sparse Linear Systems, section 3.4.

    Parameters
    ----------
    values : ndarray (k,)
        The live entries, row by row; float32 or float64.
    columns : ndarray (k,) of uint32
        The column of each value; those of a row climb.
    row_start : ndarray (m + 1,) of uint32
        Where each row begins, and where the last one ends.
    shape : tuple (m, n)
        The shape of the dense matrix.

    Raises
    ------
    ArgumentError, ShapeError
        If the arrays do not describe such a matrix.

    Examples
    --------
    >>> import numpy as np
    >>> import minprune as mp
    >>> a = np.array([[0.0, 2.0, 0.0], [1.0, 0.0, 3.0]])
    >>> stored = mp.sparse.CSR.from_dense(a, a != 0)
    >>> stored.values, stored.columns, stored.row_start
    (array([2., 1., 3.]), array([1, 0, 2], dtype=uint32), array([0, 1, 3], dtype=uint32))
    """

    TEXT = "shape: sizes (m, n), values (k), columns: uint32 (k), row_start: uint32 (m+1)"
    values: Array
    columns: Array
    row_start: Array
    shape: Shape

    def _check(self, sizes: dict[str, Any]) -> None:
        climb("CSR", self.columns, self.row_start, sizes["n"])

    @classmethod
    def from_dense(cls, array: Array, mask: Array) -> Self:
        """The entries of array (m, n) where mask is True, row by row"""
        kernels.check("CSR", PAIR, array=array, mask=mask)
        return cls(array[mask], *places(mask), array.shape)

    def mask(self) -> Array:
        """(m, n), True where an entry is stored"""
        return there(self.columns, self.row_start, self.shape)

    @staticmethod
    def index_shapes(shape: Shape, stored: int, blocks: int) -> dict[str, tuple[int, ...]]:
        return {"columns": (stored,), "row_start": (shape[0] + 1,)}

    @staticmethod
    def products(shape: Shape, stored: int) -> Products:
        return Products(
            lambda at, values, x, b, act: kernels.csr_matmul(values, at[0], at[1], x, b, act),
            lambda at, values, g, _: kernels.csr_matmul_t(
                values, *turned(at[0], at[1], shape[1]), g
            ),
            lambda at, g, x: kernels.csr_sampled(at[0], at[1], g, x),
        )


@dataclass(frozen=True, eq=False)
class BlockCSR(Stored):
    """A matrix in compressed rows of blocks, each live as a whole.

    Block k, of size x size, is in block column columns[k] of its row of blocks.

    Source: Im & Yelick (2001), Optimizing Sparse Matrix Computations for Register Reuse in
    SPARSITY.

    Parameters
    ----------
    values : ndarray (k,)
        The entries of the blocks, block by block and each row by row; a block that overhangs the
        edge is cut there, and stores what is left.
    columns : ndarray (blocks,) of uint32
        The block column of each block; those of a row of blocks climb.
    row_start : ndarray (rows of blocks + 1,) of uint32
        Where each row of blocks begins, and where the last one ends.
    size : int
        The side of a block.
    shape : tuple (m, n)
        The shape of the dense matrix.

    Raises
    ------
    ArgumentError, ShapeError
        If the arrays do not describe such a matrix.

    Examples
    --------
    >>> import numpy as np
    >>> import minprune as mp
    >>> a = np.arange(12.0).reshape(2, 6)
    >>> mask = np.repeat([[False, True, True]], 2, axis=0).repeat(2, axis=1)
    >>> stored = mp.sparse.BlockCSR.from_dense(a, mask, size=2)
    >>> stored.columns, stored.values
    (array([1, 2], dtype=uint32), array([ 2.,  3.,  8.,  9.,  4.,  5., 10., 11.]))
    """

    TEXT = (
        "shape: sizes (m, n), values (area), columns: uint32 (k), row_start: uint32 (down+1), size"
    )
    RULES = (kernels.blocks,)
    values: Array
    columns: Array
    row_start: Array
    size: int
    shape: Shape

    def _check(self, sizes: dict[str, Any]) -> None:
        climb("BlockCSR", self.columns, self.row_start, sizes["across"])
        entries = kernels.area("columns", "row_start", "m", "n").check
        entries("BlockCSR", sizes, self.columns, self.row_start, self.size)

    @classmethod
    def from_dense(cls, array: Array, mask: Array, size: int = 4) -> Self:
        """The blocks of array (m, n) whose mask is True

        Raises ArgumentError where only a part of a block is live: such a mask is one for CSR.
        """
        arguments.count("BlockCSR", "size", size)
        kernels.check("BlockCSR", PAIR, array=array, mask=mask)
        blocks = Pattern(size, size)
        live, inside = tiles(mask, blocks, False), tiles(np.ones_like(mask), blocks, False)
        some = np.asarray(live.any(-1))
        part = some & (live != inside).any(-1)
        if part.any():
            r, c = (int(k) for k in np.argwhere(part)[0])
            raise ArgumentError(
                f"BlockCSR: a block must be live as a whole or not at all, but block ({r}, {c}) "
                f"has {live[r, c].sum()} of {inside[r, c].sum()} entries live; prune with "
                f"pattern=({size}, {size}) before anything else is pruned, or use CSR"
            )
        values = tiles(array, blocks, 0.0)[some[..., None] & inside]
        return cls(values, *places(some), size, array.shape)

    def to_dense(self) -> Array:
        """(m, n), 0 where nothing is stored"""
        blocks = Pattern(self.size, self.size)
        live = tiles(self.mask(), blocks, False)
        out = np.zeros(live.shape, self.values.dtype)
        out[live] = self.values
        return untiled(out, self.shape, blocks)

    def mask(self) -> Array:
        """(m, n), True where an entry is stored"""
        m, n = self.shape
        some = there(self.columns, self.row_start, (-(-m // self.size), -(-n // self.size)))
        return per_entry(some, self.shape, Pattern(self.size, self.size))

    def counts(self) -> dict[str, int]:
        return {"stored": self.values.size, "blocks": self.columns.size}

    @staticmethod
    def index_shapes(shape: Shape, stored: int, blocks: int, size: int) -> dict[str, Any]:
        return {"columns": (blocks,), "row_start": (-(-shape[0] // size) + 1,)}

    @staticmethod
    def products(shape: Shape, stored: int, size: int) -> Products:
        across = -(-shape[1] // size)
        return Products(
            lambda at, values, x, b, act: kernels.block_matmul(
                values, at[0], at[1], size, shape, x, b, act
            ),
            lambda at, values, g, _: kernels.block_matmul_t(
                values, *turned(at[0], at[1], across), size, shape, g
            ),
            lambda at, g, x: kernels.block_sampled(at[0], at[1], size, stored, g, x),
        )


def places(mask: Array) -> tuple[Array, Array]:
    """columns and row_start of the True entries, row by row"""
    starts = np.zeros(len(mask) + 1, np.uint32)
    np.cumsum(mask.sum(axis=1), out=starts[1:])
    return np.nonzero(mask)[1].astype(np.uint32), starts


def there(columns: Array, row_start: Array, shape: Shape) -> Array:
    """The inverse of places"""
    out = np.zeros(shape, bool)
    out[np.repeat(np.arange(shape[0]), np.diff(row_start).astype(np.int64)), columns] = True
    return out


def climb(owner: str, columns: Array, row_start: Array, n: int) -> None:
    """row_start climbs from 0 to the number of columns; in each row columns climb, below n"""
    kernels.climbs(owner, columns, row_start, n, ("columns", "row_start"))
    begins = np.zeros(columns.size + 1, bool)
    begins[row_start] = True
    falls = (columns[1:] <= columns[:-1]) & ~begins[1:-1]
    if falls.any():
        k = int(np.argmax(falls)) + 1
        found = "twice" if columns[k] == columns[k - 1] else f"after {columns[k - 1]}"
        raise ArgumentError(
            f"{owner}: columns must climb in each row, but columns[{k}] is {columns[k]}, {found}; "
            f"sort the entries of each row, and add up equal ones"
        )
