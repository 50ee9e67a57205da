"""Smaller models of the same function: what would go, removal, merging."""

from minprune.structure.compact import compact
from minprune.structure.merge import merge
from minprune.structure.plan import Removal, plan
from minprune.structure.redundant import regressions

__all__ = ["Removal", "compact", "merge", "plan", "regressions"]
