"""The laws that hold for a criterion because of what it claims to measure, by name.

Each law is a NamedLaw, which is None where it says nothing of a subject. A new law is one function
and one row of NAMED; a criterion names the laws that apply to it in definitions_table.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minprune.verify import laws_criterion_exact as numbers
from minprune.verify import laws_criterion_moves as moves
from minprune.verify import laws_criterion_redundant as pairs
from minprune.verify import laws_criterion_removal as rises
from minprune.verify.criterion_bounds import alike, clause, rounding, steady
from minprune.verify.criterion_subject import Law, NamedLaw, Options, Subject, reference, total
from minprune.verify.definitions import weight_entropy
from minprune.verify.definitions_table import Definition
from minprune.verify.plain import ACTS, Mlp
from minprune.verify.plain_evidence import plain_evidence
from minprune.verify.plain_moments import OF_MAPS
from minprune.verify.plain_nets import FILLS, maps, mlps


def by_definition(s: Subject, row: Definition, options: Options) -> Callable[[Any], str | None]:
    """Compares total scores with those of the definition on the same problem."""
    ref = reference(row, options, s)

    def broken(p: Any) -> str | None:
        want = total(ref, p)
        if row.score is weight_entropy and on_an_edge(p, ref, options.get("bins", 10)):
            return None
        told = clause(total(s, p), want, rounding(row, options, s, ref, p), "by the definition")
        still = told and steady(ref, p) and (alike(s, ref) or steady(s, p))
        return told if still else None

    return broken


def equals_the_definition(s: Subject, row: Definition, options: Options) -> Law | None:
    if "rng" in row.needs:
        return None  # other numbers of the same kind are as right
    # incoming weights and bias, together, tell a gate's derivative where the unit is homogeneous
    both = row.unit == "gate" and s.row == "incoming and bias"
    nets = " (of ReLU nets; of others a gate has to be read from outgoing weights)" if both else ""
    return Law(
        f"{s.name}: scores are those of the definition, {said(row)}{nets}",
        mlps(("relu", "linear") if both else tuple(ACTS), fills=FILLS, inputs=(1, 4)),
        by_definition(s, row, options),
    )


def said(row: Definition) -> str:
    """The first line of the definition's docstring."""
    text = (row.score.__doc__ or "see verify/definitions.py").strip().splitlines()[0]
    return text.rstrip(".").split(";")[0]


def on_an_edge(p: Mlp, ref: Subject, bins: int) -> bool:
    """Whether rounding may decide in which bin of a histogram a weight falls."""
    for w in plain_evidence(p, ("weights",), ref.row).of("weights").values():
        span = np.ptp(w) if w.size else 0
        place = (w - w.min(initial=0)) / span * bins if span else 0 * w
        near = np.abs(place - np.round(place)) < 1e-9
        if (near & (w > w.min(initial=np.inf)) & (w < w.max(initial=-np.inf))).any():
            return True
    return False


def at_positions(s: Subject, row: Definition, options: Options) -> Law | None:
    """The definition on activations of several positions and of any numbers, no net behind them."""
    kinds = {*s.needs, *row.needs}
    if "activations" not in s.needs or s.row not in ("gate", "whole") or not kinds <= OF_MAPS:
        return None
    return Law(
        f"{s.name}: of several positions too scores are those of the definition, {said(row)}",
        maps(),
        by_definition(s, row, options),
    )


NAMED: dict[str, NamedLaw] = {
    "definition": equals_the_definition,
    "positions": at_positions,
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
