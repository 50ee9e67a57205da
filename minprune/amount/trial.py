"""w = 0 for the k lowest scores of n, the rest as it is: one net, pruned again and again."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from minprune.arguments import instance
from minprune.core import Array, Arrays, Criterion, Dataset, Seed
from minprune.errors import ArgumentError
from minprune.evidence import score
from minprune.masking.apply import prune
from minprune.masking.units import live_units
from minprune.nets.model import Model, dense_only, is_model
from minprune.nets.ties import ties


@dataclass(frozen=True, eq=False)
class Trial:
    """A model and its scores, which are computed once

    live: bool, one entry for each weight or unit that may go, of each array; owners: {layer: the
    arrays that it means}, a layer being a key of the scores.
    """

    model: Model
    scores: Arrays
    live: Arrays
    owners: dict[str, tuple[str, ...]]

    def count(self, layer: str | None = None) -> tuple[int, int]:
        """(entries that may go, entries that are gone) of a layer, or of the net"""
        names = self.live if layer is None else self.owners[layer]
        each = [self.live[name] for name in names]
        return sum(m.size for m in each), sum(int(np.count_nonzero(~m)) for m in each)

    def pruned(self, k: int, layer: str | None = None, **how: Any) -> Model:
        """The model with k entries gone in all, of that layer alone or of the net"""
        share = k / self.count(layer)[0]
        target: Any = share if layer is None else {layer: share}
        return prune(self.model, self.scores, sparsity=target, minimum=0, **how)


def trial(
    owner: str, model: Model, data: Dataset, criterion: str | Criterion, unit: bool, seed: Seed,
    options: dict[str, Any],
) -> Trial:  # fmt: skip
    """The scores on data.train; raises ArgumentError for a model or data without anything to try"""
    is_model(model, owner)
    dense_only(model, owner)
    instance(owner, "data", data, Dataset, "mp.data.digits(), for example")
    scores = score(model, data.train, criterion, unit=unit, seed=seed, **options)
    if not scores:
        raise ArgumentError(
            f"{owner}: model must have {'units' if unit else 'weights'} that can be removed, and "
            f"has none; pass {'unit=False' if unit else 'another'}"
        )
    if not unit:
        live = {n: model.masks.get(n, np.ones(s.shape, bool)) for n, s in scores.items()}
        return Trial(model, scores, live, {name: (name,) for name in live})
    groups = [g for g in ties(model) if g.free and any(m.param in scores for m in g.producers)]
    owners: dict[str, tuple[str, ...]] = {}
    for name in scores:
        own = tuple(g.name for g in groups if any(m.param == name for m in g.producers))
        if own not in owners.values():  # the units of tied layers are the same ones
            owners[name] = own
    alive: dict[str, Array] = {g.name: live_units(g, model.masks) for g in groups}
    return Trial(model, scores, alive, owners)
