"""v = sign(w) relu(|w| - sigmoid(s)): the forward pass sees v; the thresholds are learned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from minprune import autograd as ag
from minprune.arguments import choice, is_number, number, share
from minprune.autograd import Value, value
from minprune.core import Arrays
from minprune.errors import ArgumentError
from minprune.masking.apply import with_masks
from minprune.masking.choose import choose
from minprune.methods.during import one_call
from minprune.methods.prox import prox_l1
from minprune.nets.model import Model, dense_only, masks_of
from minprune.train.history import Learned
from minprune.train.method import Context, Method, Values


@dataclass(frozen=True)
class SoftThreshold(Method):
    """Trains a threshold of each layer, or unit: v = sign(w) relu(|w| - sigmoid(s)) replaces w.

    s is trained with the weights, by the same optimizer without its weight decay, and has a decay
    of its own in the loss, L + decay/2 sum_layers mean(s^2), which pulls s to 0 from below and so
    raises the threshold. A weight below it has no gradient; those above it pull it down. The longer
    the training, and the larger the decay and `s_lr`, the sparser the net: decay is no target. In
    the end the weights are v, masked where they are 0. Null setting: decay = 0, initial = -3200,
    whose sigmoid is exactly 0.

    Parameters
    ----------
    decay : float
        Of s, at least 0.
    initial : float
        The s that training begins with. sigmoid(-5) = 0.0067.
    by : {"layer", "unit"}
        Whether a layer has one threshold or each of its units.
    s_lr : float
        The factor of the learning rate of s, at least 0. Adam moves s by about lr s_lr an update,
        SGD by lr s_lr decay s / (1 - momentum): s_lr=30 suits Adam; with SGD take s_lr=1 and a
        decay of (1 - momentum) / (40 lr), or less where training is long.
    sparsity : float, optional
        Masks the weights of the lowest |w| - sigmoid(s) in the end, so that exactly
        round(sparsity n) of all n are masked; None: those that are 0.

    Raises
    ------
    ArgumentError
        For a number out of its range; in training, for sparse layers and a sparsity below that of
        the masks. UnreachableError where the sparsity leaves a layer nothing.

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.digits()
    >>> model = mp.zoo.mlp(data, hidden=(16,))
    >>> method = mp.methods.SoftThreshold()
    >>> model, history = mp.fit(model, data, epochs=3, method=method, progress=False)
    >>> history.epochs["sparsity"][-1] > 0.1
    True
    >>> bool(history.extra["fc1.weight threshold"] > 0.02)
    True

    Source: Kusupati et al. (2020), Soft Threshold Weight Reparameterization. There s is a layer's,
    its decay is that of the weights, and the optimizer is SGD.
    """

    decay: float = 0.5
    initial: float = -5.0
    by: Literal["layer", "unit"] = "layer"
    s_lr: float = 30.0
    sparsity: float | None = None
    reads_total = False
    pictures = (Learned("* threshold", "threshold sigmoid(s)"),)

    def __post_init__(self) -> None:
        number("SoftThreshold", "decay", self.decay)
        if not is_number(self.initial) or not np.isfinite(self.initial):
            raise ArgumentError(
                f"SoftThreshold: initial must be a finite number, not {self.initial!r}; pass "
                f"initial=-5.0, for example"
            )
        choice("SoftThreshold", "by", self.by, ("layer", "unit"))
        number("SoftThreshold", "s_lr", self.s_lr)
        if self.sparsity is not None:
            share("SoftThreshold", "sparsity", self.sparsity)

    def start(self, model: Model, ctx: Context) -> tuple[Model, Arrays, Any]:
        dense_only(model, "a threshold of weights")
        extra = {}
        for name in model.net.weights:
            w = model.params[name]
            units = w.shape[0] if self.by == "unit" else 1
            extra[f"{name} s"] = np.full((units, *(1,) * (w.ndim - 1)), self.initial, w.dtype)
        if self.sparsity is not None:  # what cannot be reached is refused before training
            self.finish(model, extra, ctx)
        return model, extra, None

    def weights(self, params: Values, extra: Values, ctx: Context) -> Values:
        new = {}
        for name in ctx.net.weights:
            a = ag.act(extra[f"{name} s"], kind="sigmoid")
            if value(a).any():  # of 0 it is w itself, also where w is 0
                w = params[name]
                over = ag.act(ag.sub(abs(w), a), kind="relu")
                new[name] = ag.mul(over, np.sign(value(w)))
        return params | new

    def penalty(self, params: Values, extra: Values, ctx: Context) -> Value | None:
        if not (self.decay and extra):
            return None
        parts = [ag.total(s * s) * (1 / value(s).size) for s in extra.values()]
        return sum(parts[1:], parts[0]) * (self.decay / 2)

    def finish(self, model: Model, extra: Arrays, ctx: Context) -> Model:
        params, masks, scores = dict(model.params), {}, {}
        for name in model.net.weights:
            a, w = thresholds(extra)[f"{name} threshold"], model.params[name]
            params[name] = prox_l1(w, np.broadcast_to(a, w.shape)) if a.any() else w
            scores[name] = np.abs(w) - a
            if a.any():
                masks[name] = masks_of(model, [name])[name] & (scores[name] > 0)
        if self.sparsity is not None:
            live = masks_of(model, model.net.weights)
            masks = choose(scores, live, sparsity=self.sparsity) if self.sparsity else {}
            masks = {k: m for k, m in masks.items() if k in model.masks or not m.all()}
        return with_masks(Model(model.net, params, model.buffers, model.masks), masks)

    def learned(self, model: Model, extra: Arrays, ctx: Context) -> Arrays:
        return thresholds(extra)

    @property
    def extra_lr(self) -> Mapping[str, float]:  # type: ignore[override]
        return {"* s": self.s_lr}


def thresholds(extra: Arrays) -> Arrays:
    """{weight threshold: sigmoid(s)}"""
    sigmoid = {k: ag.act(s, kind="sigmoid") for k, s in extra.items()}
    return {k.removesuffix(" s") + " threshold": a for k, a in sigmoid.items()}


soft_threshold = one_call(SoftThreshold, "soft_threshold", "decay=0.1")
