"""model_{i+1} = stage_i(model_i): plans, methods and functions of a model, one after the other."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from minprune.arguments import filled
from minprune.core import Dataset
from minprune.errors import ArgumentError
from minprune.methods.during import Fit
from minprune.methods.plans import Procedure, Result, added, longer, row, run
from minprune.nets.model import Model
from minprune.train.history import Learned
from minprune.train.method import Method
from minprune.train.plan import Phase, PhaseContext, State

Stage = Procedure | Method | Callable[[Model], Model]


@dataclass(frozen=True)
class Applied:
    """A function of a model as a plan of one phase."""

    function: Callable[[Model], Model]

    def next_phase(self, state: State) -> Phase | None:
        name = getattr(self.function, "__name__", "function")
        return None if "model" in state else Phase(name, self._apply)

    def _apply(self, here: PhaseContext) -> State:
        start = here.state["start"]
        model = self.function(start)
        if not isinstance(model, Model):
            raise ArgumentError(
                f"sequence: {here.label} must give a Model, not {type(model).__name__}; return one"
            )
        rows = [row(here, 0, start, 0), row(here, 1, model, 0)]
        return {"model": model, "rounds": rows, "masks": [start.masks, model.masks]}


@dataclass(frozen=True, kw_only=True)
class Stages(Procedure):
    """One model, and its masks, through all stages; the plan of `mp.methods.sequence`.

    It has no null setting of its own: at those of its stages each leaves the model to the next, and
    one stage that is `mp.methods.Fit` is `mp.fit`.

    Parameters
    ----------
    stages : list
        Plans, methods, and functions Model -> Model.
    epochs, seed : int
        Of the stages that are methods.
    train : dict
        What `mp.fit` takes, for every stage that does not say otherwise.

    Raises
    ------
    ArgumentError
        For a stage that is none of these.

    Examples
    --------
    >>> import minprune as mp
    >>> plan = mp.methods.Stages(stages=[mp.methods.Fit(epochs=3), mp.compact])
    >>> len(plan.plans())
    2
    """

    stages: Sequence[Stage] = ()
    epochs: int = 0

    @classmethod
    def name(cls) -> str:
        return "sequence"

    def __post_init__(self) -> None:
        super().__post_init__()
        filled(self.call, "stages", self.stages, "pass [mp.methods.AtInit(...), mp.compact]")
        self.plans()

    def plans(self) -> list[Any]:
        """Each stage as a plan"""
        return [self._plan(stage) for stage in self.stages]

    def _plan(self, stage: Stage) -> Any:
        if isinstance(stage, Procedure):
            return replace(stage, train={**self.train, **stage.train})
        if isinstance(stage, Method):
            if not self.epochs:
                raise ArgumentError(
                    f"{self.call}: epochs must be given for the stage {type(stage).__name__}, "
                    f"which acts during training; pass epochs=10, for example"
                )
            train = {**self.train, "method": stage}
            return Fit(epochs=self.epochs, seed=self.seed, train=train)
        if callable(stage) and not isinstance(stage, type):
            return Applied(stage)
        kind = f"the class {stage.__name__}" if isinstance(stage, type) else type(stage).__name__
        raise ArgumentError(
            f"{self.call}: a stage must be a plan, a method or a function of a model, not {kind}; "
            f"pass mp.methods.Iterative(sparsity=0.9, epochs=5), with its brackets, for example"
        )

    @property
    def pictures(self) -> tuple[Learned, ...]:
        plans = [plan for plan in self.plans() if isinstance(plan, Procedure)]
        return tuple(one for plan in plans for one in plan.pictures)

    def check(self, model: Model, data: Dataset) -> None:
        super().check(model, data)
        for k, plan in enumerate(self.plans()):
            if isinstance(plan, Procedure):  # what a method finds depends on the stages before it
                train = {name: v for name, v in plan.train.items() if not k or name != "method"}
                replace(plan, train=train).check(model, data)

    def next_phase(self, state: State) -> Phase | None:
        """The next phase of the first stage that is not over."""
        at, plans = state.get("stage", 0), self.plans()
        if at == len(plans):
            return None
        phase: Phase = plans[at].next_phase(_inner(state))
        return Phase(
            f"stage {at + 1}: {phase.name}", lambda here: self._work(here, plans[at], phase)
        )

    def _work(self, here: PhaseContext, plan: Any, phase: Phase) -> State:
        state = here.state
        inner = _inner(state)
        inner = {**inner, **phase.work(replace(here, state=dict(inner), label=phase.name))}
        if plan.next_phase(inner) is not None:
            return {"inner": inner}
        return {**_joined(state, inner), "inner": None}


def _inner(state: State) -> State:
    """The state of the stage at work."""
    return state.get("inner") or {"start": state.get("model", state["start"])}


def _joined(state: State, inner: State) -> State:
    """What a stage leaves, once it is over: its rows follow those before, its phases are named

    Its round 0 is left out where it only repeats what the stage before ended with.
    """
    at, known = state.get("stage", 0), len(state.get("rounds", []))
    rows, masks = inner["rounds"], inner["masks"]
    if known and not rows[0]["updates"]:
        rows, masks = rows[1:], masks[1:]
    rows = [{**each, "round": known + k, "stage": at + 1} for k, each in enumerate(rows)]

    def named(kind: str) -> Mapping[str, Any]:
        return {f"stage {at + 1}: {name}": v for name, v in inner.get(kind, {}).items()}

    return {
        "stage": at + 1, "model": inner["model"],
        **longer(state, "rounds", rows), **longer(state, "masks", masks),
        **added(state, "history", **named("history")), **added(state, "models", **named("models")),
        **added(state, "report", **named("report")),
    }  # fmt: skip


def sequence(
    model: Model,
    data: Dataset,
    stages: Sequence[Stage],
    *,
    progress: bool = True,
    folder: str | os.PathLike[str] | None = None,
    **how: Any,
) -> Result:
    """Run plans, methods and functions one after the other, each on the model of the one before.

    model_{i+1} = stage_i(model_i), masks and all.

    Parameters
    ----------
    model : Model
        What the first stage begins with.
    data : Dataset
        What all stages train, score and validate on.
    stages : list
        Plans, such as `mp.methods.Iterative(...)`; methods, such as `mp.methods.Gradual(...)`,
        which are trained for `epochs`; functions Model -> Model, such as `mp.compact`.
    progress : bool
        Whether to show progress.
    folder : path, optional
        Where the state is kept. If it holds an unfinished run of the same arguments, that is
        resumed, and ends with the same bits.
    **how : Any
        epochs and seed of the stages that are methods; and what `mp.fit` takes, for every stage
        that does not say otherwise in its own `train`.

    Returns
    -------
    Result
        .rounds has the rows of all stages, with "stage", its number; .history, .models and .report
        have names such as "stage 2: train".

    Raises
    ------
    ArgumentError
        For a stage that is none of these, and as the stages do.

    Examples
    --------
    >>> import minprune as mp
    >>> from functools import partial
    >>> data = mp.data.digits()
    >>> more = partial(mp.schedule.cubic, initial=0.5, final=0.75, span=15)
    >>> found = mp.methods.sequence(mp.zoo.mlp(data, hidden=(16,)), data, [
    ...     mp.methods.AtInit(sparsity=0.5, criterion="snip", epochs=1),
    ...     mp.methods.Gradual(more),
    ...     mp.methods.Iterative(sparsity=0.9, epochs=0, retrain_epochs=1),
    ...     mp.compact,
    ... ], epochs=1, progress=False)
    >>> [(row["stage"], round(row["sparsity"], 2)) for row in found.rounds][:4]
    [(1, 0.0), (1, 0.5), (2, 0.75), (3, 0.9)]
    """
    return run(Stages, model, data, {"stages": stages, **how}, folder, progress)
