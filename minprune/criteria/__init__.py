"""Criteria: pure functions Evidence -> scores, by name. Higher = more important = kept longer.

Called by hand, they take arrays of any framework. Every function of these files that @criterion
marks is listed in CRITERIA, in this order: from weights alone, from activations, from gradients,
from second derivatives, and the oracle.
"""

# isort: off
from collections.abc import Mapping
from typing import NamedTuple

from minprune.core import EVIDENCE_KINDS, CriterionSpec, Marked
from minprune.criteria.random import *  # noqa: F403
from minprune.criteria.norms import *  # noqa: F403
from minprune.criteria.geometric_median import *  # noqa: F403
from minprune.criteria.scales import *  # noqa: F403
from minprune.criteria.synflow import *  # noqa: F403
from minprune.criteria.entropy import *  # noqa: F403
from minprune.criteria.activations import *  # noqa: F403
from minprune.criteria.redundancy import *  # noqa: F403
from minprune.criteria.discriminant import *  # noqa: F403
from minprune.criteria.taylor import *  # noqa: F403
from minprune.criteria.snip_grasp import *  # noqa: F403
from minprune.criteria.obd_fisher import *  # noqa: F403
from minprune.criteria.obs import *  # noqa: F403
from minprune.criteria.oracle import *  # noqa: F403
from minprune.text import table
# isort: on

CRITERIA: dict[str, Marked[...]] = {
    name: fn
    for name, fn in vars().items()
    if isinstance(getattr(fn, "spec", None), CriterionSpec)
}  # fmt: skip

__all__ = ["CRITERIA", "list", *CRITERIA]


class Entry(NamedTuple):
    """One criterion, with its default options."""

    name: str
    equation: str  # higher = kept longer
    needs: str
    cost: str
    scores: str  # "weights", "units", or both
    source: str


class Listing(tuple[Entry, ...]):
    """The entries in the order of the table; printed, one row for each."""

    __slots__ = ()

    def __str__(self) -> str:
        return table(Entry._fields, self)

    __repr__ = __str__  # so that a prompt shows the table


def listing(criteria: Mapping[str, Marked[...]]) -> Listing:
    """The entry of each marked criterion"""
    found = []
    for name, fn in criteria.items():
        needs, _ = fn.spec.asked({})
        costs = dict.fromkeys(EVIDENCE_KINDS[need].cost for need in needs if need in EVIDENCE_KINDS)
        costs.pop("nothing", None)
        equation = (fn.__doc__ or "").strip().partition("\n")[0].partition("  ")[0]
        scored = ["weights"] * fn.spec.single + ["units"] * (fn.spec.unit is not None)
        texts = (", ".join(needs), ", ".join(costs) or "nothing", ", ".join(scored))
        found.append(Entry(name, equation, *texts, fn.spec.cite))
    return Listing(found)


def list() -> Listing:
    """All criteria, printable as a table: equation, needs, cost, what is scored, source.

    Returns
    -------
    Listing
        One entry for each criterion.

    Examples
    --------
    >>> import minprune as mp
    >>> mp.criteria.list()[1].equation
    's = |w|; unit: s = sqrt(sum w^2)'
    """
    return listing(CRITERIA)
