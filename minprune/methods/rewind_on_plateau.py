"""w, lr <- w at the least validation loss, factor lr: back to the best epoch on a plateau."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from math import inf
from typing import Any

from minprune.arguments import choice, count, number
from minprune.core import Dataset
from minprune.errors import ArgumentError
from minprune.methods.plans import Procedure, Result, added, longer, row, run
from minprune.nets.model import Model
from minprune.train.optim import Adam
from minprune.train.plan import Phase, PhaseContext, State


@dataclass(frozen=True, kw_only=True)
class RewindOnPlateau(Procedure):
    """Train until validation stagnates, return, go on; the plan of `mp.methods.rewind_on_plateau`.

    Null setting: times=0 is `mp.fit` with the same patience.

    Parameters
    ----------
    patience : int
        Epochs without a lower validation loss than all before, after which training returns.
    times : int
        Returns, at most.
    back : {"weights", "rate"}
        "weights": the weights and the schedule of the rate return to the best epoch so far.
        "rate": the schedule alone does, and the weights stay. The optimizer starts anew.
    factor : float
        Of the learning rate after a return; after k of them factor^k.
    epochs : int
        Of all training together, at most.
    seed : int
        Of training; another order of the data after each return.
    train : dict
        Other arguments of `mp.fit`; the masks of the model are held.

    Raises
    ------
    ArgumentError
        For arguments that cannot be used.

    Examples
    --------
    >>> import minprune as mp
    >>> mp.methods.RewindOnPlateau(epochs=50, patience=5).factor
    0.1
    """

    patience: int = 3
    times: int = 3
    back: str = "weights"
    factor: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        count(self.call, "patience", self.patience)
        count(self.call, "times", self.times, 0)
        choice(self.call, "back", self.back, ("weights", "rate"))
        number(self.call, "factor", self.factor, above=True)

    def check(self, model: Model, data: Dataset) -> None:
        super().check(model, data)
        if not len(data.val[0]):
            raise ArgumentError(
                f"{self.call}: data.val must hold samples, not none; pass a pair (x, y)"
            )

    def next_phase(self, state: State) -> Phase | None:
        """Train, and after each plateau again, while there are returns and epochs left."""
        rounds = state.get("rounds", [])
        if not rounds:
            return Phase("train", self._train)
        over = len(rounds) > self.times or state["epochs"] >= self.epochs or not state["plateau"]
        return None if over else Phase(f"return {len(rounds)}", self._train)

    def _train(self, here: PhaseContext) -> State:
        state, k = here.state, len(here.state.get("rounds", []))
        past, best = state.get("epochs", 0), state.get("best", {"loss": inf, "epoch": 0})
        model, each = state["start"], self.updates(state["start"], here.data)
        if k:
            model = state["model"] if self.back == "weights" else state["last"]
        begin, total = best["epoch"] * each, self.epochs * each
        train = dict(self.train)
        optimizer, rate = train.pop("optimizer", None) or Adam(), train.pop("rate", None)
        lower = self.factor**k
        if k:
            optimizer = replace(optimizer, lr=optimizer.lr * lower)
            rate = rate and _from(rate, begin, total)
        part = here.fit_part(
            model, epochs=self.epochs - past, patience=self.patience, seed=self.seed + k,
            optimizer=optimizer, rate=rate, beat=best["loss"], **train,
        )  # fmt: skip
        place, spent = part.point["place"], len(part.history.epochs["epoch"])
        better = place["best"] is not None  # than all epochs before
        if better:
            best = {"loss": place["best_loss"], "epoch": best["epoch"] + place["best"][-1] // each}
        kept = part.model if better or not k else state["model"]
        phase = f"return {k}" if k else "train"
        found = row(here, k, kept, len(part.history.steps["step"]))
        turn = {
            "return": k, "after_epoch": past, "to_epoch": (state.get("best") or best)["epoch"],
            "factor": lower, "val_loss": min(part.history.epochs["val_loss"], default=inf),
            "better": better,
        }  # fmt: skip
        report = state.get("report", {"returns": []})
        last = part.last() if self.back == "rate" else None
        return {
            "model": kept, "last": last, "best": best, "epochs": past + spent,
            "plateau": bool(place["stopped"]),
            **longer(state, "rounds", [found]), **longer(state, "masks", [kept.masks]),
            **added(state, "history", **{phase: part.history}),
            "report": longer(report, "returns", [turn] if k else []),
        }  # fmt: skip


def _from(rate: Any, begin: int, total: int) -> Any:
    return lambda t, _: rate(min(begin + t, max(total - 1, 0)), total)


def rewind_on_plateau(
    model: Model,
    data: Dataset,
    *,
    progress: bool = True,
    folder: str | os.PathLike[str] | None = None,
    **how: Any,
) -> Result:
    """Train; where validation stagnates, return to the best epoch, lower the rate, and go on.

    w, lr <- w_best, factor lr, after `patience` epochs without a lower validation loss than before.

    Parameters
    ----------
    model : Model
        Pruned or not; its masks are held.
    data : Dataset
        data.val judges each epoch.
    progress : bool
        Whether to show progress.
    folder : path, optional
        Where the state is kept. If it holds an unfinished run of the same arguments, that is
        resumed, and ends with the same bits.
    **how : Any
        The settings of `mp.methods.RewindOnPlateau`: epochs, patience=3, times=3, back="weights",
        factor=0.1, seed; and those of `mp.fit`: optimizer, rate, batch_size, ...

    Returns
    -------
    Result
        .model is that of the best epoch; .report["returns"] has a row for each return: after which
        epoch, to which, the factor of the rate, and whether it led to a better model.

    Raises
    ------
    ArgumentError
        For arguments that cannot be used, and as `fit` does.

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.digits()
    >>> model = mp.zoo.mlp(data, hidden=(16,))
    >>> found = mp.methods.rewind_on_plateau(
    ...     model, data, epochs=30, patience=1, times=2, optimizer=mp.SGD(1.0), progress=False
    ... )
    >>> [round(turn["factor"], 2) for turn in found.report["returns"]]
    [0.1, 0.01]
    """
    return run(RewindOnPlateau, model, data, how, folder, progress)
