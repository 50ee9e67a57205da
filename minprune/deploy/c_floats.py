"""The steps of a model in C, in float32: y = f(W x + b) and so on, each as steps.py defines it."""

from math import prod
from typing import Any

from minprune.deploy import steps
from minprune.deploy.c_numbers import Numbers, literal
from minprune.deploy.c_steps import Calls, Writing, Y, in_c, pooled, weighted, window, x
from minprune.errors import ArgumentError

ACTS = {  # f(v) by its key of ACTIVATIONS
    "none": "v",
    "relu": "0.0f > v ? 0.0f : v",
    "leaky_relu": "v > 0.0f ? v : 0.01f * v",
    "relu6": "0.0f > v ? 0.0f : v > 6.0f ? 6.0f : v",
    "tanh": "tanhf(v)",
    "sigmoid": "1.0f / (1.0f + expf(-v))",
    "elu": "v > 0.0f ? v : expm1f(v)",
    "silu": "v / (1.0f + expf(-v))",
    "gelu": "0.5f * v * (1.0f + erff(v * 0.70710678f))",
    "gelu_tanh": "0.5f * v * (1.0f + tanhf(0.79788456f * (v + 0.044715f * v * v * v)))",
    "softplus": "(v > 0.0f ? v : 0.0f) + log1pf(expf(-fabsf(v)))",
    "hardswish": "v * ((v > -3.0f ? (v < 3.0f ? v + 3.0f : 6.0f) : 0.0f) / 6.0f)",
}
ACT = """\
static float ${prefix}_$act(float v)
{
    return $value;
}
"""
EACH = """\
static void ${prefix}_each_$act(const float *x, float *y, size_t n)
{
    size_t i;
    for (i = 0; i < n; i++) y[i] = $done;
}
"""
SCALE = """\
static void ${prefix}_scale_$act(const float *x, float *y, size_t channels, size_t plane,
    const float *scale, const float *shift)
{
    size_t r, i;
    for (r = 0; r < channels; r++)
        for (i = r * plane; i < (r + 1) * plane; i++) y[i] = $done;
}
"""
NORMALISE = """\
static void ${prefix}_normalise_$act(const float *x, float *y, size_t groups, size_t channels,
    size_t plane, float eps, const float *gamma, const float *beta)
{
    const size_t n = channels * plane;
    size_t g, r, i;
    for (g = 0; g < groups; g++, x += n, y += n, gamma += channels, beta += channels) {
        float mean = 0.0f, var = 0.0f;
        for (i = 0; i < n; i++) mean += x[i];
        mean /= (float)n;
        for (i = 0; i < n; i++) var += (x[i] - mean) * (x[i] - mean);
        var = sqrtf(var / (float)n + eps);
        for (r = 0; r < channels; r++)
            for (i = r * plane; i < (r + 1) * plane; i++) y[i] = $done;
    }
}
"""
SUM = """\
static void ${prefix}_sum${many}_$act(float *y, size_t n$params)
{
    size_t i;
    for (i = 0; i < n; i++) y[i] = $done;
}
"""


def _act(step: Any, w: Writing, of: str) -> str:
    """f of an expression, as an expression"""
    if step.act not in ACTS:
        raise ArgumentError(
            f"export_c: {step.name}: the activation {step.act} must have a row in "
            f"minprune.deploy.c_floats.ACTS, and has none; add one"
        )
    if step.act == "none":
        return of
    w.function(ACT, act=step.act, value=ACTS[step.act])
    return f"{w.prefix}_{step.act}({of})"


def _numbers(step: Any, w: Writing) -> Numbers:
    finish = _act(step, w, "{sum}")
    return Numbers(f"f32_{step.act}", "float", "float", "float", "float", finish=finish)


@in_c.register
def _linear(step: steps.Linear, w: Writing) -> Calls:
    return weighted(step, w, _numbers(step, w), step.bias)


@in_c.register
def _convolve(step: steps.Convolve, w: Writing) -> Calls:
    numbers = _numbers(step, w)
    at = window(step, w, w.shapes[step.reads[0]])
    return weighted(step, w, numbers, step.bias, window=at)


@in_c.register
def _activate(step: steps.Activate, w: Writing) -> Calls:
    w.function(EACH, act=step.act, done=_act(step, w, "x[i]"))
    return Calls((f"{w.prefix}_each_{step.act}({x()}, {Y}, {prod(step.out)});",))


@in_c.register
def _scale(step: steps.Scale, w: Writing) -> Calls:
    w.function(SCALE, act=step.act, done=_act(step, w, "scale[r] * x[i] + shift[r]"))
    k = len(w.types)
    arrays = w.array(f"scale{k}", step.scale), w.array(f"shift{k}", step.shift)
    given = (str(step.out[0]), str(prod(step.out[1:])), *arrays)
    return Calls((f"{w.prefix}_scale_{step.act}({x()}, {Y}, {', '.join(given)});",))


@in_c.register
def _normalise(step: steps.Normalise, w: Writing) -> Calls:
    done = _act(step, w, "gamma[r] * ((x[i] - mean) / var) + beta[r]")
    w.function(NORMALISE, act=step.act, done=done)
    k, groups = len(w.types), step.groups
    arrays = w.array(f"gamma{k}", step.gamma), w.array(f"beta{k}", step.beta)
    sizes = groups, step.out[0] // groups, prod(step.out[1:])
    given = (*map(str, sizes), literal(step.gamma.dtype.type(step.eps)), *arrays)
    return Calls((f"{w.prefix}_normalise_{step.act}({x()}, {Y}, {', '.join(given)});",))


@in_c.register
def _largest(step: steps.Largest, w: Writing) -> Calls:
    return pooled(step, w, ("max", "float", "float"), "-FLT_MAX", "t = v > t ? v : t;", "t")


@in_c.register
def _mean(step: steps.Mean, w: Writing) -> Calls:
    n = f"{prod(step.kernel)}.0f"
    return pooled(step, w, ("mean", "float", "float"), "0.0f", "t += v;", f"t / {n}")


@in_c.register
def _sum(step: steps.Sum, w: Writing) -> Calls:
    many = range(len(step.reads))
    params = "".join(f", const float *x{k}" for k in many)
    done = _act(step, w, " + ".join(f"x{k}[i]" for k in many))
    w.function(SUM, many=str(len(many)), act=step.act, params=params, done=done)
    given = "".join(f", {x(k)}" for k in many)
    line = f"{w.prefix}_sum{len(many)}_{step.act}({Y}, {prod(step.out)}{given});"
    return Calls((line,))


@in_c.register
def _concatenate(step: steps.Concatenate, w: Writing) -> Calls:
    lines, at = [], 0
    for k, read in enumerate(step.reads):
        n = prod(w.shapes[read])
        lines.append(f"memcpy({Y} + {at}, {x(k)}, {n} * sizeof(float));")
        at += n
    return Calls(tuple(lines))
