"""Every law of a schedule, step -> sparsity, on a function of the user."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from functools import partial
from typing import Any

import numpy as np

from minprune.arguments import choice, count, share
from minprune.errors import ArgumentError
from minprune.verify.law import Law, Laws, callable_as, find, judged, keywords
from minprune.verify.plain.rules import SCHEDULES, Ramp, scheduled
from minprune.verify.trees import moved
from minprune.verify.verdict import Verdict, Verdicts

LAWS = Laws()

CHECK = "check_schedule"
EPS = 2.0**-52
MOST = 100_000  # steps
ROUNDINGS = 8  # of a formula of numbers of at most 1


@dataclass(frozen=True)
class Values:
    """The values at every step of a ramp, what rounding may make of one, and later ones."""

    s: Sequence[Any]
    slack: float
    at: Callable[[int], Any]


def expected(v: Values, steps: range, want: float) -> str | None:
    for t in steps:
        if not abs(v.s[t] - want) <= v.slack:
            return f"step {t} has {v.s[t]}, expected {want}"
    return None


@LAWS("inside")
def stays_inside(v: Values, ramp: Ramp) -> str | None:
    """each value is a share from initial to final"""
    for t, value in enumerate(v.s):
        if not ramp.initial - v.slack <= value <= ramp.final + v.slack:
            return f"step {t} has {value}"
    return None


@LAWS("rises")
def never_falls(v: Values, ramp: Ramp) -> str | None:
    """sparsity never falls"""
    for t in range(1, len(v.s)):
        if v.s[t] < v.s[t - 1] - v.slack:
            return f"step {t - 1} has {v.s[t - 1]} and step {t} has {v.s[t]}"
    return None


@LAWS("start")
def starts_there(v: Values, ramp: Ramp) -> str | None:
    """up to the start the value is initial (up to the step before it where it jumps)"""
    return expected(v, range(ramp.start + (ramp.span > 0)), ramp.initial)


@LAWS("end")
def ends_there(v: Values, ramp: Ramp) -> str | None:
    """from the end on the value is final"""
    wrong = expected(v, range(ramp.end, len(v.s)), ramp.final)
    for t in after(ramp) if wrong is None else []:
        if not abs((value := v.at(t)) - ramp.final) <= v.slack:
            return f"step {t} has {value}, expected {ramp.final}"
    return wrong


@LAWS("every")
def changes_at_updates_only(v: Values, ramp: Ramp) -> str | None:
    """it changes at start + k every and at the end alone"""
    s = v.s
    for t in range(1, len(s)):
        if not abs(s[t] - s[t - 1]) <= v.slack and (t - ramp.start) % ramp.every and t != ramp.end:
            return f"step {t - 1} has {s[t - 1]} and step {t} has {s[t]}"
    return None


def after(ramp: Ramp) -> list[int]:
    """Steps long after the end: round ones, those that follow them, and others."""
    last = ramp.steps[-1]
    found = {last + 2**k + k for k in range(18)}
    found |= {10**k + d for k in range(1, 7) for d in (0, 1)} - set(range(last + 1))
    return sorted(found)


def meets(like: str, s: Sequence[float], eps: float, ramp: Ramp) -> str | None:
    """None where each value is the formula's, to rounding: 8 of numbers of at most 1

    The rounding of p grows by |ln(ratio)| in a power, as often as the span goes into the step.
    """
    bound = float(ROUNDINGS)
    if like in ("exponential", "iterative") and ramp.final < 1:
        times = max(1.0, len(s) / max(ramp.span, 1))
        bound += times * math.log((1 - ramp.initial) / (1 - ramp.final))
        bound += len(s) if like == "iterative" else 0  # a product of that many factors
    with localcontext(prec=50):
        for t, value in enumerate(s):
            want = scheduled(like, ramp, t)
            if abs(Decimal(float(value)) - want) > Decimal(bound * eps):
                return f"step {t} has {value}, expected {float(round(want, 40)) + 0.0}"
    return None


def check_schedule(
    fn: Callable[..., float], *, final: float, initial: float = 0.0, start: int = 0, span: int = 0,
    every: int | None = None, like: str | None = None,
) -> Verdicts:  # fmt: skip
    """Check `fn(step) -> sparsity` at every step from 0 to beyond the end, to rounding.

    The parameters say what fn should do; where fn has parameters of these names, it is given them.
    Where a value is float32 or float16 all are compared in it; where one is no share, no
    other law is tried.

    Parameters
    ----------
    fn : callable
        The schedule.
    final, initial : float
        The shares that it goes from and to.
    start, span : int
        The step where it leaves `initial`, and how many later it reaches `final`; span=0: it jumps
        at start.
    every : int, optional
        It changes at start + k every and at the end alone. None: at any step.
    like : str, optional
        The formula to equal: linear, cubic (Zhu & Gupta 2017), exponential, iterative
        (exponential, and on beyond the end), one_shot, constant (the last two have no span).

    Returns
    -------
    Verdicts

    Raises
    ------
    ArgumentError
        For another `like`, shares or steps that are none, or more than 100,000 steps.

    Examples
    --------
    >>> import minprune as mp
    >>> def linear(step):
    ...     return 0.9 * min(step, 10) / 10
    >>> mp.verify.check_schedule(linear, final=0.9, span=10, like="linear").ok
    True
    """
    choice(CHECK, "like", like, (None, *SCHEDULES))
    initial, final = (share(CHECK, n, v) for n, v in (("initial", initial), ("final", final)))
    if like == "constant":
        initial = final
    if initial > final:
        raise ArgumentError(
            f"{CHECK}: final must be at least initial={initial:g}, not {final:g}; pass a higher one"
        )
    start, span = (count(CHECK, n, v, 0) for n, v in (("start", start), ("span", span)))
    if like in ("one_shot", "constant"):
        span = 0
    elif like is not None:
        count(CHECK, "span", span)
    ramp = Ramp(initial, final, start, span, 1 if every is None else count(CHECK, "every", every))
    if len(ramp.steps) > MOST:
        raise ArgumentError(
            f"{CHECK}: start + span + every must be below {MOST}, not {ramp.end + ramp.every}; "
            f"check a shorter one"
        )
    given = {n: getattr(ramp, n) for n in keywords(fn, tuple(vars(ramp)))}
    callable_as(fn, "step", given=[*given])
    ramps = [ramp]
    if "start" in given and like != "constant":  # fn takes it: another start is another schedule
        ramps.append(replace(ramp, start=ramp.start + 7))
    found = [verdicts(fn, r, like, every, given | {"start": r.start} if len(ramps) > 1 else given)
             for r in ramps]  # fmt: skip
    broken = {v.law: v for many in found[::-1] for v in many if not v.holds}
    return Verdicts(broken.get(v.law, v) for v in found[0])


def verdicts(
    fn: Callable[..., float], ramp: Ramp, like: str | None, every: int | None, given: dict[str, Any]
) -> list[Verdict]:
    """The verdict on each law of one ramp."""
    seen: list[Any] = []

    def called(steps: Sequence[int]) -> list[Any]:
        return [np.asarray(fn(t, **given))[()] for t in steps]

    def shares(_: Any) -> str | None:
        seen[:] = called(ramp.steps)
        for t, s in enumerate(seen):
            number = np.shape(s) == () and isinstance(s, np.number | np.bool_)
            if not number or not -ROUNDINGS * EPS <= s <= 1 + ROUNDINGS * EPS:
                return f"step {t} has {s!r}"
        return None

    def again(*_: Any) -> str | None:
        for t, a, b in zip(ramp.steps, seen, called(ramp.steps[::-1])[::-1], strict=True):
            if moved(a, b):
                return f"step {t} has {a}, and {b} when asked again"
        return None

    verdict = find("in [0, 1]", "each value is a number from 0 to 1", [ramp], shares)
    if not verdict.holds:  # no law of a share makes sense
        return [verdict]
    # all are compared in the narrowest type among the values
    kinds = {s.dtype for s in seen if isinstance(s, np.floating)}
    kind: Any = min(kinds, key=lambda k: k.itemsize, default=np.dtype(float)).type
    there = replace(ramp, initial=float(kind(ramp.initial)), final=float(kind(ramp.final)))
    eps = max(float(np.finfo(kind).eps), EPS)
    v = Values([kind(s) for s in seen], ROUNDINGS * eps, lambda t: kind(called([t])[0]))
    left = {"every"} if every is None else set()
    left |= {"inside", "end"} if like == "iterative" else set()  # which continues
    table: dict[str, Law] = {name: law for name, law in LAWS.items() if name not in left}
    table["pure"] = Law("a step has the same sparsity whenever it is asked for", again)
    if like is not None:
        formula = partial(meets, like, v.s, eps)
        table[f"like {like}"] = Law(f"it is the {like} formula", lambda v, at: formula(at))
    return [verdict, *judged(table, v, [there], examples=1, seed=0)]
