"""empty(shape, dtype) = np.empty(shape, dtype), on cache lines; with `lend():` in used memory.

A training step needs the same arrays every time. Fresh ones cost page faults (30 % of a step of
LeNet); these come from a pool. A buffer is used again when only the pool refers to it: every array
over it, and every view of one, holds a reference. So an array that is kept is never overwritten.
"""

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from ctypes import addressof, c_char
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from minprune.core import Array

SMALL = 32 * 1024  # bytes; below, the allocator of NumPy is as fast and has no page faults
ALIGN = 64  # bytes; one cache line
FREE = next(map(sys.getrefcount, [np.empty(1, np.uint8)]))  # the count when only a list refers


class Workspace:
    """A pool of raw buffers, by size class; `bytes` is what it holds."""

    def __init__(self) -> None:
        self.bytes = 0
        self._buffers: dict[int, list[Array]] = {}
        self._offsets: dict[int, list[int]] = {}

    def buffer(self, size: int) -> tuple[Array, int]:
        """An unused buffer, and where in it `size` bytes begin on a cache line."""
        buffers = self._buffers.setdefault(size, [])
        # The same expression as for FREE, so that the counts compare on every Python.
        for k, count in enumerate(map(sys.getrefcount, buffers)):
            if count == FREE:
                return buffers[k], self._offsets[size][k]
        buffer, offset = on_line(size)
        buffers.append(buffer)
        self._offsets.setdefault(size, []).append(offset)
        self.bytes += buffer.nbytes
        return buffer, offset


@lru_cache(maxsize=4096)
def size_class(shape: tuple[int, ...], itemsize: int) -> int:
    """The bytes of such an array, rounded up; 0 where NumPy's own allocator serves it best."""
    size = math.prod(shape) * itemsize
    if size < SMALL:
        return 0
    step = 1 << (size.bit_length() - 4)  # 8 classes to a doubling: at most 1/8 is wasted
    return -(-size // step) * step


def on_line(size: int) -> tuple[Array, int]:
    """A buffer, and where in it `size` bytes begin on a cache line."""
    buffer = np.empty(size + ALIGN, np.uint8)
    return buffer, -addressof(c_char.from_buffer(buffer.data)) % ALIGN


_current: ContextVar[Workspace | None] = ContextVar("minprune_workspace", default=None)


def empty(shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
    """An uninitialised array (shape), C-contiguous, from the current workspace if one lends

    One of SMALL bytes or more begins on a cache line: a register loads from one line then.
    """
    dtype = np.dtype(dtype)
    size = size_class(shape, dtype.itemsize)
    if not size or dtype.hasobject:
        return np.empty(shape, dtype)
    space = _current.get()
    buffer, offset = on_line(size) if space is None else space.buffer(size)
    return np.ndarray(shape, dtype, buffer, offset)


@contextmanager
def lend(space: Workspace | None = None) -> Iterator[Workspace]:
    """Inside, `empty` draws on `space` (a new one if None); only in this thread or context.

    Arrays that outlive the block stay valid. Blocks nest; the inner one lends. A workspace serves
    one thread at a time.
    """
    space = Workspace() if space is None else space
    token = _current.set(space)
    try:
        yield space
    finally:
        _current.reset(token)
