"""Computes the evidence that a criterion declares, from a model and data; averages the scores."""

from minprune.evidence.asking import compatible, find
from minprune.evidence.scoring import score

__all__ = ["compatible", "find", "score"]
