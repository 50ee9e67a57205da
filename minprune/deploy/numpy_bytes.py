"""The lines of net.npz for the steps of a quantized model: the same integers as those of the steps.

Sums are of float64, in which whole numbers below 2^53 are exact; what is rounded is int64.
"""

from typing import Any

import numpy as np

from minprune.core import Array
from minprune.deploy import byte_steps as byte
from minprune.deploy.numpy_file import Plan, convolved, of_rows, totalled, written

BYTE, WIDE = (0, 255), (-(2**31), 2**31 - 1)


def _one(number: int) -> Array:
    return np.array([number], np.int64)


def _rounded(plan: Plan, a: int, m: Array, r: Array, zero: int, ends: Any = BYTE) -> int:
    """clamp(floor((a m + (2 zero + 1) 2^(r - 1)) / 2^r))"""
    return plan.add("round", [a], m, r, _one(2 * zero + 1), ends)


def _of_rows(step: byte.ByteRows, plan: Plan, a: int) -> int:
    m, r = (of_rows(given, step.out) for given in (step.m, step.r))
    return _rounded(plan, a, m, r, step.zero, WIDE if step.wide else BYTE)


@written.register
def _to_bytes(step: byte.ToBytes, plan: Plan, reads: list[int]) -> int:
    inverse, shift = (np.array([v], np.float32) for v in (1 / step.at.step, step.at.zero + 0.5))
    return plan.add("byte", [plan.add("scale", reads, inverse, shift)])


@written.register
def _to_numbers(step: byte.ToNumbers, plan: Plan, reads: list[int]) -> int:
    shifted = plan.add("scale", reads, _one(1), _one(-step.at.zero))
    factor, nothing = (np.array([v], np.float32) for v in (step.at.step, 0))
    return plan.add("scale", [shifted], factor, nothing)


@written.register
def _linear(step: byte.ByteLinear, plan: Plan, reads: list[int]) -> int:
    return _of_rows(step, plan, plan.add("dense", reads, step.weight, step.bias))


@written.register
def _convolve(step: byte.ByteConvolve, plan: Plan, reads: list[int]) -> int:
    return _of_rows(step, plan, convolved(step, plan, reads, step.into))


@written.register
def _scale(step: byte.ByteScale, plan: Plan, reads: list[int]) -> int:
    given = of_rows(step.weight, step.out), of_rows(step.bias, step.out)
    return _of_rows(step, plan, plan.add("scale", reads, *given))


@written.register
def _mean(step: byte.ByteMean, plan: Plan, reads: list[int]) -> int:
    total = totalled(step, plan, reads, _one(step.into))
    return _rounded(plan, total, _one(step.m), np.array([step.r], np.uint8), step.zero)


@written.register
def _sum(step: byte.ByteSum, plan: Plan, reads: list[int]) -> int:
    half = 1 << (step.r - 1)  # which rounding adds
    shifts = [step.offset - half, *[0] * (len(reads) - 1)]
    terms = [
        plan.add("scale", [x], _one(int(m)), _one(shift))
        for x, m, shift in zip(reads, step.m, shifts, strict=True)
    ]
    return _rounded(plan, plan.add("sum", terms), _one(1), np.array([step.r], np.uint8), 0)


@written.register
def _concatenate(step: byte.ByteConcatenate, plan: Plan, reads: list[int]) -> int:
    parts = [plan.add("table", [x], t) for x, t in zip(reads, step.tables, strict=True)]
    return plan.add("cat", parts)


@written.register
def _table(step: byte.ByteTable, plan: Plan, reads: list[int]) -> int:
    return plan.add("table", reads, step.table)
