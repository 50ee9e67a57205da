"""keep_k = keep_0 ((1 - s) / keep_0)^(k/n): score, prune a little, n times; no training between.

One round at a high sparsity can take every weight of a layer, though others could give some; n
rounds of synflow do not. Source: Tanaka et al. (2020), Pruning neural networks without any data.
"""

from typing import Any

from minprune.core import Criterion, Seed, Split, stream
from minprune.errors import ArgumentError
from minprune.evidence import score
from minprune.masking.apply import prune
from minprune.masking.count import pruned_count
from minprune.masking.units import unit_sparsity
from minprune.nets.counts import sparsity as sparsity_of
from minprune.nets.model import Model, is_model
from minprune.schedule import exponential
from minprune.train.progress import progress as bar


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
    """The model at `sparsity`, reached in `rounds` rounds, each keeping the share (1 - s)^(k/n)

    A model that is pruned already goes on from there. Scores are made anew in each round.
    criterion, data, unit and options are those of `mp.score`; minimum (0: layers may empty, see
    `mp.collapsed`) and scope those of `mp.prune`. A sparsity of 1, which no share per round leads
    to, takes one round.
    Raises ArgumentError for rounds below 1, and as `score` and `prune` do.
    """
    if isinstance(rounds, bool) or not isinstance(rounds, int) or rounds < 1:
        raise ArgumentError(
            f"rounds is {rounds!r}, expected an integer of at least 1; give rounds=100"
        )
    is_model(model, "in_rounds")
    pruned_count(sparsity, 1)  # raises unless it is a share
    seeds, before = stream(seed, "rounds"), present(model, unit)
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


def present(model: Model, unit: bool) -> float:
    """The sparsity of the weights, or of the units that may be removed."""
    return unit_sparsity(model) if unit else sparsity_of(model.net, model.masks)
