"""check_kl: the KL term of variational dropout against its integral, and what it must never do."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from hypothesis import strategies as st

from minprune.arguments import choice
from minprune.core import Array
from minprune.verify.law import ClauseError, Laws, callable_as, judged
from minprune.verify.plain.kl import integral
from minprune.verify.trees import repeats, untouched
from minprune.verify.verdict import Verdicts

LAWS = Laws()

CHECK = "check_kl"
Like = Literal["sparse", "gaussian"]
WITHIN = {"sparse": 0.01, "gaussian": 0.021}  # of the integral
HIGH = {"sparse": 8.0, "gaussian": 0.0}  # log alpha, at most
GRID = {like: np.linspace(-8, high, 33 if high else 17) for like, high in HIGH.items()}


@dataclass(frozen=True)
class Subject:
    """The function; pair: it takes (theta, log_sigma2), else log_alpha."""

    fn: Callable[..., Any]
    like: Like
    pair: bool

    def of(self, log_alpha: Array, theta: Array | None = None) -> Array:
        """Its values, one for each entry; ClauseError where they are none."""
        log_alpha = np.asarray(log_alpha, np.float64)
        given: tuple[Array, ...] = (log_alpha.copy(),)
        if self.pair:
            theta = np.ones(log_alpha.shape) if theta is None else theta
            given = theta.copy(), log_alpha + np.log(np.maximum(theta**2, np.finfo(float).tiny))
        found = np.asarray(self.fn(*given))
        if found.shape != log_alpha.shape:
            raise ClauseError(f"it gives {found.shape} for {log_alpha.shape}")
        return found.astype(np.float64)

    @cached_property
    def curve(self) -> Array:
        """On the grid."""
        return self.of(GRID[self.like])


arrays = st.lists(st.floats(-8, 0), min_size=1, max_size=5).map(np.array)
scales = st.sampled_from([0.01, 0.25, -1.0, -3.0, 40.0])


def noisy(s: Subject) -> bool:
    return s.like == "sparse"


def paired(s: Subject) -> bool:
    return s.pair


@LAWS("integral", [None])
def meets(s: Subject, _: None) -> str | None:
    """it is within 0.01 of the integral for log alpha from -8 to 8; of alpha at most 1, but for a
    constant, within 0.021
    """
    off = s.curve - integral(GRID[s.like])
    if s.like == "gaussian":  # its source leaves the constant open
        off = off - (off.max() + off.min()) / 2
    worst = int(np.argmax(np.where(np.isnan(off), np.inf, np.abs(off))))
    if abs(off[worst]) <= WITHIN[s.like]:
        return None
    return f"at log alpha = {GRID[s.like][worst]:g} it is {off[worst]:+.4g} off"


@LAWS("vanishes", [None], when=noisy)
def vanishes(s: Subject, _: None) -> str | None:
    """it is within 0.01 of 0 at log alpha = 8: noise without end costs nothing"""
    k = float(s.of(np.array([8.0]))[0])
    return None if abs(k) <= WITHIN[s.like] else f"it is {k:.4g}"


@LAWS("falls", [None])
def falls(s: Subject, _: None) -> str | None:
    """it never rises as alpha grows"""
    k = s.curve
    for n in range(1, len(k)):
        if not k[n] <= k[n - 1] + 1e-6:
            at = GRID[s.like][n - 1 : n + 1]
            return (
                f"from log alpha = {at[0]:g} to {at[1]:g} it goes from {k[n - 1]:.4g} to {k[n]:.4g}"
            )
    return None


FAR = {"sparse": [-30.0, -100.0, -800.0, 30.0, 100.0, 800.0], "gaussian": [-30.0, -100.0, -800.0]}


@LAWS("far", [None])
def finite_far_out(s: Subject, _: None) -> str | None:
    """it is a number at any log alpha, in float32 too, and where theta or sigma is 0 to rounding"""
    far = FAR[s.like]
    found = {f"log alpha = {a:g}": s.of(np.array([a]))[0] for a in far}
    single = [np.float32(a) for a in far if abs(a) < 200]
    if s.pair:
        pairs = [(0.0, -10.0), (0.0, 0.0), (1e-30, 5.0), (1e-20, -100.0), (3.0, -100.0)]
        found |= {
            f"theta = {t:g}, log sigma^2 = {v:g} ({np.dtype(kind)})":
            np.asarray(s.fn(np.array([t], kind), np.array([v], kind)))[0]
            for t, v in pairs if s.like == "sparse" for kind in (np.float32, np.float64)
        }  # fmt: skip
    else:
        found |= {
            f"log alpha = {a:g} (float32)": np.asarray(s.fn(np.array([a])))[0] for a in single
        }
    wrong = [f"{name} it is {k}" for name, k in found.items() if not np.isfinite(k)]
    return f"at {wrong[0]}" if wrong else None


@LAWS("of alpha alone", st.tuples(arrays, scales), when=paired)
def of_alpha_alone(s: Subject, example: tuple[Array, float]) -> str | None:
    """theta and sigma may grow by one factor: log sigma^2 - log theta^2 stays, and so does it"""
    a, scale = example
    one, other = s.of(a), s.of(a, np.full(a.shape, scale))
    if np.allclose(one, other, rtol=1e-6, atol=1e-6):
        return None
    return f"times {scale:g} it goes from {one.tolist()} to {other.tolist()}"


@LAWS("entry by entry", arrays)
def each_apart(s: Subject, a: Array) -> str | None:
    """each entry has the value that it has alone"""
    found, alone = s.of(a), [float(s.of(a[k : k + 1])[0]) for k in range(len(a))]
    if np.allclose(found, alone, rtol=1e-9, atol=1e-9):
        return None
    return f"{found.tolist()} together, {alone} alone"


def given_of(s: Subject, a: Array) -> tuple[Array, ...]:
    return (np.full(a.shape, 2.0), a) if s.pair else (a,)


@LAWS("same bits", arrays)
def same_bits(s: Subject, a: Array) -> str | None:
    """the same arrays give the same values"""
    return repeats(lambda: np.asarray(s.fn(*given_of(s, a.copy()))))


@LAWS("input untouched", arrays)
def leaves_input(s: Subject, a: Array) -> str | None:
    """the arrays that are given are not changed"""
    return untouched(s.fn, *given_of(s, a))


def check_kl(
    fn: Callable[..., Any], *, like: Like = "sparse", examples: int = 50, seed: int = 0
) -> Verdicts:
    """Check `fn(log_alpha) -> KL(N(theta, alpha theta^2) || p)`, p(log|w|) constant.

    It gives one value for each entry. Or fn(theta, log_sigma2), which finds log alpha =
    log sigma^2 - log theta^2 itself: a function of two arrays is called so. The integral is taken
    in minprune.verify.plain.kl.

    Parameters
    ----------
    fn : callable
        KL, not -KL: it falls as alpha grows, to 0.
    like : {"sparse", "gaussian"}
        "sparse": of any alpha (Molchanov et al. 2017, whose form is 0.0094 off near -3.5);
        "gaussian": of alpha at most 1, with any constant (Kingma et al. 2015, whose form is 0.0201
        off with the best one).
    examples, seed : int
        How many examples each law is tried on; the same seed tries the same ones.

    Returns
    -------
    Verdicts

    Raises
    ------
    ArgumentError
        For another `like`, and a function that takes neither one array nor two.

    Examples
    --------
    >>> import numpy as np, minprune as mp
    >>> def kl(log_alpha):
    ...     gain = 0.63576 / (1 + np.exp(-(1.87320 + 1.48695 * log_alpha)))
    ...     return 0.5 * np.logaddexp(0, -log_alpha) - gain  # without its constant
    >>> [v.law for v in mp.verify.check_kl(kl).broken]
    ['integral', 'vanishes']
    """
    choice(CHECK, "like", like, tuple(WITHIN))
    pair = takes_two(fn)
    callable_as(fn, *(("theta", "log_sigma2") if pair else ("log_alpha",)))
    return Verdicts(judged(LAWS, Subject(fn, like, pair), examples=examples, seed=seed))


def takes_two(fn: Callable[..., Any]) -> bool:
    """Whether it must be called with two arrays"""
    try:
        found = inspect.signature(fn).parameters.values()
    except (TypeError, ValueError):
        return False
    needed = [p for p in found if p.default is p.empty and p.kind in (0, 1)]
    return len(needed) == 2
