"""Prune before training: masks from scores of the untrained net, in rounds; held in training.

In rounds: keep_k = keep_0 ((1 - s) / keep_0)^(k/n): score, prune a little, n times. One round at a
high sparsity can take every weight of a layer, though others could give some; n rounds of synflow
do not. Source: Tanaka et al. (2020), Pruning neural networks without any data.
Longer than most files: half of it is the docstrings of the two public functions.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from minprune.arguments import choice, count, instance
from minprune.core import Criterion, Dataset, Seed, Split, stream
from minprune.criteria import CRITERIA
from minprune.errors import ArgumentError
from minprune.evidence import find, score
from minprune.masking.apply import collapsed, prune
from minprune.masking.count import pruned_count
from minprune.masking.units import unit_sparsity
from minprune.measures.quality import evaluate
from minprune.nets.counts import sparsity as sparsity_of
from minprune.nets.model import Model, is_model
from minprune.schedule import exponential
from minprune.train.history import History
from minprune.train.loop import fit
from minprune.train.plan import Phase, PhaseContext, State, run_plan
from minprune.train.progress import progress as bar

OF_ROUNDS = ("model", "data", "criterion", "sparsity", "rounds", "seed", "progress")
OF_FIT = ("model", "data", "progress", "label", "checkpoint")  # at_init sets these itself


def in_rounds(
    model: Model,
    data: Split | None,
    criterion: str | Criterion,
    *,
    sparsity: float,
    rounds: int = 100,
    seed: Seed = 0,
    minimum: int = 0,
    unit: bool = False,
    scope: Any = "global",
    progress: bool = True,
    **options: Any,
) -> Model:
    """Prune to `sparsity` in rounds of scoring and pruning, without training between them.

    After round k the share kept is keep_0 ((1 - s) / keep_0)^(k/rounds). A model that is pruned
    already continues from its own share. A sparsity of 1 takes one round.

    Parameters
    ----------
    model : Model
        The model; it is not changed.
    data : pair (x, y), optional
        What is scored on; None for criteria without data.
    criterion : str or Criterion
        As of `mp.score`; the weights are scored again in each round.
    sparsity : float
        The share of the weights (of the units, if unit) that is masked at the end.
    rounds : int
        At least 1.
    seed : int or numpy Generator
        Of the scores.
    minimum : int
        Of `mp.prune`; at 0 layers may lose all of their weights, see `mp.collapsed`.
    unit : bool
        Whether units are pruned.
    scope : str
        Of `mp.prune`.
    progress : bool
        Whether to show progress.
    **options : Any
        Of the criterion.

    Returns
    -------
    Model
        The pruned model.

    Raises
    ------
    ArgumentError
        For rounds below 1, and as `score` and `prune` do.

    Examples
    --------
    >>> import minprune as mp
    >>> model = mp.zoo.mlp(mp.data.digits(), hidden=(32,))
    >>> pruned = mp.methods.in_rounds(model, None, "synflow", sparsity=0.9, progress=False)
    >>> int(pruned.masks["fc1.weight"].sum() + pruned.masks["fc2.weight"].sum())
    237

    Source: Tanaka et al. (2020), Pruning neural networks without any data.
    """
    count("in_rounds", "rounds", rounds)
    is_model(model, "in_rounds")
    pruned_count(sparsity, 1)  # raises unless it is a share
    seeds = stream(seed, "rounds")
    before = unit_sparsity(model) if unit else sparsity_of(model.net, model.masks)
    if sparsity == 1 or sparsity < before:  # the latter is refused, and at once
        rounds = 1

    def less(model: Model, k: int) -> Model:
        share = sparsity
        if k < rounds:
            share = exponential(k, final=sparsity, initial=before, span=rounds)
        scores = score(model, data, criterion, unit=unit, seed=seeds, **options)
        return prune(model, scores, sparsity=share, minimum=minimum, scope=scope)

    model = less(model, 1)  # before there is a bar: what can be refused is refused here
    with bar("rounds", rounds, progress and rounds > 1, done=1) as shown:
        for k in range(2, rounds + 1):
            model = less(model, k)
            shown.update()
    return model


@dataclass(frozen=True)
class AtInit:
    """w0 -> mask(w0) * w0 -> trained

    rounds: the arguments of `in_rounds`, which prunes; the mask of the best validation accuracy of
    `tries`, each trained for trial_epochs, is trained. train: the other arguments of `fit`.
    """

    model: Model
    rounds: Mapping[str, Any]
    tries: int
    trial_epochs: int
    seed: int
    train: Mapping[str, Any]

    def next_phase(self, state: State) -> Phase | None:
        """A phase for each try, then training."""
        tried = len(state.get("accuracies", []))
        if tried < self.tries:
            return Phase(f"try {tried + 1}" if self.tries > 1 else "prune", self._try)
        return Phase("train", self._train) if "model" not in state else None

    def _try(self, here: PhaseContext) -> State:
        known = here.state.get("accuracies", [])
        how = {**self.rounds, "seed": self.seed + len(known), "progress": here.progress}
        pruned, accuracy = in_rounds(self.model, here.data.train, **how), 0.0
        if self.tries > 1:
            short = {**self.train, "epochs": self.trial_epochs, "seed": self.seed}
            accuracy = evaluate(here.fit(pruned, **short)[0], here.data.val).accuracy
        best = not known or accuracy > max(known)
        return {"accuracies": [*known, accuracy]} | ({"pruned": pruned} if best else {})

    def _train(self, here: PhaseContext) -> State:
        model, history = here.fit(here.state["pruned"], **{"seed": self.seed, **self.train})
        return {"model": model, "history": history}


@dataclass(frozen=True)
class Result:
    """What at_init returns.

    model: pruned and trained; pruned: before training; accuracies: the validation accuracy of each
    try, where there were several; collapsed: the weights of which nothing is left.
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
    """Prune an untrained model to `sparsity`, then train it for `epochs` with its masks held.

    w_0 -> mask(w_0) * w_0 -> trained.

    Parameters
    ----------
    model : Model
        The untrained model.
    data : Dataset
        What it is scored, trained and validated on.
    sparsity : float
        The share of the weights to remove, or of the units with options={"unit": True}.
    epochs : int
        Of the training.
    criterion : str or Criterion
        "synflow", "snip", "grasp", "magnitude", "random" or any other.
    rounds : int, optional
        Rounds of scoring and pruning: 100 for synflow and 1 for others by default.
    tries : int
        Masks to try, each trained for trial_epochs; the one of the best validation accuracy, the
        first among equals, is trained. For criteria that draw, such as random.
    trial_epochs : int
        Of the training of each try.
    seed : int
        Of the scores and the training.
    options : Mapping[str, Any], optional
        Of `in_rounds` (minimum=0, unit, scope) and of the criterion.
    progress : bool
        Whether to show progress.
    folder : path, optional
        Where the state is kept. If it holds an unfinished run of the same arguments, that is
        resumed.
    **train : Any
        Other arguments of `fit`: optimizer, rate, batch_size, ...

    Returns
    -------
    Result
        .model, .pruned, .history, .accuracies, .collapsed

    Raises
    ------
    ArgumentError
        For arguments that cannot be used, and as `score`, `prune` and `fit` do.

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.digits()
    >>> model = mp.zoo.mlp(data, hidden=(32,))
    >>> found = mp.methods.at_init(model, data, sparsity=0.8, epochs=1, progress=False)
    >>> int(found.model.masks["fc1.weight"].sum() + found.model.masks["fc2.weight"].sum())
    474

    Sources: Lee et al. (2019), snip; Wang et al. (2020), grasp; Tanaka et al. (2020), synflow.
    """
    is_model(model, "at_init")
    instance("at_init", "data", data, Dataset, "mp.Dataset(train, val, test)")
    count("at_init", "tries", tries)
    count("at_init", "trial_epochs", trial_epochs)
    count("at_init", "epochs", epochs, 0)
    count("at_init", "seed", seed, 0)
    options = dict(options or {})
    for name in sorted(options.keys() & set(OF_ROUNDS)):
        raise ArgumentError(
            f"at_init: options must not hold {name}; pass it to at_init itself, or leave it out"
        )
    known = [name for name in inspect.signature(fit).parameters if name not in OF_FIT]
    for name in sorted(train):
        choice("at_init", "an argument for fit", name, known)
    if rounds is None:
        rounds = 100 if find(criterion) is CRITERIA["synflow"] else 1
    how = {**options, "criterion": criterion, "sparsity": sparsity, "rounds": rounds}
    plan = AtInit(model, how, tries, trial_epochs, seed, {"epochs": epochs, **train})
    state = run_plan(plan, data, folder, progress).state
    accuracies, gone = tuple(state["accuracies"]), tuple(collapsed(state["pruned"]))
    return Result(
        state["model"], state["pruned"], state["history"], accuracies if tries > 1 else (), gone
    )
