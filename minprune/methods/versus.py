"""mean_s (a_s - b_s) +- t s / sqrt(n): ways of training one net, compared over seeds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from minprune.arguments import count, one_of, share
from minprune.core import Criterion, Dataset
from minprune.masking.choose import Scope
from minprune.measures.intervals import t_interval
from minprune.methods.chain import chain
from minprune.methods.gradual import Gradual
from minprune.methods.plans import Procedure, added, longer, row
from minprune.nets.initialise import SCHEMES, initialise
from minprune.nets.model import Model, dense_only
from minprune.schedule import cubic
from minprune.train.history import History
from minprune.train.method import Method
from minprune.train.plan import Phase, PhaseContext, State


@dataclass(frozen=True, kw_only=True)
class Versus(Procedure):
    """For each seed every kind is trained once, in order; then pairs of them are compared.

    A plan on it says its `kinds`, the `pairs` to compare, and how one is `made`. One of the kinds
    is pruned while it trains, by a cubic schedule. Null setting: sparsity=0 makes that one the
    plain training of its net.
    """

    kinds: ClassVar[tuple[str, ...]] = ()
    pairs: ClassVar[tuple[tuple[str, str], ...]] = ()
    sparsity: float
    span: float = 0.75
    criterion: str | Criterion = "magnitude"
    scope: Scope = "global"
    seeds: int = 3
    level: float = 0.95
    scheme: str = "he"

    def __post_init__(self) -> None:
        super().__post_init__()
        share(self.call, "sparsity", self.sparsity)
        share(self.call, "span", self.span, above=True)
        one_of(self.call, "scheme", self.scheme, SCHEMES)
        self.gradual(1)
        count(self.call, "epochs", self.epochs)
        count(self.call, "seeds", self.seeds)
        share(self.call, "level", self.level, above=True, below=True)

    def check(self, model: Model, data: Dataset) -> None:
        super().check(model, data)
        dense_only(model, "pruning")

    def gradual(self, updates: int) -> Method:
        """The plan's own method, if it has one, and gradual pruning in its span of the updates"""
        span = max(1, int(self.span * updates))
        method = Gradual(
            partial(cubic, final=self.sparsity, span=span), self.criterion, scope=self.scope
        )
        own = self.train.get("method")
        return method if own is None else chain(own, method)

    def pruned(self, here: PhaseContext, start: Model, seed: int) -> tuple[Model, History]:
        """The model, trained and pruned meanwhile"""
        updates = self.epochs * self.updates(start, here.data)
        return self.fit(here, start, seed, method=self.gradual(updates))

    def made(self, kind: str, seed: int, here: PhaseContext) -> tuple[Model, History]:
        """The trained model of that kind; models of this seed are in here.state["models"]."""
        raise NotImplementedError

    def drawn(self, like: Model, seed: int) -> Model:
        """The net of a model with initial weights of that seed"""
        return initialise(like.net, seed=self.seed + seed, scheme=self.scheme, dtype=like.dtype)

    def fit(self, here: PhaseContext, model: Model, seed: int, **how: Any) -> tuple[Model, History]:
        """`fit` with the plan's settings; the order of the data is that of the seed"""
        usual = {"epochs": self.epochs, "seed": self.seed + seed, **self.train}
        return here.fit(model, **{**usual, **how})

    def next_phase(self, state: State) -> Phase | None:
        """A phase for each kind of each seed."""
        done = len(state.get("rounds", []))
        if done == self.seeds * len(self.kinds):
            return None
        seed, kind = done // len(self.kinds), self.kinds[done % len(self.kinds)]
        return Phase(f"{kind}, seed {self.seed + seed}", partial(self._work, kind, seed))

    def _work(self, kind: str, seed: int, here: PhaseContext) -> State:
        state = here.state
        model, history = self.made(kind, seed, here)
        told = row(here, len(state.get("rounds", [])), model, len(history.steps["step"]))
        rows = [*state.get("rounds", []), {**told, "kind": kind, "seed": self.seed + seed}]
        return {
            "model": model, "rounds": rows, **longer(state, "masks", [model.masks]),
            **added(state, "models", **{kind: model}),
            **added(state, "history", **{here.label: history}),
            "report": {f"{a} - {b}": self._difference(rows, a, b) for a, b in self.pairs},
        }  # fmt: skip

    def _difference(self, rows: list[dict[str, Any]], a: str, b: str) -> dict[str, Any]:
        """Of the test accuracies, seed by seed; empty until there are pairs"""
        first, second = ([r["test_accuracy"] for r in rows if r["kind"] == k] for k in (a, b))
        values = [x - y for x, y in zip(first, second, strict=False) if None not in (x, y)]
        if not values:
            return {}
        mean, low, high = t_interval(values, self.level)
        return {"values": values, "mean": mean, "low": low, "high": high, "level": self.level}
