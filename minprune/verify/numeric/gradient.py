"""Every entry of a gradient against central differences, within a bound that is derived.

D(h) = (f(x + h e) - f(x - h e)) / 2h is off by c h^2 + O(h^4) and by the rounding of f over h. D(h)
and D(h/2) differ by 3/4 c h^2, so |D(h/2) - g| <= |D(h) - D(h/2)| + 2 roundings u size / h for
small h (1/3 of the first term is expected). h = (roundings u)^(1/3) max(1, |x|) balances the two.
size = max|f| + sum |x g|: the terms of f may cancel, and those of a linear one are x g.

Longer than most files: the gradient and the Hessian product share points, differences and bounds.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minprune.arguments import count
from minprune.core import Array, Arrays
from minprune.errors import ArgumentError
from minprune.verify.law import Laws, callable_as, drawn, judged
from minprune.verify.plain.net import flat, shaped
from minprune.verify.trees import repeats, untouched
from minprune.verify.verdict import RAISED, Verdicts

GRADIENT, COMPLEX, HVP = Laws(), Laws(), Laws()

U = 2.0**-53
Point = Any  # an array, or a dict of arrays
TINY = 1e-30  # the complex step: its square is nothing beside 1
# float64 arrays of odd shape and numbers of order 1, of both signs
points = hnp.arrays(np.float64, hnp.array_shapes(max_dims=3, max_side=4),
                    elements=st.floats(-2, 2, width=32))  # fmt: skip


LARGE = (np.sin(np.arange(1.0, 361.0)).reshape(5, 9, 8), np.cos(np.arange(1.0, 301.0)))


class Pair(NamedTuple):
    """grad: x -> df/dx, or (x, v) -> H v; f: what it derives; how many roundings f may make."""

    grad: Callable[..., Any]
    f: Callable[[Point], Any]
    roundings: int


@GRADIENT("shape")
def shape(s: Pair, at: Point) -> str | None:
    """the gradient has the shape of x"""
    given, got = parts(at), parts(s.grad(at))
    for name, a in given.items():
        if name not in got or np.shape(got[name]) != a.shape:
            return f"it is { ({n: np.shape(g) for n, g in got.items()}) }"
    return None


@GRADIENT("every entry")
def entries(s: Pair, at: Point) -> str | None:
    """each entry equals central differences"""
    if clause := shape(s, at):
        return clause
    x, g, back = vectors(s, at)
    roundings, terms = s.roundings * wider(s.f, x, back), float(np.abs(x * g).sum())
    for k, (one, (name, index)) in enumerate(zip(np.eye(x.size), places(at), strict=True)):

        def moved(t: float, one: Array = one) -> float:
            return float(s.f(back(x + t * one)))

        value, bound = central(moved, max(1.0, abs(float(x[k]))), roundings, terms)
        if not abs(g[k] - value) <= bound:
            entry = f"entry {index}" + f" of {name}" * isinstance(at, dict)
            return f"{entry} is {float(g[k])!r}, differences give {value!r} +/- {bound:.1e}"
    return None


# a maximum of several equal numbers may give its slope to any of them, and to all once
@GRADIENT("along equal ones")
def shared(s: Pair, at: Point) -> str | None:
    """the entries that are equal, and all together, sum to the slope along them"""
    if clause := shape(s, at):
        return clause
    x, g, back = vectors(s, at)
    roundings, terms = s.roundings * wider(s.f, x, back), float(np.abs(x * g).sum())
    values, many = np.unique(x, return_counts=True)
    along = [x == v for v in values[many > 1][:SHARED]] + [np.ones(x.shape, bool)]
    for which in along if x.size else []:

        def moved(t: float, which: Array = which) -> float:
            return float(s.f(back(x + t * which)))

        scale = max(1.0, float(np.abs(x[which]).max()))
        slopes = float(np.abs(g[which]).sum())
        value, bound = central(moved, scale, roundings, terms, slopes)
        found = float(g[which].sum())
        if not abs(found - value) <= bound + x.size * U * slopes:
            what = "all" if which.all() else f"the {int(which.sum())} that are {x[which][0]:g}"
            return f"{what} sum to {found!r}, differences give {value!r} +/- {bound:.1e}"
    return None


SHARED = 4  # sets of equal entries that are tried at a point


def wider(f: Callable[[Point], Any], x: Array, back: Callable[[Array], Point]) -> int:
    """How many roundings of float64 one of f makes: 2^29 where it answers in float32

    Beside x, at points that are not round, what is computed in float64 is no float32.
    """
    for seed in range(3):
        near = x * (1 + np.random.default_rng(seed).uniform(-1, 1, x.shape) * 2.0**-10)
        value = np.float64(f(back(near)))
        if float(np.float32(value)) != value:
            return 1
    return 2**29


@COMPLEX("complex step")
def complex_entries(s: Pair, at: Point) -> str | None:
    """each entry equals the complex step"""
    if clause := shape(s, at):
        return clause
    x, g, back = vectors(s, at)
    scale = abs(float(s.f(at))) + float(np.abs(g).max(initial=0))
    for k, (one, (_, index)) in enumerate(zip(np.eye(x.size), places(at), strict=True)):
        value = float(np.imag(s.f(back(x + 1j * TINY * one)))) / TINY
        if not abs(g[k] - value) <= s.roundings * U * max(scale, abs(value)) + TINY:
            return f"entry {index} is {float(g[k])!r}, the complex step gives {value!r}"
    return None


@GRADIENT("same bits")
def same_bits(s: Pair, at: Point) -> str | None:
    """the same point gives the same bits"""
    return repeats(lambda: parts(s.grad(at)))


@GRADIENT("input untouched")
def leaves_x(s: Pair, at: Point) -> str | None:
    """x is not changed"""
    return untouched(lambda x: (s.f(x), s.grad(x)), at)


def check_gradient(
    f: Callable[[Point], Any], grad: Callable[[Point], Point], x: Any = None, *,
    roundings: int = 100, complex_step: bool = False, examples: int = 50, seed: int = 0,
) -> Verdicts:  # fmt: skip
    """Check `grad(x) = df/dx`, every entry of it.

    Where f has a kink closer than the step to x, both sides of it are allowed.

    Parameters
    ----------
    f : callable
        A float64 array, or a dict of them, to one number.
    grad : callable
        The same to its gradient.
    x : hypothesis strategy, callable, array or dict, optional
        The points: a strategy, a function of a numpy Generator, or one point. None: arrays of odd
        shape.
    roundings : int
        How many in f, at most, of the size of f and of its terms x df/dx; of float32 where f
        answers in it (where it only computes in it: 100 * 2**29).
    complex_step : bool
        f takes complex arrays and is analytic there; then Im f(x + i h e) / h, which does not
        cancel, is compared too.
    examples, seed : int
        How many points each law is tried on; the same seed tries the same ones.

    Returns
    -------
    Verdicts

    Raises
    ------
    ArgumentError
        For functions that cannot be called so, or points that cannot be made.

    Examples
    --------
    >>> import minprune as mp
    >>> mp.verify.check_gradient(lambda x: (x**3).sum(), lambda x: 3 * x**2).ok
    True
    """
    callable_as(f, "x")
    callable_as(grad, "x")
    count("check_gradient", "roundings", roundings)
    table = GRADIENT | (COMPLEX if complex_step else {})
    strategy, large = located("check_gradient", x), LARGE if x is None else ()
    pair = Pair(grad, f, roundings)
    found = judged(table, pair, strategy, also=large, examples=examples, seed=seed)
    if x is None and all(RAISED in v.sentence for v in found):
        raise ArgumentError(
            f"check_gradient: f and grad were called with an array, and the call raised "
            f"{found[0].sentence.partition(RAISED)[2]}; where x is something else, pass x, or give "
            f"--draw package.module:function, which makes one"
        )
    return Verdicts(found)


Along = tuple[Array, int]  # a point, and the seed of two vectors


def along(example: Along) -> tuple[Array, Array, Array]:
    at, key = example
    u, v = np.random.default_rng(key).standard_normal((2, *at.shape))
    return at, u, v


@HVP("shape")
def product_shape(s: Pair, example: Along) -> str | None:
    """the product has the shape of x"""
    at, u, _ = along(example)
    got = np.shape(s.grad(at, u))
    return None if got == at.shape else f"it is {got}, x is {at.shape}"


@HVP("symmetric")
def symmetric(s: Pair, example: Along) -> str | None:
    """v.Hu = u.Hv"""
    at, u, v = along(example)
    hu, hv = np.asarray(s.grad(at, u)), np.asarray(s.grad(at, v))
    a, b = float(np.sum(v * hu)), float(np.sum(u * hv))
    size = float(np.sum(np.abs(v * hu)) + np.sum(np.abs(u * hv)))
    size += float(np.abs(u).sum() * np.abs(hv).max(initial=0))
    return None if abs(a - b) <= s.roundings * U * size else f"v.Hu is {a!r} and u.Hv {b!r}"


@HVP("linear")
def linear(s: Pair, example: Along) -> str | None:
    """H(2u - v) = 2Hu - Hv"""
    at, u, v = along(example)
    a, b, both = s.grad(at, u), s.grad(at, v), s.grad(at, 2 * u - v)
    size = 2 * np.abs(a).max(initial=0) + np.abs(b).max(initial=0)
    worst = float(np.abs(both - (2 * a - b)).max(initial=0))
    return None if worst <= s.roundings * U * size else f"H(2u - v) is off by {worst:.1e}"


@HVP("differences")
def differences(s: Pair, example: Along) -> str | None:
    """Hv equals central differences of the gradient along v"""
    if clause := product_shape(s, example):
        return clause
    at, _, v = along(example)
    got = np.asarray(s.grad(at, v))
    # a linear gradient has terms H x, and H is about Hv over |v|, which is of order 1
    terms = float(np.abs(got).max(initial=0) * np.abs(at).sum())
    scale = max(1.0, float(np.abs(at).max(initial=0))) / max(1.0, float(np.abs(v).max(initial=0)))
    for index in np.ndindex(at.shape):

        def moved(t: float, index: tuple[int, ...] = index) -> float:
            return float(np.asarray(s.f(at + t * v))[index])

        value, bound = central(moved, scale, s.roundings, terms)
        if not abs(float(got[index]) - value) <= bound:
            return f"entry {index} is {float(got[index])!r}, differences give {value!r}"
    return None


def check_hvp(
    hvp: Callable[[Array, Array], Array], grad: Callable[[Array], Array], x: Any = None, *,
    roundings: int = 100, examples: int = 50, seed: int = 0,
) -> Verdicts:  # fmt: skip
    """Check `hvp(x, v) = H(x) v`: symmetric, linear, equal to differences of the gradient.

    Each law has the bound of `roundings` of the size of the terms; the differences that of
    check_gradient.

    Parameters
    ----------
    hvp : callable
        A float64 array and a vector of its shape to the product.
    grad : callable
        The gradient, which is taken to be right.
    x, roundings, examples, seed
        As for check_gradient; x is an array.

    Returns
    -------
    Verdicts

    Raises
    ------
    ArgumentError
        For functions that cannot be called so, or points that cannot be made.

    Examples
    --------
    >>> import minprune as mp
    >>> mp.verify.check_hvp(lambda x, v: 6 * x * v, lambda x: 3 * x**2).ok
    True
    """
    callable_as(hvp, "x", "v")
    callable_as(grad, "x")
    count("check_hvp", "roundings", roundings)
    strategy = st.tuples(located("check_hvp", x), st.integers(0, 999))
    return Verdicts(judged(HVP, Pair(hvp, grad, roundings), strategy, examples=examples, seed=seed))


def located(owner: str, x: Any) -> Any:
    """A strategy of points, of what check_gradient takes for x."""
    if x is None:
        return points
    return drawn(owner, "x", st.just(x) if isinstance(x, np.ndarray | dict) else x)


def parts(at: Point) -> Arrays:
    """{name: array} of a point, which may be one array."""
    return dict(at) if isinstance(at, dict) else {"x": np.asarray(at)}


def vectors(s: Pair, at: Point) -> tuple[Array, Array, Callable[[Array], Point]]:
    """(x, g, x -> a point in the form of `at`): a point and its gradient as one vector each"""
    arrays, got = parts(at), parts(s.grad(at))

    def back(x: Array) -> Point:
        moved = shaped(x, arrays)
        return moved if isinstance(at, dict) else moved["x"]

    return flat(arrays), flat({name: got[name] for name in arrays}), back


def places(at: Point) -> list[tuple[str, tuple[int, ...]]]:
    """(name, index) of every entry of a point."""
    return [(name, k) for name, a in parts(at).items() for k in np.ndindex(a.shape)]


def central(
    moved: Callable[[float], float],
    scale: float,
    roundings: int,
    terms: float,
    slopes: float = 0.0,
) -> tuple[float, float]:
    h = scale * 2.0 ** round(np.log2(roundings * U) / 3)  # a power of two where scale is 1
    middle = moved(0.0)
    wide, near = [(moved(t), moved(-t)) for t in (h, h / 2)]
    value = (near[0] - near[1]) / h
    size = max(map(abs, (*wide, *near))) + terms
    # what f rounds, and x + h, which is off by u |x|: as a slope that is u |x| / h of the slope
    noise = 2 * roundings * U * size / h + 2 * U * scale / h * max(abs(value), slopes)
    # the slopes to both sides differ by h f'', half as much for half of h, or by the jump of a
    # kink at d < h: then D(h/2) is off by jump (1/2 - d/h), D(h) by half of jump (1 - d/h)
    jumps = [abs(a - 2 * middle + b) / t for (a, b), t in ((wide, h), (near, h / 2))]
    kink = max(0.0, jumps[1] - jumps[0] / 2)
    return value, abs((wide[0] - wide[1]) / (2 * h) - value) + noise + kink


def again(fn: Callable[[Point], Point], draw: Callable[..., Point] | None, **_: Any) -> Arrays:
    """The gradient at a fixed point, to be compared between processes; draw: makes the point"""
    make = draw or (lambda rng: np.cos(np.arange(1.0, 4.0)))
    return parts(fn(make(np.random.default_rng(0))))
