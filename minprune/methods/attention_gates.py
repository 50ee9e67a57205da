"""y' = a y, a = sigmoid(W mean(y) + b): squeeze-excite heads, whose mean gates score filters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod, sqrt
from typing import Any

import numpy as np

from minprune.arguments import choice, count, filled, number, share
from minprune.autograd import Value, add, matmul, mul, reshape, sigmoid, sum_to, value
from minprune.core import Arrays
from minprune.evidence.options import free_groups
from minprune.masking.apply import prune
from minprune.masking.choose import Scope
from minprune.methods.during import one_call
from minprune.nets.layer import ForwardContext, Layer
from minprune.nets.model import Model, dense_only, run
from minprune.nets.net import Net, layer_of
from minprune.train.history import Learned
from minprune.train.method import Change, Context, Method, Values, View


@dataclass(frozen=True)
class AttentionGates(Method):
    """Trains a gate for each filter of a convolution, from its outputs, and prunes by their means.

    y' = a y with a = sigmoid(W m + b), m the mean of each channel of y over its positions, for each
    sample; W (filters, filters) and b are trained with the net. Where a normalisation alone reads
    the convolution, y is the normalisation's output: before it the scale of a would cancel. The
    score of a filter is its mean gate over every `every`-th training batch of the present epoch,
    each measured with the weights after its update; not with the last weights over a calibration
    set, since a method has no data at the end. Then the filters of the lowest are pruned, the mean
    gates of the others are multiplied into the weights and biases that make y, and the heads are
    gone; the rest of the training, the share `fine_tune`, is that of the ordinary net. In each
    epoch's validation before, the same is done to a copy. `history.extra` holds "LAYER mean gate".
    It has no null setting: the heads change what the net computes.

    Parameters
    ----------
    sparsity : float, optional
        The share of the filters that is pruned; tied ones go by their mean score, and count once.
        None: those whose mean gate is below `threshold`.
    scope : {"layer", "global"}
        Of `sparsity`, as for `mp.prune`: gates of one layer may all be larger than another's.
    threshold : float
        In [0, 1].
    fine_tune : float
        The share of the training after pruning, below 1; 0: none.
    every : int
        Every so many batches are used for the mean gates: each costs a forward pass.
    lr_factor : float
        The learning rate of the heads over that of the weights.

    Raises
    ------
    ArgumentError
        For settings out of their range; in training, for a net without convolutions whose filters
        may be removed, and a sparsity below the present one.

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.digits()
    >>> model = mp.zoo.cnn_small(data)
    >>> method = mp.methods.AttentionGates(0.5)
    >>> trained, history = mp.fit(model, data, epochs=1, method=method, progress=False)
    >>> model.net.params["conv1.weight"][0], mp.compact(trained).net.params["conv1.weight"][0]
    (16, 8)

    Source: the head is that of Hu, Shen & Sun (2018), Squeeze-and-Excitation Networks, with one
    layer in place of two.
    """

    sparsity: float | None = None
    scope: Scope = "layer"
    threshold: float = 0.5
    fine_tune: float = 0.5
    every: int = 4
    lr_factor: float = 10.0

    def __post_init__(self) -> None:
        owner = "AttentionGates"
        if self.sparsity is not None:
            share(owner, "sparsity", self.sparsity)
        choice(owner, "scope", self.scope, ("global", "layer"))
        share(owner, "threshold", self.threshold)
        share(owner, "fine_tune", self.fine_tune, below=True)
        count(owner, "every", self.every)
        number(owner, "lr_factor", self.lr_factor)

    @property
    def reads_total(self) -> bool:  # type: ignore[override]
        return bool(self.fine_tune)

    @property
    def pictures(self) -> tuple[Learned, ...]:  # type: ignore[override]
        mark = self.threshold if self.sparsity is None else None
        return (Learned("* mean gate", "mean gate", mark, "pruned below"),)

    @property
    def extra_lr(self) -> Mapping[str, float]:  # type: ignore[override]
        return {"* head *": self.lr_factor}

    def start(self, model: Model, ctx: Context) -> tuple[Model, Arrays, Any]:
        dense_only(model, "pruning")
        filled(
            "AttentionGates", "convolutions whose filters may be removed", names := gated(model),
            "print(mp.ties(model)) shows the groups of units",
        )  # fmt: skip
        extra, gates = {}, {}
        for k in names:
            layer, n = layer_of(k), len(model.params[k])
            w = ctx.rng.standard_normal((n, n)) / sqrt(n)
            extra[f"{layer} head weight"] = w.astype(model.dtype)
            extra[f"{layer} head bias"] = np.zeros((n, 1), model.dtype)
            gates[layer] = np.full(n, 0.5)
        self._pruned(model, gates)  # a share that cannot be reached is refused now
        places = {place(model.net, layer): layer for layer in gates}
        return model, extra, {"gates": gates, "places": places, "batches": 0}

    def layer(
        self, name: str, layer: Layer, x: Value, params: Values, extra: Values, ctx: Context
    ) -> Value | None:
        made = ctx.state["places"].get(name)
        if made is None or "fixed" in ctx.state:
            return None
        y = layer.apply(layer.own(name, params), [x], ctx.forward)
        a = gates(y, made, extra)
        c, *space, n = value(y).shape
        return mul(y, reshape(a, shape=(c, *(1 for _ in space), n)))

    def after(self, view: View) -> Change | None:
        ctx, state = view.ctx, view.ctx.state
        if "fixed" in state:
            return None
        begun = (ctx.step - 1) % ctx.updates_of_epoch  # updates of the epoch before
        if begun % self.every == 0:
            k = state["batches"] + 1 if begun else 1
            now = self._measured(view)
            mean = {name: a + (now[name] - a) / k for name, a in state["gates"].items()}
            state = state | {"gates": mean if begun else now, "batches": k}
        if not self.fine_tune or ctx.step != self._last(ctx.total):
            return Change(state=state)
        model = Model(ctx.net, dict(view.params), dict(view.buffers), dict(ctx.masks))
        pruned = self._pruned(model, state["gates"])
        return Change(pruned.params, pruned.masks, state=state | {"fixed": True})

    def settled(self, step: int, total: int) -> bool:
        return not self.fine_tune or step >= self._last(total)

    def finish(self, model: Model, extra: Arrays, ctx: Context) -> Model:
        return model if "fixed" in ctx.state else self._pruned(model, ctx.state["gates"])

    def learned(self, model: Model, extra: Arrays, ctx: Context) -> Arrays:
        return {f"{k} mean gate": a for k, a in ctx.state["gates"].items()}

    def _last(self, total: int) -> int:
        """The update after which the heads are gone."""
        return max(1, round((1 - self.fine_tune) * total))

    def _measured(self, view: View) -> Arrays:
        """{layer: (filters,) the mean gates of this update's batch}, in evaluation mode"""
        found: Arrays = {}
        params, places = view.params | view.buffers, view.ctx.state["places"]
        ctx = view.ctx._replace(forward=ForwardContext())

        def noting(name: str, layer: Layer, xs: list[Value]) -> Value | None:
            x = xs[0] if len(xs) == 1 else xs
            y = self.layer(name, layer, x, params, view.extra, ctx)
            if y is not None:
                plain = layer.apply(layer.own(name, params), [x], ctx.forward)
                mean = gates(plain, places[name], view.extra).mean(axis=1)
                found[places[name]] = mean.astype(np.float64)
            return y

        run(view.ctx.net, params, np.ascontiguousarray(np.moveaxis(view.batch[0], 0, -1)),
            ctx.forward, None, noting)  # fmt: skip
        return found

    def _pruned(self, model: Model, mean: Arrays) -> Model:
        """Without the filters of the lowest mean gates, which are multiplied into the others"""
        how: dict[str, Any] = {"threshold": self.threshold}
        if self.sparsity is not None:
            how = {"sparsity": self.sparsity, "scope": self.scope}
        scores: Arrays = {}
        for g in free_groups(model).values():
            makers = [m for m in g.producers if layer_of(m.param) in mean]
            own = [mean[layer_of(m.param)][m.index].mean(axis=1) for m in makers]
            for m in g.producers if own else ():
                found = scores.setdefault(m.param, np.zeros(len(model.params[m.param])))
                found[m.index] = np.mean(own, axis=0)[:, None]
        pruned = prune(model, scores, **how)
        new = dict(pruned.params)
        for name, a in mean.items():
            at = place(model.net, name)
            for kind in model.net.node(at).layer.params():
                w = new[f"{at}.{kind}"]
                new[f"{at}.{kind}"] = w * a.astype(w.dtype).reshape(-1, *[1] * (w.ndim - 1))
        return replace(pruned, params=new)


def gated(model: Model) -> list[str]:
    """The weights of the convolutions that have gates: whose filters may be removed"""
    made = {m.param for g in free_groups(model).values() for m in g.producers}
    return [k for k in model.net.weights if k in made and _convolves(model, layer_of(k))]


def _convolves(model: Model, name: str) -> bool:
    """Whether the layer is linear, with one weight, and has an output at several positions"""
    many = sum(layer_of(k) == name for k in model.net.weights)
    return len(model.net.shapes[name]) > 1 and many == 1 and not model.net.node(name).layer.bent()


def place(net: Net, name: str) -> str:
    """The layer whose output has the gates: `name`, or the normalisation that alone reads it"""
    readers = net.readers[name]
    if len(readers) == 1 and net.node(readers[0]).layer.normalises:
        return readers[0]
    return name


def gates(y: Value, name: str, extra: Mapping[str, Value]) -> Value:
    """a = sigmoid(W mean(y) + b)      y: (filters, ..., n) -> a: (filters, n)"""
    c, *space, n = value(y).shape
    flat = reshape(y, shape=(c, prod(space), n))
    m = mul(reshape(sum_to(flat, shape=(c, 1, n)), shape=(c, n)), 1 / prod(space))
    return sigmoid(add(matmul(extra[f"{name} head weight"], m), extra[f"{name} head bias"]))


attention_gates = one_call(AttentionGates, "attention_gates", "sparsity=0.5", "cnn_small(data)")
