"""One row of a criterion, the laws of every criterion, and variants that they must reject."""

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
    "within": (0, 1),
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

    def filled(
        self, lay_out: Callable[[Array], Array] = np.copy, dtype: Any = np.float64
    ) -> Evidence:
        return self.of({k: lay_out(np.array(v, dtype)) for k, v in self.evidence.items()})

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


def strided(a: Array) -> Array:
    """The same numbers, in neither C nor Fortran order."""
    wide = np.zeros([2 * n for n in a.shape], a.dtype, order="F")
    view = wide[tuple(slice(None, None, 2) for _ in a.shape)]
    view[...] = a
    return view


def read_only(a: Array) -> Array:
    a.flags.writeable = False
    return a


def run(fn: Criterion, row: Row, *how: Any) -> Array:
    return np.asarray(fn(row.filled(*how), **row.options)["w"])


def gives_the_same_bits_twice(fn: Criterion, row: Row) -> bool:
    return run(fn, row).tobytes() == run(fn, row).tobytes()


def leaves_everything_as_it_was(fn: Criterion, row: Row) -> bool:
    """Evidence and numpy's global random state."""
    ev, state = row.filled(), repr(np.random.get_state())  # noqa: NPY002
    fn(ev, **row.options)
    kept = {k: getattr(ev, k) if k in OF_ALL else getattr(ev, k)["w"] for k in row.evidence}
    held = all(np.array_equal(kept[k], v) for k, v in row.evidence.items())
    return held and repr(np.random.get_state()) == state  # noqa: NPY002


def agree(a: Array, b: Array, row: Row) -> bool:
    """Equal to the rounding of sums over no more than the row's entries, in another order."""
    entries = max(np.size(v) for v in row.evidence.values())
    return np.allclose(a, b, rtol=entries * np.finfo(float).eps, atol=0)


def reads_any_array(fn: Criterion, row: Row) -> bool:
    """Of any layout (numpy adds up in the order of memory), and read-only."""
    try:
        return all(agree(run(fn, row, lay), run(fn, row), row) for lay in (strided, read_only))
    except ValueError:
        return False


def keeps_shape_and_dtype(fn: Criterion, row: Row) -> bool:
    return all(
        run(fn, row, np.copy, kind).dtype == kind and run(fn, row).shape == np.shape(row.want)
        for kind in (np.float32, np.float64)
    )


def follows_its_units(fn: Criterion, row: Row) -> bool:
    """Units in another order: the same scores in that order, to the rounding of sums."""
    if row.name == "random":
        return True
    s = run(fn, row)
    for places in (np.arange(len(s))[::-1], np.roll(np.arange(len(s)), 1)):
        moved = np.asarray(fn(row.of(row.taken(places)), **row.options)["w"])
        if not agree(moved, s[places], row):
            return False
    return True


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


LAWS = {
    law.__name__: law
    for law in (
        gives_the_same_bits_twice, leaves_everything_as_it_was, reads_any_array,
        keeps_shape_and_dtype, follows_its_units, takes_the_edges,
    )
}  # fmt: skip


def each(score: Callable[[Array], Array]) -> Criterion:
    return lambda ev: {name: score(w) for name, w in ev.weights.items()}


def in_place(w: Array) -> Array:
    np.abs(w, out=w)
    return w.copy()


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


WRONG: dict[str, tuple[str, Criterion]] = {
    "noise of its own": (
        "gives_the_same_bits_twice",
        each(lambda w: np.random.default_rng().random(w.shape)),
    ),
    "abs in place": ("leaves_everything_as_it_was", each(in_place)),
    "global random state": (
        "leaves_everything_as_it_was",
        each(lambda w: np.random.random(w.shape)),  # noqa: NPY002
    ),
    "memory order": ("reads_any_array", each(lambda w: np.abs(w.ravel("K").reshape(w.shape)))),
    "writes to its input": ("reads_any_array", each(in_place)),
    "float64 always": ("keeps_shape_and_dtype", each(lambda w: np.abs(w, dtype=np.float64))),
    "flat": ("keeps_shape_and_dtype", each(np.ravel)),
    "by its place": (
        "follows_its_units",
        each(lambda w: np.abs(w) + np.arange(len(w))[:, None]),
    ),
    "no empty layer": (
        "takes_the_edges",
        a_refusal(each(lambda w: np.abs(w) + 0 * w[0, 0])),
    ),
    "0/0": ("takes_the_edges", each(unguarded)),
}
