"""L + KL / N, W ~ N(theta, alpha theta^2), alpha <= 1 learned: dropout that finds its own rates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import log
from typing import Any

import numpy as np

from minprune.arguments import choice, filled, number, share
from minprune.autograd import Value, exp, mul, total
from minprune.core import Arrays
from minprune.methods.dropout import Names
from minprune.methods.during import one_call
from minprune.methods.kl import gaussian_kl
from minprune.methods.local_reparameterization import noisy_weights, outputs
from minprune.nets.layer import Layer
from minprune.nets.model import Model
from minprune.nets.names import listed
from minprune.nets.net import layer_of
from minprune.train.history import Learned
from minprune.train.method import Change, Context, Method, Values, View

END = " log alpha"  # of the names of the extra arrays


@dataclass(frozen=True)
class VariationalDropout(Method):
    """Learns the noise of weights: W ~ N(theta, alpha theta^2), alpha <= 1.

    The noise is drawn at the outputs of layers (local reparameterization); the loss is
    L + scale KL / N, with N the samples, KL of `minprune.methods.kl`, summed over the weights. The
    model is that of theta; nothing is pruned. After each update log alpha is held at 0 at most.
    `history.extra` holds "NAME log alpha". It has no null setting: its noise never ends.

    Parameters
    ----------
    by : {"unit", "layer", "weight"}
        What has an alpha of its own: the incoming weights of each unit together, all weights of a
        layer, or each weight.
    layers : name or names, optional
        Dense and convolution layers, or patterns of them; None: all.
    scale : float
        Of the KL term; 1: the variational bound.
    alpha : float
        Where alpha starts, above 0, at most 1.
    lr_factor : float
        The learning rate of log alpha over that of the weights.

    Raises
    ------
    ArgumentError
        For settings out of their range; in `fit`, for layers that cannot have noise.

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.digits()
    >>> model = mp.zoo.mlp(data, hidden=(16,))
    >>> method = mp.methods.VariationalDropout(by="unit")
    >>> trained, history = mp.fit(model, data, epochs=3, method=method, progress=False)
    >>> history.extra["fc1.weight log alpha"].shape
    (16, 1)

    Source: Kingma, Salimans & Welling (2015), Variational Dropout and the Local Reparameterization
    Trick: independent noise on weights (their type A). Their unit is an input, here an output.
    """

    by: str = "unit"
    layers: Names = None
    scale: float = 1.0
    alpha: float = 0.1
    lr_factor: float = 1.0
    reads_total = False
    pictures = (Learned("*" + END, "log alpha", 0.0, "held below"),)

    def __post_init__(self) -> None:
        owner = "VariationalDropout"
        choice(owner, "by", self.by, ("unit", "layer", "weight"))
        number(owner, "scale", self.scale)
        share(owner, "alpha", self.alpha, above=True)
        number(owner, "lr_factor", self.lr_factor)
        if self.layers is not None:
            object.__setattr__(self, "layers", tuple(listed(self.layers)))
            filled(owner, "layers", self.layers, "name one, or leave it out")

    @property
    def extra_lr(self) -> Mapping[str, float]:  # type: ignore[override]
        return {"*" + END: self.lr_factor}

    def start(self, model: Model, ctx: Context) -> tuple[Model, Arrays, Any]:
        extra, first = {}, model.dtype.type(log(self.alpha))
        for name in noisy_weights("VariationalDropout", model, self.layers):
            whole = model.params[name].shape
            own = {"weight": whole, "unit": (whole[0], *(1,) * (len(whole) - 1)),
                   "layer": (1,) * len(whole)}  # fmt: skip
            extra[name + END] = np.full(own[self.by], first)
        return model, extra, None

    def layer(
        self, name: str, layer: Layer, x: Value, params: Values, extra: Values, ctx: Context
    ) -> Value | None:
        found = next((k for k in extra if layer_of(k) == name), None)
        if found is None:
            return None
        weight = found.removesuffix(END)
        theta = params[weight]
        var = mul(mul(theta, theta), exp(extra[found]))
        return outputs(weight, layer, x, var, params, ctx.forward, ctx.rng)

    def penalty(self, params: Values, extra: Values, ctx: Context) -> Value | None:
        terms = []
        for name, a in extra.items():
            many = np.prod(params[name.removesuffix(END)].shape) / np.prod(a.shape)
            terms.append(mul(total(gaussian_kl(a)), float(many)))
        return mul(sum(terms[1:], terms[0]), self.scale / ctx.samples)

    def after(self, view: View) -> Change | None:
        return Change(extra={name: np.minimum(a, 0) for name, a in view.extra.items()})


variational_dropout = one_call(VariationalDropout, "variational_dropout", 'by="unit"')
