"""Every method that acts during training, with settings for a tiny net: a row gets all laws.

The laws are in test_methods_table.py, which also asks for a row of each class of mp.methods.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

import numpy as np
from watching import small_data, small_net

import minprune as mp
from minprune.masking.units import live_units
from minprune.methods import (
    L0,
    L1,
    L2,
    SET,
    SNFS,
    AttentionGates,
    Distil,
    Dropout,
    DynamicSurgery,
    ElasticNet,
    Gradual,
    GroupLasso,
    GrowingRegularization,
    HardConcrete,
    LearnedMasks,
    RigL,
    Slimming,
    Soft,
    SoftThreshold,
    SparseGroupLasso,
    SparseVariationalDropout,
    TargetedDropout,
    Validate,
    VariationalDropout,
    start_sparse,
)
from minprune.nets.counts import counts
from minprune.nets.model import Model

DATA = small_data()
HOW: dict[str, Any] = {
    "epochs": 2, "batch_size": 4, "optimizer": mp.SGD(0.1, momentum=0.9), "progress": False,
}  # 6 updates  # fmt: skip


@dataclass(frozen=True, eq=False)
class Row:
    """kind(**how) trains `net`; kind(**how, **null) is plain training, null=None: it has none

    share: of the weights, or units, that are masked at the end; None: it learns how many. call: the
    name of the one-line call in mp.methods. way: the row of PROCEDURES, or why there is none.
    """

    kind: type[mp.Method]
    how: dict[str, Any]
    null: dict[str, Any] | None
    share: float | None = 0.0
    call: str = ""
    way: str = ""
    net: Callable[[], Model] = lambda: small_net(0.5)
    units: bool = False
    fit: dict[str, Any] = field(default_factory=dict)  # of fit, besides HOW

    def method(self, **more: Any) -> mp.Method:
        return self.kind(**self.how | more)

    def masked(self, model: Model) -> tuple[int, int]:
        """(how many of the weights, or units, are masked, or not stored; how many there are)"""
        if not self.units:
            of = [c for c in counts(model.net, model.masks) if len(c.shape) > 1]
            return sum(c.total - c.live for c in of), sum(c.total for c in of)
        live = np.concatenate([live_units(g, model.masks) for g in mp.ties(model) if g.free])
        return int((~live).sum()), live.size


def sparse(form: str = "") -> Model:
    model = start_sparse(small_net(0.5), 0.6, "er")
    return mp.sparsify(model, form) if form else model


def ramp(step: int) -> float:
    return min(step / 10, 0.5)


def at_once(step: int) -> float:
    return 0.5


def zero(step: int) -> float:
    return 0.0


NO_CALL = "mp.fit takes it, since it changes nothing"
threshold = partial(
    Row, SoftThreshold, null={"decay": 0.0, "initial": -3200.0, "sparsity": None}, share=None,
    call="soft_threshold", way="soft_threshold",
)  # fmt: skip
slim = partial(Row, Slimming, null={"lam": 0.0, "sparsity": None}, call="slimming", way="slimming")
growing = partial(
    Row, GrowingRegularization, null={"sparsity": 0.0}, share=0.5, call="growing_regularization",
    way="growing_regularization",
)  # fmt: skip
gradual = partial(
    Row, Gradual, null={"schedule": zero}, share=0.5, call="gradual", way="gradual"
)  # fmt: skip
soft = partial(Row, Soft, null={"sparsity": 0.0}, share=0.5, call="soft", way="soft")
surgery = partial(
    Row, DynamicSurgery, null={"sparsity": 0.0, "c": None}, share=0.5, call="dynamic_surgery",
    way="dynamic_surgery",
)  # fmt: skip
set_ = partial(Row, SET, null={"fraction": 0.0}, share=0.6, way="set")
rigl = partial(Row, RigL, null={"fraction": 0.0}, share=0.6, call="rigl", way="rigl")
drop = partial(Row, Dropout, null={"rate": 0.0}, call="dropout", way="dropout")
target = partial(
    Row, TargetedDropout, null={"sparsity": 0.0}, call="targeted_dropout", way="targeted_dropout"
)
noisy = partial(
    Row,
    SparseVariationalDropout,
    null=None,
    call="sparse_variational_dropout",
    way="sparse_variational_dropout",
)
hard = partial(Row, HardConcrete, null=None, call="hard_concrete", way="hard_concrete")
masks = partial(Row, LearnedMasks, null=None, call="learned_masks", way="learned_masks")
heads = partial(Row, AttentionGates, null=None, call="attention_gates", way="attention_gates")

ROWS: dict[str, Row] = {
    "L1": Row(L1, {"lam": 0.5}, {"lam": 0.0}, call="l1", way="l1"),
    "L2": Row(L2, {"lam": 0.5}, {"lam": 0.0}, call="l2", way="l2"),
    "L0": Row(L0, {"lam": 0.01}, {"lam": 0.0}, call="l0", way="l0"),
    "ElasticNet": Row(
        ElasticNet,
        {"lam1": 0.1, "lam2": 0.5},
        {"lam1": 0.0, "lam2": 0.0},
        call="elastic_net",
        way="elastic_net",
    ),
    "GroupLasso": Row(
        GroupLasso, {"lam": 0.1}, {"lam": 0.0}, call="group_lasso", way="group_lasso"
    ),
    "SparseGroupLasso": Row(
        SparseGroupLasso,
        {"lam1": 0.1, "lam_group": 0.1},
        {"lam1": 0.0, "lam_group": 0.0},
        call="sparse_group_lasso",
        way="sparse_group_lasso",
        fit={"optimizer": mp.Adam(0.01)},
    ),
    "SoftThreshold": threshold({"decay": 2.0, "initial": -3.0, "s_lr": 2.0}),
    "SoftThreshold, of units": threshold({"decay": 2.0, "initial": -3.0, "by": "unit"}),
    "SoftThreshold, to a share": threshold({"initial": -3.0, "sparsity": 0.5}, share=0.5),
    "Slimming": slim({"lam": 0.5}),
    "Slimming, to a share": slim(
        {"lam": 0.1, "step": "proximal", "sparsity": 0.5}, share=0.5, units=True
    ),
    "GrowingRegularization": growing({"sparsity": 0.5, "delta": 0.25}),
    "GrowingRegularization, of units": growing(
        {"sparsity": 0.25, "delta": 0.5, "begin": 2, "unit": True},
        units=True,
        share=0.25,
    ),
    "Gradual": gradual({"schedule": ramp}),
    "Gradual, random": gradual({"schedule": ramp, "criterion": "random", "scope": "layer"}),
    "Gradual, by gradient": gradual({"schedule": ramp, "criterion": "snip"}),
    **{
        f"Gradual, units by {name}": gradual(
            {"schedule": ramp, "criterion": name, "unit": True}, units=True
        )
        for name in ("apoz", "activation", "correlation", "lda", "random")
    },
    "Gradual, to 50 %": gradual({"sparsity": 0.5}, null={"sparsity": 0.0}),
    "Gradual, dense": gradual(
        {"sparsity": 0.5, "regrow": "dense", "criterion": "snip"}, null={"sparsity": 0.0}
    ),
    "Gradual, dense, again": gradual(
        {"schedule": at_once, "regrow": "dense", "criterion": "random", "every": 2}
    ),
    "Gradual, 2:4": gradual({"pattern": "2:4", "regrow": "dense"}, null=None, share=None),
    "Gradual, blocks": gradual({"schedule": ramp, "pattern": (2, 3)}, share=None),
    "Soft": soft({"sparsity": 0.5}),
    "Soft, units": soft({"sparsity": 0.5, "factor": 0.5, "unit": True}, units=True),
    "DynamicSurgery": surgery({"sparsity": 0.5, "gamma": 0.5}),
    "DynamicSurgery, by deviations": surgery({"c": 0.5, "begin": 0.3, "params": "all"}, share=None),
    "Distil": Row(
        Distil,
        {"teacher": small_net(seed=1), "alpha": 0.5},
        {"alpha": 0.0},
        call="distil",
        way="distil",
    ),
    "SET": set_({"fraction": 0.4, "every": 2}, net=sparse),
    "SET, stored": set_({"fraction": 0.4, "every": 2}, net=partial(sparse, "csr")),
    "RigL": rigl({"fraction": 0.4, "every": 2}, net=sparse),
    "SET, by sign": set_({"fraction": 0.4, "every": 2, "by": "sign"}, net=sparse),
    "RigL, across layers": rigl(
        {"fraction": 0.4, "every": 2, "redistribute": "gradient"}, net=sparse
    ),
    "SNFS": Row(
        SNFS, {"fraction": 0.4, "every": 2}, {"fraction": 0.0}, 0.6, "snfs", "snfs", sparse
    ),
    "RigL, stored": rigl({"fraction": 0.4, "every": 2}, net=partial(sparse, "csr")),
    "Dropout": drop({"rate": 0.5}),
    "Dropout, Gaussian": drop({"rate": 0.5, "noise": "gaussian", "layers": ("conv*", "fc2")}),
    "TargetedDropout": target({"sparsity": 0.5, "rate": 0.5}, share=0.5),
    "TargetedDropout, units": target(
        {"sparsity": 0.5, "rate": 0.5, "unit": True, "ramp": 0.5}, share=0.5, units=True
    ),
    **{
        f"VariationalDropout by {by}": Row(
            VariationalDropout,
            {"by": by, "lr_factor": 4.0},
            None,
            call="variational_dropout",
            way="variational_dropout",
        )
        for by in ("layer", "unit", "weight")
    },
    "SparseVariationalDropout": noisy({"threshold": -2.0, "log_sigma2": -6.0}, share=None),
    "SparseVariationalDropout, a share": noisy({"sparsity": 0.5}, share=0.5),
    "HardConcrete, a share": hard({"sparsity": 0.5, "lam": 0.5, "average": 0.5}, share=0.5),
    "HardConcrete, units": hard({"sparsity": 0.5, "unit": True}, share=0.5, units=True),
    "HardConcrete, inputs": hard(
        {"unit": True, "inputs": True, "rate": {"fc1": 0.9, "input": 0.9}}, share=None
    ),
    "LearnedMasks, a share": masks({"sparsity": 0.5, "fine_tune": 0.3}, share=0.5),
    "LearnedMasks, supermask": masks({"draw": "bernoulli", "frozen": True}, share=None),
    "LearnedMasks, edge-popup": masks(
        {"sparsity": 0.5, "absolute": True, "frozen": True, "signed": True}, share=0.5
    ),
    "AttentionGates": heads({"sparsity": 0.5, "every": 1}, share=None),
    "Validate": Row(Validate, {"data": DATA, "every": 2}, {}, way=NO_CALL),
}

Fitted = tuple[Model, mp.History]


def fit(row: Row, method: mp.Method | None, **how: Any) -> Fitted:
    return mp.fit(row.net(), DATA, method=method, **HOW | row.fit | how)


@cache
def done(row: Row) -> Fitted:
    """The row's own training, never stopped."""
    return fit(row, row.method())
