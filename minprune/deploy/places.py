"""Where the live entries of a matrix are, in few bytes: dense, CSR, CSC, delta-8, bitmask.

An encoding is values and small integers, in the order in which a product reads them. `encode` takes
a matrix (rows, columns) in which masked entries are 0; `decode` is its definition. Indices have the
narrowest of uint8, uint16 and uint32 that holds them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from minprune.core import Array

FAR = 255  # the farthest that delta-8 goes in one entry
NONE: Any = None  # of a field that is always given


@dataclass(frozen=True, eq=False)
class Encoding:
    """values and indices of a matrix of `shape`; arrays: what is stored, by name"""

    shape: tuple[int, int]
    values: Array
    by_column: ClassVar[bool] = False  # entries are stored column after column

    @property
    def arrays(self) -> dict[str, Array]:
        """What is stored, by name, the values first."""
        return {k: a for k, a in vars(self).items() if isinstance(a, np.ndarray)}

    @property
    def nbytes(self) -> int:
        """Bytes that are stored."""
        return sum(a.nbytes for a in self.arrays.values())

    @classmethod
    def encode(cls, matrix: Array) -> Encoding:
        """The matrix in this encoding."""
        raise NotImplementedError

    def decode(self) -> Array:
        """The matrix."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class Everything(Encoding):
    """All entries, row after row"""

    @classmethod
    def encode(cls, matrix: Array) -> Encoding:
        return cls(_shape(matrix), np.ascontiguousarray(matrix).ravel())

    def decode(self) -> Array:
        return self.values.reshape(self.shape)


@dataclass(frozen=True, eq=False)
class Rows(Encoding):
    """The live entries row by row; row r has entries start[r] ... start[r + 1] - 1 in columns[k]"""

    columns: Array = NONE
    start: Array = NONE

    @classmethod
    def encode(cls, matrix: Array) -> Encoding:
        r, c = np.nonzero(matrix)
        return cls(_shape(matrix), matrix[r, c], narrow(c, matrix.shape[1]), _starts(r, matrix))

    def decode(self) -> Array:
        return _filled(self, _rows_of(self), self.columns)


@dataclass(frozen=True, eq=False)
class Columns(Encoding):
    """The live entries column by column, in rows[k]: a product skips the zeros of what it reads"""

    rows: Array = NONE
    start: Array = NONE
    by_column: ClassVar[bool] = True

    @classmethod
    def encode(cls, matrix: Array) -> Encoding:
        c, r = np.nonzero(matrix.T)
        return cls(_shape(matrix), matrix[r, c], narrow(r, len(matrix)), _starts(c, matrix.T))

    def decode(self) -> Array:
        return _filled(self, self.rows, _rows_of(self))


@dataclass(frozen=True, eq=False)
class Steps8(Encoding):
    """steps[k]: the distance from the last entry of the row, at first from column 0

    Rows follow one another, and row r has counts[r] entries: a byte each, where a start takes two.
    A distance above 255 is 255 for an entry of value 0, and what is left for the next one.
    """

    steps: Array = NONE
    counts: Array = NONE

    @classmethod
    def encode(cls, matrix: Array) -> Encoding:
        r, c = np.nonzero(matrix)
        first = np.diff(r, prepend=-1) > 0
        gaps = np.where(first, c, np.diff(c, prepend=0))
        escapes = np.maximum(gaps - 1, 0) // FAR
        where = np.repeat(np.arange(len(r)), escapes + 1)
        last = np.zeros(len(where), bool)
        last[np.cumsum(escapes + 1) - 1] = True
        values = np.where(last, matrix[r, c][where], matrix.dtype.type(0))
        steps = np.where(last, (gaps - FAR * escapes)[where], FAR).astype(np.uint8)
        counts = np.bincount(r[where], minlength=len(matrix))
        return cls(_shape(matrix), values, steps, narrow(counts, int(counts.max(initial=0)) + 1))

    def decode(self) -> Array:
        counts = self.counts.astype(np.int64)
        r, at = np.repeat(np.arange(len(counts)), counts), np.cumsum(self.steps, dtype=np.int64)
        before = np.concatenate([[0], at])[np.cumsum(counts) - counts]
        return _filled(self, r, at - before[r])


@dataclass(frozen=True, eq=False)
class Bits(Encoding):
    """A bit for each entry, the first of a row in the lowest bit of its first byte"""

    bits: Array = NONE
    start: Array = NONE

    @classmethod
    def encode(cls, matrix: Array) -> Encoding:
        r, c = np.nonzero(matrix)
        bits = np.packbits(matrix != 0, axis=1, bitorder="little")
        return cls(_shape(matrix), matrix[r, c], bits.ravel(), _starts(r, matrix))

    def decode(self) -> Array:
        rows, columns = self.shape
        bits = self.bits.reshape(rows, -1)
        live = np.unpackbits(bits, axis=1, count=columns, bitorder="little").astype(bool)
        found = np.zeros(self.shape, self.values.dtype)
        found[live] = self.values
        return found


def narrow(a: Array, limit: int) -> Array:
    """Numbers below limit in the narrowest of uint8, uint16 and uint32"""
    return a.astype(np.uint8 if limit <= 2**8 else np.uint16 if limit <= 2**16 else np.uint32)


def _shape(matrix: Array) -> tuple[int, int]:
    return matrix.shape[0], matrix.shape[1]


def _starts(rows: Array, matrix: Array) -> Array:
    """Where the entries of each row begin, and the end of all; rows: of each entry, ascending"""
    found = np.searchsorted(rows, np.arange(len(matrix) + 1))
    return narrow(found, max(len(rows) + 1, 2**8 + 1))  # uint16 at least


def _rows_of(stored: Any) -> Array:
    """The row (column) of each entry"""
    return np.repeat(np.arange(len(stored.start) - 1), np.diff(stored.start.astype(np.int64)))


def _filled(stored: Encoding, rows: Array, columns: Array) -> Array:
    """The matrix with values at these places; an escape adds 0 to what is there"""
    found = np.zeros(stored.shape, stored.values.dtype)
    live = stored.values != 0
    found[rows[live], columns[live]] = stored.values[live]
    return found
