"""The laws that hold for a criterion because of what it claims to measure, by name.

A new law is one function and one row of NAMED; a twin names the laws that apply to it.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from minprune.verify.criterion import exact as numbers
from minprune.verify.criterion import moves
from minprune.verify.criterion import redundant as pairs
from minprune.verify.criterion import removal as rises
from minprune.verify.criterion.bounds import alike, clause, rounding, steady
from minprune.verify.criterion.subject import Subject, reference, total
from minprune.verify.law import Law, law
from minprune.verify.plain.moments import OF_MAPS
from minprune.verify.plain.net import ACTS
from minprune.verify.plain.nets import FILLS, maps, mlps
from minprune.verify.plain.twin import known


def by_definition(s: Subject, p: Any) -> str | None:
    """A clause where total scores are not those of the definition on the same problem."""
    ref = reference(s)
    want = total(ref, p)
    if s.row.unsure(ref.of(p), **known(s.row.unsure, s.options)):
        return None
    told = clause(total(s, p), want, rounding(s, ref, p), f"by the definition, {said(s)},")
    still = told and steady(ref, p) and (alike(s, ref) or steady(s, p))
    return told if still else None


def said(s: Subject) -> str:
    """The first line of the definition's docstring."""
    text = (s.row.score.__doc__ or "see verify/plain/").strip().splitlines()[0]
    return text.rstrip(".").split(";")[0]


def problems(s: Subject) -> st.SearchStrategy[Any]:
    """Any net; ReLU alone where incoming weights and bias stand for a gate

    Together they tell the gate's derivative where the unit is homogeneous; of others it has to be
    read from the outgoing weights.
    """
    both = s.row.unit == "gate" and s.view == "incoming and bias"
    return mlps(("relu", "linear") if both else tuple(ACTS), fills=FILLS, inputs=(1, 4))


# other numbers of the same kind are as right
@law(problems, lambda s: "rng" not in s.row.needs)
def equals_the_definition(s: Subject, p: Any) -> str | None:
    """scores are those of the definition"""
    return by_definition(s, p)


def reads_maps(s: Subject) -> bool:
    kinds = {*s.needs, *s.row.needs}
    return "activations" in s.needs and s.view in ("gate", "whole") and kinds <= OF_MAPS


@law(maps(), reads_maps)
def at_positions(s: Subject, p: Any) -> str | None:
    """of several positions too scores are those of the definition

    On activations of any numbers, with no net behind them.
    """
    return by_definition(s, p)


NAMED: dict[str, Law] = {
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
