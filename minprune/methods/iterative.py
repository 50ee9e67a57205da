"""w_k = retrain(mask(w_{k-1}, s_k)): train, prune, train again, in rounds.

Longer than most files: half of it is the docstring of the plan.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from minprune.arguments import count, one_of
from minprune.core import Dataset
from minprune.errors import ArgumentError
from minprune.methods.chain import chain
from minprune.methods.plans import Result, added, longer, row, run
from minprune.methods.retrain import RETRAIN, Before, Retraining
from minprune.methods.rounds import Rounds
from minprune.nets.initialise import SCHEMES
from minprune.nets.model import Model
from minprune.train.history import History
from minprune.train.loop import Part
from minprune.train.plan import Phase, PhaseContext, State
from minprune.train.rates import Rate


@dataclass(frozen=True, kw_only=True)
class Iterative(Rounds):
    """Train, then prune and train again, `rounds` times; the plan of `mp.methods.iterative`.

    Round k of n prunes to a share s_k = 1 - (1 - s_0) ((1 - s) / (1 - s_0))^(k/n) of the ORIGINAL
    number of weights, so that nothing drifts. s_0 is the share that is masked before, of what is
    pruned: protected layers are not counted. Null setting: rounds=0 is `mp.fit`; so is sparsity=0
    where weights return to an update.

    Parameters
    ----------
    sparsity : float, dict, list or function
        The share that is masked at the end. A list has the shares of all rounds; a function
        k -> share gives that of round k = 1, 2, ..., such as
        `functools.partial(mp.schedule.iterative, fraction=0.2)`. A dict gives layers their own;
        with it, and with scope="layer", each layer has its own s_0.
    threshold : float, dict or list
        Instead of it: weights go whose size is below this multiple of the standard deviation of
        the live weights of their layer; the same in each round, or a list.
    rounds : int
        Of pruning and retraining; 1 by default, or the length of a list.
    retrain : str or Retraining
        "finetune": the weights stay, at the last rate of the schedule. "lr_rewind": the weights and
        the optimizer's state stay, the schedule (and with it the order of the data) returns to
        update `rewind_to`. "distil": as finetune, by the outputs of the net before any pruning, see
        `mp.methods.Distil`. "weight_rewind": all returns to it, weights, optimizer state, data
        order and schedule. "scratch": the original initial weights. "reinit": new initial weights.
        The masks stay in all of them.
    epochs : int
        Of training before the first round. 0: the model is trained already; then rewinds and
        scratch are refused.
    retrain_epochs : int, optional
        Of fine-tuning, scratch and reinit; `epochs` by default. Rewinds repeat what was rewound.
    retrain_rate : Callable[[int, int], float], optional
        A schedule for these, see mp.rates.
    rewind_to, rewind_to_epoch : int, optional
        The update, or the epoch, that rewinds return to; 0 by default.
    scheme : {"he", "glorot", "lecun"}
        Of new initial weights.
    criterion, unit, options : str or Criterion, bool, dict
        As of `mp.score`, on data.train; options: those of the criterion.
    scope, protect, minimum, normalize, pattern
        As of `mp.prune`; "2:4" takes no sparsity.
    seed : int
        Of training, scores and new weights.
    train : dict
        Other arguments of `mp.fit`: optimizer, rate, batch_size, method, ...

    Raises
    ------
    ArgumentError
        For arguments that cannot be used, or not together.

    Examples
    --------
    >>> import minprune as mp
    >>> plan = mp.methods.Iterative(sparsity=0.9, rounds=3, retrain="lr_rewind", epochs=20)
    >>> plan.many, plan.kind.rewinds
    (3, True)
    """

    retrain: str | Retraining = "finetune"
    retrain_epochs: int | None = None
    retrain_rate: Rate | None = None
    rewind_to: int | None = None
    rewind_to_epoch: int | None = None
    scheme: str = "he"

    def __post_init__(self) -> None:
        super().__post_init__()
        kind = self.kind
        if self.retrain_epochs is not None:
            count(self.call, "retrain_epochs", self.retrain_epochs, 0)
        one_of(self.call, "scheme", self.scheme, SCHEMES)
        name = self.retrain if isinstance(self.retrain, str) else "a rewind"
        if not self.epochs and kind.first and self.many:
            raise ArgumentError(
                f"{self.call}: retrain must not be {name!r} with epochs=0, since a model that is "
                f"trained already does not tell its earlier weights; pass the untrained model and "
                f"its epochs, or retrain='finetune'"
            )
        if not self.epochs and not kind.rewinds and self.retrain_epochs is None and self.many:
            raise ArgumentError(
                f"{self.call}: retrain_epochs must be given with epochs=0; pass retrain_epochs=5, "
                f"for example"
            )
        for what in ("retrain_epochs", "retrain_rate"):
            if kind.rewinds and getattr(self, what) is not None:
                raise ArgumentError(
                    f"{self.call}: {what} must not be given with retrain={name!r}, which repeats "
                    f"the epochs and rates that it rewinds; leave it out"
                )
        for what in ("rewind_to", "rewind_to_epoch"):
            given = getattr(self, what)
            if given is None:
                continue
            count(self.call, what, given, 0)
            if not kind.rewinds or None not in (self.rewind_to, self.rewind_to_epoch):
                raise ArgumentError(
                    f"{self.call}: {what} must be given with a rewind, and alone; pass "
                    f"retrain='weight_rewind', and either rewind_to or rewind_to_epoch"
                )

    @property
    def kind(self) -> Retraining:
        """How the pruned net is trained again."""
        if isinstance(self.retrain, Retraining):
            return self.retrain
        return RETRAIN[one_of(self.call, "retrain", self.retrain, RETRAIN)]

    def check(self, model: Model, data: Dataset) -> None:
        super().check(model, data)
        total = self.epochs * self.updates(model, data)
        if self.kind.rewinds and self.many and self._point(model, data) >= total:
            raise ArgumentError(
                f"{self.call}: the update to return to must be before the last one, {total}, not "
                f"{self._point(model, data)}; pass a smaller rewind_to, or more epochs"
            )

    def first(self, model: Model, data: Dataset) -> tuple[Any, int | None] | None:
        point = self._point(model, data) if self.kind.rewinds and self.many else None
        return {"epochs": self.epochs, "seed": self.seed, "train": self.train}, point

    def _point(self, model: Model, data: Dataset) -> int:
        """The update that rewinds return to."""
        if self.rewind_to_epoch is not None:
            return self.rewind_to_epoch * self.updates(model, data)
        return self.rewind_to or 0

    def next_phase(self, state: State) -> Phase | None:
        """Train (to the point and on, for rewinds), then prune and retrain, round by round."""
        done = len(state.get("rounds", []))
        if not done:
            if self.kind.rewinds and self.many and "point" not in state:
                return Phase("train to the rewinding point", self._to_point)
            return Phase("train", self._train)
        if done > self.many:
            return None
        if state.get("pruned") is None:
            return Phase(f"prune {done}", self._prune)
        return Phase(f"retrain {done}", self._retrain)

    def fit(self, here: PhaseContext, model: Model, **how: Any) -> Part:
        """`fit_part` with the plan's settings, and what `how` has instead"""
        usual = {"epochs": self.epochs, "seed": self.seed, "keep_best": self.kind.rewinds}
        return here.fit_part(model, **{**usual, **self.train, **how})

    def _to_point(self, here: PhaseContext) -> State:
        start = here.state["start"]
        part = self.fit(here, start, until=(to := self._point(start, here.data)))
        if (done := part.point["training"]["done"]) < to:
            raise ArgumentError(
                f"{self.call}: the update to return to must be at most {done}, after which "
                f"patience stopped training, not {to}; pass a smaller rewind_to, or more patience"
            )
        return {"point": part.point, **added(here.state, "history", train=part.history)}

    def _train(self, here: PhaseContext) -> State:
        """Round 0: the training before any pruning"""
        start, before = here.state["start"], here.state.get("history", {}).get("train")
        part = self.fit(here, start, begin=here.state.get("point"))
        history = before.then(part.history) if before else part.history
        first = row(here, 0, part.model, len(history.steps["step"]), unit=self.unit)
        dense = added(here.state, "models", trained=part.model)
        return {**dense, **self._ended(here, "train", history, first, part)}

    def _ended(
        self, here: PhaseContext, phase: str, history: History, found: dict[str, Any], part: Part
    ) -> State:
        """What a round leaves"""
        end = {"end": part.point | {"training": part.best}} if self.kind.rewinds else {}
        return {
            "model": part.model, **end, **added(here.state, "history", **{phase: history}),
            **longer(here.state, "rounds", [found | self.noted(history)]),
            **longer(here.state, "masks", [part.model.masks]),
        }  # fmt: skip

    def noted(self, history: History) -> dict[str, Any]:
        """More of a training for its row."""
        return {}

    def _prune(self, here: PhaseContext) -> State:
        model, k = here.state["model"], len(here.state["rounds"])
        scores = self.scores(model, here.data.train)
        pruned = self.prune(model, scores, **self.target(k, model, here.state["start"], scores))
        return {"pruned": pruned, "spent": here.seconds}

    def _retrain(self, here: PhaseContext) -> State:
        state, k = here.state, len(here.state["rounds"])
        how = self.kind.start(self.before(here, state["pruned"], k))
        acting = [m for m in (self.train.get("method"), how.method) if m is not None]
        method = {"method": chain(*acting)} if how.method else {}
        part = self.fit(
            here, how.model, epochs=how.epochs, rate=how.rate, begin=how.begin, **method
        )
        found = row(
            here, k, part.model, len(part.history.steps["step"]), pruned=state["pruned"],
            unit=self.unit, seconds=state["spent"],
        )  # fmt: skip
        return {**self._ended(here, f"retrain {k}", part.history, found, part), "pruned": None}

    def before(self, here: PhaseContext, pruned: Model, k: int) -> Before:
        """What a retraining of round k may begin with."""
        state, start = here.state, here.state["start"]
        again = self.epochs if self.retrain_epochs is None else self.retrain_epochs
        return Before(
            start=start, pruned=pruned, point=state.get("point"), end=state.get("end"),
            total=(self.epochs or again) * self.updates(start, here.data), epochs=self.epochs,
            again=again, rate=self.train.get("rate"), again_rate=self.retrain_rate,
            seed=self.seed + k, scheme=self.scheme, trained=state["models"]["trained"],
        )  # fmt: skip


def iterative(
    model: Model,
    data: Dataset,
    *,
    progress: bool = True,
    folder: str | os.PathLike[str] | None = None,
    **how: Any,
) -> Result:
    """Train, then prune and train again in rounds: w_k = retrain(mask(w_{k-1}, s_k)).

    Parameters
    ----------
    model : Model
        Step 0: the plan trains it for `epochs`; epochs=0: it is trained already.
    data : Dataset
        Trained and scored on data.train; data.val and data.test give the accuracies.
    progress : bool
        Whether to show progress.
    folder : path, optional
        Where the state is kept. If it holds an unfinished run of the same arguments, that is
        resumed, and ends with the same bits.
    **how : Any
        The settings of `mp.methods.Iterative`: sparsity (or threshold), rounds, retrain, epochs,
        retrain_epochs, rewind_to, criterion, unit, scope, pattern, seed, ...; and those of
        `mp.fit`: optimizer, rate, batch_size, method, ...

    Returns
    -------
    Result
        .model, .history by phase, .rounds: a row for each round.

    Raises
    ------
    ArgumentError
        For arguments that cannot be used, and as `score`, `prune` and `fit` do.

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.digits()
    >>> found = mp.methods.iterative(
    ...     mp.zoo.mlp(data, hidden=(16,)), data, sparsity=0.9, rounds=2, retrain="weight_rewind",
    ...     rewind_to=10, epochs=2, progress=False,
    ... )
    >>> [row["updates"] for row in found.rounds]
    [38, 28, 28]

    Sources: Han et al. (2015); Frankle et al. (2019); Renda et al. (2020).
    """
    return run(Iterative, model, data, how, folder, progress)
