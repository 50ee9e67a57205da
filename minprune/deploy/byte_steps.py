"""The steps of a quantized model, each the integer arithmetic that C does in the same bits.

Between ToBytes and ToNumbers values are bytes q of numbers step (q - zero), see `integers`. What a
layer adds up is an int32 accumulator, `sums`; `apply` rounds it to a byte.
"""

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from minprune.core import Array
from minprune.deploy.integers import (
    Bytes,
    dense_sums,
    rounded,
    rounded_wide,
    to_bytes,
    to_numbers,
    window_sums,
)
from minprune.deploy.steps import Concatenate, Largest, Pair, Pool, Step, rows, windows

NONE: Any = None  # of a field that is always given


@dataclass(frozen=True, eq=False)
class ToBytes(Step):
    """q = clamp(floor(x / step + zero + 1/2)), in float32"""

    at: Bytes = NONE

    def apply(self, *xs: Array) -> Array:
        return to_bytes(xs[0], self.at)


@dataclass(frozen=True, eq=False)
class ToNumbers(Step):
    """y = step (q - zero), in float32      q: bytes, or int32 of a last layer, whose zero is 0"""

    at: Bytes = NONE

    def apply(self, *xs: Array) -> Array:
        return to_numbers(xs[0], self.at)


@dataclass(frozen=True, eq=False)
class ByteRows(Step):
    """y = clamp(zero + floor(a m / 2^r + 1/2)), a = weight x + bias, row by row

    weight: (o, ...) int8; bias: (o,) int32, less what the zero point of x adds; m, r: (o,). wide: y
    is int32, without zero and clamp: the last layer of a model.
    """

    weight: Array = NONE
    bias: Array = NONE
    m: Array = NONE
    r: Array = NONE
    zero: int = 0
    wide: bool = False

    def sums(self, x: Array) -> Array:
        """a, int32"""
        raise NotImplementedError

    def apply(self, *xs: Array) -> Array:
        a = self.sums(xs[0])
        m, r = rows(self.m, a), rows(self.r, a)
        return rounded_wide(a, m, r) if self.wide else rounded(a, m, r, self.zero)

    @property
    def live(self) -> Array:
        """Which weights are not 0      the shape of weight, bool"""
        return np.asarray(self.weight != 0)

    @property
    def matrix(self) -> Array:
        """The weight with a row for each output      (o, ...)"""
        return self.weight.reshape(len(self.weight), -1)


@dataclass(frozen=True, eq=False)
class ByteLinear(ByteRows):
    """a = W x + bias      weight: (o, i)"""

    def sums(self, x: Array) -> Array:
        return dense_sums(x, self.weight, self.bias)


@dataclass(frozen=True, eq=False)
class ByteConvolve(ByteRows):
    """a = w * x + bias, x padded with its zero point      weight: (o, i/groups, y, x)

    padding: at the top, the left, the bottom and the right; into: the zero point of x
    """

    stride: Pair = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1
    into: int = 0

    def sums(self, x: Array) -> Array:
        how = self.stride, self.padding, self.dilation, self.groups
        return window_sums(x, self.weight, self.bias, self.into, *how)


@dataclass(frozen=True, eq=False)
class ByteScale(ByteRows):
    """a_c = weight_c x_c + bias_c      weight: (c,)"""

    def sums(self, x: Array) -> Array:
        found: Array = rows(self.weight.astype(np.int32), x) * x + rows(self.bias, x)
        return found


@dataclass(frozen=True, eq=False)
class ByteLargest(Largest):
    """y = max over the window; padding never wins: every window meets x, and no byte is below 0"""

    def apply(self, *xs: Array) -> Array:
        return np.asarray(self.windows(xs[0], 0).max(axis=(4, 5)))


@dataclass(frozen=True, eq=False)
class ByteMean(Pool):
    """y = clamp(zero + floor(a m / 2^r + 1/2)), a = the sum of x - into over a window

    into: the zero point of x, of which padding is; m, r: numbers
    """

    m: int = 0
    r: int = 1
    zero: int = 0
    into: int = 0

    def sums(self, x: Array) -> Array:
        """a, int32"""
        seen = windows(x, self.kernel, self.stride, self.padding * 2, self.into)
        total = seen.sum(axis=(4, 5), dtype=np.int32)
        return np.asarray(total - np.int32(self.into * prod(self.kernel)))

    def apply(self, *xs: Array) -> Array:
        return rounded(self.sums(xs[0]), np.array(self.m), np.array(self.r), self.zero)


@dataclass(frozen=True, eq=False)
class ByteSum(Step):
    """y = clamp(floor((offset + sum_k m_k x_k) / 2^r)), in int64

    m: (inputs,) int32; offset: the zero points and the 1/2, times 2^r
    """

    m: Array = NONE
    r: int = 1
    offset: int = 0

    def apply(self, *xs: Array) -> Array:
        t = np.full(xs[0].shape, self.offset, np.int64)
        for m, x in zip(self.m, xs, strict=True):
            t += np.int64(m) * x
        return np.asarray(np.minimum(np.maximum(t, 0) >> self.r, 255).astype(np.uint8))


@dataclass(frozen=True, eq=False)
class ByteConcatenate(Concatenate):
    """table_k[x_k] one after another      tables: (inputs, 256) bytes"""

    tables: Array = NONE

    def apply(self, *xs: Array) -> Array:
        return super().apply(*(t[x] for t, x in zip(self.tables, xs, strict=True)))


@dataclass(frozen=True, eq=False)
class ByteTable(Step):
    """y = table[x]: any function of one number      table: (256,) bytes"""

    table: Array = NONE

    def apply(self, *xs: Array) -> Array:
        return np.asarray(self.table[xs[0]])
