"""The law that a criterion looks at what it asks for: every kind, every layer, every entry."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from minprune.core import Array, Evidence
from minprune.verify.criterion_subject import Law, Subject
from minprune.verify.plain_evidence import evidence
from minprune.verify.plain_nets import plain_net


@dataclass(frozen=True)
class Change:
    """One entry of one array of evidence; entry counts on from the end of the array."""

    kind: str
    name: str
    entry: int
    seed: int


def some(a: Array, rng: np.random.Generator, kind: str) -> Array:
    """Numbers away from 0 in the shape of a; two positions where there is one."""
    a = np.repeat(a, 2, axis=2) if a.ndim == 3 else a
    sign = 1 if kind == "squared_grads" else rng.choice([-1, 1], a.shape)
    return np.asarray((0.5 + rng.random(a.shape)) * sign)


def sees_its_evidence(s: Subject) -> Law | None:
    net = plain_net((3, 4, 3), act="relu")
    whole = s.row in ("gate", "whole")  # where weights are 1 by definition
    blank = {kind: getattr(evidence(net, (kind,), s.row), kind) for kind in s.needs}
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
            new[at] *= factor
            after = s(replace(ev, **{change.kind: given[change.kind] | {change.name: new}}))
            if any(not np.array_equal(after[n], before[n]) for n in before):
                return True
        return False

    def broken(change: Change) -> str | None:
        shape = some(blank[change.kind][change.name], np.random.default_rng(0), "").shape
        at = np.unravel_index(change.entry % int(np.prod(shape)), shape)
        # one fill may hide an entry, as a negative Hessian does that is clipped; not all of them
        if any(matters(change, at, fill) for fill in range(change.seed, change.seed + 20)):
            return None
        index = ", ".join(str(int(k)) for k in at)
        return f"no other number at {change.kind}[{change.name!r}][{index}] changes a score"

    return Law(
        f"{s.name}: each entry of the evidence that it asks for matters to some score",
        st.builds(
            lambda at, *rest: Change(*at, *rest),
            st.sampled_from(where),
            st.integers(0, 35),
            st.integers(0, 99),
        ),
        broken,
    )
