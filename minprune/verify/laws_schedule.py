"""Schedules by definition, in 50 digits, and their laws as plain predicates on a list of values.

Written apart from minprune.schedule, so that each can be judged by the other. A law takes the
values of every step, a Ramp and what rounding may make of a value (0: nothing), and gives None
where it holds, or a clause saying what was found.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext

EPS = 2.0**-52
RAMPS = ("linear", "exponential", "cubic")
LIKE = (*RAMPS, "one_shot", "constant", "iterative")


@dataclass(frozen=True)
class Ramp:
    """From `initial` at step `start` to `final` at `start + span`, changing every `every` steps.

    span = 0 is a jump at `start`. steps: those to look at: before, along and after it.
    """

    initial: float
    final: float
    start: int
    span: int
    every: int

    def run(self, schedule: Callable[..., float]) -> list[float]:
        """schedule(step, initial=, final=, start=, span=, every=) at each of the steps."""
        named = vars(self)
        return [schedule(t, **named) for t in self.steps]

    @property
    def end(self) -> int:
        """The step from which on the sparsity is `final`."""
        return self.start + self.span

    @property
    def steps(self) -> range:
        """0, 1, ... to beyond the end."""
        return range(self.end + self.every + 2)


def stays_inside(s: Sequence[float], ramp: Ramp, slack: float = 0.0) -> str | None:
    """each value is a share from initial to final"""
    for t, value in enumerate(s):
        if not ramp.initial - slack <= value <= ramp.final + slack:
            return f"step {t} has {value}"
    return None


def never_falls(s: Sequence[float], ramp: Ramp, slack: float = 0.0) -> str | None:
    """sparsity never falls"""
    for t in range(1, len(s)):
        if s[t] < s[t - 1] - slack:
            return f"step {t - 1} has {s[t - 1]} and step {t} has {s[t]}"
    return None


def starts_there(s: Sequence[float], ramp: Ramp, slack: float = 0.0) -> str | None:
    """up to the start the value is initial (up to the step before it where it jumps)"""
    for t in range(ramp.start + (ramp.span > 0)):
        if not abs(s[t] - ramp.initial) <= slack:
            return f"step {t} has {s[t]}, expected {ramp.initial}"
    return None


def ends_there(s: Sequence[float], ramp: Ramp, slack: float = 0.0) -> str | None:
    """from the end on the value is final"""
    for t in range(ramp.end, len(s)):
        if not abs(s[t] - ramp.final) <= slack:
            return f"step {t} has {s[t]}, expected {ramp.final}"
    return None


def changes_at_updates_only(s: Sequence[float], ramp: Ramp, slack: float = 0.0) -> str | None:
    """it changes at start + k every and at the end alone"""
    for t in range(1, len(s)):
        if not abs(s[t] - s[t - 1]) <= slack and (t - ramp.start) % ramp.every and t != ramp.end:
            return f"step {t - 1} has {s[t - 1]} and step {t} has {s[t]}"
    return None


LAWS: dict[str, Callable[..., str | None]] = {
    "inside": stays_inside,
    "rises": never_falls,
    "start": starts_there,
    "end": ends_there,
    "every": changes_at_updates_only,
}


def exact(like: str, ramp: Ramp, step: int) -> Decimal:
    """The definition in 50 digits, p = (t - start) / span clipped to [0, 1], t: the last update

    linear: i (1 - p) + f p    cubic: f - (f - i) (1 - p)^3    exponential: the kept share is
    (1 - i)^(1 - p) (1 - f)^p, and so it is for iterative, where p goes on beyond 1.
    """
    i, f = Decimal(ramp.initial), Decimal(ramp.final)
    if like == "constant":
        return f
    if like == "one_shot":
        return f if step >= ramp.start else i
    done = max(step - ramp.start, 0) // ramp.every * ramp.every
    if step >= ramp.end and like != "iterative":
        done = ramp.span
    p = Decimal(done) / ramp.span
    if like == "linear":
        return i * (1 - p) + f * p
    if like == "cubic":
        return f - (f - i) * (1 - p) ** 3
    if p == 0:
        return i
    return 1 - (1 - f) ** p * (1 - i) ** (1 - p)


def meets(like: str, s: Sequence[float], ramp: Ramp, eps: float = EPS) -> str | None:
    """None where each value is the formula's, to rounding: 8 of numbers of at most 1

    The rounding of p grows by |ln(ratio)| in a power, as often as the span goes into the step.
    """
    bound = 8.0
    if like in ("exponential", "iterative") and ramp.final < 1:
        times = max(1.0, len(s) / max(ramp.span, 1))
        bound += times * math.log((1 - ramp.initial) / (1 - ramp.final))
        bound += len(s) if like == "iterative" else 0  # a product of that many factors
    with localcontext(prec=50):
        for t, value in enumerate(s):
            want = exact(like, ramp, t)
            if abs(Decimal(float(value)) - want) > Decimal(bound * eps):
                return f"step {t} has {value}, expected {float(want)}"
    return None
