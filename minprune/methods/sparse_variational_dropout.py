"""L + KL / N, W ~ N(theta, sigma^2); pruned where log alpha = log sigma^2 - log theta^2 is high.

Longer than most files: the ops, each with its rule, stand beside the method that is made of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import exp
from typing import Any

import numpy as np

from minprune.arguments import filled, number, share
from minprune.autograd import Op, Value, mul, sub, value
from minprune.autograd.in_pieces import in_pieces, pieces
from minprune.core import Array, Arrays
from minprune.errors import ArgumentError
from minprune.masking.apply import prune
from minprune.methods.dropout import Names
from minprune.methods.during import one_call
from minprune.methods.kl import sparse_kl, sparse_slope
from minprune.methods.local_reparameterization import noisy_weights, outputs
from minprune.nets.layer import Layer
from minprune.nets.model import Model
from minprune.nets.names import listed
from minprune.nets.net import layer_of
from minprune.train.history import Learned
from minprune.train.method import Context, Method, Values

LOW, HIGH = -8.0, 8.0  # of log alpha
THRESHOLD = 3.0  # alpha = 20: a dropout rate of 0.95


@in_pieces
def _log_alpha(theta: Array, log_sigma2: Array, *, out: Array) -> None:
    """a = log sigma^2 - log theta^2, in [LOW, HIGH]      derivative 0 at both; HIGH at theta = 0"""
    np.add(np.multiply(theta, theta, out=out), np.finfo(theta.dtype).tiny, out=out)
    np.subtract(log_sigma2, np.log(out, out=out), out=out)
    np.clip(out, LOW, HIGH, out=out)


def _log_alpha_rule(g: Value, a: Value, inputs: Any, need: Any) -> Any:
    g = mul(g, _free(value(a)))
    return towards(g, inputs[0]) if need[0] else None, g


@in_pieces
def _variance(theta: Array, log_sigma2: Array, *, out: Array) -> None:
    """v = exp(a) theta^2, a: `log_alpha`; that is sigma^2, in [e^LOW theta^2, e^HIGH theta^2]"""
    low = theta * theta * exp(LOW)
    np.maximum(np.exp(log_sigma2, out=out), low, out=out)
    np.minimum(out, np.multiply(low, exp(HIGH - LOW), out=low), out=out)


def _variance_rule(g: Value, v: Value, inputs: Any, need: Any) -> Any:
    """dlog_sigma2 = g v between the bounds; dtheta = g 2 v / theta at them, where a is constant"""
    g, within = mul(g, v), _within(value(v), value(inputs[0]))
    if within.all():  # usual, until weights are about to be pruned
        return None, g
    own = mul(g, within)
    return towards(sub(own, g), inputs[0]) if need[0] else None, own


@in_pieces
def _free(a: Array, *, out: Array) -> None:
    """1 where LOW < a < HIGH, else 0"""
    out[:] = (a > LOW) & (a < HIGH)


@in_pieces
def _within(v: Array, theta: Array, *, out: Array) -> None:
    """1 where v is within its bounds, rounded as they were there, else 0"""
    low = theta * theta * exp(LOW)
    out[:] = (v > low) & (v < low * exp(HIGH - LOW))


@in_pieces
def _towards(g: Array, theta: Array, *, out: Array) -> None:
    """z = -2 g / theta = g d(-log theta^2)/dtheta, 0 where g = 0"""
    with np.errstate(divide="ignore", invalid="ignore"):
        np.divide(g, -0.5 * theta, out=out)
    np.copyto(out, 0, where=g == 0)


def _towards_rule(h: Value, z: Value, inputs: Any, need: Any) -> Any:
    _, theta = inputs
    return towards(h, theta), mul(towards(mul(h, z), theta), 0.5)


def _kl(theta: Array, log_sigma2: Array) -> Array:
    """KL = sum k(a)      a: `log_alpha`, k: `sparse_kl`"""
    parts = pieces(*map(np.ascontiguousarray, (theta, log_sigma2)))
    return np.asarray(sum(float(sparse_kl(_log_alpha(*part)).sum()) for part in parts), theta.dtype)


def _kl_rule(g: Value, k: Value, inputs: Any, need: Any) -> Any:
    g = mul(g, kl_slope(*inputs))
    return towards(g, inputs[0]) if need[0] else None, g


@in_pieces
def _kl_slope(theta: Array, log_sigma2: Array, *, out: Array) -> None:
    """d = dKL / dlog_sigma2 = k'(a) between the bounds, 0 at them"""
    a = _log_alpha(theta, log_sigma2)
    np.multiply(sparse_slope(a), _free(a), out=out)


def _kl_slope_rule(h: Value, d: Value, inputs: Any, need: Any) -> Any:
    a = log_alpha(*inputs)
    (g,) = sparse_slope.rule(mul(h, _free(value(a))), None, (a,), (True,))
    return towards(g, inputs[0]), g


towards = Op(_towards, _towards_rule)
kl, kl_slope = Op(_kl, _kl_rule), Op(_kl_slope, _kl_slope_rule)
log_alpha, variance = Op(_log_alpha, _log_alpha_rule), Op(_variance, _variance_rule)


@dataclass(frozen=True)
class SparseVariationalDropout(Method):
    """Learns Gaussian noise of its own size for each weight, and prunes the noisiest at the end.

    W ~ N(theta, sigma^2), drawn at the outputs of layers (local reparameterization); the loss is
    L + w KL / N, with N the samples, log alpha = log sigma^2 - log theta^2 in [-8, 8], variance
    alpha theta^2, KL of `minprune.methods.kl`, and w growing from 0 to `scale` in equal steps. The
    model is that of theta, with the weights of log alpha > threshold pruned, in each epoch's
    validation too; they train on until the end. `history.extra` holds "NAME log alpha", "NAME
    theta", the weights before they were pruned, and "threshold". It has no null setting: its
    noise never ends.

    Parameters
    ----------
    threshold : float, optional
        Of log alpha; 3 by default. From 8 on nothing is pruned.
    sparsity : float, optional
        Instead of it: the share of the weights that is pruned, those of the highest log alpha.
    layers : name or names, optional
        Dense and convolution layers, or patterns of them; None: all.
    warm : float
        The share of the training in which w grows to its full size.
    scale : float
        That size; 1: the variational bound.
    log_sigma2 : float
        Where log sigma^2 starts.
    lr_factor : float
        The learning rate of log sigma^2 over that of the weights: it has about 10 to go, for which
        Adam takes 10 / lr updates.

    Raises
    ------
    ArgumentError
        For settings out of their range, threshold beside sparsity; in `fit`, for layers that cannot
        have noise, and a sparsity below the present one.

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.digits()
    >>> model = mp.zoo.mlp(data, hidden=(16,))
    >>> method = mp.methods.SparseVariationalDropout(sparsity=0.5)
    >>> trained, history = mp.fit(model, data, epochs=1, method=method, progress=False)
    >>> history.epochs["sparsity"], history.extra["fc1.weight log alpha"].shape
    ([0.5], (16, 64))

    Source: Molchanov, Ashukha & Vetrov (2017), Variational Dropout Sparsifies Deep Neural Networks.
    """

    threshold: float | None = None
    sparsity: float | None = None
    layers: Names = None
    warm: float = 0.5
    scale: float = 1.0
    log_sigma2: float = -10.0
    lr_factor: float = 10.0
    reads_total = True

    def __post_init__(self) -> None:
        owner = "SparseVariationalDropout"
        if self.sparsity is not None:
            share(owner, "sparsity", self.sparsity)
            if self.threshold is not None:
                raise ArgumentError(
                    f"{owner}: threshold must be None beside sparsity, which finds it, not "
                    f"{self.threshold!r}; leave one of them out"
                )
        if self.threshold is not None:
            number(owner, "threshold", self.threshold, LOW)
        share(owner, "warm", self.warm)
        number(owner, "scale", self.scale)
        number(owner, "log_sigma2", self.log_sigma2, -50.0)
        number(owner, "lr_factor", self.lr_factor)
        if self.layers is not None:
            object.__setattr__(self, "layers", tuple(listed(self.layers)))
            filled(owner, "layers", self.layers, "name one, or leave it out")

    @property
    def pictures(self) -> tuple[Learned, ...]:  # type: ignore[override]
        return (
            Learned("* log alpha", "log alpha", "threshold", "pruned above"),
            Learned("* theta", ""),
        )

    @property
    def extra_lr(self) -> Mapping[str, float]:  # type: ignore[override]
        return {extra_name("*"): self.lr_factor}

    def start(self, model: Model, ctx: Context) -> tuple[Model, Arrays, Any]:
        names = noisy_weights("SparseVariationalDropout", model, self.layers)
        if self.sparsity is not None:  # a share that cannot be reached is refused before training
            self._pruned(model, {k: np.zeros(model.params[k].shape) for k in names})
        first = model.dtype.type(self.log_sigma2)
        return model, {extra_name(k): np.full(model.params[k].shape, first) for k in names}, None

    def layer(
        self, name: str, layer: Layer, x: Value, params: Values, extra: Values, ctx: Context
    ) -> Value | None:
        weight = next((k for k in weights_of(extra) if layer_of(k) == name), None)
        if weight is None:
            return None
        var = variance(params[weight], extra[extra_name(weight)])
        return outputs(weight, layer, x, var, params, ctx.forward, ctx.rng)

    def penalty(self, params: Values, extra: Values, ctx: Context) -> Value | None:
        share = ctx.step / (self.warm * ctx.total) if self.warm else 1.0
        w = self.scale * min(1.0, share) / ctx.samples
        kls = [kl(params[k], extra[extra_name(k)]) for k in weights_of(extra)]
        return mul(sum(kls[1:], kls[0]), w)

    def settled(self, step: int, total: int) -> bool:
        return step >= self.warm * total

    def finish(self, model: Model, extra: Arrays, ctx: Context) -> Model:
        return self._pruned(model, {k: -a for k, a in self._log_alphas(model, extra).items()})

    def learned(self, model: Model, extra: Arrays, ctx: Context) -> Arrays:
        found = self._log_alphas(model, extra)
        masks = self.finish(model, extra, ctx).masks
        kept = max((a[masks[k]].max(initial=LOW) for k, a in found.items()), default=LOW)
        cut = self._threshold if self.sparsity is None else kept
        return {
            **{f"{k} log alpha": np.clip(a, LOW, HIGH) for k, a in found.items()},
            **{f"{k} theta": model.params[k] for k in found},
            "threshold": np.clip(np.array(cut), LOW, HIGH),
        }

    def unpruned(self, model: Model, learned: Arrays) -> tuple[Model, Arrays]:
        found = {k.removesuffix(" theta"): a for k, a in learned.items() if k.endswith(" theta")}
        whole = replace(model, params=model.params | found, masks={})
        return whole, {k: -learned[f"{k} log alpha"] for k in found}

    @property
    def _threshold(self) -> float:
        return THRESHOLD if self.threshold is None else self.threshold

    def _pruned(self, model: Model, scores: Arrays) -> Model:
        """The model without the weights of the lowest -log alpha

        A threshold is of log alpha in [LOW, HIGH]; for a share, those beyond have an order.
        """
        if self.sparsity is None:
            scores = {k: np.clip(a, -HIGH, -LOW) for k, a in scores.items()}
            return prune(model, scores, threshold=-self._threshold)
        return prune(model, scores, sparsity=self.sparsity)

    def _log_alphas(self, model: Model, extra: Arrays) -> Arrays:
        """log sigma^2 - log theta^2, not clipped: so that those beyond the bounds have an order"""
        floor = np.finfo(model.dtype).tiny
        return {
            k: extra[extra_name(k)] - np.log(np.maximum(np.square(model.params[k]), floor))
            for k in weights_of(extra)
        }


def extra_name(weight: str) -> str:
    """The name of its log sigma^2"""
    return f"{weight} log sigma^2"


def weights_of(extra: Mapping[str, Any]) -> list[str]:
    """The weights that have one"""
    return [name.removesuffix(extra_name("")) for name in extra]


sparse_variational_dropout = one_call(
    SparseVariationalDropout, "sparse_variational_dropout", "sparsity=0.5"
)
