"""L + lam_t/2 sum w^2, over the weights that will go: lam_t grows until they are near 0."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from minprune.arguments import choice, count, number, share
from minprune.core import Arrays
from minprune.errors import MinpruneWarning
from minprune.evidence import score
from minprune.masking.apply import prune, with_masks
from minprune.methods.during import one_call
from minprune.methods.prox import prox_l2
from minprune.nets.model import Model, dense_only
from minprune.train.history import Learned
from minprune.train.method import Change, Context, Method, View


@dataclass(frozen=True)
class GrowingRegularization(Method):
    """The smallest weights, or units, are chosen at `begin` and pulled to 0, then masked (GReg-1).

    lam_t = delta floor((t - begin) / every), up to the ceiling; then the chosen entries are masked,
    and training continues without them. Each update pulls by the proximal step of lam_t/2 w^2 in
    the metric D of the optimizer, w = w / (1 + lr lam_t / D), which no lam_t makes unstable; the
    paper adds lam_t w to the gradient. Of units, all that they own is pulled: incoming weights,
    biases, normalisation and outgoing weights. What is chosen stays chosen. If training ends
    before, they are masked there, with a warning at the start. Null setting: sparsity = 0.

    Parameters
    ----------
    sparsity : float
        The share of the weights, or units, that goes, from 0 to 1; those masked before included.
    delta, ceiling : float, float
        By how much the factor grows, and how far: above 0.
    every : int
        Updates between two steps of the factor, at least 1: it takes every ceil(ceiling / delta)
        updates from `begin` to the masks.
    begin : int
        The update after which weights are chosen by magnitude, at least 0; 0: those of the model
        given, which was trained before.
    unit : bool
        Whether units go, rather than single weights.

    Raises
    ------
    ArgumentError
        For a number out of its range; in training, for a net without units, sparse layers, and a
        sparsity below that of the masks.
        UnreachableError where it leaves a layer nothing.

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.digits()
    >>> model = mp.zoo.mlp(data, hidden=(16,))
    >>> model, _ = mp.fit(model, data, epochs=5, progress=False)
    >>> method = mp.methods.GrowingRegularization(0.5, delta=0.05)
    >>> model, history = mp.fit(model, data, epochs=3, method=method, progress=False)
    >>> round(history.epochs["sparsity"][-1], 2)
    0.5

    Source: Wang, Qin, Zhang, Fu (2021), Neural Pruning via Growing Regularization: GReg-1.
    """

    sparsity: float
    delta: float = 0.01
    ceiling: float = 1.0
    every: int = 1
    begin: int = 0
    unit: bool = False
    reads_total = False  # but for its warning
    pictures = (Learned("* pulled to", "|w| of the chosen weights before they were masked"),)

    def __post_init__(self) -> None:
        owner = "GrowingRegularization"
        share(owner, "sparsity", self.sparsity)
        number(owner, "delta", self.delta, above=True)
        number(owner, "ceiling", self.ceiling, above=True)
        count(owner, "every", self.every)
        count(owner, "begin", self.begin, 0)
        choice(owner, "unit", self.unit, (False, True))

    @property
    def end(self) -> int:
        """The update after which the chosen weights are masked."""
        steps = math.ceil(round(self.ceiling / self.delta, 9))  # 1 / (1 / 49) is above 49
        return self.begin + self.every * max(1, steps)

    def start(self, model: Model, ctx: Context) -> tuple[Model, Arrays, Any]:
        dense_only(model, "pruning")
        chosen = self._chosen(model)  # what cannot be reached is refused before training
        if self.sparsity and 0 < ctx.total < self.end:
            warnings.warn(
                f"GrowingRegularization: the factor grows until update {self.end}, and this "
                f"training has {ctx.total}; train longer, or pass a larger delta",
                MinpruneWarning, stacklevel=3,
            )  # fmt: skip
        return model, {}, {"masks": {} if self.begin else chosen, "left": {}}

    def after(self, view: View) -> Change | None:
        t, masks = view.ctx.step, view.ctx.state["masks"]
        if not self.sparsity or t < self.begin or t > self.end:
            return None
        if t == self.begin:
            model = Model(view.ctx.net, dict(view.params), dict(view.buffers), dict(view.ctx.masks))
            return Change(state={"masks": self._chosen(model), "left": {}})
        lam = min(self.delta * ((t - self.begin) // self.every), self.ceiling) * view.ctx.lr
        new = {
            name: np.where(kept, w := view.params[name], prox_l2(w, lam / view.metric(name)))
            for name, kept in masks.items()
        }
        if t < self.end:
            return Change(new)
        left = {f"{name} pulled to": np.abs(new[name][~kept]) for name, kept in masks.items()}
        return Change(new, both(masks, view.ctx.masks), state={"masks": masks, "left": left})

    def settled(self, step: int, total: int) -> bool:
        return step >= min(self.end, total) or not self.sparsity

    def finish(self, model: Model, extra: Arrays, ctx: Context) -> Model:
        if not self.sparsity or ctx.step >= self.end:
            return model
        chosen = ctx.state["masks"] or self._chosen(model)
        return with_masks(model, both(chosen, model.masks))

    def learned(self, model: Model, extra: Arrays, ctx: Context) -> Arrays:
        found: Arrays = ctx.state["left"]
        return found

    def _chosen(self, model: Model) -> Arrays:
        """The masks that the chosen weights will have: those of the smallest are False"""
        if not self.sparsity:
            return {}
        scores = score(model, None, "magnitude", unit=self.unit)
        return dict(prune(model, scores, sparsity=self.sparsity).masks)


def both(masks: Arrays, others: Arrays) -> Arrays:
    """Kept where both keep: other methods in a chain mask too"""
    return {name: m & others.get(name, m) for name, m in masks.items()}


growing_regularization = one_call(
    GrowingRegularization, "growing_regularization", "sparsity=0.5, delta=0.1"
)
