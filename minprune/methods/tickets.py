"""s_k = 1 - (1 - s_0) (1 - rate)^k: the rounds of lottery tickets, looked at between epochs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from minprune.masking.apply import prune
from minprune.masking.masked_before import Present, present
from minprune.methods.chain import chain
from minprune.methods.iterative import Iterative
from minprune.methods.validate import Validate, least_loss
from minprune.nets.model import Model
from minprune.nets.net import INPUT, Net, layer_of
from minprune.schedule import iterative as fixed_share
from minprune.train.history import History
from minprune.train.loop import Part
from minprune.train.plan import PhaseContext


@dataclass(frozen=True, kw_only=True)
class Tickets(Iterative):
    """Iterative, at one rate for the output layers and another for the rest."""

    outputs: tuple[str, ...] = ()
    output_rate: float = 0.1
    rate: float = 0.2
    look: int = 100
    prefix: str = ""  # of the arrays of `Validate`

    @property
    def call(self) -> str:
        return "lottery_ticket"

    def target(
        self, k: int, model: Model, start: Model, scores: Mapping[str, Any]
    ) -> dict[str, Any]:
        """1 - (1 - s_0) (1 - rate)^k, of the original number; s_0: the share masked at the start"""
        rest = present(start, scores, protect=self.outputs)
        last = present(start, {k: s for k, s in scores.items() if k in self.outputs})

        def left(n: int, masked: int, rate: float) -> float:
            return 1 - (1 - masked / (n or 1)) * (1 - fixed_share(k, fraction=rate))

        def each(found: Present, rate: float) -> dict[str, float]:
            return {name: left(n, masked, rate) for name, (n, masked) in found.counted.items()}

        of_all = 1 - (1 - rest.share) * (1 - fixed_share(k, fraction=self.rate))
        return {
            "rest": of_all if self.scope == "global" else each(rest, self.rate),
            "output": each(last, self.output_rate),
        }

    def prune(self, model: Model, scores: Mapping[str, Any], **target: Any) -> Model:
        if set(scores) - set(self.outputs):
            model = prune(model, scores, sparsity=target["rest"], protect=self.outputs)
        return prune(model, scores, sparsity=target["output"])

    def fit(self, here: PhaseContext, model: Model, **how: Any) -> Part:
        own, looks = self.train.get("method"), Validate(here.data, self.look)
        method = looks if own is None else chain(own, looks)
        return super().fit(here, model, **{**how, "method": method})

    def noted(self, history: History) -> dict[str, Any]:
        steps = history.steps["step"]
        return least_loss(history, int(steps[0]) - 1 if steps else 0, self.prefix)


def output_weights(net: Net) -> tuple[str, ...]:
    """The weights with no other weight between them and the output of the net"""
    found, left = set(), [net.nodes[-1].name]
    while left:
        name = left.pop()
        own = {w for w in net.weights if layer_of(w) == name}
        found |= own
        left += () if own or name == INPUT else net.node(name).inputs
    return tuple(w for w in net.weights if w in found)
