"""One worked example of a criterion, and the law of its edges, which zeros and no entries are.

The other laws of every criterion are those of the kit, see test_verify_criterion.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minprune.core import Array, Arrays, Criterion, Evidence, Example
from minprune.criteria import CRITERIA

# The axes that count units, where that is not the first alone; and what has none.
AXES: dict[str, tuple[int, ...]] = {
    "activations": (1,), "act_grads": (1,), "class_means": (1,), "act_gram": (0, 1),
    "act_cov": (0, 1),    "within": (0, 1),
}  # fmt: skip
OF_ALL = ("labels", "class_counts")
DEFINITE = ("inverse_diag", "inverse_block")  # never zero, never all ones


@dataclass(frozen=True)
class Row:
    """One tensor "w" of evidence by kind, the scores that it must give, and who says so.

    within: how far off `want` may be: its rounding, where it is not exact in binary.
    """

    name: str
    source: str
    want: Any
    evidence: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    unit: bool = False
    within: float = 0.0

    @property
    def fn(self) -> Any:
        return CRITERIA[self.name]

    @classmethod
    def of_spec(cls, name: str, example: Example) -> Row:
        evidence = {kind: a for kind, a in example.evidence.items() if kind != "rng"}
        options = dict(example.options)
        return cls(name, "its spec", example.want, evidence, options, example.unit, example.within)

    def filled(self) -> Evidence:
        return self.of({k: np.array(v, np.float64) for k, v in self.evidence.items()})

    def of(self, arrays: dict[str, Array], name: str = "w") -> Evidence:
        """Evidence of these arrays by kind, instead of the row's own."""
        given: dict[str, Any] = {k: a if k in OF_ALL else {name: a} for k, a in arrays.items()}
        needs_rng = "rng" in self.fn.spec.asked(self.options)[0]
        rng = np.random.default_rng(0) if needs_rng else None
        return Evidence(rng=rng, unit=self.unit, **given)

    def taken(self, places: Any) -> dict[str, Array]:
        """The arrays of those units (rows, for single weights) alone, in that order."""
        found = {}
        for kind, value in self.evidence.items():
            a = np.array(value, float)
            for axis in AXES.get(kind, () if kind in OF_ALL else (0,)):
                a = np.take(a, places, axis)
            found[kind] = a
        return found


def takes_the_edges(fn: Criterion, row: Row) -> bool:
    """All zero, all equal, one unit, no unit, no array at all: finite scores of their shape."""
    whole = row.taken(range(len(row.want)))
    edges = [
        {k: a if k in DEFINITE else np.full_like(a, value) for k, a in whole.items()}
        for value in (0, 1)
    ]
    for arrays in [*edges, row.taken([0]), row.taken([])]:
        units = min(a.shape[AXES.get(k, (0,))[0]] for k, a in arrays.items() if k not in OF_ALL)
        s = np.asarray(fn(row.of(arrays), **row.options)["w"])
        if s.shape != (units, *np.shape(row.want)[1:]) or not np.isfinite(s).all():
            return False
    none = {k: np.zeros(0) if k in OF_ALL else {} for k in row.evidence}
    ev = Evidence(rng=np.random.default_rng(0), unit=row.unit, **none)
    return fn(ev, **row.options) == {}


def each(score: Callable[[Array], Array]) -> Criterion:
    return lambda ev: {name: score(w) for name, w in ev.weights.items()}


def unguarded(w: Array) -> Array:
    with np.errstate(invalid="ignore"):
        return np.asarray(w / np.abs(w).max(initial=0))


def a_refusal(fn: Criterion) -> Criterion:
    """An IndexError as a score that is not finite, so that a law can be asked."""

    def guarded(ev: Evidence) -> Arrays:
        try:
            return fn(ev)
        except IndexError:
            return {"w": np.full(1, np.nan)}

    return guarded


WRONG: dict[str, Criterion] = {
    "no empty layer": a_refusal(each(lambda w: np.abs(w) + 0 * w[0, 0])),
    "0/0": each(unguarded),
}
