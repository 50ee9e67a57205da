"""Criteria: pure functions Evidence -> scores, by name. Higher = more important = kept longer."""

from minprune.core import Criterion
from minprune.criteria.chance import random
from minprune.criteria.norms import magnitude, norm

CRITERIA: dict[str, Criterion] = {fn.__name__: fn for fn in (random, magnitude, norm)}

__all__ = ["CRITERIA", "magnitude", "norm", "random"]
