"""L + lam sum w^2 / 2 in the loss, or lam sum |w| by its proximal step after each update."""

from dataclasses import dataclass

import numpy as np

from minprune.arguments import number
from minprune.autograd import Value, mul, total
from minprune.core import Array
from minprune.methods.during import one_call
from minprune.train.method import Change, Context, Method, Values, View


@dataclass(frozen=True)
class L2(Method):
    """Adds half the squared weights to the loss: L + lam/2 sum w^2, over weights, not biases.

    Unlike the optimizer's weight decay, it is part of the loss and leaves out biases. Of a sparse
    layer, the stored weights count. Null setting: lam = 0.

    Parameters
    ----------
    lam : float
        At least 0.

    Raises
    ------
    ArgumentError
        For a lam below 0.

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.digits()
    >>> model = mp.zoo.mlp(data, hidden=(4,))
    >>> _, history = mp.fit(model, data, epochs=1, method=mp.methods.L2(1e-2), progress=False)
    >>> round(history.steps["penalty"][0], 2)
    0.15

    Source: Krogh & Hertz (1991).
    """

    lam: float
    reads_total = False

    def __post_init__(self) -> None:
        number("L2", "lam", self.lam)

    def penalty(self, params: Values, extra: Values, ctx: Context) -> Value | None:
        names = ctx.net.every_weight if self.lam else ()
        parts = [total(mul(params[name], params[name])) for name in names]
        return sum(parts[1:], parts[0]) * (self.lam / 2) if parts else None


@dataclass(frozen=True)
class L1(Method):
    """Shrinks the weights after each update, until they are 0: w = soft(w, lr lam).

    The proximal step of lam sum |w|, over the weights: soft(v, t) = sign(v) max(|v| - t, 0).
    Of a sparse layer, the stored weights count. Null setting: lam = 0.

    Parameters
    ----------
    lam : float
        At least 0.

    Raises
    ------
    ArgumentError
        For a lam below 0.

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.digits()
    >>> model = mp.zoo.mlp(data, hidden=(4,))
    >>> shrunk, _ = mp.fit(model, data, epochs=3, method=mp.methods.L1(2.0), progress=False)
    >>> bool((shrunk.params["fc1.weight"] == 0).mean() > 0.5)
    True

    Source: Daubechies, Defrise, De Mol (2004), for gradient descent with step lr.
    """

    lam: float
    reads_total = False

    def __post_init__(self) -> None:
        number("L1", "lam", self.lam)

    def after(self, view: View) -> Change | None:
        if self.lam == 0:
            return None
        t = view.ctx.lr * self.lam
        return Change(params={k: soft(view.params[k], t) for k in view.ctx.net.every_weight})


def soft(v: Array, t: float) -> Array:
    """sign(v) max(|v| - t, 0) = argmin_x (x - v)^2 / 2 + t |x|"""
    shrunk: Array = np.sign(v) * np.maximum(np.abs(v) - v.dtype.type(t), 0)
    return shrunk


l1 = one_call(L1, "l1", "lam=1e-4")
l2 = one_call(L2, "l2", "lam=1e-4")
