"""Computes the evidence that a criterion declares, from a model and data; averages the scores."""

from minprune.evidence.options import find
from minprune.evidence.scoring import score

__all__ = ["find", "score"]
