"""Every entry of a gradient against central differences, within a bound that is derived.

D(h) = (f(x + h e) - f(x - h e)) / 2h is off by c h^2 + O(h^4) and by the rounding of f over h. D(h)
and D(h/2) differ by 3/4 c h^2, so |D(h/2) - g| <= |D(h) - D(h/2)| + 2 roundings u size / h for
small h (1/3 of the first term is expected). h = (roundings u)^(1/3) max(1, |x|) balances the two.
size = max|f| + sum |x g|: the terms of f may cancel, and those of a linear one are x g.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from minprune.core import Array, Arrays
from minprune.errors import ArgumentError
from minprune.verify.calling import callable_as, fingerprint, function
from minprune.verify.strategies import drawn, points
from minprune.verify.verdict import Broken, Verdicts, find_each, short

U = 2.0**-53
Point = Any  # an array, or a dict of arrays
TINY = 1e-30  # the complex step: its square is no number beside 1


def check_gradient(
    f: Callable[[Point], Any],
    grad: Callable[[Point], Point],
    x: Any = None,
    *,
    roundings: int = 100,
    complex_step: bool = False,
    examples: int = 50,
    seed: int = 0,
) -> Verdicts:
    """The laws of `grad(x) = df/dx`      x: float64 array or dict of them, f(x): one number

    x: a hypothesis strategy, a function of a numpy Generator, one point, or None (arrays of odd
    shape). roundings: how many in f, at most, of the size of f and of its terms x dL/dx (where f is
    computed in float32: 100 * 2**29). complex_step: f takes complex arrays and is analytic there;
    then Im f(x + i h e) / h, which does not cancel, is compared too.
    Where f has a kink closer than h to x, both sides of it are allowed.
    """
    callable_as(f, "x")
    callable_as(grad, "x")
    _whole(roundings)
    strategy = _points(x)

    def shape(at: Point) -> str | None:
        given, got = parts(at), parts(grad(at))
        for name, a in given.items():
            if name not in got or np.shape(got[name]) != a.shape:
                return f"it is { ({n: np.shape(g) for n, g in got.items()}) }"
        return None

    def entries(at: Point) -> str | None:
        if clause := shape(at):
            return clause
        got = parts(grad(at))
        terms = sum(float(np.abs(a * got[n]).sum()) for n, a in parts(at).items())
        for name, index in places(at):
            value, bound = difference(f, at, name, index, roundings, terms)
            g = float(np.asarray(got[name])[index])
            if not abs(g - value) <= bound:
                entry = f"entry {index}" + f" of {name}" * isinstance(at, dict)
                return f"{entry} is {g!r}, differences give {value!r} to {bound:.1e}"
        return None

    def complex_entries(at: Point) -> str | None:
        if clause := shape(at):
            return clause
        got = parts(grad(at))
        scale = abs(float(f(at))) + max(float(np.abs(g).max(initial=0)) for g in got.values())
        for name, index in places(at):
            moved = {n: a.astype(complex) for n, a in parts(at).items()}
            moved[name][index] += 1j * TINY
            value = float(np.imag(f(like(at, moved)))) / TINY
            g = float(np.asarray(got[name])[index])
            if not abs(g - value) <= roundings * U * max(scale, abs(value)) + TINY:
                return f"entry {index} is {g!r}, the complex step gives {value!r}"
        return None

    def again(at: Point) -> str | None:
        once = fingerprint(parts(grad(at)))
        return None if fingerprint(parts(grad(at))) == once else "it differs the second time"

    def leaves(at: Point) -> str | None:
        before = fingerprint(parts(at))
        f(at)
        grad(at)
        return None if fingerprint(parts(at)) == before else f"x is now {short(at)}"

    laws: dict[str, tuple[str, Broken]] = {
        "shape": ("the gradient has the shape of x", shape),
        "every entry": ("each entry equals central differences", entries),
        "same bits": ("the same point gives the same bits", again),
        "input untouched": ("x is not changed", leaves),
    }
    if complex_step:
        laws["complex step"] = ("each entry equals the complex step", complex_entries)
    return Verdicts(find_each(laws, strategy, examples=examples, seed=seed))


def check_hvp(
    hvp: Callable[[Array, Array], Array],
    grad: Callable[[Array], Array],
    x: Any = None,
    *,
    roundings: int = 100,
    examples: int = 50,
    seed: int = 0,
) -> Verdicts:
    """The laws of `hvp(x, v) = H(x) v`: symmetric, linear, equal to differences of the gradient

    x: as for check_gradient, an array. Each law has the bound of `roundings` of the size of the
    terms; the differences that of check_gradient.
    """
    callable_as(hvp, "x", "v")
    callable_as(grad, "x")
    _whole(roundings)
    strategy = st.tuples(_points(x), st.integers(0, 999))

    def around(example: tuple[Array, int]) -> tuple[Array, Array, Array]:
        at, key = example
        u, v = np.random.default_rng(key).standard_normal((2, *at.shape))
        return at, u, v

    def shape(example: tuple[Array, int]) -> str | None:
        at, u, _ = around(example)
        got = np.shape(hvp(at, u))
        return None if got == at.shape else f"it is {got}, x is {at.shape}"

    def symmetric(example: tuple[Array, int]) -> str | None:
        at, u, v = around(example)
        hu, hv = np.asarray(hvp(at, u)), np.asarray(hvp(at, v))
        a, b = float(np.sum(v * hu)), float(np.sum(u * hv))
        size = float(np.sum(np.abs(v * hu)) + np.sum(np.abs(u * hv)))
        size += float(np.abs(u).sum() * np.abs(hv).max(initial=0))
        return None if abs(a - b) <= roundings * U * size else f"v.Hu is {a!r} and u.Hv {b!r}"

    def linear(example: tuple[Array, int]) -> str | None:
        at, u, v = around(example)
        a, b, both = hvp(at, u), hvp(at, v), hvp(at, 2 * u - v)
        size = 2 * np.abs(a).max(initial=0) + np.abs(b).max(initial=0)
        worst = float(np.abs(both - (2 * a - b)).max(initial=0))
        return None if worst <= roundings * U * size else f"H(2u - v) is off by {worst:.1e}"

    def differences(example: tuple[Array, int]) -> str | None:
        if clause := shape(example):
            return clause
        at, _, v = around(example)
        got = np.asarray(hvp(at, v))
        # a linear gradient has terms H x, and H is about Hv over |v|, which is of order 1
        terms = float(np.abs(got).max(initial=0) * np.abs(at).sum())
        for index in np.ndindex(at.shape):
            along = _along(lambda p: float(np.asarray(grad(p))[index]), at, v, roundings, terms)  # noqa: B023
            if not abs(float(got[index]) - along[0]) <= along[1]:
                return f"entry {index} is {float(got[index])!r}, differences give {along[0]!r}"
        return None

    laws: dict[str, tuple[str, Broken]] = {
        "shape": ("the product has the shape of x", shape),
        "symmetric": ("v.Hu = u.Hv", symmetric),
        "linear": ("H(2u - v) = 2Hu - Hv", linear),
        "differences": ("Hv equals central differences of the gradient along v", differences),
    }
    return Verdicts(find_each(laws, strategy, examples=examples, seed=seed))


def _whole(roundings: Any) -> None:
    if not isinstance(roundings, int) or roundings < 1:
        raise ArgumentError(f"roundings is {roundings!r}, expected an integer of at least 1")


def _points(x: Any) -> Any:
    """A strategy of points, of what check_gradient takes for x."""
    if x is None:
        return points()
    return drawn(st.just(x) if isinstance(x, np.ndarray | dict) else x)


def parts(at: Point) -> Arrays:
    """{name: array} of a point, which may be one array."""
    return dict(at) if isinstance(at, dict) else {"x": np.asarray(at)}


def like(at: Point, arrays: Arrays) -> Point:
    """The arrays in the form of `at`."""
    return arrays if isinstance(at, dict) else arrays["x"]


def places(at: Point) -> list[tuple[str, tuple[int, ...]]]:
    """(name, index) of every entry of a point."""
    return [(name, k) for name, a in parts(at).items() for k in np.ndindex(a.shape)]


def difference(
    f: Callable[[Point], Any], at: Point, name: str, index: tuple[int, ...], roundings: int,
    terms: float,
) -> tuple[float, float]:  # fmt: skip
    """(central difference, its bound) of df/dx at one entry      terms: sum |x g|"""
    ahead = {n: np.zeros(a.shape) for n, a in parts(at).items()}
    ahead[name][index] = 1.0
    scale = max(1.0, abs(float(parts(at)[name][index])))

    def moved(t: float) -> float:
        point = {n: a + t * ahead[n] for n, a in parts(at).items()}
        return float(f(like(at, point)))

    return _central(moved, scale, roundings, terms)


def _along(
    f: Callable[[Array], float], at: Array, v: Array, roundings: int, terms: float
) -> tuple[float, float]:
    scale = max(1.0, float(np.abs(at).max(initial=0))) / max(1.0, float(np.abs(v).max(initial=0)))
    return _central(lambda t: f(at + t * v), scale, roundings, terms)


def _central(
    moved: Callable[[float], float], scale: float, roundings: int, terms: float
) -> tuple[float, float]:
    h = scale * 2.0 ** round(np.log2(roundings * U) / 3)  # a power of two where scale is 1
    middle = moved(0.0)
    wide, near = [(moved(t), moved(-t)) for t in (h, h / 2)]
    value = (near[0] - near[1]) / h
    size = max(map(abs, (*wide, *near))) + terms
    # what f rounds, and x + h, which is off by u |x|: as a slope that is u |x| / h of the slope
    noise = 2 * roundings * U * size / h + 2 * U * scale / h * abs(value)
    # the slopes to both sides differ by h f'', half as much for half of h, or by the jump of a
    # kink at d < h: then D(h/2) is off by jump (1/2 - d/h), D(h) by half of jump (1 - d/h)
    jumps = [abs(a - 2 * middle + b) / t for (a, b), t in ((wide, h), (near, h / 2))]
    kink = max(0.0, jumps[1] - jumps[0] / 2)
    return value, abs((wide[0] - wide[1]) / (2 * h) - value) + noise + kink


def again(fn: Callable[[Point], Point], draw: str | None = None) -> Arrays:
    """The gradient at a fixed point, to be compared between processes; draw: makes the point"""
    if draw is None:
        return parts(fn(np.cos(np.arange(1.0, 4.0))))
    return parts(fn(function(draw)(np.random.default_rng(0))))
