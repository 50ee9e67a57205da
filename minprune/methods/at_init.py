"""w_0 -> mask(w_0) w_0 -> trained: prune an untrained net by its scores, then train what is left.

Sources: Lee et al. (2019), snip; Wang et al. (2020), grasp; Tanaka et al. (2020), synflow.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from minprune.arguments import choice, count, instance, one_of, share
from minprune.core import Criterion, Dataset, stream
from minprune.criteria import CRITERIA
from minprune.errors import ArgumentError
from minprune.evidence import find
from minprune.evidence.options import check as suits
from minprune.masking.apply import collapsed
from minprune.measures.quality import accuracy_of
from minprune.methods.in_rounds import in_rounds
from minprune.methods.plans import Procedure, Result, longer, row, run
from minprune.methods.retrain import renewed
from minprune.nets.initialise import SCHEMES
from minprune.nets.model import Model, dense_only
from minprune.train.plan import Phase, PhaseContext, State

OF_IN_ROUNDS = ("minimum", "unit", "scope", "batch_size")  # options that are no criterion's
OF_ROUNDS = ("model", "data", "criterion", "sparsity", "rounds", "seed", "progress")


@dataclass(frozen=True, kw_only=True)
class AtInit(Procedure):
    """Prune an untrained model, then train it with its masks held; the plan of `mp.methods.at_init`

    Null setting: sparsity=0 is `mp.fit`, without new_weights.

    Parameters
    ----------
    sparsity : float
        The share of the weights to remove, or of the units with options={"unit": True}.
    criterion : str or Criterion
        "synflow", "snip", "grasp", "magnitude", "random" or any other.
    rounds : int, optional
        Rounds of scoring and pruning: 100 for synflow and 1 for others by default.
    tries : int
        Masks to try, each trained for trial_epochs; the one of the best validation accuracy, the
        first among equals, is trained. For criteria that draw, such as random.
    trial_epochs : int
        Of the training of each try.
    new_weights : bool
        Whether new initial weights are trained under the masks, as Lee et al. (2019) do, not those
        that were scored.
    scheme : {"he", "glorot", "lecun"}
        Of new initial weights.
    options : dict
        Of `in_rounds` (minimum=0, unit, scope) and of the criterion.
    epochs : int
        Of the training.
    seed : int
        Of the scores and the training.
    train : dict
        Other arguments of `mp.fit`: optimizer, rate, batch_size, ...

    Raises
    ------
    ArgumentError
        For arguments that cannot be used.

    Examples
    --------
    >>> import minprune as mp
    >>> mp.methods.AtInit(sparsity=0.9, criterion="snip", epochs=20).tries
    1
    """

    sparsity: float
    criterion: str | Criterion = "synflow"
    rounds: int | None = None
    tries: int = 1
    trial_epochs: int = 1
    new_weights: bool = False
    scheme: str = "he"
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        find(self.criterion)
        share(self.call, "sparsity", self.sparsity)
        count(self.call, "rounds", 1 if self.rounds is None else self.rounds)
        count(self.call, "tries", self.tries)
        count(self.call, "trial_epochs", self.trial_epochs)
        choice(self.call, "new_weights", self.new_weights, (False, True))
        one_of(self.call, "scheme", self.scheme, SCHEMES)
        instance(self.call, "options", self.options, Mapping, "{'minimum': 1}")
        for name in sorted(self.options.keys() & set(OF_ROUNDS)):
            raise ArgumentError(
                f"{self.call}: options must not hold {name}; pass it to {self.call} itself, or "
                f"leave it out"
            )
        choice(self.call, "unit", self.options.get("unit", False), (False, True))
        choice(self.call, "scope", self.options.get("scope", "global"), ("global", "layer"))
        count(self.call, "minimum", self.options.get("minimum", 0), 0)
        own = {k: v for k, v in self.options.items() if k not in OF_IN_ROUNDS}
        params, needs = own.pop("params", "weights"), tuple(own.pop("needs", None) or ())
        suits(find(self.criterion), own, bool(self.options.get("unit")), params, needs)

    def check(self, model: Model, data: Dataset) -> None:
        super().check(model, data)
        dense_only(model, "pruning")

    def next_phase(self, state: State) -> Phase | None:
        """A phase for each try, then training."""
        tried = len(state.get("accuracies", []))
        if tried < self.tries:
            return Phase(f"try {tried + 1}" if self.tries > 1 else "prune", self._try)
        return Phase("train", self._train) if "model" not in state else None

    def _try(self, here: PhaseContext) -> State:
        known, start, rounds = here.state.get("accuracies", []), here.state["start"], self.rounds
        if rounds is None:
            rounds = 100 if find(self.criterion) is CRITERIA["synflow"] else 1
        how: dict[str, Any] = {
            **self.options, "sparsity": self.sparsity, "rounds": rounds,
            "seed": self.seed + len(known), "progress": here.progress,
        }  # fmt: skip
        pruned, accuracy = in_rounds(start, here.data.train, self.criterion, **how), 0.0
        if self.new_weights:
            pruned = renewed(pruned, stream(self.seed, "new weights"), self.scheme)
        if self.tries > 1:
            short = {**self.train, "epochs": self.trial_epochs, "seed": self.seed}
            accuracy = accuracy_of(here.fit(pruned, **short)[0], here.data.val, self.call)
        best = not known or accuracy > max(known)
        spent = here.state.get("spent", 0.0) + here.seconds
        kept = {"models": {"pruned": pruned}} if best else {}
        return {"accuracies": [*known, accuracy], "spent": spent, **kept}

    def _train(self, here: PhaseContext) -> State:
        state, unit = here.state, bool(self.options.get("unit"))
        start, pruned = state["start"], state["models"]["pruned"]
        how = {"epochs": self.epochs, "seed": self.seed, **self.train}
        model, history = here.fit(pruned, **how)
        last = row(
            here, 1, model, len(history.steps["step"]), pruned=pruned, unit=unit,
            seconds=state["spent"],
        )  # fmt: skip
        return {
            "model": model, "history": {"train": history},
            **longer(state, "rounds", [row(here, 0, start, 0, unit=unit), last]),
            "masks": [start.masks, model.masks],
            "report": {
                "collapsed": collapsed(pruned),
                "tries": state["accuracies"] if self.tries > 1 else [],
            },
        }  # fmt: skip


def at_init(
    model: Model,
    data: Dataset,
    *,
    progress: bool = True,
    folder: str | os.PathLike[str] | None = None,
    **how: Any,
) -> Result:
    """Prune an untrained model to `sparsity`, then train it for `epochs` with its masks held.

    w_0 -> mask(w_0) w_0 -> trained.

    Parameters
    ----------
    model : Model
        The untrained model.
    data : Dataset
        What it is scored, trained and validated on.
    progress : bool
        Whether to show progress.
    folder : path, optional
        Where the state is kept. If it holds an unfinished run of the same arguments, that is
        resumed, and ends with the same bits.
    **how : Any
        The settings of `mp.methods.AtInit`: sparsity, epochs, criterion="synflow", rounds, tries,
        trial_epochs, new_weights=False, options, seed; and those of `mp.fit`: optimizer, rate,
        batch_size, ...

    Returns
    -------
    Result
        .models["pruned"] is the model before training; .report has "collapsed", the weights of
        which nothing is left, and "tries", the validation accuracy of each, where there are
        several.

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
    >>> found.report["collapsed"]
    []

    Sources: Lee et al. (2019), snip; Wang et al. (2020), grasp; Tanaka et al. (2020), synflow.
    """
    return run(AtInit, model, data, how, folder, progress)
