"""result = gradual(model, data, ...): one training with a method that acts during it.

`Fit` is that training as a plan; `one_call` makes the one-line call of a method.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from minprune.arguments import instance, one_of, share
from minprune.core import Dataset
from minprune.errors import ArgumentError
from minprune.methods.plans import OF_FIT, Procedure, Result, row, run
from minprune.methods.start_sparse import start_sparse
from minprune.nets.model import Model
from minprune.train.method import Method
from minprune.train.plan import Phase, PhaseContext, State


@dataclass(frozen=True, kw_only=True)
class Fit(Procedure):
    """One training, with a method or without one: a stage of `mp.methods.sequence`.

    Parameters
    ----------
    epochs, seed, train : int, int, dict
        Of `mp.fit`; `train` holds its other arguments, such as method and optimizer.
    sparsity : float
        Of random masks before the first update (`mp.methods.start_sparse`); 0: as the model is.

    Raises
    ------
    ArgumentError
        For a sparsity outside [0, 1], or an argument that `mp.fit` does not have.

    Examples
    --------
    >>> import minprune as mp
    >>> mp.methods.Fit(epochs=5, train={"method": mp.methods.L1(1e-4)}).epochs
    5
    """

    sparsity: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        share(self.call, "sparsity", self.sparsity)

    def check(self, model: Model, data: Dataset) -> None:
        super().check(self._begun(model), data)

    def _begun(self, model: Model) -> Model:
        """What training begins with"""
        return start_sparse(model, self.sparsity, seed=self.seed) if self.sparsity else model

    def next_phase(self, state: State) -> Phase | None:
        """One phase."""
        return None if "model" in state else Phase("train", self._train)

    def _train(self, here: PhaseContext) -> State:
        start = here.state["start"]
        begin = self._begun(start)
        model, history = here.fit(begin, **{"epochs": self.epochs, "seed": self.seed, **self.train})
        last = row(here, 1, model, len(history.steps["step"]))
        return {
            "model": model, "history": {"train": history},
            "rounds": [row(here, 0, start, 0), last], "masks": [start.masks, model.masks],
        }  # fmt: skip


def one_call(
    kind: type[Method], name: str, example: str = "", net: str = "mlp(data, hidden=(4,))"
) -> Callable[..., Result]:
    """The one-line call of a method; example: settings of its docstring, of a net of mp.zoo"""
    own = [k for k, p in inspect.signature(kind).parameters.items() if p.kind is not p.VAR_KEYWORD]
    of_plan = ("epochs", "seed", "train", *(["sparsity"] if "sparsity" not in own else []))

    def call(
        model: Model, data: Dataset, *, folder: str | os.PathLike[str] | None = None,
        progress: bool = True, **how: Any,
    ) -> Result:  # fmt: skip
        for key in how:
            one_of(name, "an argument", key, (*own, *of_plan, *OF_FIT))
        method = kind(**{key: value for key, value in how.items() if key in own})
        rest = {key: value for key, value in how.items() if key not in own}
        given = instance(name, "train", rest.pop("train", {}), Mapping, "{'patience': 3}")
        if "method" in rest or "method" in given:
            raise ArgumentError(
                f"{name}: method must be left out, since it is {kind.__name__} here; pass "
                f"mp.methods.chain(...) of both to mp.fit"
            )
        rest["train"] = {**given, "method": method}
        return run(Fit, model, data, rest, folder, progress)

    settings = f", {example}" if example else ""
    call.__name__ = call.__qualname__ = name
    call.__module__ = kind.__module__
    call.__doc__ = f"""Train a model with `{kind.__name__}`, which acts during training.

    The same as fit(model, data, method={kind.__name__}(...)), kept as a plan: with a folder, a run
    that was stopped resumes there and ends with the same bits.

    Parameters
    ----------
    model : Model
        What training begins with.
    data : Dataset
        What it trains and validates on.
    folder : path, optional
        Where the state is kept.
    progress : bool
        Whether to show progress.
    **how : Any
        epochs and seed; the arguments of `{kind.__name__}`; sparsity, of random masks before the
        first update, unless that is one of them; and what `mp.fit` takes, or train, a dict of
        that, where both have an argument of that name.

    Returns
    -------
    Result
        .history["train"].extra holds what the method learned.

    Raises
    ------
    ArgumentError
        For an argument that is not known, and as `{kind.__name__}` and `mp.fit` do.

    Examples
    --------
    >>> import minprune as mp
    >>> data, how = mp.data.digits(), {{"epochs": 1, "progress": False}}
    >>> model = mp.zoo.{net}
    >>> found = mp.methods.{name}(model, data{settings}, **how)
    >>> len(found.rounds)
    2
    """
    return call
