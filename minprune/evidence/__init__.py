"""Fills the evidence that a criterion declares, from a model and data, and averages the scores."""

from minprune.evidence.scoring import compatible, find, score

__all__ = ["compatible", "find", "score"]
