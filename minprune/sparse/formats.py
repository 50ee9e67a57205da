"""A matrix of which only the live entries are stored: CSR, block CSR, N:M.

Stored means that the mask is True there: a live 0.0 is stored, a masked entry is not, whatever its
value. So `dense -> format -> dense` is exact, and so is the mask. The values are one vector, in the
order that the docstrings say; the indices are uint32 (packed positions: uint8) and read-only, which
lets the kernels check them once. `bytes` is what values and indices take.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from minprune.arguments import count as whole
from minprune.core import Array
from minprune.errors import ArgumentError, ShapeError
from minprune.masking.patterns import Pattern, per_entry, tiles, untiled
from minprune.sparse.checks import Shape, climb, count, freeze, matrix, pair, ratio
from minprune.sparse.packed import as_csr, pack, values_of


@dataclass(frozen=True, eq=False)
class CSR:
    """A[r, columns[k]] = values[k] for k in row_start[r] .. row_start[r + 1] - 1

    values: (k,) floats, columns: (k,), row_start: (m + 1,), shape: (m, n). Columns of a row climb.
    Raises ShapeError and ArgumentError for arrays that do not describe such a matrix.
    """

    values: Array
    columns: Array
    row_start: Array
    shape: Shape

    def __post_init__(self) -> None:
        matrix("CSR", self.shape)
        for name in ("columns", "row_start"):
            freeze(self, name, np.uint32, 1)
        climb("CSR", self.columns, self.row_start, self.shape)
        count("CSR", self.values, self.columns.size)

    @classmethod
    def from_dense(cls, array: Array, mask: Array) -> Self:
        """The entries of array (m, n) where mask is True, row by row"""
        array, mask = pair("CSR", array, mask)
        return cls(array[mask], *places(mask), array.shape)

    def to_dense(self) -> Array:
        """(m, n), 0 where nothing is stored"""
        out = np.zeros(self.shape, self.values.dtype)
        out[self.mask()] = self.values
        return out

    def mask(self) -> Array:
        """(m, n), True where an entry is stored"""
        return there(self.columns, self.row_start, self.shape)

    @property
    def bytes(self) -> int:
        """What the arrays take, the shape left out"""
        return self.values.nbytes + self.columns.nbytes + self.row_start.nbytes


@dataclass(frozen=True, eq=False)
class BlockCSR:
    """Block k, of size x size, stands in block column columns[k] of its row of blocks

    values: block by block, each row by row; a block that overhangs the edge is cut there, and
    stores what is left. columns: (blocks,), row_start: (rows of blocks + 1,), shape: (m, n).
    Raises ShapeError and ArgumentError for arrays that do not describe such a matrix.
    """

    values: Array
    columns: Array
    row_start: Array
    size: int
    shape: Shape

    def __post_init__(self) -> None:
        matrix("BlockCSR", self.shape)
        whole("BlockCSR", "size", self.size)
        for name in ("columns", "row_start"):
            freeze(self, name, np.uint32, 1)
        climb("BlockCSR", self.columns, self.row_start, self._blocks)
        count("BlockCSR", self.values, self._area())

    @property
    def _blocks(self) -> Shape:
        """How many blocks stand above and beside each other."""
        return -(-self.shape[0] // self.size), -(-self.shape[1] // self.size)

    def _area(self) -> int:
        """How many entries the blocks hold; no room is made for the matrix."""
        (m, n), k = self.shape, self.size
        wide = np.minimum(k, n - self.columns.astype(np.int64) * k)
        high = np.minimum(k, m - np.arange(self._blocks[0]) * k)
        starts = self.row_start.astype(np.int64)
        return int(wide @ np.repeat(high, starts[1:] - starts[:-1]))

    @classmethod
    def from_dense(cls, array: Array, mask: Array, size: int = 4) -> Self:
        """The blocks of array (m, n) whose mask is True

        Raises ArgumentError where only a part of a block is live: such a mask is one for CSR.
        """
        whole("BlockCSR", "size", size)
        array, mask = pair("BlockCSR", array, mask)
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
        some = there(self.columns, self.row_start, self._blocks)
        return per_entry(some, self.shape, Pattern(self.size, self.size))

    @property
    def bytes(self) -> int:
        """What the arrays take, the shape left out"""
        return self.values.nbytes + self.columns.nbytes + self.row_start.nbytes


@dataclass(frozen=True, eq=False)
class NofM:
    """`keep` of every `group` consecutive columns; a shorter tail keeps min(keep, its length)

    values: row by row, (m * k,) with k values to a row. positions: (m, bytes) uint8: the place of
    each value in its group, in 1, 2, 4 or 8 bits, the first in the lowest bits. shape: (m, n).
    Raises ShapeError and ArgumentError for arrays that do not describe such a matrix.
    """

    values: Array
    positions: Array
    keep: int
    group: int
    shape: Shape

    def __post_init__(self) -> None:
        matrix("NofM", self.shape)
        ratio(self.keep, self.group)
        freeze(self, "positions", np.uint8, 2)
        if len(self.positions) != self.shape[0]:
            raise ShapeError(
                f"NofM: positions must have {self.shape[0]} rows, those of the matrix, not "
                f"{len(self.positions)}; make positions with from_dense"
            )
        count("NofM", self.values, self._columns().size)  # which checks them

    @classmethod
    def from_dense(cls, array: Array, mask: Array, keep: int = 2, group: int = 4) -> Self:
        """The entries of array (m, n) where mask is True

        Raises ArgumentError where a group has more or fewer live entries than it keeps: such a mask
        is one for CSR. (The pattern keeps at most so many, fewer where more were pruned before;
        zeros stored in their place would come alive in training.)
        """
        ratio(keep, group)
        array, mask = pair("NofM", array, mask)
        m, n = array.shape
        firsts = np.arange(0, n, group)
        live = tiles(mask, Pattern(1, group), False).sum(-1)
        want = np.minimum(keep, np.minimum(group, n - firsts))
        if (live != want).any():
            r, c = (int(k) for k in np.argwhere(live != want)[0])
            raise ArgumentError(
                f"NofM: group {c} of row {r} must have exactly {want[c]} of its "
                f"{min(group, n - firsts[c])} entries live, not {live[r, c]}; prune with "
                f"pattern='{keep}:{group}' before anything else is pruned, or use CSR"
            )
        rows = (np.nonzero(mask)[1] % group).reshape(m, int(want.sum()))
        return cls(array[mask], pack(rows, group), keep, group, array.shape)

    def to_dense(self) -> Array:
        """(m, n), 0 where nothing is stored"""
        out = np.zeros(self.shape, self.values.dtype)
        out[self.mask()] = self.values
        return out

    def mask(self) -> Array:
        """(m, n), True where an entry is stored"""
        out = np.zeros(self.shape, bool)
        np.put_along_axis(out, self._columns(), True, axis=1)
        return out

    def _columns(self) -> Array:
        """(m, k), the column of each value"""
        columns, _ = as_csr(self.positions, self.keep, self.group, self.shape[1])
        return columns.reshape(len(self.positions), values_of(self.keep, self.group, self.shape[1]))

    @property
    def bytes(self) -> int:
        """What the arrays take, the shape left out"""
        return self.values.nbytes + self.positions.nbytes


def places(mask: Array) -> tuple[Array, Array]:
    """columns and row_start of the True entries, row by row"""
    starts = np.zeros(len(mask) + 1, np.uint32)
    np.cumsum(mask.sum(axis=1), out=starts[1:])
    return np.nonzero(mask)[1].astype(np.uint32), starts


def there(columns: Array, row_start: Array, shape: Shape) -> Array:
    """The inverse of places"""
    out = np.zeros(shape, bool)
    counts = (row_start[1:] - row_start[:-1]).astype(np.int64)
    out[np.repeat(np.arange(shape[0]), counts), columns] = True
    return out
