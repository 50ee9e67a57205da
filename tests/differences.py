"""Central differences with the error that they can have: the oracle of every derivative rule."""

from collections.abc import Callable, Sequence

import numpy as np

from minprune.autograd import Tensor, grad, mul, total, value
from minprune.core import Array

Function = Callable[..., Tensor]
STEP = 2.0**-14  # a power of two: x + h - x is exact for most x
UNIT = np.finfo(np.float64).eps


def central(f: Callable[[], float], x: Array) -> tuple[Array, Array]:
    """(df/dx, bound) entry by entry: (f(x + h) - f(x - h)) / 2h, and how wrong that can be

    The truncation h^2 f'''/6 is a third of the difference between steps 2h and h, so
    it bounds that three times over; rounding is some hundred units of the largest value over h.
    """
    slope, bound = np.zeros(x.shape), np.zeros(x.shape)
    for k in np.ndindex(x.shape):
        kept = x[k]

        def at(h: float, k: tuple[int, ...] = k, kept: float = kept) -> float:
            x[k] = kept + h
            result = f()
            x[k] = kept
            return result

        values = [at(STEP), at(-STEP), at(2 * STEP), at(-2 * STEP)]
        near = (values[0] - values[1]) / (2 * STEP)
        far = (values[2] - values[3]) / (4 * STEP)
        size = max(map(abs, values)) + 1
        slope[k], bound[k] = near, abs(far - near) + 512 * UNIT * size / STEP
    return slope, bound


def wrong(f: Function, inputs: Sequence[Array], rng: np.random.Generator) -> str:
    """What is wrong with the first or second derivatives of f, "" if nothing

    First: of sum(c f(x)) in every entry of every x. Second: of sum_k <v_k, d/dx_k sum(c f(x))> in
    every entry of every x and of c, so that the way through the incoming gradient is tried too.
    """
    inputs = [np.array(x, np.float64) for x in inputs]
    c = rng.standard_normal(f(*map(Tensor, inputs)).shape)
    v = [rng.standard_normal(x.shape) for x in inputs]

    def first(leaves: list[Tensor], weight: Tensor | Array) -> Tensor:
        return total(mul(f(*leaves), weight))

    def second(leaves: list[Tensor], weight: Tensor) -> Tensor:
        slopes = grad(first(leaves, weight), leaves, create_graph=True)
        terms = [total(mul(s, w)) for s, w in zip(slopes, v, strict=True)]
        return sum(terms[1:], terms[0])

    leaves = [Tensor(x) for x in inputs]
    for k, (x, slope) in enumerate(zip(inputs, grad(first(leaves, c), leaves), strict=True)):
        want, bound = central(lambda: float(first([Tensor(a) for a in inputs], c).value), x)
        if slope.shape != x.shape or not (np.abs(slope - want) <= bound).all():
            return f"first derivative in input {k}: {slope} for {want}"
    leaves, weight = [Tensor(x) for x in inputs], Tensor(c)
    y = second(leaves, weight)
    if not isinstance(y, Tensor):
        y = Tensor(np.asarray(y))  # no input has a second derivative
    slopes = grad(y, [*leaves, weight])

    def again() -> float:
        return float(value(second([Tensor(a) for a in inputs], Tensor(c))))

    for k, (x, slope) in enumerate(zip([*inputs, c], slopes, strict=True)):
        want, bound = central(again, x)
        if not (np.abs(slope - want) <= bound).all():
            return f"second derivative in input {k}: {slope} for {want}"
    return ""
