"""Smaller models of the same function: what would go, removal, merging."""

from minprune.structure.compact import Plan, compact, plan
from minprune.structure.merge import merge
from minprune.structure.redundant import regressions

__all__ = ["Plan", "compact", "merge", "plan", "regressions"]
