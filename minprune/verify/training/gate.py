"""The gates of hard concrete, one function each, and a straight-through mask's gradient.

The definition is written out here, in float64, and shares nothing with minprune's own. A new part
is one row of PART_LAWS, and its parameters in kinds.GATE_PARTS.
"""

from collections.abc import Callable, Collection
from math import log, sqrt
from typing import Any

import numpy as np
from hypothesis import strategies as st

from minprune.arguments import choice
from minprune.core import Array
from minprune.verify.kinds import GATE_PARTS
from minprune.verify.law import Laws, callable_as, judged, picked
from minprune.verify.trees import untouched
from minprune.verify.verdict import Verdicts

CHECK = "check_gate"
BETA, GAMMA, ZETA = 2 / 3, -0.1, 1.1
EDGE = log(-GAMMA / ZETA)  # sigmoid(EDGE) is stretched to 0, sigmoid(-EDGE) to 1
MOST = log(100)  # of abs(log alpha)
EPS = 2.0**-52
# |logit u| + |log alpha| < 19 over beta is below 28, rounded three times, and a sigmoid rises by
# at most 1/4 of that: 28 * 3 * 1.2 / 4 < 32, and as much again for what else is rounded
ROUNDED = 64 * EPS
STEP = 2.0**-17  # of a central difference: h^2 / 6 |z'''| < 6e-12, and rounding over h
DIFFERENCE = ROUNDED / STEP + STEP**2 * ZETA / BETA**3
DRAWS, RARE = 20_000, 1e-10
OFF = sqrt(log(2 / RARE) / (2 * DRAWS))  # Hoeffding: P(|share - p| > OFF) <= RARE
Fn = Callable[..., Any]
Drawn = tuple[Array, Array]
SAMPLE, EXPECTED, TEST, SLOPE, STRAIGHT = (Laws() for _ in range(5))


def gate_of(log_alpha: Array, u: Array) -> Array:
    """z = clip(s (zeta - gamma) + gamma, 0, 1), s = sigmoid((log u - log(1 - u) + a) / beta)"""
    s = 1 / (1 + np.exp(-(np.log(u) - np.log(1 - u) + log_alpha) / BETA))
    return np.asarray(np.clip(s * (ZETA - GAMMA) + GAMMA, 0, 1))


def arrays_of(low: float, high: float) -> Any:
    """One to four numbers between."""
    one = st.floats(low, high, allow_subnormal=False) | st.sampled_from([low, high])
    return st.lists(one, min_size=1, max_size=4).map(np.array)


@st.composite
def draw_both(draw: Any) -> Drawn:
    """log alpha, and as many u in (0, 1)."""
    a = draw(arrays_of(-MOST, MOST))
    u = st.floats(1e-6, 1 - 1e-6, allow_subnormal=False)
    return a, np.array(draw(st.lists(u, min_size=a.size, max_size=a.size)))


alphas, both = arrays_of(-MOST, MOST), draw_both()


def near(found: Any, want: Array, off: float, at: Array) -> str | None:
    """A clause of the first entry that is off by more."""
    got = np.asarray(found, np.float64)
    if got.shape != want.shape:
        return f"its shape is {got.shape}, expected {want.shape}"
    wrong = np.flatnonzero(~(np.abs(got - want) <= off))
    if not wrong.size:
        return None
    k = int(wrong[0])
    return f"at {at[k]:.6g} it is {got[k]:.6g}, expected {want[k]:.6g}"


@SAMPLE("exact", both)
def gate_is_the_definition(fn: Fn, p: Drawn) -> str | None:
    """z = clip(sigmoid((logit(u) + log_alpha) / beta) (zeta - gamma) + gamma, 0, 1)"""
    return near(fn(p[0].copy(), p[1].copy()), gate_of(*p), ROUNDED, p[0])


@SAMPLE("closed and open", both)
def gate_can_be_exactly_zero(fn: Fn, p: Drawn) -> str | None:
    """gates are exactly 0.0 and exactly 1.0 where the stretched noise is outside"""
    a = p[0]
    low, high = np.full(a.size, 1e-6), np.full(a.size, 1 - 1e-6)
    for drawn, want in ((low, 0.0), (high, 1.0)):
        found = np.asarray(fn(a.copy(), drawn))
        if (found != want).any():
            k = int((found != want).argmax())
            return f"at {a[k]:.6g} and u = {drawn[k]:g} it is {found[k]:.6g}, expected {want:g}"
    return None


@SAMPLE("input untouched", both)
def gate_leaves_input(fn: Fn, p: Drawn) -> str | None:
    """log_alpha and u are not changed"""
    return untouched(fn, *p)


@EXPECTED("monte carlo", alphas)
def expected_is_the_mean(fn: Fn, a: Array) -> str | None:
    """the expected L0 is the mean of [z > 0] over draws"""
    u = np.random.default_rng(0).random(DRAWS)
    want = np.array([np.mean(gate_of(np.array(x), u) > 0) for x in a])
    return near(fn(a.copy()), want, OFF, a)


@EXPECTED("exact", alphas)
def expected_is_the_formula(fn: Fn, a: Array) -> str | None:
    """the expected L0 is sigmoid(log_alpha - beta log(-gamma / zeta))"""
    return near(fn(a.copy()), 1 / (1 + np.exp(-(a - BETA * EDGE))), ROUNDED, a)


@TEST("exact", alphas)
def still_gate_is_the_definition(fn: Fn, a: Array) -> str | None:
    """z = clip(sigmoid(log_alpha) (zeta - gamma) + gamma, 0, 1), without temperature"""
    want = np.clip(1 / (1 + np.exp(-a)) * (ZETA - GAMMA) + GAMMA, 0, 1)
    return near(fn(a.copy()), want, ROUNDED, a)


@TEST("closed and open", alphas)
def still_gate_closes_there(fn: Fn, a: Array) -> str | None:
    """a gate is 0.0 iff log_alpha <= log(-gamma / zeta), and 1.0 iff it is >= its negative"""
    a = a[np.abs(np.abs(a) + EDGE) > 2.0**-40]  # where rounding does not decide
    found = np.asarray(fn(a.copy()))
    for got, where, value in ((found == 0, a < EDGE, 0), (found == 1, a > -EDGE, 1)):
        if (got != where).any():
            k = int((got != where).argmax())
            due = "expected" if where[k] else "not expected"
            return f"at {a[k]:.6g} it is {found[k]:.6g}, and {value} is {due}"
    return None


@SLOPE("difference", both)
def slope_is_the_derivative(fn: Fn, p: Drawn) -> str | None:
    """it is dz/dlog_alpha, by differences of the definition"""
    a, u = p
    low, high = gate_of(a - STEP, u), gate_of(a + STEP, u)
    inside = (low > 0) & (high < 1)
    same = (low == high) & ((low == 0) | (high == 1))
    found = np.asarray(fn(a.copy(), u.copy()), np.float64)
    want = np.where(inside, (high - low) / (2 * STEP), 0.0)
    use = inside | same
    return near(np.where(use, found, 0.0), np.where(use, want, 0.0), DIFFERENCE, a)


@STRAIGHT("through", both)
def gradient_goes_through(fn: Fn, p: Drawn) -> str | None:
    """dL/ds = dL/dm at every score, those that are masked too"""
    s, g = p[0], p[1] - 0.5
    return near(fn(s.copy(), g.copy()), g, 0.0, s)


PART_LAWS = {
    "sample": SAMPLE, "expected": EXPECTED, "test": TEST, "slope": SLOPE,
    "straight_through": STRAIGHT,
}  # fmt: skip


def check_gate(
    fn: Callable[..., Any], like: str = "sample", *, laws: Collection[str] | None = None,
    examples: int = 100, seed: int = 0,
) -> Verdicts:  # fmt: skip
    """Check one function of learned gates, in float64, with beta 2/3, gamma -0.1, zeta 1.1.

    Parameters
    ----------
    fn : callable
        See `like`.
    like : str
        "sample": fn(log_alpha, u) -> the gates z, (n,), of u in (0, 1). "expected": fn(log_alpha)
        -> P(z > 0). "test": fn(log_alpha) -> the gates without noise. "slope": fn(log_alpha, u) ->
        dz/dlog_alpha. "straight_through": fn(scores, grad) -> the gradient of the scores, from that
        of their binary masks.
    laws : collection of str, optional
        Only these.
    examples, seed : int
        How many examples each law is tried on; the same seed tries the same ones.

    Returns
    -------
    Verdicts

    Raises
    ------
    ArgumentError
        For another `like` or law, and a function that cannot be called so.

    Examples
    --------
    >>> import minprune as mp
    >>> import numpy as np
    >>> def plain(log_alpha):
    ...     return 1 / (1 + np.exp(-log_alpha))
    >>> [v.law for v in mp.verify.check_gate(plain, "expected").broken]
    ['monte carlo', 'exact']
    """
    choice(CHECK, "like", like, list(PART_LAWS))
    table = picked(CHECK, laws, PART_LAWS[like])
    callable_as(fn, *GATE_PARTS[like])
    name = getattr(fn, "__name__", like)
    return Verdicts(judged(table, fn, name=name, examples=examples, seed=seed))
