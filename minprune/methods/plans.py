"""result = run(plan, model, data): what the procedures around training share.

A procedure is a plan (train/plan.py): a frozen dataclass of its settings, with `next_phase`, which
names the next phase from what is done. `run_plan` keeps the state after each phase and the training
inside it, so a plan that was stopped ends with the same bits. The state begins as {"start": model};
at its end it holds "model", and whatever else of `Result` the plan has.
"""

from __future__ import annotations

import inspect
import os
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from minprune.arguments import count, instance, one_of
from minprune.core import Arrays, Dataset, Split
from minprune.errors import MinpruneWarning
from minprune.masking.units import unit_sparsity
from minprune.measures.quality import evaluate
from minprune.nets.counts import counts
from minprune.nets.counts import sparsity as sparsity_of
from minprune.nets.model import Model, is_model
from minprune.text import table
from minprune.train.freezing import frozen
from minprune.train.history import History, Learned
from minprune.train.loop import fit
from minprune.train.method import Method
from minprune.train.plan import Done, PhaseContext, State, run_plan
from minprune.train.ready import ready, updates_of

SET_HERE = ("model", "data", "epochs", "seed", "progress", "label", "checkpoint")  # of fit
OF_FIT = tuple(name for name in inspect.signature(fit).parameters if name not in SET_HERE)
Row = dict[str, Any]
Table = tuple[list[str], list[list[Any]]]  # (header, rows)
SHOWN = (
    "round", "stage", "sparsity", "unit_sparsity",
    "pruned_accuracy", "val_accuracy", "test_accuracy", "updates", "seconds",
)  # fmt: skip


@dataclass(frozen=True)
class Result:
    """What a procedure returns.

    Parameters
    ----------
    model : the model at the end.
    history : {phase: History} of each training, in order.
    rounds : one row for each round, a dict: "round" (0 is before any pruning), "sparsity" of the
        weights, "unit_sparsity" where units are pruned, "live" {weight: its live entries},
        "pruned_accuracy" (on data.val, before training again), "val_accuracy", "test_accuracy",
        "updates" spent in this round, "seconds".
    masks : the masks of each round.
    models : other models of the procedure, by name, such as "trained", before any pruning.
    report : what else it found, by name: numbers, text, lists and dicts of them.
    seconds : {phase: seconds} (of its last attempt).

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.digits()
    >>> found = mp.methods.iterative(
    ...     mp.zoo.mlp(data, hidden=(16,)), data, sparsity=0.75, rounds=2, epochs=1, progress=False
    ... )
    >>> [(row["round"], row["sparsity"], row["updates"]) for row in found.rounds]
    [(0, 0.0, 19), (1, 0.5, 19), (2, 0.75, 19)]
    """

    model: Model
    history: dict[str, History] = field(default_factory=dict)
    rounds: list[Row] = field(default_factory=list)
    masks: list[Arrays] = field(default_factory=list)
    models: dict[str, Model] = field(default_factory=dict)
    report: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        return "\n\n".join(table(*each) for each in tables(self.rounds, self.report))


def shown(rounds: list[Row], *more: str) -> Table:
    """(header, rows) of the table of rounds, and more columns before those SHOWN"""
    header = [k for k in (*more, *SHOWN) if any(k in row for row in rounds)]
    return header, [[row.get(k) for k in header] for row in rounds]


def reported(report: Mapping[str, Any]) -> dict[str, Table]:
    """{what: (header, rows)} of what else was found: rows of controls, differences, names"""
    found: dict[str, Table] = {}
    for name, entry in report.items():
        if isinstance(entry, list) and entry and isinstance(entry[0], dict):
            found[name] = shown(entry, "control", "seed")
            if not found[name][0]:
                there = [k for k, v in entry[0].items() if not isinstance(v, dict)]
                found[name] = there, [[row[k] for k in there] for row in entry]
        elif isinstance(entry, list) and entry and isinstance(entry[0], str):
            found[name] = [name], [[one] for one in entry]  # such as the layers that collapsed
    gaps = {name: d for name, d in report.items() if isinstance(d, dict) and "mean" in d}
    if gaps:
        header = ["test accuracy", "mean", "low", "high", "level"]
        found["differences"] = (
            header,
            [[name, *(d[key] for key in header[1:])] for name, d in gaps.items()],
        )
    return found


def tables(rounds: list[Row], report: Mapping[str, Any]) -> list[Table]:
    """What `print` and the command show of a result: its rounds, and what else was found"""
    return [shown(rounds, "kind", "seed"), *reported(report).values()]


PARTS = tuple(f.name for f in fields(Result) if f.name != "seconds")


@dataclass(frozen=True, kw_only=True)
class Procedure:
    """The settings that every plan around training has; `train` are other arguments of `fit`."""

    epochs: int
    seed: int = 0
    train: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count(self.call, "epochs", self.epochs, 0)
        count(self.call, "seed", self.seed, 0)
        instance(self.call, "train", self.train, Mapping, "{'optimizer': mp.SGD(0.1)}")
        for name in self.train:
            one_of(self.call, "an argument of fit", name, OF_FIT)

    @property
    def call(self) -> str:
        """The name that messages begin with."""
        return self.name()

    @property
    def pictures(self) -> tuple[Learned, ...]:
        """How the arrays of `history.extra` are drawn: as the method in `train` says."""
        method = self.train.get("method")
        return method.pictures if isinstance(method, Method) else ()

    @classmethod
    def name(cls) -> str:
        """The one-line call: of Iterative, iterative."""
        return "".join(f"_{c.lower()}" if c.isupper() else c for c in cls.__name__).lstrip("_")

    def check(self, model: Model, data: Dataset) -> None:
        """Raises ArgumentError for what cannot be done with this model and these data."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", MinpruneWarning)  # training warns again
            ready(model, data, epochs=self.epochs, seed=self.seed, **self.train)

    def first(self, model: Model, data: Dataset) -> tuple[Any, int | None] | None:
        """(what its training before any pruning depends on, the update that it splits it at)

        The state up to its first row of `rounds` is then that of any plan with the same values.
        None: there is no such training.
        """
        return None

    def updates(self, model: Model, data: Dataset) -> int:
        """The updates of an epoch."""
        size, last = self.train.get("batch_size", 64), self.train.get("drop_last", False)
        still = frozen(model.net, self.train.get("freeze", ())).layers
        return updates_of(model.net, len(data.train[0]), size, last, still)


P = TypeVar("P", bound=Procedure)


def run(
    kind: type[P], model: Model, data: Dataset, how: Mapping[str, Any],
    folder: str | os.PathLike[str] | None, progress: bool,
) -> Result:  # fmt: skip
    """The result of the plan `kind(**how)`; what `fit` takes may stand among its arguments

    Raises ArgumentError for an unknown argument, with the one that was meant, and as the plan does.
    """
    plan = made(kind, how)
    is_model(model, plan.call)
    instance(plan.call, "data", data, Dataset, "mp.Dataset(train, val, test)")
    plan.check(model, data)
    return result(run_plan(plan, data, folder, progress, {"start": model}))  # type: ignore[arg-type]


def made(kind: type[P], how: Mapping[str, Any]) -> P:
    """kind(**how), with what `fit` takes in its `train`"""
    own = [f.name for f in fields(kind)]
    for name in how:
        one_of(kind.name(), "an argument", name, (*own, *OF_FIT))
    given = instance(kind.name(), "train", how.get("train", {}), Mapping, "{'patience': 3}")
    train = {**given, **{k: v for k, v in how.items() if k not in own}}
    return kind(**{k: v for k, v in how.items() if k in own and k != "train"}, train=train)


def result(done: Done) -> Result:
    """What a finished plan gives"""
    return Result(**{k: done.state[k] for k in PARTS if k in done.state}, seconds=done.seconds)


def row(
    here: PhaseContext, number: int, model: Model, updates: int, *, pruned: Model | None = None,
    unit: bool = False, seconds: float = 0.0,
) -> Row:  # fmt: skip
    """The row of a round: the model at its end, and what was pruned before it was trained again

    seconds: of the phases of the round that are over.
    """
    live = {c.name: c.live for c in counts(model.net, model.masks) if len(c.shape) > 1}
    return {
        "round": number,
        "sparsity": sparsity_of(model.net, model.masks),
        **({"unit_sparsity": unit_sparsity(model)} if unit else {}),
        "live": live,
        "pruned_accuracy": None if pruned is None else accuracy(pruned, here.data.val),
        "val_accuracy": accuracy(model, here.data.val),
        "test_accuracy": accuracy(model, here.data.test),
        "updates": updates,
        "seconds": seconds + here.seconds,
    }


def accuracy(model: Model, part: Split) -> float | None:
    """The accuracy; None without samples, and where the targets are numbers"""
    return evaluate(model, part).accuracy if len(part[0]) else None


def added(state: State, kind: str, **new: Any) -> State:
    """{kind: what the state holds of that kind and the new entries}"""
    return {kind: {**state.get(kind, {}), **new}}


def longer(state: State, kind: str, new: Iterable[Any]) -> State:
    """{kind: the list that the state holds, and the new entries}"""
    return {kind: [*state.get(kind, []), *new]}
