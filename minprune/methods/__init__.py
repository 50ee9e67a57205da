"""What prunes before, during and after training, one file each."""

from minprune.methods.at_init import at_init, in_rounds
from minprune.methods.chain import chain
from minprune.methods.gradual import Gradual
from minprune.methods.iterative import Iterative, iterative
from minprune.methods.obs import obs
from minprune.methods.penalties import L1, L2
from minprune.methods.plans import Result
from minprune.methods.retrain import RETRAIN, Before, Retraining, Start
from minprune.methods.set_rigl import SET, RigL, start_sparse

__all__ = [
    "L1", "L2", "RETRAIN", "SET", "Before", "Gradual", "Iterative", "Result", "Retraining", "RigL",
    "Start", "at_init", "chain", "in_rounds", "iterative", "obs", "start_sparse",
]  # fmt: skip
