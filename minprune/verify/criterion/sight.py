"""The law that a criterion reads what it asks for: every kind, every layer, every entry."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from minprune.core import Array, Arrays, Evidence
from minprune.verify.criterion.subject import SYMMETRIC, Subject
from minprune.verify.law import law
from minprune.verify.plain.evidence import plain_evidence
from minprune.verify.plain.nets import ordinary

POSITIVE = ("squared_grads", "inverse_diag", "act_hist")
FACTORS = (3, 0, 1000, -1000)
FILLINGS = 20


@dataclass(frozen=True)
class Change:
    """One entry of one array of evidence; entry counts on from the end of the array."""

    kind: str
    name: str
    entry: int
    seed: int


def blank(s: Subject) -> dict[str, Any]:
    """{kind: what the criterion is given of an ordinary net}"""
    return {kind: getattr(plain_evidence(ordinary(), (kind,), s.view), kind) for kind in s.needs}


def where(s: Subject) -> list[tuple[str, str]]:
    """(kind, name) of each array that has to matter."""
    ones = s.view in ("gate", "whole")  # where weights are 1 by definition
    return [
        (kind, name)
        for kind, arrays in blank(s).items()
        if isinstance(arrays, dict) and kind != "masks" and not (ones and kind == "weights")
        for name in arrays
    ]


def some(a: Array, rng: np.random.Generator, kind: str) -> Array:
    """Numbers away from 0 in the shape of a; two positions where there is one

    What is a symmetric matrix stays one, with a diagonal that outweighs the rest.
    """
    a = np.repeat(a, 2, axis=2) if kind in ("activations", "act_grads") else a
    sign = 1 if kind in POSITIVE else rng.choice([-1, 1], a.shape)
    found = np.asarray((0.5 + rng.random(a.shape)) * sign)
    if kind in SYMMETRIC:
        n = a.shape[-1]
        found = (found + np.swapaxes(found, -1, -2)) / 2 + 3 * n * np.eye(n)
    return found


def changes(s: Subject) -> st.SearchStrategy[Change]:
    entry = st.integers(0, 99)
    return st.builds(lambda at, *rest: Change(*at, *rest), st.sampled_from(where(s)), entry, entry)


def matters(s: Subject, change: Change, at: Any, fill: int) -> bool:
    """Whether another number at that place changes a score of evidence filled by that seed."""
    rng, given = np.random.default_rng(fill), blank(s)
    for kind, name in where(s):
        given[kind] = given[kind] | {name: some(given[kind][name], rng, kind)}
    ev = Evidence(unit=s.view is not None, **given)
    before: Arrays = s(ev)
    mirror = (*at[:-2], at[-1], at[-2]) if change.kind in SYMMETRIC else at
    for factor in FACTORS:
        new = given[change.kind][change.name].copy()
        for place in {at, mirror}:
            new[place] *= factor
        try:
            after = s(replace(ev, **{change.kind: given[change.kind] | {change.name: new}}))
        except Exception:  # user code may raise anything: what refuses a number has read it
            return True
        if any(not np.array_equal(after[n], before[n]) for n in before):
            return True
    return False


@law(changes, lambda s: "rng" not in s.needs and bool(where(s)))
def sees_its_evidence(s: Subject, change: Change) -> str | None:
    """each entry of the evidence that it asks for matters to some score"""
    a = blank(s)[change.kind][change.name]
    shape = some(a, np.random.default_rng(0), change.kind).shape
    at = tuple(int(k) for k in np.unravel_index(change.entry % int(np.prod(shape)), shape))
    if change.kind == "within":  # variances alone may be asked for
        at = (at[0], at[0])
    # one fill may hide an entry, as a negative Hessian does that is clipped; not all of them
    if any(matters(s, change, at, fill) for fill in range(change.seed, change.seed + FILLINGS)):
        return None
    index = ", ".join(map(str, at))
    return f"no other number at {change.kind}[{change.name!r}][{index}] changes a score"
