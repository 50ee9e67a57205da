"""z = f(x, y, ...) entry by entry, a part at a time: what f makes on its way stays in the cache."""

from collections.abc import Callable, Iterator
from functools import wraps

import numpy as np

from minprune import kernels
from minprune.core import Array

PIECE = 65536  # entries


def pieces(*arrays: Array) -> Iterator[list[Array]]:
    """The same part of each of some contiguous arrays of one shape, one part after the other"""
    for start in range(0, arrays[0].size, PIECE):
        yield [a.reshape(-1)[start : start + PIECE] for a in arrays]


def in_pieces(f: Callable[..., None]) -> Callable[..., Array]:
    """f, which fills `out`, of arrays of one shape, and of keywords that are such arrays"""

    @wraps(f)
    def whole(*xs: Array, **more: Array) -> Array:
        made = kernels.empty(np.shape(xs[0]), np.asarray(xs[0]).dtype)
        for out, *parts in pieces(made, *map(np.ascontiguousarray, (*xs, *more.values()))):
            f(*parts[: len(xs)], **dict(zip(more, parts[len(xs) :], strict=True)), out=out)
        return made

    return whole
