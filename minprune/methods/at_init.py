"""Prune, then train: masks from scores of the untrained net, held while it is trained."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any

from minprune.core import Criterion, Dataset
from minprune.criteria import CRITERIA
from minprune.errors import ArgumentError
from minprune.evidence import find
from minprune.masking.apply import collapsed
from minprune.measures.quality import evaluate
from minprune.methods.rounds import in_rounds
from minprune.nets.model import Model, is_model
from minprune.train.history import History
from minprune.train.loop import fit
from minprune.train.plan import Phase, PhaseContext, State, run_plan

OF_ROUNDS = ("model", "data", "criterion", "sparsity", "rounds", "seed", "progress")
OF_FIT = ("model", "data", "progress", "label", "checkpoint")  # what at_init gives, like those


@dataclass(frozen=True)
class AtInit:
    """w0 -> mask(w0) * w0 -> trained

    rounds: of scoring and pruning, see `in_rounds`: 100 for synflow, as its paper, 1 for others.
    tries: masks to try, each trained for trial_epochs; the one of the best validation accuracy, the
    first among equals, is trained. train: what `fit` takes besides, epochs above all.
    """

    model: Model
    criterion: str | Criterion
    sparsity: float
    rounds: int
    tries: int
    trial_epochs: int
    seed: int
    how: Mapping[str, Any] = field(default_factory=dict)
    train: Mapping[str, Any] = field(default_factory=dict)

    def next_phase(self, state: State) -> Phase | None:
        """A try each, then the choice, then training."""
        tried = len(state.get("accuracies", []))
        if tried < self.tries:
            return Phase(f"try {tried + 1}" if self.tries > 1 else "prune", self._try)
        if "pruned" not in state:
            return Phase("choose", self._choose)
        return Phase("train", self._train) if "model" not in state else None

    def _mask(self, desk: PhaseContext, k: int) -> Model:
        return in_rounds(
            self.model, desk.data.train, self.criterion, sparsity=self.sparsity,
            rounds=self.rounds, seed=self.seed + k, progress=desk.progress, **self.how,
        )  # fmt: skip

    def _try(self, desk: PhaseContext) -> State:
        known = desk.state.get("accuracies", [])
        pruned = self._mask(desk, len(known))
        accuracy = 0.0
        if self.tries > 1:
            trained, _ = desk.fit(
                pruned, **{**self.train, "epochs": self.trial_epochs, "seed": self.seed}
            )
            accuracy = evaluate(trained, desk.data.val).accuracy
        made: State = {"accuracies": [*known, accuracy]}
        if not known or accuracy > max(known):
            made["best"] = pruned
        return made

    def _choose(self, desk: PhaseContext) -> State:
        return {"pruned": desk.state["best"]}

    def _train(self, desk: PhaseContext) -> State:
        model, history = desk.fit(desk.state["pruned"], **{"seed": self.seed, **self.train})
        return {"model": model, "history": history}


@dataclass(frozen=True)
class Result:
    """model: pruned and trained. pruned: before training. collapsed: weights with nothing left.

    accuracies: validation accuracy of each try, where there were several.
    """

    model: Model
    pruned: Model
    history: History
    accuracies: tuple[float, ...]
    collapsed: tuple[str, ...]


def at_init(
    model: Model,
    data: Dataset,
    *,
    sparsity: float,
    epochs: int,
    criterion: str | Criterion = "synflow",
    rounds: int | None = None,
    tries: int = 1,
    trial_epochs: int = 1,
    seed: int = 0,
    options: Mapping[str, Any] | None = None,
    progress: bool = True,
    folder: str | os.PathLike[str] | None = None,
    **train: Any,
) -> Result:
    """The untrained model pruned to `sparsity`, then trained for `epochs` with its masks held

    criterion: synflow, snip, grasp, magnitude, random or any other; rounds: of scoring and pruning,
    100 for synflow and 1 for others unless given. random with tries=k keeps the best of k masks
    after trial_epochs. options: of `in_rounds` (minimum=0, unit, scope) and of the criterion.
    train: of `fit` (optimizer, rate, batch_size, ...). folder: where the state is kept, so that a
    stopped run goes on. Layers of which nothing is left are in the result's `collapsed`.

    Raises ArgumentError for arguments it cannot use, and as `score`, `prune` and `fit` do. Sources:
    Lee et al. (2019), Wang et al. (2020), Tanaka et al. (2020).
    """
    is_model(model, "at_init")
    if not isinstance(data, Dataset):
        raise ArgumentError(
            f"at_init: data is {type(data).__name__}, expected a Dataset; "
            f"give mp.Dataset(train, val, test)"
        )
    for what, given, least in (
        ("tries", tries, 1), ("trial_epochs", trial_epochs, 1), ("epochs", epochs, 0),
        ("seed", seed, 0),
    ):  # fmt: skip
        if isinstance(given, bool) or not isinstance(given, Integral) or given < least:
            raise ArgumentError(
                f"{what} is {given!r}, expected an integer of at least {least}; give {what}=1"
            )
    _names(options or {}, train)
    if rounds is None:
        rounds = 100 if find(criterion) is CRITERIA["synflow"] else 1
    plan = AtInit(
        model, criterion, sparsity, rounds, tries, trial_epochs, seed, dict(options or {}),
        {"epochs": epochs, **train},
    )  # fmt: skip
    state = run_plan(plan, data, folder, progress).state
    accuracies = tuple(state["accuracies"]) if tries > 1 else ()
    return Result(
        state["model"], state["pruned"], state["history"], accuracies,
        tuple(collapsed(state["pruned"])),
    )  # fmt: skip


def _names(options: Mapping[str, Any], train: Mapping[str, Any]) -> None:
    """Raises ArgumentError for names that the phases could not take: now, and not in the last."""
    import inspect

    for name in OF_ROUNDS:
        if name in options:
            raise ArgumentError(
                f"at_init: options has {name}, which is no option; give it to at_init itself"
            )
    known = [name for name in inspect.signature(fit).parameters if name not in OF_FIT]
    for name in train:
        if name not in known:
            raise ArgumentError(
                f"at_init: {name} is no argument that it passes on, expected one of "
                f"{', '.join(known)}; leave it out"
            )
