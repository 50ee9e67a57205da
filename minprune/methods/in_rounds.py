"""keep_k = keep_0 ((1 - s) / keep_0)^(k/n): score, prune a little, n times, without training.

One round at a high sparsity can take every weight of a layer, though others could give some; n
rounds of synflow do not. Source: Tanaka et al. (2020), Pruning neural networks without any data.
"""

from typing import Any

from minprune.arguments import count
from minprune.core import Criterion, Seed, Split, stream
from minprune.evidence import score
from minprune.masking.apply import prune
from minprune.masking.count import pruned_count
from minprune.masking.masked_before import Present, on_the_way, present
from minprune.nets.model import Model, is_model
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
    """Prune to `sparsity` in rounds of scoring and pruning, without training between them.

    After round k the share kept is keep_0 ((1 - s) / keep_0)^(k/rounds). A model that is pruned
    already continues from its own share, or, with scope="layer", from that of each layer. A
    sparsity of 1 takes one round.

    Parameters
    ----------
    model : Model
        The model; it is not changed.
    data : pair (x, y), optional
        What is scored on; None for criteria without data.
    criterion : str or Criterion
        As of `mp.score`; the weights are scored again in each round.
    sparsity : float
        The share of the weights (of the units, if unit) that is masked at the end.
    rounds : int
        At least 1.
    seed : int or numpy Generator
        Of the scores.
    minimum : int
        Of `mp.prune`; at 0 layers may lose all of their weights, see `mp.collapsed`.
    unit : bool
        Whether units are pruned.
    scope : str
        Of `mp.prune`.
    progress : bool
        Whether to show progress.
    **options : Any
        Of the criterion.

    Returns
    -------
    Model
        The pruned model.

    Raises
    ------
    ArgumentError
        For rounds below 1, and as `score` and `prune` do.

    Examples
    --------
    >>> import minprune as mp
    >>> model = mp.zoo.mlp(mp.data.digits(), hidden=(32,))
    >>> pruned = mp.methods.in_rounds(model, None, "synflow", sparsity=0.9, progress=False)
    >>> int(pruned.masks["fc1.weight"].sum() + pruned.masks["fc2.weight"].sum())
    237

    Source: Tanaka et al. (2020), Pruning neural networks without any data.
    """
    count("in_rounds", "rounds", rounds)
    is_model(model, "in_rounds")
    pruned_count(sparsity, 1)  # raises unless it is a share
    seeds = stream(seed, "rounds")
    start: Present | None = None

    def less(model: Model, k: int) -> Model:
        nonlocal start
        scores = score(model, data, criterion, unit=unit, seed=seeds, **options)
        start = present(model, scores) if start is None else start
        share = on_the_way(start, sparsity, scope, k, rounds)
        return prune(model, scores, sparsity=share, minimum=minimum, scope=scope)

    if sparsity == 1:
        rounds = 1
    model = less(model, 1)  # before there is a bar: what can be refused is refused here
    with bar("rounds", rounds, progress and rounds > 1, done=1) as shown:
        for k in range(2, rounds + 1):
            model = less(model, k)
            shown.update()
    return model
