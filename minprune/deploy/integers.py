"""y = clamp(zero + floor(a m / 2^r + 1/2)): integer arithmetic that C does in the same bits.

A real number v of a value is step (q - zero), q a byte in [0, 255]. Weights are int8 in [-127, 127]
with a step for each row and no zero point. Sums are int32: `quantized_rows` takes steps with which
|bias| + 255 sum |w| < 2^31, so that no order of adding can overflow. A factor is an int32 m and a
shift r, f = m 2^-r; what is rounded is an int64, made at least 0 before it is shifted, as C leaves
shifts of negative numbers to the implementation. Source: Jacob et al. (2018), Quantization and
Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference; the rounding is ours.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from minprune.core import Array

MOST = 2**31 - 1  # of an accumulator and of a multiplier
SHIFTS = 1, 53  # 255 2^53 + 2^31 2^31 < 2^63
ROOM = 2**22  # windows' entries at a time, so that memory does not grow with the samples
BIAS = 2.0**29  # the largest magnitude of a bias before the zero point is folded in


class Bytes(NamedTuple):
    """v = step (q - zero): what the bytes q of a value mean"""

    step: float
    zero: int


class Rows(NamedTuple):
    """w = steps[o] weight[o]: int8, (o, ...), as float64 (o,)"""

    weight: Array
    steps: Array


def half_up(x: Array) -> Array:
    """floor(x + 1/2)"""
    return np.asarray(np.floor(np.asarray(x, np.float64) + 0.5))


def bytes_over(low: float, high: float) -> Bytes:
    """The meaning in which 0..255 covers [low, high] and 0, which is exact

    >>> from minprune.deploy.integers import bytes_over
    >>> bytes_over(0.0, 510.0), bytes_over(-64.0, 191.0)
    (Bytes(step=2.0, zero=0), Bytes(step=1.0, zero=64))
    """
    low, high = min(float(low), 0.0), max(float(high), 0.0)
    step = (high - low) / 255
    if step < 2.0**-100:  # nothing but zeros, or too small for a float32
        return Bytes(1.0, 0)
    return Bytes(step, int(half_up(np.array(-low / step))))


def quantized_rows(weight: Array, bias: Array, into: float) -> Rows:
    """w_q = floor(w / s + 1/2), s = max |w| / 127 of each row, or more where a sum could overflow

    A row of zeros has the largest step of the others.

    weight: (o, ...), bias: (o,), into: the step of what the rows read.
    """
    w = weight.reshape(len(weight), -1).astype(np.float64)
    b = np.abs(bias.astype(np.float64))
    largest = np.abs(w).max(axis=1, initial=0.0)
    steps = np.maximum(largest / 127, b / into / BIAS)
    steps = np.where(steps > 0, steps, steps.max(initial=0.0) or 1.0)  # nothing but zeros: any
    while True:
        q = np.clip(half_up(w / steps[:, None]), -127, 127)
        over = np.abs(q).sum(axis=1) * 510 + half_up(b / (into * steps)) > MOST
        if not over.any():
            return Rows(q.astype(np.int8).reshape(weight.shape), steps)
        steps = np.where(over, 2 * steps, steps)


def multiplier(factor: Array) -> tuple[Array, Array]:
    """(m, r): factor = m 2^-r to within 2^-31 of it, or 2^-54; int32 and uint8

    A factor above 2^30, which sends every byte to an end, is the largest there is.

    >>> import numpy as np
    >>> from minprune.deploy.integers import multiplier
    >>> multiplier(np.array([0.75, 1.0, 3.0]))
    (array([1610612736, 1073741824, 1610612736], dtype=int32), array([31, 30, 29], dtype=uint8))
    """
    factor = np.asarray(factor, np.float64)
    r = np.clip(31 - np.frexp(factor)[1], *SHIFTS)
    m = np.minimum(half_up(np.ldexp(np.minimum(factor, 2.0**32), r)), MOST)
    return m.astype(np.int32), r.astype(np.uint8)


def rounded(a: Array, m: Array, r: Array, zero: int) -> Array:
    """clamp(zero + floor(a m / 2^r + 1/2)), as bytes      a: int32; m, r: such as `multiplier`'s"""
    r = np.asarray(r, np.int64)
    t = a.astype(np.int64) * m + (np.int64(2 * zero + 1) << (r - 1))
    return np.minimum(np.maximum(t, 0) >> r, 255).astype(np.uint8)


def rounded_wide(a: Array, m: Array, r: Array) -> Array:
    """floor(a m / 2^r + 1/2) as int32, for m 2^-r <= 1      a: int32"""
    r = np.asarray(r, np.int64)
    t = a.astype(np.int64) * m + (np.int64(1) << (r - 1))
    return np.where(t < 0, ~(~t >> r), t >> r).astype(np.int32)


def to_bytes(x: Array, at: Bytes) -> Array:
    """clamp(floor(x / step + zero + 1/2)) in float32; NaN is 0"""
    inverse, shift = np.float32(1 / at.step), np.float32(at.zero + 0.5)
    with np.errstate(over="ignore", invalid="ignore"):
        t = x.astype(np.float32) * inverse + shift
    return np.where(t > 0, np.minimum(t, np.float32(255)), 0).astype(np.uint8)


def to_numbers(q: Array, at: Bytes) -> Array:
    """step (q - zero) in float32"""
    return (q.astype(np.int32) - np.int32(at.zero)).astype(np.float32) * np.float32(at.step)


def dense_sums(x: Array, weight: Array, bias: Array) -> Array:
    """a = x w^T + bias, int32      x: (n, i) bytes, weight: (o, i)

    By BLAS in float64, where products and sums of integers below 2^53 are exact in any order.
    """
    a = x.astype(np.float64) @ weight.T.astype(np.float64)
    return a.astype(np.int32) + bias


def window_sums(
    x: Array, weight: Array, bias: Array, zero: int,
    stride: Sequence[int], padding: Sequence[int], dilation: Sequence[int], groups: int,
) -> Array:  # fmt: skip
    """a = w * x + bias, int32, padding being `zero`      x: (n, c, h, w), weight: (o, c/g, ky, kx)

    padding: top, left, bottom, right.
    """
    o, per, *kernel = weight.shape
    w = weight.reshape(groups, o // groups, -1).transpose(0, 2, 1).astype(np.float64)
    top, left, bottom, right = padding
    x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=zero)
    extent = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
    seen = np.lib.stride_tricks.sliding_window_view(x, extent, axis=(2, 3))
    seen = seen[:, :, :: stride[0], :: stride[1], :: dilation[0], :: dilation[1]]
    n, _, high, wide = seen.shape[:4]
    a = np.empty((n, high, wide, groups, o // groups), np.int32)
    some = max(1, ROOM // (seen[0].size or 1))
    for i in range(0, n, some):
        part = seen[i : i + some].reshape(-1, groups, per, high, wide, *kernel)
        rows = part.transpose(1, 0, 3, 4, 2, 5, 6).reshape(groups, -1, w.shape[1])
        found = (rows.astype(np.float64) @ w).astype(np.int32)
        a[i : i + some] = found.transpose(1, 0, 2).reshape(-1, *a.shape[1:])
    return a.reshape(n, high, wide, o).transpose(0, 3, 1, 2) + bias[:, None, None]
