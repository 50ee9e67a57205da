"""The laws that hold for a criterion because of what it claims to measure, by name.

A new law is one function with its mark; a twin names the laws that apply to it.
"""

from typing import Any

from hypothesis import strategies as st

from minprune.verify.criterion import exact, moves, redundant
from minprune.verify.criterion.bounds import alike, clause, rounding, steady
from minprune.verify.criterion.subject import Subject, reference, total
from minprune.verify.law import Laws
from minprune.verify.plain.moments import OF_MAPS
from minprune.verify.plain.net import ACTS
from minprune.verify.plain.nets import FILLS, maps, mlps
from minprune.verify.plain.twin import known

NAMED = Laws()


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
@NAMED("definition", problems, lambda s: "rng" not in s.row.needs)
def equals_the_definition(s: Subject, p: Any) -> str | None:
    """scores are those of the definition"""
    return by_definition(s, p)


def reads_maps(s: Subject) -> bool:
    kinds = {*s.needs, *s.row.needs}
    return "activations" in s.needs and s.view in ("gate", "whole") and kinds <= OF_MAPS


@NAMED("positions", maps(), reads_maps)
def at_positions(s: Subject, p: Any) -> str | None:
    """of several positions too scores are those of the definition

    On activations of any numbers, with no net behind them.
    """
    return by_definition(s, p)


NAMED |= exact.LAWS | moves.LAWS | redundant.LAWS
