"""The integer arithmetic of quantized nets: each rule against the fraction that it rounds."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minprune.deploy import integers as it

int32 = st.integers(-(2**31), 2**31 - 1)
factors = st.floats(2.0**-60, 2.0**40) | st.sampled_from([0.0, 0.5, 1.0, 1.5, 2.0**-53, 2.0**30])


def exactly(a: int, m: int, r: int, zero: int) -> int:
    """clamp(zero + floor(a m / 2^r + 1/2)) of fractions"""
    return min(max(zero + floor(Fraction(a * m, 2**r) + Fraction(1, 2)), 0), 255)


def law(rule, a: int, m: int, r: int, zero: int) -> bool:
    one = np.array([a], np.int32), np.array([m], np.int32), np.array([r], np.uint8)
    return int(rule(*one, zero)[0]) == exactly(a, m, r, zero)


@given(int32, factors, st.integers(0, 255))
def test_a_byte_is_the_fraction_rounded_half_up_and_clamped(a, factor, zero):
    m, r = it.multiplier(np.array([factor]))
    assert 0 <= m[0] <= it.MOST
    assert it.SHIFTS[0] <= r[0] <= it.SHIFTS[1]
    assert law(it.rounded, a, int(m[0]), int(r[0]), zero)


@pytest.mark.parametrize("a", [-3, -1, 1, 2**31 - 1, -(2**31)])
@pytest.mark.parametrize("zero", [0, 255])
def test_the_largest_sums_and_shifts_are_exact(a, zero):
    for m, r in (it.MOST, 1), (it.MOST, 53), (1, 1), (1, 53), (0, 31):
        assert law(it.rounded, a, m, r, zero)


def half_to_even(a, m, r, zero):
    return np.clip(zero + np.rint(a * (m / 2.0**r)), 0, 255)


def towards_zero(a, m, r, zero):
    return np.clip(zero + np.trunc(a * (m / 2.0**r) + 0.5), 0, 255)


def rounded_once_more(a, m, r, zero):  # first to 16 bits, then to bytes: as gemmlowp does
    first = np.floor(a * (m / 2.0**r) * 4 + 0.5) / 4
    return np.clip(zero + np.floor(first + 0.5), 0, 255)


def in_int32(a, m, r, zero):
    product = (a.astype(np.int64) * m + (1 << (r.astype(np.int64) - 1))).astype(np.int32)
    return np.clip(zero + (product >> r), 0, 255)


@pytest.mark.parametrize("wrong", [half_to_even, towards_zero, rounded_once_more, in_int32])
def test_the_law_rejects_other_roundings(wrong):
    cases = [(1, 2**30, 31, 10), (-3, 2**30, 31, 10), (2**30, 2**30, 56 - 3, 0)]
    cases += [(a, 2**30, 33, 10) for a in range(-9, 9)]
    assert not all(law(wrong, *case) for case in cases)


@given(st.floats(2.0**-23, 2.0**29))
def test_a_multiplier_is_its_factor_to_31_bits(factor):
    m, r = it.multiplier(np.array([factor]))
    got = Fraction(int(m[0]), 2 ** int(r[0]))
    assert abs(got - Fraction(factor)) <= Fraction(factor) / 2**31


@given(int32, st.floats(2.0**-60, 1.0))
def test_wide_outputs_are_the_fraction_rounded_half_up(a, factor):
    m, r = it.multiplier(np.array([factor]))
    got = it.rounded_wide(np.array([a], np.int32), m, r)
    assert int(got[0]) == floor(Fraction(a * int(m[0]), 2 ** int(r[0])) + Fraction(1, 2))


spans = st.floats(-1e6, 1e6, width=32)


@given(spans, spans, st.floats(-1e6, 1e6, width=32))
def test_a_scale_holds_0_exactly_and_what_is_in_its_span_to_half_a_step(a, b, x):
    scale = it.bytes_over(min(a, b), max(a, b))
    zero = it.to_bytes(np.float32([0.0]), scale)
    assert zero[0] == scale.zero
    assert it.to_numbers(zero, scale)[0] == 0
    if min(a, b, 0) <= x <= max(a, b, 0):
        near = it.to_numbers(it.to_bytes(np.float32([x]), scale), scale)
        room = scale.step * (0.5 + 2**-13)  # float32: 256 numbers of 24 bits, four operations
        assert abs(float(near[0]) - x) <= room or scale == (1.0, 0)


def test_what_is_not_a_number_or_outside_becomes_an_end():
    x = np.float32([np.nan, -np.inf, np.inf, -9, 9])
    assert it.to_bytes(x, it.bytes_over(-1, 1)).tolist() == [0, 0, 255, 0, 255]


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.floats(1e-6, 1e6), st.floats(1e-6, 1e6))
def test_no_order_of_adding_overflows(seed, inputs, size, into):
    rng = np.random.default_rng(seed)
    w = rng.standard_normal((3, inputs)) * size * rng.integers(0, 2, (3, inputs))
    b = rng.standard_normal(3) / size
    q, steps = it.quantized_rows(w, b, into)
    bias = it.half_up(b / (into * steps))
    worst = np.abs(q.astype(np.int64)).sum(axis=1) * 510 + np.abs(bias)
    assert (worst <= it.MOST + 1).all()
    assert (q[w == 0] == 0).all()
    assert (np.abs(q * steps[:, None] - w) <= steps[:, None] * (0.5 + 1e-9)).all()


def test_wide_rows_take_a_larger_step_before_they_overflow():
    w = np.ones((1, 40_000), np.float32)
    q, steps = it.quantized_rows(w, np.zeros(1), 1.0)
    assert steps[0] == 2 / 127
    assert int(q.astype(np.int64).sum()) * 510 <= it.MOST


def slowly(x, weight, bias, zero, stride, padding, dilation, groups):
    """The sum that a convolution is, one product after another"""
    n, _c, high, wide = x.shape
    o, per, ky, kx = weight.shape
    top, left, bottom, right = padding
    rows = (high + top + bottom - (ky - 1) * dilation[0] - 1) // stride[0] + 1
    columns = (wide + left + right - (kx - 1) * dilation[1] - 1) // stride[1] + 1
    a = np.zeros((n, o, rows, columns), np.int64)
    for s, k, i, j in np.ndindex(*a.shape):
        a[s, k, i, j] = bias[k]
        for q, u, v in np.ndindex(per, ky, kx):
            y, z = i * stride[0] + u * dilation[0] - top, j * stride[1] + v * dilation[1] - left
            inside = 0 <= y < high and 0 <= z < wide
            seen = int(x[s, k // (o // groups) * per + q, y, z]) if inside else zero
            a[s, k, i, j] += int(weight[k, q, u, v]) * seen
    return a


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "dilation", "groups"),
    [
        ((3, 2), (1, 1), (0, 0, 0, 0), (1, 1), 1),
        ((2, 3), (2, 1), (1, 0, 1, 2), (1, 1), 2),
        ((2, 2), (1, 2), (0, 1, 1, 0), (2, 1), 4),
    ],
)
def test_convolutions_are_their_definition(kernel, stride, padding, dilation, groups):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (2, 4, 5, 6)).astype(np.uint8)
    weight = rng.integers(-127, 128, (4, 4 // groups, *kernel)).astype(np.int8)
    bias = rng.integers(-999, 999, 4).astype(np.int32)
    how = 7, stride, padding, dilation, groups
    got = it.window_sums(x, weight, bias, *how)
    assert got.dtype == np.int32
    assert (got == slowly(x, weight, bias, *how)).all()
