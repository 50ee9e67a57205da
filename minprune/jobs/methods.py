"""plan = METHODS[name](budget): every procedure at the same number of updates, by name.

A method with a budget of `epochs` before pruning, and `again` after each of `rounds` prunings, has
epochs + rounds * again epochs in total, however it spends them. A new method is a row of METHODS.
Longer than most files: the table, and what its rows are made by.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from minprune.arguments import instance, is_number, one_of
from minprune.core import Criterion, Dataset
from minprune.errors import ArgumentError
from minprune.evidence import find
from minprune.evidence.options import free_groups
from minprune.files import load
from minprune.methods import (
    SET,
    SNFS,
    Agent,
    AtInit,
    AttentionGates,
    Distil,
    DynamicSurgery,
    Fit,
    Gradual,
    GrowingRegularization,
    HardConcrete,
    Iterative,
    LearnedMasks,
    LotteryTicket,
    RigL,
    Soft,
    SoftThreshold,
    SparseVariationalDropout,
    TargetedDropout,
)
from minprune.methods.attention_gates import gated
from minprune.methods.gradual import PRUNINGS, growth
from minprune.methods.plans import Procedure, made
from minprune.methods.retrain import Retraining, distilled
from minprune.nets.model import Model
from minprune.train.optim import SGD

MOVES = 10  # of SET, RigL and SNFS, at least, where there are enough updates
Own = Mapping[str, Any]


@dataclass(frozen=True)
class Budget:
    """What a job asks of a method.

    sparsity: to reach. epochs: of training before any pruning; again: after each of `rounds`
    prunings. criterion: None: the usual one of the method. unit: whether units are pruned. train:
    what `fit` is given: optimizer, rate, batch_size.
    """

    sparsity: float
    epochs: int
    again: int
    rounds: int = 1
    seed: int = 0
    criterion: str | Criterion | None = None
    unit: bool = False
    train: Mapping[str, Any] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """All epochs."""
        return self.epochs + self.rounds * self.again

    @property
    def scored(self) -> dict[str, Any]:
        """The criterion, if one is asked for."""
        return {} if self.criterion is None else {"criterion": self.criterion}

    @property
    def options(self) -> dict[str, Any]:
        """Those that the jobs give the criterion, which suit large nets."""
        return {} if self.criterion is None else dict(find(self.criterion).spec.large)


Make = Callable[[Budget, Model, Dataset, Own], Procedure]


@dataclass(frozen=True)
class Way:
    """A method by name: words: what it does; make(budget, model, data, own settings): its plan

    criteria: whether it takes another criterion; units: whether it prunes units; weights: whether
    it prunes single weights; shared: whether its first training is the same at every sparsity;
    prunes: whether it prunes at all. null: settings at which it is plain training of the model it
    begins with.
    """

    words: str
    make: Make
    criteria: bool = True
    units: bool = False
    weights: bool = True
    shared: bool = False
    prunes: bool = True
    null: Mapping[str, Any] = field(default_factory=dict)


def plan(
    name: str, budget: Budget, model: Model, data: Dataset,
    among: Mapping[str, Way] | None = None, /, **own: Any,
) -> Procedure:  # fmt: skip
    """The plan of a method, checked with this model and these data

    among: METHODS by default. own: settings of the method that replace those of the budget. Raises
    ArgumentError for a method that is not known, and for what it cannot do.
    """
    known = METHODS if among is None else among
    way = known[one_of("methods", "a method", name, known)]
    if budget.criterion is not None and not way.criteria:
        raise ArgumentError(f"{name}: takes no criterion, not {budget.criterion!r}; leave it out")
    if budget.unit and not way.units:
        raise ArgumentError(f"{name}: prunes single weights only; leave out --unit")
    if not budget.unit and not way.weights:
        raise ArgumentError(f"{name}: prunes whole units only; pass --unit")
    found = way.make(budget, model, data, own)
    found.check(model, data)
    return found


def updates(budget: Budget, epochs: int, model: Model, data: Dataset) -> int:
    """The updates of that many epochs."""
    return epochs * Procedure(epochs=epochs, train=budget.train).updates(model, data)


def retrained(kind: str, b: Budget, model: Model, data: Dataset, own: Own) -> Procedure:
    """Train, then prune and train again; a rewind returns to where `again` epochs are left."""
    how: dict[str, Any] = {
        "sparsity": b.sparsity, "rounds": b.rounds, "retrain": kind, "epochs": b.epochs,
        "unit": b.unit, "seed": b.seed, "train": b.train, **b.scored, "options": b.options,
    }  # fmt: skip
    if not kind.endswith("rewind"):
        how["retrain_epochs"] = b.again
    elif "rewind_to" not in own:
        if b.again > b.epochs:
            raise ArgumentError(
                f"{kind}: epochs after pruning must be at most those of training, {b.epochs}, "
                f"which it repeats, not {b.again}; pass --fine-tune {b.epochs} or less"
            )
        how["rewind_to_epoch"] = b.epochs - b.again
    return made(Iterative, how | dict(own))


def taught(b: Budget, model: Model, data: Dataset, own: Own) -> Procedure:
    """As finetune, by the outputs of the trained dense net, or of a model in a file."""
    given = {key: own[key] for key in ("teacher", "temperature", "alpha") if key in own}
    if "teacher" in given:
        given["teacher"] = load(instance("distil", "teacher", given["teacher"], str, "its path"))
    Distil(**({"teacher": model} | given)).check(model)
    rest = {key: value for key, value in own.items() if key not in given}
    if "retrain" in own:
        raise ArgumentError("distil: retrain must not be given, since it is one; leave it out")
    kind = Retraining(partial(distilled, **given))
    return retrained("finetune", b, model, data, rest | {"retrain": kind})


def tickets(
    b: Budget, model: Model, data: Dataset, own: Own, controls: Sequence[str] = ()
) -> Procedure:
    """Trainings of the same length from the same initial weights, one before each round

    All layers at one rate, which reaches the sparsity, unless the rate is set.
    """
    each, left = divmod(b.total, b.rounds + 1)
    if left:
        raise ArgumentError(
            f"lottery_ticket: epochs of all trainings must be a multiple of {b.rounds + 1}, since "
            f"all are as long as the first, not {b.total}; change --epochs or --fine-tune"
        )
    rate = 1 - (1 - b.sparsity) ** (1 / b.rounds)
    how = {
        "rounds": b.rounds, "epochs": each, "seed": b.seed, "controls": controls, "train": b.train,
        **({} if "rate" in own else {"rate": rate, "output_rate": rate}),
    }  # fmt: skip
    return made(LotteryTicket, how | dict(own))


def before(b: Budget, model: Model, data: Dataset, own: Own) -> Procedure:
    """Pruned before training."""
    how = {"sparsity": b.sparsity, "epochs": b.total, "seed": b.seed, "train": b.train, **b.scored}
    return made(AtInit, how | {"options": {"unit": b.unit, **b.options}} | dict(own))


def gradual(b: Budget, model: Model, data: Dataset, own: Own) -> Procedure:
    """By the cubic schedule, to the sparsity at the end of `epochs`, and held from there."""
    if isinstance(own.get("pattern"), str):  # N:M says how much
        return during(Gradual, {**b.scored, **own}, b)
    span = max(1, updates(b, b.epochs, model, data))
    grows = growth(b.sparsity, span)
    return during(Gradual, {"schedule": grows, "unit": b.unit, **b.scored} | dict(own), b)


def growing(b: Budget, model: Model, data: Dataset, own: Own) -> Procedure:
    """Chosen after half of `epochs`, less than `every` updates later at most, masked at their end

    The factor grows to 1 in at most PRUNINGS steps.
    """
    span = updates(b, b.epochs, model, data)
    left = max(1, span - span // 2)
    every = -(-left // PRUNINGS)
    steps = left // every
    how = {"sparsity": b.sparsity, "begin": max(0, span - every * steps), "delta": 1 / steps,
           "every": every, "unit": b.unit}  # fmt: skip
    return during(GrowingRegularization, how | dict(own), b)


def thresholds(b: Budget, model: Model, data: Dataset, own: Own) -> Procedure:
    """Of SGD s shrinks by a 40th an update at most, and by e^-10 in all if the loss lets it."""
    how: dict[str, Any] = {"sparsity": b.sparsity}
    optimizer = b.train.get("optimizer")
    if isinstance(optimizer, SGD) and optimizer.lr:
        each = min(1 / 40, 10 / max(1, updates(b, b.total, model, data)))
        how |= {"s_lr": 1.0, "decay": each * (1 - optimizer.momentum) / optimizer.lr}
    return during(SoftThreshold, how | dict(own), b)


def moving(kind: type, b: Budget, model: Model, data: Dataset, own: Own) -> Procedure:
    """Sparse from the start; weights move before the share `stop` of all updates."""
    stop: Any = own.get("stop")
    if not is_number(stop, 0, 1):  # another is refused by the method
        stop = inspect.signature(kind).parameters["stop"].default
    most = math.ceil(stop * updates(b, b.total, model, data) / MOVES) - 1
    every = min(100, max(1, most))
    return during(kind, {"every": every} | dict(own), b, sparsity=b.sparsity)


def acting(kind: type, b: Budget, model: Model, data: Dataset, own: Own) -> Procedure:
    """One training with a method that takes what it prunes to, where it takes it at all."""
    given = {"sparsity": b.sparsity, "unit": b.unit, **b.scored}
    known = inspect.signature(kind).parameters
    return during(kind, {k: v for k, v in given.items() if k in known} | dict(own), b)


def heads(b: Budget, model: Model, data: Dataset, own: Own) -> Procedure:
    """Filters alone have heads: as many go as the share of all units comes to."""
    names, groups = gated(model), free_groups(model).values()
    units = sum(g.size for g in groups)
    filters = sum(g.size for g in groups if any(m.param in names for m in g.producers))
    if filters and "sparsity" not in own:
        if b.sparsity * units > filters:
            raise ArgumentError(
                f"attention_gates: sparsity must be at most {filters}/{units}, the filters among "
                f"the units, not {b.sparsity:g}; ask for less, or choose another --net"
            )
        b = replace(b, sparsity=b.sparsity * (units / filters))
    return acting(AttentionGates, b, model, data, own)


def dense(b: Budget, model: Model, data: Dataset, own: Own) -> Procedure:
    """No pruning."""
    return during(None, own, b)


def during(kind: type | None, how: Own, b: Budget, **more: Any) -> Procedure:
    """One training with the method kind(**how)."""
    for name in how:
        if kind is None:
            raise ArgumentError(f"dense: takes no settings, not {name!r}; leave it out")
        one_of(kind.__name__, "an argument", name, inspect.signature(kind).parameters)
    method = {"method": kind(**how)} if kind else {}
    return Fit(epochs=b.total, seed=b.seed, train={**b.train, **method}, **more)


def searched(b: Budget, model: Model, data: Dataset, own: Own) -> Procedure:
    """Trained for `epochs`, pruned by what an agent learned, trained for the others."""
    how = {
        "sparsity": b.sparsity, "epochs": b.epochs, "retrain_epochs": b.rounds * b.again,
        "seed": b.seed, "train": b.train, **b.scored,
    }  # fmt: skip
    return made(Agent, how | dict(own))


METHODS: dict[str, Way] = {
    "dense": Way("no pruning: as many epochs for the dense net", dense, criteria=False, units=True,
                 prunes=False),
    **{
        name: Way(words, partial(retrained, name), units=True, shared=True, null={"rounds": 0})
        for name, words in {
            "finetune": "train, prune, train on at the last rate (Han et al. 2015)",
            "lr_rewind": "train, prune, repeat the last rates (Renda et al. 2020)",
            "weight_rewind": "train, prune, return to earlier weights (Frankle et al. 2019)",
            "scratch": "the masks found by training, with the initial weights",
            "reinit": "the masks found by training, with new initial weights",
        }.items()
    },
    "distil": Way("as finetune, taught by the dense net, or by --set teacher=FILE (Hinton et al. "
                  "2015)", taught, units=True, shared=True, null={"rounds": 0}),
    "lottery_ticket": Way(
        "prune the smallest weights of each layer, return to the start (Frankle & Carbin 2018)",
        tickets, criteria=False, shared=True, null={"rounds": 0},
    ),
    "at_init": Way("prune before training (synflow, or another criterion)", before, units=True,
                   null={"sparsity": 0.0}),
    "gradual": Way("prune during training (Zhu & Gupta 2017)", gradual, units=True,
                   null={"sparsity": 0.0}),
    "growing_regularization": Way(
        "train, then a growing penalty on the smallest weights, until they go (Wang et al. 2021)",
        growing, criteria=False, units=True, null={"sparsity": 0.0},
    ),
    "soft_threshold": Way(
        "layers learn thresholds of their weights; --set decay=0.1 (Kusupati et al. 2020)",
        thresholds, criteria=False,
        null={"decay": 0, "initial": -3200, "sparsity": 0.0},
    ),
    "dynamic_surgery": Way(
        "weights are cut below a threshold, and spliced back above another (Guo et al. 2016)",
        partial(acting, DynamicSurgery), criteria=False, null={"sparsity": 0.0},
    ),
    "soft": Way("the smallest are set to 0 each epoch and go on training (He et al. 2018)",
                partial(acting, Soft), units=True, null={"sparsity": 0.0}),
    "set": Way("sparse from the start, weights move at random (Mocanu et al. 2018)",
               partial(moving, SET), criteria=False, null={"fraction": 0.0}),
    "rigl": Way("sparse from the start, weights move by gradient (Evci et al. 2020)",
                partial(moving, RigL), criteria=False, null={"fraction": 0.0}),
    "snfs": Way(
        "sparse from the start, weights move by momentum, across layers too (Dettmers & "
        "Zettlemoyer 2019)", partial(moving, SNFS), criteria=False, null={"fraction": 0.0},
    ),
    "targeted_dropout": Way(
        "drop the smallest weights at random, and prune them at the end (Gomez et al. 2019)",
        partial(acting, TargetedDropout), criteria=False, units=True, null={"sparsity": 0.0},
    ),
    "sparse_variational_dropout": Way(
        "learn the noise of each weight, prune the noisiest (Molchanov et al. 2017); --set "
        "threshold=3 for its own number of them",
        partial(acting, SparseVariationalDropout), criteria=False,
    ),
    "hard_concrete": Way(
        "learn a gate of each weight or unit, with their expected number as a penalty (Louizos et "
        "al. 2018); --set sparsity=null for its own number of them",
        partial(acting, HardConcrete), criteria=False, units=True,
    ),
    "learned_masks": Way(
        "learn a score of each weight through binary masks (Srinivas et al. 2017); --set "
        "frozen=true for the masks alone",
        partial(acting, LearnedMasks), criteria=False,
    ),
    "attention_gates": Way(
        "learn a squeeze-excite head of each convolution, whose mean gates score its filters",
        heads, criteria=False, units=True, weights=False,
    ),
    "agent": Way(
        "an agent learns by rewards which units to prune (Huang et al. 2018); --set by=unit",
        searched, units=True, weights=False,
    ),
}  # fmt: skip
