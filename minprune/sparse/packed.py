"""Packed positions of N:M, and what is computed from index arrays once: columns, transposes."""

import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from minprune.core import Array
from minprune.errors import ArgumentError, ShapeError

_kept: dict[tuple[Any, ...], tuple[tuple[Any, ...], Any]] = {}


def kept(make: Callable[..., Any], arrays: tuple[Array, ...], *numbers: int) -> Any:
    """make(*arrays, *numbers), kept as long as the arrays live; those that can change never are"""
    key = make, numbers, *map(id, arrays)
    found = _kept.get(key)
    if found is not None and all(a is ref() for a, ref in zip(arrays, found[0], strict=True)):
        return found[1]
    made = make(*arrays, *numbers)
    if not any(a.flags.writeable or a.base is not None for a in arrays):
        forget = partial(_kept.pop, key)  # is called with the dead reference: pop's default
        _kept[key] = tuple(weakref.ref(a, forget) for a in arrays), made
    return made


def position_bits(group: int) -> int:
    """Bits of a position in a group: 1, 2, 4 or 8, so that none lies across two bytes"""
    return next(k for k in (1, 2, 4, 8) if 1 << k >= group)


def values_of(keep: int, group: int, n: int) -> int:
    """How many values a row of n columns has: `keep` of every group, and of what is left"""
    return n // group * keep + min(keep, n % group)


def bytes_of(keep: int, group: int, n: int) -> int:
    """How many bytes the positions of a row take"""
    return -(-values_of(keep, group, n) * position_bits(group) // 8)


def pack(places: Array, group: int) -> Array:
    """(m, bytes) uint8 of positions (m, k) in their groups, the first in the lowest bits"""
    bits = position_bits(group)
    binary = (places[..., None] >> np.arange(bits) & 1).astype(bool)
    return np.packbits(
        binary.reshape(len(places), places.shape[1] * bits), axis=1, bitorder="little"
    )


def columns_of(positions: Array, keep: int, group: int, n: int) -> Array:
    """columns[r, s] = s // keep * group + the s-th position of row r      (m, k) uint32

    Raises ArgumentError unless the columns climb, stay in their groups and below n.
    """
    bits, count = position_bits(group), values_of(keep, group, n)
    if positions.shape[1] != bytes_of(keep, group, n):
        raise ShapeError(
            f"NofM: positions must have {bytes_of(keep, group, n)} bytes a row for {keep} of "
            f"{group} in {n} columns, not {positions.shape[1]}; make positions with from_dense"
        )
    firsts = (np.arange(count) // keep * group).astype(np.uint32)
    low_first = np.unpackbits(positions, axis=1, bitorder="little")[:, : count * bits]
    columns = np.empty((len(positions), count), np.uint32)
    columns[...] = firsts
    for bit in range(bits):
        columns += low_first[:, bit::bits].astype(np.uint32) << np.uint32(bit)
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
    """columns and row_start of an N:M matrix, read-only, computed once for positions that are"""
    found: tuple[Array, Array] = kept(_as_csr, (positions,), keep, group, n)
    return found
