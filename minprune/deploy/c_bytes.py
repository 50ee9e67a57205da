"""The steps of a quantized model in C: the integers of byte_steps, bit for bit.

Every accumulator passes NET_WATCH before it is rounded; a test defines it, otherwise it is nothing.
"""

from math import prod

import numpy as np

from minprune.deploy import byte_steps as byte
from minprune.deploy.c_numbers import Numbers, literal
from minprune.deploy.c_steps import Calls, Writing, Y, in_c, pooled, weighted, window, x

WATCH = """\
#ifndef ${PREFIX}_WATCH
#define ${PREFIX}_WATCH(a) ((void)0)
#endif
"""
ROUNDED = """\
/* clamp(zero + floor(a m / 2^r + 1/2)) */
static uint8_t ${prefix}_rounded(int32_t a, int32_t m, unsigned r, int32_t zero)
{
    int64_t t = (int64_t)a * m + ((int64_t)(2 * zero + 1) << (r - 1));
    ${PREFIX}_WATCH(a);
    t = t < 0 ? 0 : t >> r;
    return (uint8_t)(t > 255 ? 255 : t);
}
"""
WIDE = """\
/* floor(a m / 2^r + 1/2), and no shift of a negative number */
static int32_t ${prefix}_wide(int32_t a, int32_t m, unsigned r)
{
    const int64_t t = (int64_t)a * m + ((int64_t)1 << (r - 1));
    ${PREFIX}_WATCH(a);
    return (int32_t)(t < 0 ? ~(~t >> r) : t >> r);
}
"""
TO_BYTES = """\
static void ${prefix}_to_bytes(const float *x, uint8_t *y, size_t n, float inverse, float shift)
{
    size_t i;
    for (i = 0; i < n; i++) {
        const volatile float scaled = x[i] * inverse; /* rounded here: no fused multiply-add */
        const float t = scaled + shift;
        y[i] = (uint8_t)(t > 0.0f ? (t < 255.0f ? t : 255.0f) : 0.0f);
    }
}
"""
TO_NUMBERS = """\
static void ${prefix}_to_numbers_$kind(const $kind *x, float *y, size_t n, int32_t zero, float step)
{
    size_t i;
    for (i = 0; i < n; i++) y[i] = (float)(x[i] - zero) * step;
}
"""
SCALE = """\
static void ${prefix}_scale_$kind(const uint8_t *x, $kind *y, size_t channels, size_t plane,
    const int8_t *weight, const int32_t *bias, const int32_t *factors, const uint8_t *shifts$zero)
{
    size_t r, i;
    for (r = 0; r < channels; r++)
        for (i = r * plane; i < (r + 1) * plane; i++) y[i] = $finish;
}
"""
TABLE = """\
static void ${prefix}_table(const uint8_t *x, uint8_t *y, size_t n, const uint8_t *table)
{
    size_t i;
    for (i = 0; i < n; i++) y[i] = table[x[i]];
}
"""
SUM = """\
static void ${prefix}_bytes_sum$many(uint8_t *y, size_t n, int64_t offset, unsigned r$params)
{
    size_t i;
    for (i = 0; i < n; i++) {
        int64_t t = offset$terms;
        t = t < 0 ? 0 : t >> r;
        y[i] = (uint8_t)(t > 255 ? 255 : t);
    }
}
"""


def _numbers(step: byte.ByteRows, w: Writing, padded: bool = False) -> Numbers:
    """The C types of a layer with weights, and how its totals are rounded"""
    out, tag = ("int32_t", "wide") if step.wide else ("uint8_t", "i8")
    _rounding(w, step.wide)
    params = ", const int32_t *factors, const uint8_t *shifts" + ", int32_t zero" * (not step.wide)
    finish = _finish(w, step, "{sum}")
    tag += "p" * padded
    return Numbers(tag, "int8_t", "uint8_t", "int32_t", out, params, finish, padded)


def _rounding(w: Writing, wide: bool = False) -> None:
    for text in (WATCH, WIDE if wide else ROUNDED):
        w.function(text, PREFIX=w.prefix.upper())


def _finish(w: Writing, step: byte.ByteRows, a: str) -> str:
    if step.wide:
        return f"{w.prefix}_wide({a}, factors[r], shifts[r])"
    return f"{w.prefix}_rounded({a}, factors[r], shifts[r], zero)"


def _also(step: byte.ByteRows, w: Writing) -> tuple[str, ...]:
    """Arguments for the factors of rows"""
    name = f"l{len(w.stored) + 1}"
    found = w.array(f"{name}_factors", step.m), w.array(f"{name}_shifts", step.r)
    return found if step.wide else (*found, str(step.zero))


@in_c.register
def _linear(step: byte.ByteLinear, w: Writing) -> Calls:
    return weighted(step, w, _numbers(step, w), step.bias, _also(step, w))


@in_c.register
def _convolve(step: byte.ByteConvolve, w: Writing) -> Calls:
    padded, bias = any(step.padding) and step.into != 0, step.bias
    also = _also(step, w)
    if padded:  # where x - into is multiplied, the bias is that of the layer
        total = step.matrix.sum(axis=1, dtype=np.int64) * step.into
        bias, also = (bias + total).astype(np.int32), (*also, str(step.into))
    at = window(step, w, w.shapes[step.reads[0]])
    return weighted(step, w, _numbers(step, w, padded), bias, also, window=at)


@in_c.register
def _scale(step: byte.ByteScale, w: Writing) -> Calls:
    out = "int32_t" if step.wide else "uint8_t"
    _rounding(w, step.wide)
    total = "weight[r] * x[i] + bias[r]"
    w.function(SCALE, kind=out, zero=", int32_t zero" * (not step.wide),
               finish=_finish(w, step, total))  # fmt: skip
    name, also = f"l{len(w.stored) + 1}", _also(step, w)
    arrays = w.array(f"{name}_weight", step.weight), w.array(f"{name}_bias", step.bias)
    w.stored.append({"layer": step.name, "format": "dense", "stored": step.weight.size,
                     "bytes": step.weight.nbytes + step.bias.nbytes})  # fmt: skip
    given = (str(step.out[0]), str(prod(step.out[1:])), *arrays, *also)
    line = f"{w.prefix}_scale_{out}({x()}, {Y}, {', '.join(given)});"
    return Calls((line,), out)


@in_c.register
def _to_bytes(step: byte.ToBytes, w: Writing) -> Calls:
    w.function(TO_BYTES)
    inverse, shift = np.float32(1 / step.at.step), np.float32(step.at.zero + 0.5)
    n = prod(step.out)
    line = f"{w.prefix}_to_bytes({x()}, {Y}, {n}, {literal(inverse)}, {literal(shift)});"
    return Calls((line,), "uint8_t")


@in_c.register
def _to_numbers(step: byte.ToNumbers, w: Writing) -> Calls:
    kind = w.types[step.reads[0]]
    w.function(TO_NUMBERS, kind=kind)
    given = f"{prod(step.out)}, {step.at.zero}, {literal(np.float32(step.at.step))}"
    return Calls((f"{w.prefix}_to_numbers_{kind}({x()}, {Y}, {given});",))


@in_c.register
def _largest(step: byte.ByteLargest, w: Writing) -> Calls:
    return pooled(step, w, ("max", "uint8_t", "int32_t"), "0", "if (v > t) t = v;", "(uint8_t)t")


@in_c.register
def _mean(step: byte.ByteMean, w: Writing) -> Calls:
    _rounding(w)
    given = f", {step.m}, {step.r}, {step.zero}, {step.into}"
    finish = f"{w.prefix}_rounded(t, m, r, zero)"
    kinds = "mean", "uint8_t", "int32_t"
    params = ", int32_t m, unsigned r, int32_t zero, int32_t into"
    return pooled(step, w, kinds, "0", "t += v - into;", finish, params, given)


@in_c.register
def _sum(step: byte.ByteSum, w: Writing) -> Calls:
    many = range(len(step.reads))
    params = "".join(f", const uint8_t *x{k}, int32_t m{k}" for k in many)
    terms = "".join(f" + (int64_t)m{k} * x{k}[i]" for k in many)
    w.function(SUM, many=str(len(many)), params=params, terms=terms)
    given = "".join(f", {x(k)}, {m}" for k, m in zip(many, step.m.tolist(), strict=True))
    start = f"{Y}, {prod(step.out)}, INT64_C({step.offset}), {step.r}"
    line = f"{w.prefix}_bytes_sum{len(many)}({start}{given});"
    return Calls((line,), "uint8_t")


@in_c.register
def _table(step: byte.ByteTable, w: Writing) -> Calls:
    w.function(TABLE)
    table = w.array(f"table{len(w.types)}", step.table)
    line = f"{w.prefix}_table({x()}, {Y}, {prod(step.out)}, {table});"
    return Calls((line,), "uint8_t")


@in_c.register
def _concatenate(step: byte.ByteConcatenate, w: Writing) -> Calls:
    w.function(TABLE)
    lines, at = [], 0
    for k, read in enumerate(step.reads):
        n = prod(w.shapes[read])
        table = w.array(f"table{len(w.types)}_{k}", step.tables[k])
        lines.append(f"{w.prefix}_table({x(k)}, {Y} + {at}, {n}, {table});")
        at += n
    return Calls(tuple(lines), "uint8_t")
