"""What prunes before, during and after training, one file each."""

from minprune.methods.at_init import AtInit, at_init
from minprune.methods.chain import chain
from minprune.methods.gradual import Gradual
from minprune.methods.in_rounds import in_rounds
from minprune.methods.iterative import Iterative, iterative
from minprune.methods.lottery_ticket import LotteryTicket, lottery_ticket
from minprune.methods.obs import obs
from minprune.methods.overlap import overlap
from minprune.methods.penalties import L1, L2
from minprune.methods.plans import Procedure, Result
from minprune.methods.retrain import RETRAIN, Before, Retraining, Start
from minprune.methods.set_rigl import SET, RigL, start_sparse
from minprune.methods.validate import Validate

PLANS: dict[str, type[Procedure]] = {
    plan.name(): plan for plan in (AtInit, Iterative, LotteryTicket)
}  # what `minprune run --method` knows, by the name of the call

__all__ = [
    "L1", "L2", "PLANS", "RETRAIN", "SET", "AtInit", "Before", "Gradual", "Iterative",
    "LotteryTicket", "Result", "Retraining", "RigL", "Start", "Validate", "at_init", "chain",
    "in_rounds", "iterative", "lottery_ticket", "obs", "overlap", "start_sparse",
]  # fmt: skip
