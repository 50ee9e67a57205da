"""accuracy(prune(large)) - accuracy(small), where the small dense net holds and costs as much.

Source: Zhu & Gupta (2017), To prune, or not to prune: at equal live parameters, and at equal bytes.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from minprune.core import Dataset
from minprune.errors import ArgumentError
from minprune.measures.cost import size
from minprune.methods.plans import Result, run
from minprune.methods.versus import Versus
from minprune.nets.model import Model, is_model
from minprune.train.history import History
from minprune.train.plan import PhaseContext

STEPS = 40  # of the bisection over widths


@dataclass(frozen=True, kw_only=True)
class LargeSparse(Versus):
    """A large net, pruned, against small dense ones; the plan of `mp.methods.large_sparse`.

    Null setting: with sparsity=0 that of the large net is `mp.fit`.

    Parameters
    ----------
    small : Callable[[float], Model]
        A net of that share, from 0 to 1, of the width; only its net is used.
    sparsity, span, criterion, scope, epochs, seeds, level, scheme, seed, train
        As of `mp.methods.ScratchAgainstJoint`.

    Raises
    ------
    ArgumentError
        For arguments that cannot be used.

    Examples
    --------
    >>> import minprune as mp
    >>> def small(share):
    ...     return mp.zoo.mlp(((64,), 10), hidden=(max(1, round(300 * share)),))
    >>> mp.methods.LargeSparse(sparsity=0.9, epochs=20, small=small).kinds
    ('large sparse', 'small, equal parameters', 'small, equal bytes')
    """

    kinds: ClassVar[tuple[str, ...]] = (
        "large sparse", "small, equal parameters", "small, equal bytes",
    )  # fmt: skip
    pairs: ClassVar[tuple[tuple[str, str], ...]] = (
        ("large sparse", "small, equal parameters"), ("large sparse", "small, equal bytes"),
    )  # fmt: skip
    small: Callable[[float], Model]

    def __post_init__(self) -> None:
        super().__post_init__()
        if not callable(self.small) or isinstance(self.small, Model):
            raise ArgumentError(
                f"{self.call}: small must be a function of a share of the width that gives a "
                f"model, not {self.small!r}; pass lambda share: mp.zoo.mlp(...), for example"
            )

    def check(self, model: Model, data: Dataset) -> None:
        super().check(model, data)
        is_model(self.small(1.0), self.call)

    def made(self, kind: str, seed: int, here: PhaseContext) -> tuple[Model, History]:
        """The large net, pruned while it trains; then dense ones as large as what is left."""
        start = here.state["start"]
        if kind == self.kinds[0]:
            return self.pruned(here, self.drawn(start, seed), seed)
        left = size(here.state["models"][self.kinds[0]])
        if kind == self.kinds[1]:
            found = nearest(self.small, lambda m: size(m).parameters, left.live)
        else:
            found = nearest(self.small, lambda m: size(m).bytes, left.sparse_bytes)
        return self.fit(here, self.drawn(found, seed), seed)


def nearest(small: Callable[[float], Model], cost: Callable[[Model], int], goal: int) -> Model:
    """small(share) whose cost is nearest to the goal, the cheaper among equals; cost grows with it

    By bisection over shares from 0 to 1; a net that has no such width may be refused by `small`.
    """
    low, high = 0.0, 1.0
    best = small(1.0)
    for _ in range(STEPS):
        middle = (low + high) / 2
        model = small(middle)
        gap, known = abs(cost(model) - goal), abs(cost(best) - goal)
        if gap < known or (gap == known and cost(model) < cost(best)):
            best = model
        low, high = (middle, high) if cost(model) < goal else (low, middle)
    return best


def large_sparse(
    model: Model,
    data: Dataset,
    *,
    progress: bool = True,
    folder: str | os.PathLike[str] | None = None,
    **how: Any,
) -> Result:
    """Compare a large pruned net with small dense ones of equal parameters, and of equal bytes.

    accuracy(prune(large)) - accuracy(small), over seeds.

    Parameters
    ----------
    model : Model
        The large net; initial weights are drawn for each seed.
    data : Dataset
        What is trained, validated and tested on.
    progress : bool
        Whether to show progress.
    folder : path, optional
        Where the state is kept. If it holds an unfinished run of the same arguments, that is
        resumed, and ends with the same bits.
    **how : Any
        The settings of `mp.methods.LargeSparse`: sparsity, small, epochs, seeds=3, span, criterion,
        scope, level, seed; and those of `mp.fit`: optimizer, rate, batch_size, ...

    Returns
    -------
    Result
        .rounds has a row for each "seed" and "kind"; .report the differences of the test accuracy,
        their mean and its t interval, for each pair, such as
        "large sparse - small, equal parameters".

    Raises
    ------
    ArgumentError
        For arguments that cannot be used, and as `fit` does.

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.digits()
    >>> found = mp.methods.large_sparse(
    ...     mp.zoo.mlp(data, hidden=(40,)), data, sparsity=0.8, epochs=1, seeds=1, progress=False,
    ...     small=lambda share: mp.zoo.mlp(data, hidden=(max(1, round(40 * share)),)),
    ... )
    >>> [sum(row["live"].values()) for row in found.rounds]
    [592, 592, 1258]

    Source: Zhu & Gupta (2017).
    """
    return run(LargeSparse, model, data, how, folder, progress)
