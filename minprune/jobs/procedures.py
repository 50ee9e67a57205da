"""plan = PROCEDURES[name].make(budget, model, data, settings): what `minprune run --method` takes.

METHODS, which can be compared at one sparsity, and what cannot: procedures that compare nets
themselves, penalties, another task, and several stages. Longer than most files: the table, and what
its rows are made by.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

from minprune.arguments import instance, one_of
from minprune.core import Dataset
from minprune.errors import ArgumentError
from minprune.evidence import score
from minprune.jobs.data import load_data
from minprune.jobs.methods import METHODS, Budget, Own, Way, plan, retrained, tickets
from minprune.masking.apply import prune
from minprune.methods import (
    L0,
    L1,
    L2,
    Dropout,
    ElasticNet,
    GroupLasso,
    Iterative,
    LargeSparse,
    RewindOnPlateau,
    ScratchAgainstJoint,
    Slimming,
    SparseGroupLasso,
    Stages,
    Transfer,
    VariationalDropout,
)
from minprune.methods.lottery_ticket import CONTROLS
from minprune.methods.plans import Procedure, made
from minprune.methods.transfer import with_head
from minprune.nets.model import Model
from minprune.structure import compact
from minprune.text import wrapped
from minprune.train.plan import Phase, PhaseContext, State

FUNCTIONS = {"compact": compact}  # stages of a sequence that are no methods
OPTIONS = ("epochs", "seed", "criterion", "unit", "batch_size")  # set by options of their own
OBJECTS = ("optimizer", "method", "retrain_rate", "schedule", "small")  # no text says these
LAM = 1e-4  # of a penalty, where it is not set


def asked(
    name: str, budget: Budget, model: Model, data: Dataset, own: Own,
    among: Mapping[str, Way] | None = None,
) -> Procedure:  # fmt: skip
    """The plan of a procedure with its own settings, checked with this model and these data

    among: PROCEDURES by default. Raises ArgumentError for a setting that is not known, or has an
    option of its own.
    """
    for key in OPTIONS:
        if key in own:
            option = f"--{key.replace('_', '-')}"
            raise ArgumentError(f"run: --set {key} must not be given; pass {option} instead")
    for key in OBJECTS:
        if key in own:
            raise ArgumentError(
                f"run: --set {key} must not be given, since it is an object of Python; use "
                f"mp.methods there to set it"
            )
    if isinstance(own.get("sparsity"), int | float):
        raise ArgumentError(
            "run: --set sparsity must be a list or a dict of shares; pass --sparsity for one number"
        )
    many = own.get("rounds")
    known = PROCEDURES if among is None else among
    if known[name].shared and isinstance(many, int) and many > 0:
        budget = replace(budget, rounds=many)
    return plan(name, budget, model, data, known, **completed(own))


def completed(own: Own) -> dict[str, Any]:
    """The settings, and what they leave no room for as None"""
    found = dict(own)
    if "threshold" in own or "c" in own or isinstance(own.get("pattern"), str):
        found.setdefault("sparsity", None)
    if any(isinstance(own.get(key), list) for key in ("sparsity", "threshold")):
        found.setdefault("rounds", None)
    return found


def listed() -> str:
    """All procedures, a line each: name, what it does, what it needs, where it is plain training"""
    lines = [
        f"{name}: {way.words}{'' if way.weights else '; needs --unit'}{plain(way.null)}"
        for name, way in PROCEDURES.items()
    ]
    return wrapped("\n".join(lines))


def plain(null: Own) -> str:
    """What sets them, such as --set rounds=0"""
    options = [
        f"--{key} {value:g}" if key == "sparsity" else f"--set {key}={value:g}"
        for key, value in null.items()
    ]
    return f"; null setting: {' '.join(options)}" if options else ""


# --- the makers


def iterative(b: Budget, model: Model, data: Dataset, own: Own) -> Procedure:
    """Rounds, by whatever retraining."""
    kind = own.get("retrain", "finetune")
    return retrained(kind if isinstance(kind, str) else "", b, model, data, own)


def whole(kind: type[Procedure], b: Budget, model: Model, data: Dataset, own: Own) -> Procedure:
    """All epochs, no pruning."""
    return made(kind, {"epochs": b.total, "seed": b.seed, "train": b.train} | dict(own))


def pruned(kind: type[Procedure], b: Budget, model: Model, data: Dataset, own: Own) -> Procedure:
    """All epochs for each training, pruned to the sparsity."""
    return whole(kind, b, model, data, {"sparsity": b.sparsity, **b.scored} | dict(own))


def large(b: Budget, model: Model, data: Dataset, own: Own) -> Procedure:
    """Against narrower copies of the same net."""
    return pruned(LargeSparse, b, model, data, {"small": partial(narrowed, model)} | dict(own))


def narrowed(model: Model, part: float) -> Model:
    """The net with that share of the units of each group, at least one"""
    scores = score(model, None, "magnitude", unit=True)
    return compact(prune(model, scores, sparsity=1 - part, scope="layer"))


def penalised(kind: type[Any], b: Budget, model: Model, data: Dataset, own: Own) -> Procedure:
    """As finetune, with a penalty in all its training."""
    takes = inspect.signature(kind).parameters
    for key in own:
        one_of(kind.__name__, "an argument", key, (*takes, *(f.name for f in fields(Iterative))))
    sizes = {name: LAM for name, p in takes.items() if p.default is p.empty}
    method = kind(**sizes | {key: value for key, value in own.items() if key in takes})
    rest = {key: value for key, value in own.items() if key not in takes}
    return retrained("finetune", replace(b, train={**b.train, "method": method}), model, data, rest)


def slimmed(b: Budget, model: Model, data: Dataset, own: Own) -> Procedure:
    """As `penalised`, by the scales of units."""
    how = replace(b, criterion="scale" if b.criterion is None else b.criterion, unit=True)
    return penalised(Slimming, how, model, data, own)


def penalty(kind: type[Any], words: str, *sizes: str) -> Way:
    """A row for a penalty of these sizes, each LAM unless it is set."""
    options = " ".join(f"--set {name}={LAM:g}" for name in sizes)
    return Way(
        f"as finetune, with a penalty on {words}; {options}",
        partial(penalised, kind),
        units=True,
        shared=True,
        null=dict.fromkeys(sizes, 0) | {"rounds": 0},
    )


@dataclass(frozen=True, kw_only=True)
class FromOldTask(Procedure):
    """w -> trained on the old data -> `then`, on the new data"""

    then: Transfer

    def check(self, model: Model, data: Dataset) -> None:
        self.then.check(model, data)

    def next_phase(self, state: State) -> Phase | None:
        """Train on the old data, then what `then` does."""
        if "first" not in state:
            return Phase("train on the old data", self._old)
        phase = self.then.next_phase(state)
        return phase and Phase(phase.name, partial(self._work, phase))

    def _old(self, here: PhaseContext) -> State:
        old, how = self.then.old, {"epochs": self.epochs, "seed": self.seed, **self.train}
        assert old is not None
        start = with_head(here.state["start"], old.outputs, self.seed, self.then.scheme)
        model, history = replace(here, data=old).fit(start, **how)
        first = {here.label: history}
        return {"start": model, "first": first, "models": {"old task": model}}

    def _work(self, phase: Phase, here: PhaseContext) -> State:
        new = phase.work(here)
        history = {"history": here.state["first"] | new["history"]} if "history" in new else {}
        return {**new, **history}


def transfer(b: Budget, model: Model, data: Dataset, own: Own) -> Procedure:
    """Trained on the old data for `epochs`, then moved to the new task in the others."""
    if "old" not in own:
        raise ArgumentError(
            "transfer: old must be the data of the old task, as for --data; pass --set old=PATH"
        )
    old = load_data(instance("transfer", "old", own["old"], str, "the path of a file or folder"))
    how = {
        "sparsity": b.sparsity, "epochs": b.rounds * b.again, "seed": b.seed, "train": b.train,
        **b.scored,
    }  # fmt: skip
    then = made(Transfer, how | dict(own) | {"old": old})
    return FromOldTask(epochs=b.epochs, seed=b.seed, train=b.train, then=then)


def sequence(b: Budget, model: Model, data: Dataset, own: Own) -> Procedure:
    """stages: names of methods, or [name, {setting: value}], one after the other."""
    given = own.get("stages")
    if not isinstance(given, list) or not given:
        found = repr(given) if "stages" in own else "none"
        raise ArgumentError(
            f"sequence: stages must be a list of methods, not {found}; pass --set "
            f"""'stages=["at_init", ["finetune", {{"rounds": 2}}], "compact"]', for example"""
        )
    stages = [stage(each, b, model, data) for each in given]
    return whole(Stages, b, model, data, dict(own) | {"stages": stages})


def stage(given: Any, b: Budget, model: Model, data: Dataset) -> Any:
    """A stage of a sequence, as a plan or a function."""
    pair = [given, {}] if isinstance(given, str) else given
    if not (isinstance(pair, list) and len(pair) == 2 and isinstance(pair[1], dict)):
        raise ArgumentError(
            f"sequence: a stage must be a name or a pair [name, settings], not {given!r}; pass "
            f'["finetune", {{"rounds": 2}}], for example'
        )
    name, own = pair
    stages = [name for name in PROCEDURES if name != "sequence"]
    one_of("sequence", "a stage", name, [*stages, *FUNCTIONS])
    if name in FUNCTIONS and not own:
        return FUNCTIONS[name]
    one_of("sequence", "a stage with settings", name, stages)
    return asked(name, b, model, data, own)


PROCEDURES: dict[str, Way] = METHODS | {
    "lottery_ticket": replace(
        METHODS["lottery_ticket"], make=partial(tickets, controls=tuple(CONTROLS)),
        words="prune the smallest weights of each layer, return to the start, beside controls; "
        "--set controls=[] for none, --set seeds=3 for overlaps (Frankle & Carbin 2018)",
    ),
    "iterative": Way(
        "train, prune, train again, in rounds; --set retrain=lr_rewind or another", iterative,
        units=True, shared=True, null={"rounds": 0},
    ),
    "dropout": Way("as finetune, with dropout in all its training; --set rate=0.5 --set "
                   "noise=gaussian",
                   partial(penalised, Dropout), units=True, shared=True,
                   null={"rate": 0, "rounds": 0}),
    "variational_dropout": Way(
        "as finetune, with dropout of learned rates (Kingma et al. 2015); --set by=unit",
        partial(penalised, VariationalDropout), units=True, shared=True,
    ),
    "l1": penalty(L1, "absolute weights", "lam"),
    "l2": penalty(L2, "squared weights", "lam"),
    "elastic_net": penalty(ElasticNet, "absolute and squared weights", "lam1", "lam2"),
    "group_lasso": penalty(GroupLasso, "the norms of units", "lam"),
    "sparse_group_lasso": penalty(
        SparseGroupLasso, "absolute weights and the norms of units", "lam1", "lam_group"
    ),
    "l0": penalty(L0, "the number of weights that are not 0", "lam"),
    "slimming": Way(
        "as finetune, of units, with a penalty on the scales of BatchNorm (Liu et al. 2017); "
        "--set lam=0.0001; the net must have BatchNorm, as resnet_small has", slimmed,
        units=True, shared=True, null={"lam": 0, "rounds": 0},
    ),
    "rewind_on_plateau": Way(
        "no pruning: back to the best epoch when validation stagnates, with a lower rate",
        partial(whole, RewindOnPlateau), criteria=False, prunes=False, null={"times": 0},
    ),
    "scratch_against_joint": Way(
        "gradual pruning against its masks trained from scratch, over seeds (Gale et al. 2019)",
        partial(pruned, ScratchAgainstJoint), null={"sparsity": 0.0},
    ),
    "large_sparse": Way(
        "the net, pruned, against narrower dense ones, over seeds (Zhu & Gupta 2017)", large,
        null={"sparsity": 0.0},
    ),
    "transfer": Way("train on --set old=PATH, prune for the task of --data, train on", transfer,
                    units=True, null={"sparsity": 0.0}),
    "sequence": Way(
        "several of these; --set 'stages=[\"at_init\", [\"finetune\", {\"rounds\": 2}], "
        "\"compact\"]'",
        sequence, units=True,
    ),
}  # fmt: skip
