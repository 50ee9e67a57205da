"""L + lam sum w^2 / 2 in the loss; lam sum |w|, lam [w != 0] by their proximal step afterwards."""

from dataclasses import dataclass
from typing import Literal

from minprune.arguments import choice, number
from minprune.autograd import Value, mul, total
from minprune.core import Array
from minprune.methods.during import one_call
from minprune.methods.prox import prox_elastic_net, prox_l0, prox_l1
from minprune.train.method import Change, Context, Method, Values, View

Metric = Literal["optimizer", "euclidean"]


def pace(view: View, name: str, metric: Metric) -> Array | float:
    """lr / D, D: the metric of the optimizer; or lr"""
    lr = view.ctx.lr
    return lr / view.metric(name) if metric == "optimizer" else lr


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
    metric : {"euclidean", "optimizer"}
        "optimizer": the step is taken in the optimizer's own metric D, w = soft(w, lr lam / D), as
        `ElasticNet` does; where it stands still is then, without weight decay, a stationary point
        of L + lam sum |w|. With plain SGD the two are the same; with Adam, or momentum, the
        Euclidean step has another fixed point.

    Raises
    ------
    ArgumentError
        For a lam below 0, or another metric.

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
    metric: Metric = "euclidean"
    reads_total = False

    def __post_init__(self) -> None:
        number("L1", "lam", self.lam)
        choice("L1", "metric", self.metric, ("euclidean", "optimizer"))

    def after(self, view: View) -> Change | None:
        if self.lam == 0:
            return None
        now, names = view.params, view.ctx.net.every_weight
        return Change({k: prox_l1(now[k], pace(view, k, self.metric) * self.lam) for k in names})


@dataclass(frozen=True)
class ElasticNet(Method):
    """Shrinks the weights after each update: w = soft(w, t lam1) / (1 + t lam2), t = lr / D.

    The proximal step of lam1 sum |w| + lam2/2 sum w^2, over the weights, in the metric D of the
    optimizer: sqrt(shat) + eps of Adam, entry by entry, 1 - momentum of SGD. So where the whole
    update stands still is a stationary point of L + penalty with any optimizer without weight
    decay. Of a sparse layer, the stored weights count. Null setting: lam1 = 0, lam2 = 0.

    Parameters
    ----------
    lam1, lam2 : float, float
        At least 0.
    metric : {"optimizer", "euclidean"}
        "euclidean": D = 1, for any optimizer.

    Raises
    ------
    ArgumentError
        For a number below 0, or another metric.

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.digits()
    >>> model = mp.zoo.mlp(data, hidden=(4,))
    >>> method = mp.methods.ElasticNet(1e-3, 1e-3)
    >>> shrunk, _ = mp.fit(model, data, epochs=3, method=method, progress=False)
    >>> bool((shrunk.params["fc1.weight"] == 0).mean() > 0.1)
    True

    Source: Zou & Hastie (2005); the step in Adam's metric: Yun, Lozano, Yang (2021).
    """

    lam1: float
    lam2: float
    metric: Metric = "optimizer"
    reads_total = False

    def __post_init__(self) -> None:
        number("ElasticNet", "lam1", self.lam1)
        number("ElasticNet", "lam2", self.lam2)
        choice("ElasticNet", "metric", self.metric, ("optimizer", "euclidean"))

    def after(self, view: View) -> Change | None:
        if self.lam1 == self.lam2 == 0:
            return None
        new = {}
        for k in view.ctx.net.every_weight:
            t = pace(view, k, self.metric)
            new[k] = prox_elastic_net(view.params[k], t * self.lam1, t * self.lam2)
        return Change(new)


@dataclass(frozen=True)
class L0(Method):
    """Sets small weights to 0 after each update: w = w if w^2 > 2 t lam else 0, t = lr / D.

    The proximal step of lam times the number of weights that are not 0, in the metric D of the
    optimizer, as `ElasticNet`. They are not masked: the next update may bring them back. The
    penalty is not convex: where the update stands still no single step is better, which is less
    than a minimum. Of a sparse layer, the stored weights count. Null setting: lam = 0.

    Parameters
    ----------
    lam : float
        At least 0.
    metric : {"optimizer", "euclidean"}
        "euclidean": D = 1, for any optimizer.

    Raises
    ------
    ArgumentError
        For a lam below 0, or another metric.

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.digits()
    >>> model = mp.zoo.mlp(data, hidden=(4,))
    >>> some, _ = mp.fit(model, data, epochs=3, method=mp.methods.L0(1e-3), progress=False)
    >>> bool((some.params["fc1.weight"] == 0).mean() > 0.1)
    True

    Source: Blumensath & Davies (2008), iterative hard thresholding. With gates that are learned:
    Louizos et al. (2018).
    """

    lam: float
    metric: Metric = "optimizer"
    reads_total = False

    def __post_init__(self) -> None:
        number("L0", "lam", self.lam)
        choice("L0", "metric", self.metric, ("optimizer", "euclidean"))

    def after(self, view: View) -> Change | None:
        if self.lam == 0:
            return None
        now, names = view.params, view.ctx.net.every_weight
        return Change({k: prox_l0(now[k], pace(view, k, self.metric) * self.lam) for k in names})


l1 = one_call(L1, "l1", "lam=1e-4")
l2 = one_call(L2, "l2", "lam=1e-4")
l0 = one_call(L0, "l0", "lam=1e-4")
elastic_net = one_call(ElasticNet, "elastic_net", "lam1=1e-4, lam2=1e-4")
