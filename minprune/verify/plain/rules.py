"""Selection, allocations and schedules by definition: sorted tuples, fractions and 50 digits.

Written apart from the rest of minprune, so that each can be judged by the other.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from typing import Any

from minprune.core import Arrays

Shape = tuple[int, ...]
Shapes = dict[str, Shape]

# the density of a layer, in proportion to
ALLOCATIONS: dict[str, Callable[[Shape], Fraction]] = {
    "uniform": lambda shape: Fraction(1),
    "er": lambda shape: Fraction(sum(shape[:2]), math.prod(shape[:2])),
    "erk": lambda shape: Fraction(sum(shape), math.prod(shape)),
}
RAMPS = ("linear", "exponential", "cubic")
SCHEDULES = (*RAMPS, "one_shot", "constant", "iterative")


def half_even(x: float) -> int:
    """round(x), half to even, by decimal arithmetic."""
    return int(Decimal(x).to_integral_value(ROUND_HALF_EVEN))


def slow(
    scores: Arrays, masks: Arrays, *, sparsity: float, minimum: int = 1,
    protect: tuple[str, ...] = (), count: Callable[[float], int] = half_even,
    first: Callable[[float, int], Any] = lambda score, place: (score, -place),
) -> Arrays:  # fmt: skip
    """Selection: of all entries the count(sparsity n) first go, masked ones before others.

    `first` orders what goes, `place` counts in net order; each layer keeps its `minimum` best.
    """
    entries, stays, place = [], set(), 0
    for name in (n for n in scores if n not in protect):
        live = masks[name].ravel().tolist()
        layer = []
        for index, score in enumerate(scores[name].ravel().tolist()):
            entries.append((live[index], first(score, place), name, index))
            layer += [(-score, index)] if live[index] else []
            place += 1
        stays |= {(name, index) for _, index in sorted(layer)[:minimum]}
    order = sorted(entries, key=lambda e: (e[0], (e[2], e[3]) in stays, e[1]))
    new = {n: m.copy() for n, m in masks.items() if n not in protect}
    for _, _, name, index in order[: count(sparsity * len(entries))]:
        new[name].flat[index] = False
    return new


def allocated(like: str, shapes: Shapes, sparsity: float) -> dict[str, float]:
    """1 - d_l, d_l = min(1, e r_l), with e such that the densities make up that of the whole

    r_l: see ALLOCATIONS. What the cap at 1 takes away is spread over the other layers: the densest
    is capped, and e computed again, until no layer is above 1. In fractions.
    """
    size = {n: math.prod(shape) for n, shape in shapes.items()}
    ratio = {n: ALLOCATIONS[like](shape) for n, shape in shapes.items()}
    live = (1 - Fraction(sparsity)) * sum(size.values())
    found: dict[str, Fraction] = {}
    for n in sorted(shapes, key=lambda n: -ratio[n]):  # of what is left this is the densest
        rest = [k for k in shapes if k not in found]
        e = live / sum(size[k] * ratio[k] for k in rest)
        found[n] = min(Fraction(1), e * ratio[n])
        live -= size[n] * found[n]
    return {n: float(1 - d) for n, d in found.items()}


@dataclass(frozen=True)
class Ramp:
    """From `initial` at step `start` to `final` at `start + span`, changing every `every` steps.

    span = 0 is a jump at `start`. steps: before, along and after it.
    """

    initial: float
    final: float
    start: int
    span: int
    every: int

    @property
    def end(self) -> int:
        """The step from which on the sparsity is `final`."""
        return self.start + self.span

    @property
    def steps(self) -> range:
        """0, 1, ... to beyond the end."""
        return range(self.end + self.every + 2)


def scheduled(like: str, ramp: Ramp, step: int) -> Decimal:
    """p = (t - start) / span clipped to [0, 1], t: the last update; as precise as the context

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
