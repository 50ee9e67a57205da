"""Methods that act during training, one file each."""

from minprune.methods.gradual import Gradual
from minprune.methods.penalties import L1, L2

__all__ = ["L1", "L2", "Gradual"]
