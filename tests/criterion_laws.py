"""One row of a criterion, the laws of every criterion, and variants that they must reject."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minprune.core import Array, Arrays, Criterion, Evidence
from minprune.criteria import CRITERIA


@dataclass(frozen=True)
class Row:
    """One tensor "w" of evidence by kind, the scores that it must give, and who says so."""

    name: str
    source: str
    want: Any
    evidence: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def fn(self) -> Criterion:
        return CRITERIA[self.name]

    def filled(
        self, lay_out: Callable[[Array], Array] = np.copy, dtype: Any = np.float64
    ) -> Evidence:
        arrays = {k: {"w": lay_out(np.array(v, dtype))} for k, v in self.evidence.items()}
        needs_rng = "rng" in self.fn.mark.needs  # type: ignore[attr-defined]
        return Evidence(rng=np.random.default_rng(7) if needs_rng else None, **arrays)


def strided(a: Array) -> Array:
    return np.asfortranarray(np.tile(a, (2, 1)))[: len(a)]


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
    held = all(np.array_equal(getattr(ev, k)["w"], v) for k, v in row.evidence.items())
    return held and repr(np.random.get_state()) == state  # noqa: NPY002


def reads_any_array(fn: Criterion, row: Row) -> bool:
    try:
        return all(np.array_equal(run(fn, row, lay), run(fn, row)) for lay in (strided, read_only))
    except ValueError:
        return False


def keeps_shape_and_dtype(fn: Criterion, row: Row) -> bool:
    return all(
        run(fn, row, np.copy, kind).dtype == kind and run(fn, row).shape == np.shape(row.want)
        for kind in (np.float32, np.float64)
    )


def takes_the_edges(fn: Criterion, row: Row) -> bool:
    """All-zero and empty arrays, and no array at all, give finite scores of their shape."""
    zero = {k: {"w": np.zeros((2, 2)), "e": np.zeros((0, 2))} for k in row.evidence}
    none: dict[str, Arrays] = {k: {} for k in row.evidence}
    got = fn(Evidence(rng=np.random.default_rng(0), **zero), **row.options)
    shapes = {n: s.shape for n, s in got.items()}
    finite = all(np.isfinite(s).all() for s in got.values())
    empty = fn(Evidence(rng=np.random.default_rng(0), **none), **row.options)
    return finite and shapes == {"w": (2, 2), "e": (0, 2)} and empty == {}


LAWS = {
    law.__name__: law
    for law in (
        gives_the_same_bits_twice, leaves_everything_as_it_was, reads_any_array,
        keeps_shape_and_dtype, takes_the_edges,
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
    "0/0": ("takes_the_edges", each(unguarded)),
}
