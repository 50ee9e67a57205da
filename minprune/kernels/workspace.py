"""empty(shape, dtype) = np.empty(shape, dtype); inside `with lend():` over memory used before.

A training step asks for the same arrays every time. Fresh ones cost page faults (30 % of a step of
LeNet); these come from a pool. A buffer is handed out again when nothing but the pool refers to it:
every array made over it, and every view of one, holds a reference. So an array that somebody keeps
is never overwritten; its buffer is just not used again.
"""

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

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

    def empty(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        """An uninitialised array (shape), C-contiguous, aligned to a cache line."""
        dtype = np.dtype(dtype)
        size = math.prod(shape) * dtype.itemsize
        if size < SMALL or dtype.hasobject:
            return np.empty(shape, dtype)
        step = 1 << (size.bit_length() - 4)  # 8 classes to a doubling: at most 1/8 is wasted
        size = -(-size // step) * step
        buffers = self._buffers.setdefault(size, [])
        # The same expression as for FREE, so that the counts compare on every Python.
        for k, count in enumerate(map(sys.getrefcount, buffers)):
            if count == FREE:
                return np.ndarray(shape, dtype, buffers[k], self._offsets[size][k])
        buffer = np.empty(size + ALIGN, np.uint8)
        offset = -buffer.ctypes.data % ALIGN
        buffers.append(buffer)
        self._offsets.setdefault(size, []).append(offset)
        self.bytes += buffer.nbytes
        return np.ndarray(shape, dtype, buffer, offset)


_current: ContextVar[Workspace | None] = ContextVar("minprune_workspace", default=None)


def empty(shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
    """An uninitialised array (shape): from the current workspace, or np.empty where none lends."""
    space = _current.get()
    return np.empty(shape, dtype) if space is None else space.empty(shape, dtype)


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
