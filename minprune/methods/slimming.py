"""L + lam sum |gamma|: channels whose BatchNorm scale becomes small are removed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from minprune import autograd as ag
from minprune.arguments import choice, number, share
from minprune.autograd import Value
from minprune.core import Arrays
from minprune.errors import ArgumentError
from minprune.evidence import score
from minprune.evidence.options import free_groups
from minprune.masking.apply import prune
from minprune.methods.during import one_call
from minprune.methods.penalties import pace
from minprune.methods.prox import prox_l1
from minprune.nets.model import Model, dense_only
from minprune.nets.ties import scaling
from minprune.train.history import Learned
from minprune.train.method import Change, Context, Method, Values, View


@dataclass(frozen=True)
class Slimming(Method):
    """Network slimming: L + lam sum |gamma|, over the scales of what normalises removable units.

    gamma: of BatchNorm and GroupNorm layers that stand between a hidden layer and its readers. With
    a sparsity, the units of the smallest scales are masked in the end (`mp.criteria.scale`, one
    threshold for all layers); train on afterwards, with `mp.fit` and no method. Without one nothing
    is masked: use mp.prune(model, mp.score(model, None, "scale", unit=True), sparsity=...).
    Null setting: lam = 0, sparsity = None.

    Parameters
    ----------
    lam : float
        At least 0.
    sparsity : float, optional
        The share of the removable units that is masked in the end, from 0 to 1.
    step : {"subgradient", "proximal"}
        "subgradient": lam sign(gamma) enters the gradient, as in the paper's code, so that no scale
        is exactly 0. "proximal": gamma = soft(gamma, lr lam / D) after each update, in the metric D
        of the optimizer, as `ElasticNet`; some become 0.

    Raises
    ------
    ArgumentError
        For a number out of its range, or another step; in training, for a net whose removable units
        no layer normalises, for sparse layers, and a sparsity below that of the masks.
        UnreachableError, in the end, where the sparsity leaves a layer no units.

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.digits()
    >>> model = mp.zoo.resnet_small(data)
    >>> method = mp.methods.Slimming(1e-2, sparsity=0.5)
    >>> model, history = mp.fit(model, data, epochs=1, method=method, progress=False)
    >>> mp.compact(model).net.params["block1_conv1.weight"][0] < 16
    True

    Source: Liu et al. (2017), Learning Efficient Convolutional Networks through Network Slimming.
    """

    lam: float
    sparsity: float | None = None
    step: Literal["subgradient", "proximal"] = "subgradient"
    reads_total = False
    pictures = (Learned("* scale", "scale |gamma|"),)

    def __post_init__(self) -> None:
        number("Slimming", "lam", self.lam)
        choice("Slimming", "step", self.step, ("subgradient", "proximal"))
        if self.sparsity is not None:
            share("Slimming", "sparsity", self.sparsity)

    def start(self, model: Model, ctx: Context) -> tuple[Model, Arrays, Any]:
        dense_only(model, "slimming")
        members = [m for g in free_groups(model).values() for m in scaling(model, g)]
        if not members:
            raise ArgumentError(
                "Slimming: the net must have units that may be removed and that BatchNorm or "
                "GroupNorm scales, not none; put mp.BatchNorm behind its hidden layers"
            )
        if self.sparsity is not None:  # what cannot be reached is refused before training
            self._pruned(model)
        return model, {}, {"scales": list(dict.fromkeys(m.param for m in members))}

    def penalty(self, params: Values, extra: Values, ctx: Context) -> Value | None:
        if not self.lam or self.step == "proximal":
            return None
        parts = [ag.total(abs(params[name])) for name in ctx.state["scales"]]
        return sum(parts[1:], parts[0]) * self.lam

    def after(self, view: View) -> Change | None:
        if not self.lam or self.step == "subgradient":
            return None
        t = {k: pace(view, k, "optimizer") * self.lam for k in view.ctx.state["scales"]}
        return Change({k: prox_l1(view.params[k], t[k]) for k in t})

    def finish(self, model: Model, extra: Arrays, ctx: Context) -> Model:
        return model if self.sparsity is None else self._pruned(model)

    def _pruned(self, model: Model) -> Model:
        return prune(model, score(model, None, "scale", unit=True), sparsity=self.sparsity)

    def learned(self, model: Model, extra: Arrays, ctx: Context) -> Arrays:
        return {f"{k} scale": abs(model.params[k]) for k in ctx.state["scales"]}


slimming = one_call(Slimming, "slimming", "lam=1e-4", "resnet_small(data)")
