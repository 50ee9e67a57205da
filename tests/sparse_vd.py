"""q(w) = N(theta, sigma^2): sparse variational dropout, the proof that the interface carries it.

Source: Molchanov, Ashukha, Vetrov (2017). log alpha = log sigma^2 - log theta^2 in [-8, 8]; the
noise is added to a layer's outputs (local reparameterization, Kingma 2015).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

import minprune as mp
from minprune import autograd as ag
from minprune.autograd import Value
from minprune.core import Arrays
from minprune.nets.layer import Layer
from minprune.nets.model import Model

K1, K2, K3 = 0.63576, 1.87320, 1.48695


def log_alpha(theta: Value, log_sigma2: Value) -> Value:
    """log sigma^2 - log theta^2, in [-8, 8]"""
    return ag.clip(log_sigma2 - ag.log(theta * theta + 1e-12), low=-8.0, high=8.0)


@dataclass(frozen=True)
class SparseVD(mp.Method):
    """Noise of learned size on every weight; pruned where log alpha > threshold; no null setting"""

    names: tuple[str, ...]
    warm: float = 0.5  # the share of the training over which the KL term grows to its full weight
    threshold: float = 3.0
    factor: float = 1.0  # on the learning rate of log sigma^2

    @property
    def extra_lr(self) -> Mapping[str, float]:  # type: ignore[override]
        return {f"log_sigma2 of {name}": self.factor for name in self.names}

    def start(self, model: Model, ctx: mp.Context) -> tuple[Model, Arrays, Any]:
        extra = {
            f"log_sigma2 of {name}": np.full(model.params[name].shape, -8.0, model.dtype)
            for name in self.names
        }
        return model, extra, None

    def layer(
        self, name: str, layer: Layer, x: Value, params: dict[str, Value],
        extra: dict[str, Value], ctx: mp.Context,
    ) -> Value | None:  # fmt: skip
        weight = f"{name}.weight"
        if weight not in self.names:
            return None
        theta = params[weight]
        var = ag.exp(log_alpha(theta, extra[f"log_sigma2 of {weight}"])) * theta * theta
        own = layer.own(name, params)
        mean = layer.apply(own, [x], ctx.forward)
        still = {"weight": var, "bias": np.zeros_like(ag.value(own["bias"]))}
        variance = layer.apply(still, [x * x], ctx.forward)
        noise = ctx.rng.standard_normal(mean.shape).astype(mean.dtype)
        return mean + ag.power(variance + 1e-8, p=0.5) * noise

    def penalty(self, params: dict[str, Value], extra: dict[str, Value], ctx: mp.Context) -> Value:
        total = np.zeros((), np.float32)
        for name in self.names:
            a = log_alpha(params[name], extra[f"log_sigma2 of {name}"])
            gain = ag.act(a * K3 + K2, kind="sigmoid") * K1 - ag.log(ag.exp(-a) + 1) * 0.5 - K1
            total = total - ag.total(gain)
        return total * (min(1.0, ctx.step / (self.warm * ctx.total)) / ctx.samples)

    def finish(self, model: Model, extra: Arrays, ctx: mp.Context) -> Model:
        found = self.learned(model, extra, ctx)
        return mp.with_masks(model, {name: a <= self.threshold for name, a in found.items()})

    def learned(self, model: Model, extra: Arrays, ctx: mp.Context) -> Arrays:
        return {n: log_alpha(model.params[n], extra[f"log_sigma2 of {n}"]) for n in self.names}
