"""Every law of a schedule, step -> sparsity, on a function of one's own."""

from collections.abc import Callable
from typing import Any

import numpy as np

from minprune.errors import ArgumentError
from minprune.verify.calling import keywords
from minprune.verify.laws_schedule import EPS, LAWS, LIKE, Ramp, meets
from minprune.verify.verdict import Verdict, Verdicts, first

MOST = 100_000  # steps


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
    """The laws of `fn(step) -> sparsity`, at every step from 0 to beyond the end

    initial, final: shares; start, span: the steps where it leaves one and how many later it reaches
    the other (span=0: it jumps at start); every: it changes at start + k every and at the end alone
    (None: at any step). These are what fn should do; where fn has parameters of these names, it is
    given them. like: the formula to equal: linear, cubic (Zhu & Gupta 2017), exponential,
    iterative (exponential, and on beyond the end), one_shot, constant; None: none of them.

    Values may be float32: then they are compared in float32. Raises ArgumentError for another
    `like`, shares or steps that are none, or more than 100,000 steps.
    """
    if like is not None and like not in LIKE:
        raise ArgumentError(
            f"like is {like!r}, expected None or one of {', '.join(LIKE)}; choose one of them"
        )
    if like == "constant":
        initial = final
    if not 0 <= initial <= final <= 1:
        raise ArgumentError(
            f"initial is {initial} and final is {final}, expected 0 <= initial <= final <= 1; "
            f"give shares that rise"
        )
    if like in ("linear", "cubic", "exponential", "iterative") and span < 1:
        raise ArgumentError(f"span is {span}, expected at least 1 for like={like!r}; say how long")
    if min(start, span, 0) < 0 or (every is not None and every < 1):
        raise ArgumentError(
            f"start is {start}, span {span}, every {every}, expected integers of at least 0, 0 and "
            f"1; count steps from 0"
        )
    ramp = Ramp(float(initial), float(final), start, span, every or 1)
    if len(ramp.steps) > MOST:
        raise ArgumentError(
            f"start + span is {ramp.end} steps, expected at most {MOST}; check a shorter one"
        )
    given = {n: getattr(ramp, n) for n in keywords(fn, tuple(vars(ramp)))}

    def call(step: int) -> Any:
        return fn(step, **given)

    def values() -> tuple[list[Any], Ramp]:
        found = [np.asarray(call(t))[()] for t in ramp.steps]
        if isinstance(found[0], np.float32):
            return found, Ramp(np.float32(ramp.initial), np.float32(ramp.final), start, span,
                               ramp.every)  # fmt: skip
        return found, ramp

    def judged(law: str) -> Verdict:
        return first(law, str(LAWS[law].__doc__), [asked], lambda _: LAWS[law](*values()))

    def shares(_: Any) -> str | None:
        for t, s in zip(ramp.steps, values()[0], strict=True):
            if np.shape(s) != () or not 0 <= s <= 1:
                return f"step {t} has {s}"
        return None

    def again(_: Any) -> str | None:
        forth = values()[0]
        back = [np.asarray(call(t))[()] for t in reversed(ramp.steps)][::-1]
        for t, a, b in zip(ramp.steps, forth, back, strict=True):
            if a != b:
                return f"step {t} has {a}, and {b} when asked again"
        return None

    def formula(__: Any) -> str | None:
        s, _ = values()
        eps = float(np.finfo(s[0].dtype).eps) if isinstance(s[0], np.floating) else EPS
        return meets(str(like), s, ramp, max(eps, EPS))

    asked = {"initial": initial, "final": final, "start": start, "span": span, "every": every}
    verdicts = [first("in [0, 1]", "each value is a number from 0 to 1", [asked], shares)]
    left = {"every"} if every is None else set()
    if like == "iterative":  # which goes on
        left |= {"inside", "end"}
    verdicts += [judged(law) for law in LAWS if law not in left]
    sentence = "a step has the same sparsity whenever it is asked for"
    verdicts.append(first("pure", sentence, [asked], again))
    if like is not None:
        verdicts.append(first(f"like {like}", f"it is the {like} formula", [asked], formula))
    return Verdicts(verdicts)
