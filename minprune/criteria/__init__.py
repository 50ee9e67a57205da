"""Criteria: pure functions Evidence -> scores, by name. Higher = more important = kept longer.

By hand they take arrays of any framework; evidence that does not fit together is a ShapeError.
"""

from minprune.core import Criterion
from minprune.criteria.activations import activation, activation_entropy, apoz
from minprune.criteria.discriminant import lda, lda_joint
from minprune.criteria.fisher import fisher
from minprune.criteria.listing import Listing, listing
from minprune.criteria.norms import magnitude, norm
from minprune.criteria.obd import obd
from minprune.criteria.obs import obs
from minprune.criteria.oracle import oracle
from minprune.criteria.random import random
from minprune.criteria.redundancy import correlation, cosine, similarity
from minprune.criteria.snip_grasp import grasp, snip
from minprune.criteria.spread import geometric_median, weight_entropy
from minprune.criteria.synflow import synflow
from minprune.criteria.taylor import taylor, taylor_activation

CRITERIA: dict[str, Criterion] = {
    fn.__name__: fn
    for fn in (
        random, magnitude, norm, geometric_median, weight_entropy, synflow,
        apoz, activation, activation_entropy, similarity, correlation, cosine, lda, lda_joint,
        taylor, taylor_activation, fisher, snip, grasp, obd, obs, oracle,
    )
}  # fmt: skip

__all__ = [
    "CRITERIA", "activation", "activation_entropy", "apoz", "correlation", "cosine", "fisher",
    "geometric_median", "grasp", "lda", "lda_joint", "list", "magnitude", "norm", "obd", "obs",
    "oracle", "random", "similarity", "snip", "synflow", "taylor", "taylor_activation",
    "weight_entropy",
]  # fmt: skip


def list() -> Listing:
    """All criteria, printable as a table: equation, needs, cost, what is scored, source."""
    return listing(CRITERIA)
