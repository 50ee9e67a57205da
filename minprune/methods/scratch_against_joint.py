"""m from training while pruning: accuracy(joint) - accuracy(train(m w_0)), over seeds.

Source: Gale, Elsen & Hooker (2019), The state of sparsity in deep neural networks: the architecture
that sparsifying training finds, trained from scratch, against that training itself.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, ClassVar

from minprune.core import Dataset
from minprune.masking.apply import with_masks
from minprune.methods.plans import Result, run
from minprune.methods.versus import Versus
from minprune.nets.model import Model
from minprune.train.history import History
from minprune.train.plan import PhaseContext


@dataclass(frozen=True, kw_only=True)
class ScratchAgainstJoint(Versus):
    """Gradual pruning against its masks from scratch; of `mp.methods.scratch_against_joint`.

    Null setting: with sparsity=0 joint training is `mp.fit`, and so is that of the same weights.

    Parameters
    ----------
    sparsity : float
        The share of the weights that gradual pruning masks by a cubic schedule.
    span : float
        The share of the updates after which it is reached.
    criterion, scope : str or Criterion, str
        As of `mp.methods.Gradual`.
    epochs : int
        Of each training; all take the same.
    seeds : int
        Of initial weights and orders of the data, `seed` and those after it.
    level : float
        Of the confidence intervals.
    scheme : {"he", "glorot", "lecun"}
        Of initial weights.
    seed : int
        The first one.
    train : dict
        Other arguments of `mp.fit`.

    Raises
    ------
    ArgumentError
        For arguments that cannot be used.

    Examples
    --------
    >>> import minprune as mp
    >>> mp.methods.ScratchAgainstJoint(sparsity=0.98, epochs=20).kinds
    ('joint', 'same', 'new')
    """

    kinds: ClassVar[tuple[str, ...]] = ("joint", "same", "new")
    pairs: ClassVar[tuple[tuple[str, str], ...]] = (("joint", "same"), ("joint", "new"))

    def made(self, kind: str, seed: int, here: PhaseContext) -> tuple[Model, History]:
        """joint: pruned while it trains; same, new: its masks, the same or new first weights."""
        start = self.drawn(here.state["start"], seed)
        if kind == "joint":
            return self.pruned(here, start, seed)
        if kind == "new":
            start = self.drawn(start, self.seeds + seed)
        return self.fit(here, with_masks(start, here.state["models"]["joint"].masks), seed)


def scratch_against_joint(
    model: Model,
    data: Dataset,
    *,
    progress: bool = True,
    folder: str | os.PathLike[str] | None = None,
    **how: Any,
) -> Result:
    """Compare pruning while training with training what it found from scratch, over seeds.

    accuracy(joint) - accuracy(train(m w_0)): the masks m of gradual pruning, with the same initial
    weights and with new ones.

    Parameters
    ----------
    model : Model
        Its net and dtype; initial weights are drawn for each seed.
    data : Dataset
        What is trained, validated and tested on.
    progress : bool
        Whether to show progress.
    folder : path, optional
        Where the state is kept. If it holds an unfinished run of the same arguments, that is
        resumed, and ends with the same bits.
    **how : Any
        The settings of `mp.methods.ScratchAgainstJoint`: sparsity, epochs, seeds=3, span,
        criterion, scope, level, seed; and those of `mp.fit`: optimizer, rate, batch_size, ...

    Returns
    -------
    Result
        .rounds has a row for each "seed" and "kind"; .report["joint - same"] and
        ["joint - new"] the differences of the test accuracy, their mean and its t interval.

    Raises
    ------
    ArgumentError
        For arguments that cannot be used, and as `fit` does.

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.digits()
    >>> found = mp.methods.scratch_against_joint(
    ...     mp.zoo.mlp(data, hidden=(16,)), data, sparsity=0.9, epochs=1, seeds=2, progress=False
    ... )
    >>> [row["kind"] for row in found.rounds]
    ['joint', 'same', 'new', 'joint', 'same', 'new']
    >>> len(found.report["joint - new"]["values"])
    2

    Source: Gale, Elsen & Hooker (2019).
    """
    return run(ScratchAgainstJoint, model, data, how, folder, progress)
