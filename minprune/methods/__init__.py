"""What prunes before, during and after training, one file each."""

from minprune.methods.agent import Agent, agent
from minprune.methods.at_init import AtInit, at_init
from minprune.methods.attention_gates import AttentionGates, attention_gates
from minprune.methods.chain import chain
from minprune.methods.distil import Distil, distil
from minprune.methods.dropout import Dropout, dropout
from minprune.methods.during import Fit
from minprune.methods.dynamic_surgery import DynamicSurgery, dynamic_surgery
from minprune.methods.gradual import Gradual, gradual
from minprune.methods.group_lasso import (
    GroupLasso,
    SparseGroupLasso,
    group_lasso,
    sparse_group_lasso,
)
from minprune.methods.growing_regularization import GrowingRegularization, growing_regularization
from minprune.methods.hard_concrete import HardConcrete, hard_concrete
from minprune.methods.in_rounds import in_rounds
from minprune.methods.iterative import Iterative, iterative
from minprune.methods.large_sparse import LargeSparse, large_sparse
from minprune.methods.learned_masks import LearnedMasks, learned_masks
from minprune.methods.lottery_ticket import LotteryTicket, lottery_ticket
from minprune.methods.obs import obs
from minprune.methods.overlap import overlap
from minprune.methods.penalties import L0, L1, L2, ElasticNet, elastic_net, l0, l1, l2
from minprune.methods.plans import Procedure, Result
from minprune.methods.prox import (
    prox_elastic_net,
    prox_group_lasso,
    prox_l0,
    prox_l1,
    prox_l2,
    prox_sparse_group_lasso,
)
from minprune.methods.retrain import RETRAIN, Before, Retraining, Start
from minprune.methods.rewind_on_plateau import RewindOnPlateau, rewind_on_plateau
from minprune.methods.scratch_against_joint import ScratchAgainstJoint, scratch_against_joint
from minprune.methods.sequence import Stages, sequence
from minprune.methods.set_rigl import SET, RigL, rigl
from minprune.methods.slimming import Slimming, slimming
from minprune.methods.snfs import SNFS, snfs
from minprune.methods.soft import Soft, soft
from minprune.methods.soft_threshold import SoftThreshold, soft_threshold
from minprune.methods.sparse_variational_dropout import (
    SparseVariationalDropout,
    sparse_variational_dropout,
)
from minprune.methods.start_sparse import start_sparse
from minprune.methods.targeted_dropout import TargetedDropout, targeted_dropout
from minprune.methods.transfer import Transfer, transfer
from minprune.methods.validate import Validate
from minprune.methods.variational_dropout import VariationalDropout, variational_dropout

PLANS: dict[str, type[Procedure]] = {
    plan.name(): plan
    for plan in (
        Agent, AtInit, Iterative, LargeSparse, LotteryTicket, RewindOnPlateau, ScratchAgainstJoint,
        Stages, Transfer,
    )
}  # by the name of the call  # fmt: skip

__all__ = [
    "L0", "L1", "L2", "PLANS", "RETRAIN", "SET", "SNFS", "Agent", "AtInit", "AttentionGates",
    "Before", "Distil", "Dropout", "DynamicSurgery", "ElasticNet", "Fit", "Gradual", "GroupLasso",
    "GrowingRegularization", "HardConcrete", "Iterative", "LargeSparse", "LearnedMasks",
    "LotteryTicket", "Result", "Retraining", "RewindOnPlateau", "RigL", "ScratchAgainstJoint",
    "Slimming", "Soft", "SoftThreshold", "SparseGroupLasso", "SparseVariationalDropout", "Stages",
    "Start", "TargetedDropout", "Transfer", "Validate", "VariationalDropout", "agent", "at_init",
    "attention_gates", "chain", "distil", "dropout", "dynamic_surgery", "elastic_net", "gradual",
    "group_lasso", "growing_regularization", "hard_concrete", "in_rounds", "iterative", "l0", "l1",
    "l2", "large_sparse", "learned_masks", "lottery_ticket", "obs", "overlap", "prox_elastic_net",
    "prox_group_lasso", "prox_l0", "prox_l1", "prox_l2", "prox_sparse_group_lasso",
    "rewind_on_plateau", "rigl", "scratch_against_joint", "sequence", "slimming", "snfs", "soft",
    "soft_threshold", "sparse_group_lasso", "sparse_variational_dropout", "start_sparse",
    "targeted_dropout", "transfer", "variational_dropout",
]  # fmt: skip
