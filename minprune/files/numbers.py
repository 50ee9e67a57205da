"""Numbers of foreign files, read in pieces into arrays of this machine."""

import math
import sys
from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np

from minprune.core import Array
from minprune.errors import FileError

PIECE = 2**17  # numbers that are read at a time
SIDES, LONGEST = 32, 2**63  # those of an array, and what is beyond each


def size_of(kind: str) -> int:
    """The bytes of a number in a file      kind: the name of a NumPy type, or "bfloat16\""""
    return 2 if kind == "bfloat16" else np.dtype(kind).itemsize


def numbers_in(what: str, shape: Sequence[Any]) -> int:
    """n = product of the sides      raises FileError unless they are few, and each is a size"""
    if len(shape) > SIDES or any(type(s) is not int or not 0 <= s < LONGEST for s in shape):
        raise FileError(
            f"{what}: its shape must be at most {SIDES} sizes, not {list(shape[:SIDES])}; "
            f"write the file again"
        )
    return math.prod(shape)


def read_numbers(what: str, stream: BinaryIO, kind: str, n: int, order: str = "<") -> Array:
    """(n,) the next n numbers of the stream; bfloat16 as float32, whose upper half it is

    what: the array, for messages; order: "<" or ">", which byte comes first. Memory is taken for n
    numbers at once: whether the file has as many is the caller's to check. Raises FileError where
    the stream ends before.
    """
    if kind == "bfloat16":
        a = np.zeros(n, np.float32)
        room = a.view(np.uint16)[int(sys.byteorder == "little") :: 2]
        source: np.dtype[Any] = np.dtype(np.uint16)
    else:
        a = room = np.empty(n, kind)
        source = np.dtype(np.uint8 if kind == "bool" else kind)  # any byte but 0 is True
    source = source.newbyteorder("<" if order == "<" else ">")
    for at in range(0, n, PIECE):
        part = room[at : at + PIECE]
        piece = stream.read(part.size * source.itemsize)
        if len(piece) != part.size * source.itemsize:
            raise FileError(f"{what} must have all its bytes, and the file is cut; fetch it again")
        part[:] = np.frombuffer(piece, source)
    return a
