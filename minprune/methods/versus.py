"""mean_s (a_s - b_s) +- t s / sqrt(n): ways of training one net, compared over seeds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from minprune.arguments import count, share
from minprune.measures.intervals import t_interval
from minprune.methods.plans import Procedure, added, longer, row
from minprune.nets.initialise import initialise
from minprune.nets.model import Model
from minprune.train.history import History
from minprune.train.plan import Phase, PhaseContext, State


@dataclass(frozen=True, kw_only=True)
class Versus(Procedure):
    """For each seed every kind is trained once, in order; then pairs of them are compared.

    A plan on it says its `kinds`, the `pairs` to compare, and how one is `made`.
    """

    kinds: ClassVar[tuple[str, ...]] = ()
    pairs: ClassVar[tuple[tuple[str, str], ...]] = ()
    seeds: int = 3
    level: float = 0.95
    scheme: str = "he"

    def __post_init__(self) -> None:
        super().__post_init__()
        count(self.call, "epochs", self.epochs)
        count(self.call, "seeds", self.seeds)
        share(self.call, "level", self.level, above=True, below=True)

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
