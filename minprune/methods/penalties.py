"""L + lam sum w^2 / 2 in the loss, or lam sum |w| by its proximal step after each update."""

from dataclasses import dataclass

import numpy as np

from minprune.autograd import Value, mul, total
from minprune.core import Array
from minprune.train.method import Change, Context, Method, View
from minprune.train.optim import within


@dataclass(frozen=True)
class L2(Method):
    """L + lam/2 sum w^2 over the weights (no biases)      null setting: lam = 0

    Of sparse layers those that are stored. Krogh & Hertz (1991). Unlike the optimizer's weight
    decay, it is part of the loss, and spares biases.
    """

    lam: float

    def __post_init__(self) -> None:
        within("L2", "lam", self.lam, 0)

    def penalty(
        self, params: dict[str, Value], extra: dict[str, Value], ctx: Context
    ) -> Value | None:
        if self.lam == 0:
            return None
        parts = [total(mul(params[name], params[name])) for name in ctx.net.every_weight]
        return sum(parts[1:], parts[0]) * (self.lam / 2) if parts else None


@dataclass(frozen=True)
class L1(Method):
    """w = soft(w, lr lam) after each update: the proximal step of lam sum |w|      null: lam = 0

    soft(v, t) = sign(v) max(|v| - t, 0), so weights become exactly zero. Weights only, no biases;
    of sparse layers those that are stored.
    The threshold is that of gradient descent with step lr (Daubechies et al. 2004).
    """

    lam: float

    def __post_init__(self) -> None:
        within("L1", "lam", self.lam, 0)

    def after(self, view: View) -> Change | None:
        if self.lam == 0:
            return None
        t = view.ctx.lr * self.lam
        return Change(params={k: soft(view.params[k], t) for k in view.ctx.net.every_weight})


def soft(v: Array, t: float) -> Array:
    """sign(v) max(|v| - t, 0) = argmin_x (x - v)^2 / 2 + t |x|"""
    shrunk: Array = np.sign(v) * np.maximum(np.abs(v) - v.dtype.type(t), 0)
    return shrunk
