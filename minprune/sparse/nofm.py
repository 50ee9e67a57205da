"""N:M, a matrix with `keep` live entries of every `group` columns, and its packed positions."""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from minprune import kernels
from minprune.arguments import count
from minprune.core import Array
from minprune.errors import ArgumentError
from minprune.masking.patterns import Pattern, tiles
from minprune.sparse.formats import CSR, Shape, Stored
from minprune.sparse.ops import Products


def packing(owner: str, given: dict[str, Any], sizes: dict[str, Any]) -> None:
    """entries, bytes of (m, n) with keep of every group, which is a pattern that can be packed"""
    keep, group = count(owner, "keep", given["keep"]), count(owner, "group", given["group"])
    if not keep <= group <= 256:
        raise ArgumentError(
            f"{owner}: keep must be at most group, and group at most 256, not {keep} of {group}; "
            f"pass keep=2, group=4, for example"
        )
    sizes["entries"] = sizes["m"] * values_of(keep, group, sizes["n"])
    sizes["bytes"] = bytes_of(keep, group, sizes["n"])


@dataclass(frozen=True, eq=False)
class NofM(Stored):
    """A matrix with `keep` live entries in every `group` consecutive columns.

    A shorter tail keeps min(keep, its length). Packed positions save bytes; to compute, they are
    decoded once into the indices of CSR.

    Source: Mishra et al. (2021), Accelerating Sparse Deep Neural Networks.

    Parameters
    ----------
    values : ndarray (m * k,)
        The live entries, row by row, with k values to a row; float32 or float64.
    positions : ndarray (m, bytes) of uint8
        The place of each value in its group, in 1, 2, 4 or 8 bits, the first in the lowest bits.
    keep, group : int
        As in 2:4; 1 <= keep <= group <= 256.
    shape : tuple (m, n)
        The shape of the dense matrix.

    Raises
    ------
    ArgumentError
        If the arrays do not describe such a matrix.

    Examples
    --------
    >>> import numpy as np
    >>> import minprune as mp
    >>> a = np.array([[5.0, 0.0, 7.0, 0.0], [0.0, 0.0, 8.0, 9.0]])
    >>> stored = mp.sparse.NofM.from_dense(a, a != 0, keep=2, group=4)
    >>> stored.values, [f"{row[0]:04b}" for row in stored.positions]
    (array([5., 7., 8., 9.]), ['1000', '1110'])
    """

    INDICES: ClassVar[dict[str, str]] = {"positions": "uint8"}
    TEXT = "shape: sizes (m, n), values (entries), positions: uint8 (m, bytes), keep, group"
    RULES = (packing,)
    values: Array
    positions: Array
    keep: int
    group: int
    shape: Shape

    def _check(self, sizes: dict[str, Any]) -> None:
        as_csr(self.positions, self.keep, self.group, self.shape[1])  # which checks them

    @classmethod
    def from_dense(cls, array: Array, mask: Array, keep: int = 2, group: int = 4) -> Self:
        """The entries of array (m, n) where mask is True

        Raises ArgumentError where a group has more or fewer live entries than it keeps: such a mask
        is one for CSR. (The pattern keeps at most so many, fewer where more were pruned before;
        zeros stored in their place would come alive in training.)
        """
        pair = {"array": array, "mask": mask, "keep": keep, "group": group}
        kernels.check("NofM", "array (m, n), mask: bool (m, n), keep, group ->", packing, **pair)
        m, n = array.shape
        left = np.minimum(group, n - np.arange(0, n, group))  # entries of each group
        live, want = tiles(mask, Pattern(1, group), False).sum(-1), np.minimum(keep, left)
        if (live != want).any():
            r, c = (int(k) for k in np.argwhere(live != want)[0])
            raise ArgumentError(
                f"NofM: group {c} of row {r} must have exactly {want[c]} of its {left[c]} entries "
                f"live, not {live[r, c]}; prune with pattern='{keep}:{group}' before anything else "
                f"is pruned, or use CSR"
            )
        rows = (np.nonzero(mask)[1] % group).reshape(m, int(want.sum()))
        return cls(array[mask], pack(rows, group), keep, group, array.shape)

    def mask(self) -> Array:
        """(m, n), True where an entry is stored"""
        out = np.zeros(self.shape, bool)
        columns = columns_of(self.positions, self.keep, self.group, self.shape[1])
        np.put_along_axis(out, columns, True, axis=1)
        return out

    @staticmethod
    def index_shapes(
        shape: Shape, stored: int, blocks: int, keep: int, group: int
    ) -> dict[str, tuple[int, ...]]:
        return {"positions": (shape[0], bytes_of(keep, group, shape[1]))}

    @staticmethod
    def products(shape: Shape, stored: int, keep: int, group: int) -> Products:
        csr, how = CSR.products(shape, stored), (keep, group, shape[1])
        return Products(
            lambda at, *others: csr.matmul(as_csr(at[0], *how), *others),
            lambda at, *others: csr.matmul_t(as_csr(at[0], *how), *others),
            lambda at, *others: csr.sampled(as_csr(at[0], *how), *others),
        )


def position_bits(group: int) -> int:
    """Bits of a position in a group: 1, 2, 4 or 8, so that none is split between two bytes"""
    return next(k for k in (1, 2, 4, 8) if 1 << k >= group)


def values_of(keep: int, group: int, n: int) -> int:
    """How many values a row of n columns has: `keep` of every group, and of what is left"""
    return n // group * keep + min(keep, n % group)


def bytes_of(keep: int, group: int, n: int) -> int:
    """How many bytes the positions of a row take"""
    return -(-values_of(keep, group, n) * position_bits(group) // 8)


def pack(places: Array, group: int) -> Array:
    """(m, bytes) uint8 of positions (m, k) in their groups, the first in the lowest bits"""
    m, k = places.shape
    bits, each = position_bits(group), places.astype(np.uint8)[..., None]
    binary = np.unpackbits(each, axis=2, count=bits, bitorder="little")
    return np.packbits(binary.reshape(m, k * bits), axis=1, bitorder="little")


def columns_of(positions: Array, keep: int, group: int, n: int) -> Array:
    """columns[r, s] = s // keep * group + the s-th position of row r      (m, k) uint32

    Raises ArgumentError unless the columns climb, stay in their groups and below n.
    """
    m, k, bits = len(positions), values_of(keep, group, n), position_bits(group)
    firsts = (np.arange(k) // keep * group).astype(np.uint32)
    binary = np.unpackbits(positions, axis=1, count=k * bits, bitorder="little")
    columns = firsts + np.packbits(binary.reshape(m, k, bits), axis=2, bitorder="little")[..., 0]
    wrong = (columns >= n) | (columns // group != firsts // group)
    wrong[:, 1:] |= columns[:, 1:] <= columns[:, :-1]
    if wrong.any():
        r, s = (int(k) for k in np.argwhere(wrong)[0])
        raise ArgumentError(
            f"NofM: columns must climb, {keep} in each group of {group} and below {n}, but "
            f"position {s} of row {r} is column {columns[r, s]}; "
            f"make positions with from_dense"
        )
    return columns


def _as_csr(positions: Array, keep: int, group: int, n: int) -> tuple[Array, Array]:
    columns = columns_of(positions, keep, group, n)
    starts = np.arange(len(columns) + 1, dtype=np.uint32) * np.uint32(columns.shape[1])
    flat = columns.ravel().copy()
    flat.flags.writeable = starts.flags.writeable = False
    return flat, starts


def as_csr(positions: Array, keep: int, group: int, n: int) -> tuple[Array, Array]:
    """columns and row_start of an N:M matrix, read-only, computed once for read-only positions"""
    found: tuple[Array, Array] = kernels.kept(_as_csr, (positions,), keep, group, n)
    return found
