"""Every law of a schedule, step -> sparsity, on a function of one's own."""

from collections.abc import Callable
from functools import cache
from numbers import Integral, Real
from typing import Any

import numpy as np

from minprune.errors import ArgumentError
from minprune.verify.calling import callable_as, keywords
from minprune.verify.laws_schedule import EPS, LAWS, LIKE, Ramp, meets
from minprune.verify.verdict import Verdict, Verdicts, first

MOST = 100_000  # steps
ROUNDINGS = 8  # of a formula of numbers of at most 1


def check_schedule(
    fn: Callable[..., float],
    *,
    final: float,
    initial: float = 0.0,
    start: int = 0,
    span: int = 0,
    every: int | None = None,
    like: str | None = None,
) -> Verdicts:
    """The laws of `fn(step) -> sparsity`, at every step from 0 to beyond the end, to rounding

    initial, final: shares; start, span: the steps where it leaves one and how many later it reaches
    the other (span=0: it jumps at start); every: it changes at start + k every and at the end alone
    (None: at any step). These are what fn should do; where fn has parameters of these names, it is
    given them. like: the formula to equal: linear, cubic (Zhu & Gupta 2017), exponential,
    iterative (exponential, and on beyond the end), one_shot, constant; None: none of them.

    Where a value is float32 or float16 all are compared in it; where one is no share, nothing else
    is asked. Raises ArgumentError for another
    `like`, shares or steps that are none, or more than 100,000 steps.
    """
    if like is not None and like not in LIKE:
        raise ArgumentError(
            f"like is {like!r}, expected None or one of {', '.join(LIKE)}; choose one of them"
        )
    if like == "constant":
        initial = final
    if not (_is(Real, initial) and _is(Real, final) and 0 <= initial <= final <= 1):
        raise ArgumentError(
            f"initial is {initial} and final is {final}, expected 0 <= initial <= final <= 1; "
            f"give shares that rise"
        )
    whole = all(_is(Integral, n) for n in (start, span, 1 if every is None else every))
    if not whole or min(start, span, 0) < 0 or (every is not None and every < 1):
        raise ArgumentError(
            f"start is {start}, span {span}, every {every}, expected integers of at least 0, 0 and "
            f"1; count steps from 0"
        )
    if like in ("linear", "cubic", "exponential", "iterative") and span < 1:
        raise ArgumentError(f"span is {span}, expected at least 1 for like={like!r}; say how long")
    ramp = Ramp(float(initial), float(final), start, span, every or 1)
    if len(ramp.steps) > MOST:
        raise ArgumentError(
            f"start + span + every is {ramp.end + ramp.every} steps, expected less than {MOST}; "
            f"check a shorter one"
        )
    given = {n: getattr(ramp, n) for n in keywords(fn, tuple(vars(ramp)))}
    callable_as(fn, "step", given=[*given])

    @cache
    def values() -> list[Any]:
        return [np.asarray(fn(t, **given))[()] for t in ramp.steps]

    def compared() -> tuple[list[Any], Ramp, float]:
        """(values, what is asked, spacing at 1), all in the narrowest type among the values"""
        kinds = {s.dtype for s in values() if isinstance(s, np.floating)}
        kind: Any = min(kinds, key=lambda k: k.itemsize, default=np.dtype(float)).type
        there = Ramp(float(kind(initial)), float(kind(final)), start, span, ramp.every)
        return [kind(s) for s in values()], there, max(float(np.finfo(kind).eps), EPS)

    def judged(law: str) -> Verdict:
        def broken(_: Any) -> str | None:
            found, what, eps = compared()
            return LAWS[law](found, what, ROUNDINGS * eps)

        return first(law, str(LAWS[law].__doc__), [asked], broken)

    def shares(_: Any) -> str | None:
        for t, s in zip(ramp.steps, values(), strict=True):
            number = np.shape(s) == () and isinstance(s, np.number | np.bool_)
            if not number or not -ROUNDINGS * EPS <= s <= 1 + ROUNDINGS * EPS:
                return f"step {t} has {s!r}"
        return None

    def again(_: Any) -> str | None:
        back = [np.asarray(fn(t, **given))[()] for t in reversed(ramp.steps)][::-1]
        for t, a, b in zip(ramp.steps, values(), back, strict=True):
            if a != b:
                return f"step {t} has {a}, and {b} when asked again"
        return None

    def formula(_: Any) -> str | None:
        found, what, eps = compared()
        return meets(str(like), found, what, eps)

    asked = {"initial": initial, "final": final, "start": start, "span": span, "every": every}
    verdicts = [first("in [0, 1]", "each value is a number from 0 to 1", [asked], shares)]
    if not verdicts[0].holds:  # no law of a share makes sense
        return Verdicts(verdicts)
    left = {"every"} if every is None else set()
    if like == "iterative":  # which goes on
        left |= {"inside", "end"}
    verdicts += [judged(law) for law in LAWS if law not in left]
    sentence = "a step has the same sparsity whenever it is asked for"
    verdicts.append(first("pure", sentence, [asked], again))
    if like is not None:
        verdicts.append(first(f"like {like}", f"it is the {like} formula", [asked], formula))
    return Verdicts(verdicts)


def _is(kind: Any, value: Any) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)
