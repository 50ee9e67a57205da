"""Criteria: pure functions Evidence -> scores, by name. Higher = more important = kept longer.

Called by hand, they take arrays of any framework. Every function of these files that @criterion
marks is listed in CRITERIA, in this order: from weights alone, from activations, from gradients,
from second derivatives, and the oracle.
"""

# isort: off
from minprune.core import CriterionSpec, Marked
from minprune.criteria.random import *  # noqa: F403
from minprune.criteria.norms import *  # noqa: F403
from minprune.criteria.spread import *  # noqa: F403
from minprune.criteria.synflow import *  # noqa: F403
from minprune.criteria.activations import *  # noqa: F403
from minprune.criteria.redundancy import *  # noqa: F403
from minprune.criteria.discriminant import *  # noqa: F403
from minprune.criteria.taylor import *  # noqa: F403
from minprune.criteria.fisher import *  # noqa: F403
from minprune.criteria.snip_grasp import *  # noqa: F403
from minprune.criteria.obd import *  # noqa: F403
from minprune.criteria.obs import *  # noqa: F403
from minprune.criteria.oracle import *  # noqa: F403
from minprune.criteria.listing import Listing, listing
# isort: on

CRITERIA: dict[str, Marked[...]] = {
    name: fn
    for name, fn in vars().items()
    if isinstance(getattr(fn, "spec", None), CriterionSpec)
}  # fmt: skip

__all__ = ["CRITERIA", "list", *CRITERIA]


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
