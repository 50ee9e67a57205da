"""The law that a criterion looks at what it asks for: every kind, every layer, every entry."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from minprune.core import Array, Evidence
from minprune.verify.criterion_subject import SYMMETRIC, Law, Subject
from minprune.verify.plain_evidence import plain_evidence
from minprune.verify.plain_nets import ordinary


@dataclass(frozen=True)
class Change:
    """One entry of one array of evidence; entry counts on from the end of the array."""

    kind: str
    name: str
    entry: int
    seed: int


POSITIVE = ("squared_grads", "inverse_diag", "act_hist")


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


def places(at: tuple[Any, ...], kind: str) -> list[tuple[Any, ...]]:
    """The entry, and its mirror image in a symmetric matrix."""
    return [at, (*at[:-2], at[-1], at[-2])] if kind in SYMMETRIC else [at]


def sees_its_evidence(s: Subject) -> Law | None:
    net = ordinary()
    whole = s.row in ("gate", "whole")  # where weights are 1 by definition
    blank = {kind: getattr(plain_evidence(net, (kind,), s.row), kind) for kind in s.needs}
    where = [
        (kind, name)
        for kind, arrays in blank.items()
        if isinstance(arrays, dict) and kind != "masks" and not (whole and kind == "weights")
        for name in arrays
    ]
    if not where or "rng" in s.needs:
        return None

    def matters(change: Change, at: Any, fill: int) -> bool:
        rng, given = np.random.default_rng(fill), dict(blank)
        for kind, name in where:
            given[kind] = given[kind] | {name: some(blank[kind][name], rng, kind)}
        ev = Evidence(unit=s.row is not None, **given)
        before = s(ev)
        for factor in (3, 0, 1000, -1000):
            new = given[change.kind][change.name].copy()
            for place in {*places(at, change.kind)}:
                new[place] *= factor
            try:
                after = s(replace(ev, **{change.kind: given[change.kind] | {change.name: new}}))
            except Exception:  # of strangers' code, anything: what refuses a number has looked
                return True
            if any(not np.array_equal(after[n], before[n]) for n in before):
                return True
        return False

    def broken(change: Change) -> str | None:
        shape = some(blank[change.kind][change.name], np.random.default_rng(0), change.kind).shape
        at = tuple(int(k) for k in np.unravel_index(change.entry % int(np.prod(shape)), shape))
        if change.kind == "within":  # variances alone may be asked for
            at = (at[0], at[0])
        # one fill may hide an entry, as a negative Hessian does that is clipped; not all of them
        if any(matters(change, at, fill) for fill in range(change.seed, change.seed + 20)):
            return None
        index = ", ".join(map(str, at))
        return f"no other number at {change.kind}[{change.name!r}][{index}] changes a score"

    return Law(
        f"{s.name}: each entry of the evidence that it asks for matters to some score",
        st.builds(
            lambda at, *rest: Change(*at, *rest),
            st.sampled_from(where),
            st.integers(0, 99),
            st.integers(0, 99),
        ),
        broken,
    )
