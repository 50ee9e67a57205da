"""The laws that hold for a criterion because of what it claims to measure, by name.

Each law is a function (Subject, Definition, options) -> Law. A new law is one function and one row
of NAMED; a criterion names the laws that apply to it in definitions_table.py.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minprune.verify import laws_criterion_exact as numbers
from minprune.verify import laws_criterion_moves as moves
from minprune.verify import laws_criterion_redundant as pairs
from minprune.verify import laws_criterion_removal as rises
from minprune.verify.criterion_bounds import clause, rounding, steady
from minprune.verify.criterion_subject import Law, Options, Subject, changed, reference, total
from minprune.verify.definitions import weight_entropy
from minprune.verify.definitions_table import Definition
from minprune.verify.plain import Mlp
from minprune.verify.plain_evidence import evidence
from minprune.verify.plain_nets import FILLS, mlps

NamedLaw = Callable[[Subject, Definition, Options], "Law | None"]
ROUND = 2.0**-40  # far more than some ten numbers of order 1 are rounded


def equals_the_definition(s: Subject, row: Definition, options: Options) -> Law:
    ref = reference(row, options, s)

    def broken(p: Mlp) -> str | None:
        want = total(ref, p)
        if row.score is weight_entropy and on_an_edge(p, ref, options.get("bins", 10)):
            return None
        told = clause(total(s, p), want, rounding(row, options, s, ref, p), "by the definition")
        return told if told and steady(ref, p) else None

    return Law(
        f"{s.name}: scores are those of the definition, {said(row)}",
        mlps(fills=FILLS, hidden=(1, 3), inputs=(1, 4)),
        broken,
    )


def said(row: Definition) -> str:
    """The first line of the definition's docstring."""
    text = (row.score.__doc__ or "see verify/definitions.py").strip().splitlines()[0]
    return text.rstrip(".").split(";")[0]


def on_an_edge(p: Mlp, ref: Subject, bins: int) -> bool:
    """Whether rounding may decide in which bin of a histogram a weight falls."""
    for w in evidence(p, ("weights",), ref.row).of("weights").values():
        span = np.ptp(w) if w.size else 0
        place = (w - w.min(initial=0)) / span * bins if span else 0 * w
        near = np.abs(place - np.round(place)) < 1e-9
        if (near & (w > w.min(initial=np.inf)) & (w < w.max(initial=-np.inf))).any():
            return True
    return False


def any_evidence(s: Subject, row: Definition, options: Options) -> Law | None:
    """The definition on arrays of several positions and of any numbers, no net behind them."""
    ref = reference(row, options, s)
    if set(ref.needs) != set(s.needs) or "activations" not in s.needs:
        return None

    def broken(p: Mlp) -> str | None:
        rng = np.random.default_rng(int(1000 * abs(p.x).sum()))
        ev = changed(
            evidence(p, s.needs, s.row),
            lambda a: rng.integers(-3, 4, (*a.shape[:2], 3)) / 2,  # with zeros
        )
        want, found = ref(ev), s(ev)
        return clause(
            found, want, {n: np.full(a.shape, ROUND) for n, a in want.items()}, "by the definition"
        )

    return Law(
        f"{s.name}: several positions are averaged within each sample, {said(row)}", mlps(), broken
    )


NAMED: dict[str, NamedLaw] = {
    "definition": equals_the_definition,
    "positions": any_evidence,
    "exact": numbers.exact,
    "exact set": numbers.exact_set,
    "exact squared": numbers.exact_squared,
    "exact sum": numbers.exact_sum,
    "rescaling": moves.rescaling,
    "rescaling changes": moves.rescaling_changes,
    "twins": moves.twins,
    "direction": moves.direction,
    "outlier": moves.outlier,
    "constant unit": moves.constant_unit,
    "conservation": numbers.conservation,
    "merge": moves.merge,
    "split matters": moves.split_matters,
    "slope of the gradient": numbers.slope_of_the_gradient,
    "shares": numbers.shares,
    "uniform": numbers.uniform,
    "greedy": pairs.replays_the_rule,
    "duplicates": pairs.duplicates,
    "constant first": pairs.constant_first,
    "same pairs": pairs.same_pairs,
    "exact removal": rises.exact_removal,
    "below zeroing": rises.below_zeroing,
    "downdated singles": rises.downdated_singles,
}
