"""v = step (q - zero): a model in 8-bit integers, by the ranges of its values on some inputs.

Every value between two layers is bytes, weights are int8 with a scale for each row, and sums are
int32, see `integers`. A ReLU and its like cost nothing: the range ends where they do. Others are
tables of 256 bytes.

Longer than most files: the rule of each step is beside the bytes that it is given.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, singledispatch
from math import prod
from typing import Any, NamedTuple

import numpy as np

from minprune import arguments
from minprune.autograd.activations import ACTIVATIONS
from minprune.core import Array, Split
from minprune.deploy import byte_steps as byte
from minprune.deploy import steps as plain
from minprune.deploy.integers import (
    MOST,
    Bytes,
    bytes_over,
    half_up,
    multiplier,
    quantized_rows,
)
from minprune.deploy.program import Program, program
from minprune.errors import ArgumentError, NonFiniteError
from minprune.measures.quality import Quality, evaluate
from minprune.nets.model import CHUNK, Model, Predictor, checked_input
from minprune.text import table

BINS = 2**16  # of a histogram: 256 to a step of the bytes, at least
FAR = 2.0**20  # beyond the bends of any activation


@dataclass(frozen=True, eq=False)
class Quantized(Predictor):
    """What `quantize` returns: int8 weights and byte activations; quantized(x) gives the outputs

    The outputs are floats; all that is between is integers, and exported C has the same ones.
    `mp.evaluate` and `mp.measure` take it as they take a model.

    Attributes
    ----------
    model : Model
        What was quantized.
    ranges : array, (values, 2)
        The least and the largest of each value that becomes bytes, the input first.
    """

    model: Model
    ranges: Array

    def __post_init__(self) -> None:
        object.__setattr__(self, "net", self.model.net)
        object.__setattr__(self, "masks", self.model.masks)

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32, of the outputs."""
        return np.dtype(np.float32)

    @property
    def itemsize(self) -> int:
        """Bytes of a weight: 1."""
        return 1

    @cached_property
    def program(self) -> Program:
        """The integer steps, from the inputs to the outputs."""
        return _integers(_apart(program(self.model, "quantize")), self.ranges)

    def __call__(self, x: Array) -> Array:
        """The outputs, float32      x: (n, ...) -> (n, outputs)"""
        x = checked_input(self.net, x)
        parts = [self.program(x[i : i + CHUNK]) for i in range(0, max(len(x), 1), CHUNK)]
        return np.concatenate(parts)

    @property
    def stored(self) -> int:
        """Bytes of its weights, biases, multipliers, shifts and tables, as dense arrays."""
        arrays = (a for step in self.program.steps for a in vars(step).values())
        return sum(a.nbytes for a in arrays if isinstance(a, np.ndarray))

    def compare(self, data: Split) -> "Comparison":
        """The quality before and after, of each class too; print it      data: pair (x, y)"""
        return Comparison(evaluate(self.model, data), evaluate(self, data))

    def __repr__(self) -> str:
        return f"Quantized({self.model!r})"


@dataclass(frozen=True)
class Comparison:
    """The quality of a model before and after it was quantized; print it for a table by class"""

    before: Quality
    after: Quality

    def __str__(self) -> str:
        if self.before.accuracy is None:
            return f"float32: {self.before}\nint8:    {self.after}"
        pairs = zip(self.before.per_class, self.after.per_class, strict=True)
        rows = [
            (str(k), str(n), *_change(a, b))
            for (k, n), (a, b) in zip(enumerate(self.before.class_samples), pairs, strict=True)
            if n
        ]
        most = str(sum(self.before.class_samples)) if rows else ""
        rows.append(("all", most, *_change(self.before.accuracy, self.after.accuracy or 0.0)))
        return table(("class", "samples", "float32", "int8", "change"), rows)


def _change(a: float, b: float) -> tuple[str, str, str]:
    return f"{100 * a:.2f} %", f"{100 * b:.2f} %", f"{100 * (b - a):+.2f} %"


def quantize(model: Model, x: Array, *, percentiles: Sequence[float] = (0.0, 100.0)) -> Quantized:
    """Turn a model into 8-bit integer arithmetic: w ~ step_o q of each row, v ~ step (q - zero)

    Masked weights stay 0. BatchNorm is folded before. The last layer keeps its 32-bit sums, so that
    the outputs are not rounded to bytes.

    Parameters
    ----------
    model : Model
        A trained model: dense, masked or sparse.
    x : array, (n, ...)
        Inputs such as the model will see, a few hundred at least: they give the range of each
        value between two layers.
    percentiles : pair of numbers, default (0, 100)
        The range of a value is from the first of these percentiles to the second; what lies outside
        is clamped to it. (0, 100) is the least and the largest; (0.1, 99.9) gives finer steps where
        few values are far from the others.

    Returns
    -------
    Quantized
        A value that is called as a model is.

    Raises
    ------
    ArgumentError
        If a layer has no integer form (a GroupNorm, whose statistics are of one sample), x is
        empty, or percentiles are not two such numbers.
    ShapeError
        If x is not of the net's input shape.
    NonFiniteError
        If a layer gives values that are not finite.

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.digits()
    >>> model = mp.zoo.mlp(data, seed=0)
    >>> small = mp.quantize(model, data.train[0])
    >>> small.program.steps[2].weight.dtype.name
    'int8'
    >>> apart = abs(small(data.test[0]) - model(data.test[0])).max()
    >>> bool(0 < apart < 0.05)
    True

    References
    ----------
    Jacob et al. (2018), Quantization and Training of Neural Networks for Efficient
    Integer-Arithmetic-Only Inference.
    """
    low, high = _percentiles(percentiles)
    apart = _apart(program(model, "quantize"))
    x = checked_input(model.net, x)
    arguments.filled("quantize", "x", x, "pass a few hundred inputs, such as data.train[0]")
    found = Quantized(model, _ranges(apart, x, low, high))
    found.program.steps  # noqa: B018  a layer without an integer form is refused here
    return found


def _percentiles(given: Any) -> tuple[float, float]:
    pair = tuple(given) if isinstance(given, Sequence) and len(given) == 2 else ()
    if not (pair and all(arguments.is_number(p) for p in pair) and 0 <= pair[0] < pair[1] <= 100):
        raise ArgumentError(
            f"quantize: percentiles must be two numbers from 0 to 100, the smaller one first, not "
            f"{given!r}; pass (0.1, 99.9), for example"
        )
    return float(pair[0]), float(pair[1])


def clamps(act: str) -> bool:
    """Whether f(x) = clip(x, f(-far), f(far)): such a one needs no work, the range of y does it

    >>> from minprune.deploy.quantize import clamps
    >>> clamps("relu"), clamps("relu6"), clamps("leaky_relu"), clamps("tanh")
    (True, True, False, False)
    """
    x = np.concatenate([np.linspace(-16, 16, 1025), [-FAR, FAR]])
    with np.errstate(all="ignore"):
        y = ACTIVATIONS[act].f(x)
    return bool((y == np.clip(x, y[-2], y[-1])).all())


def _apart(whole: Program) -> Program:
    """The program with what is no clamp as a step of its own, after the step that it was in"""
    steps, number = list[plain.Step](), [0]
    for step in whole.steps:
        step = replace(step, reads=tuple(number[r] for r in step.reads))
        inside = isinstance(step, plain.Acting) and not isinstance(step, plain.Activate)
        if isinstance(step, plain.Acting) and inside and not clamps(step.act):
            after = plain.Activate(step.name, (len(steps) + 1,), step.out, step.act)
            steps += [replace(step, act="none"), after]
        else:
            steps.append(step)
        number.append(len(steps))
    return Program(whole.model, tuple(steps), number[whole.output])


def _ranges(p: Program, x: Array, low: float, high: float) -> Array:
    """The percentiles of each value, (values, 2), to a 65,536th of its range; the ends are exact"""
    parts = [x[i : i + CHUNK] for i in range(0, len(x), CHUNK)]
    ends = np.full((len(p.shapes), 2), [np.inf, -np.inf])
    for part in parts:
        with np.errstate(all="ignore"):  # what is not finite is told below
            values = p.values(part)
        for k, v in enumerate(values):
            if not np.isfinite(v).all():
                name = f"layer {p.steps[k - 1].name}" if k else "x"
                raise NonFiniteError(
                    f"quantize: {name} must give finite values, and {v.size - np.isfinite(v).sum()}"
                    f" of {v.size} are not; check the model and the inputs"
                )
            ends[k] = min(ends[k, 0], v.min()), max(ends[k, 1], v.max())
    if (low, high) == (0, 100):
        return ends
    width = (ends[:, 1] - ends[:, 0]) / BINS
    counts = np.zeros((len(ends), BINS), np.int64)
    for part in parts:
        for k, v in enumerate(p.values(part)):
            at = (v.ravel() - ends[k, 0]) / (width[k] or 1)
            counts[k] += np.bincount(np.clip(at.astype(np.int64), 0, BINS - 1), minlength=BINS)
    for k, count in enumerate(counts.cumsum(axis=1)):
        first, last = (int(np.searchsorted(count, count[-1] * q / 100)) for q in (low, high))
        start = ends[k, 0]
        ends[k] = start + width[k] * first, start + width[k] * min(last + 1, BINS)
    return ends


class Site(NamedTuple):
    """Where a step becomes integers: the bytes that it reads, and those that it makes

    last: whether its values are the outputs.
    """

    into: tuple[Bytes, ...]
    out: Bytes
    last: bool


def _integers(p: Program, ranges: Array) -> Program:
    """The program in integers, between ToBytes and ToNumbers      ranges: of its values"""
    at = [bytes_over(*ranges[0])]
    steps: list[plain.Step] = [byte.ToBytes("input", (0,), p.shapes[0], at[0])]
    ends = {p.output}
    for k in range(len(p.steps), 0, -1):
        if k in ends and isinstance(p.steps[k - 1], plain.View):
            ends |= set(p.steps[k - 1].reads)
    for k, step in enumerate(p.steps, 1):
        into = tuple(at[r] for r in step.reads)
        site = Site(into, bytes_over(*ranges[k]), k in ends)
        made, means = quantized(step, site)
        steps.append(replace(made, reads=tuple(r + 1 for r in step.reads)))
        at.append(means)
    name = p.steps[p.output - 1].name if p.output else "input"
    steps.append(byte.ToNumbers(name, (p.output + 1,), p.shapes[p.output], at[p.output]))
    return Program(p.model, tuple(steps), len(steps))


@singledispatch
def quantized(step: plain.Step, site: Site) -> tuple[plain.Step, Bytes]:
    """The step in integers, and what its bytes mean; a rule for each class of steps"""
    raise ArgumentError(
        f"quantize: {step.name} must have an integer form, and a {type(step).__name__} step has "
        f"none; export it as float32, or train it with mp.BatchNorm instead"
    )


def _common(step: plain.Step) -> dict[str, Any]:
    return {"name": step.name, "reads": step.reads, "out": step.out}


def _rows(
    kind: type[byte.ByteRows], step: Any, weight: Array, bias: Array, site: Site, **own: Any
) -> tuple[plain.Step, Bytes]:
    """y = clamp(zero + a m / 2^r), a = weight_q x_q + bias_q - zero_x sum weight_q"""
    into = site.into[0]
    q, each = quantized_rows(weight, bias, into.step)
    shift = q.reshape(len(q), -1).sum(axis=1, dtype=np.int64) * into.zero
    own["bias"] = (half_up(bias / (into.step * each)) - shift).astype(np.int32)
    wide = site.last and step.act == "none"
    out = Bytes(into.step * float(each.max()), 0) if wide else site.out
    own["m"], own["r"] = multiplier(into.step * each / out.step)
    return kind(**_common(step), weight=q, zero=out.zero, wide=wide, **own), out


@quantized.register
def _linear(step: plain.Linear, site: Site) -> tuple[plain.Step, Bytes]:
    return _rows(byte.ByteLinear, step, step.weight, step.bias, site)


@quantized.register
def _convolve(step: plain.Convolve, site: Site) -> tuple[plain.Step, Bytes]:
    own = {k: getattr(step, k) for k in ("stride", "padding", "dilation", "groups")}
    own["into"] = site.into[0].zero
    return _rows(byte.ByteConvolve, step, step.weight, step.bias, site, **own)


@quantized.register
def _scale(step: plain.Scale, site: Site) -> tuple[plain.Step, Bytes]:
    return _rows(byte.ByteScale, step, step.scale, step.shift, site)


@quantized.register
def _view(step: plain.View, site: Site) -> tuple[plain.Step, Bytes]:
    return step, site.into[0]


@quantized.register
def _largest(step: plain.Largest, site: Site) -> tuple[plain.Step, Bytes]:
    window: dict[str, Any] = {k: getattr(step, k) for k in ("kernel", "stride", "padding")}
    return byte.ByteLargest(**_common(step), **window), site.into[0]


@quantized.register
def _mean(step: plain.Mean, site: Site) -> tuple[plain.Step, Bytes]:
    into, out, area = site.into[0], site.out, prod(step.kernel)
    if area * 255 > MOST:
        raise ArgumentError(
            f"quantize: {step.name} must have windows of at most {MOST // 255} values, whose sum "
            f"has 32 bits, not {area}; pool twice"
        )
    m, r = multiplier(np.array(into.step / (out.step * area)))
    window: dict[str, Any] = {k: getattr(step, k) for k in ("kernel", "stride", "padding")}
    how: dict[str, Any] = {"m": int(m), "r": int(r), "zero": out.zero, "into": into.zero}
    return byte.ByteMean(**_common(step), **window, **how), out


@quantized.register
def _sum(step: plain.Sum, site: Site) -> tuple[plain.Step, Bytes]:
    factors = np.array([x.step / site.out.step for x in site.into])
    r = int(multiplier(factors.max())[1])
    m = np.minimum(half_up(np.ldexp(factors, r)), MOST).astype(np.int64)
    zeros = int(m @ np.array([x.zero for x in site.into]))
    offset = ((2 * site.out.zero + 1) << (r - 1)) - zeros
    return byte.ByteSum(**_common(step), m=m.astype(np.int32), r=r, offset=offset), site.out


@quantized.register
def _concatenate(step: plain.Concatenate, site: Site) -> tuple[plain.Step, Bytes]:
    tables = np.stack([_table(lambda v: v, x, site.out) for x in site.into])
    return byte.ByteConcatenate(**_common(step), tables=tables), site.out


@quantized.register
def _activate(step: plain.Activate, site: Site) -> tuple[plain.Step, Bytes]:
    table = _table(ACTIVATIONS[step.act].f, site.into[0], site.out)
    return byte.ByteTable(**_common(step), table=table), site.out


def _table(f: Any, into: Bytes, out: Bytes) -> Array:
    """f of every byte: (256,) bytes"""
    v = np.asarray(f(into.step * (np.arange(256) - float(into.zero))), np.float64)
    return np.clip(half_up(v / out.step + out.zero), 0, 255).astype(np.uint8)
