"""w' = w (1 - d), d ~ Bernoulli(rate) among the lowest |w| of each unit, which are pruned later.

Whole units likewise, by the norm of their weights. `lowest` is the one rule of who may be dropped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from minprune.arguments import filled, share
from minprune.autograd import mul, value
from minprune.core import Array, Arrays
from minprune.masking.apply import prune
from minprune.masking.count import pruned_count
from minprune.methods.dropout import Names
from minprune.methods.during import one_call
from minprune.nets.model import Model, dense_only
from minprune.nets.names import listed, matched, of_parameters
from minprune.nets.ties import ties
from minprune.train.method import Context, Method, Values

NEEDS = "TargetedDropout: {} must be a weight of this net, or a layer that has one"


@dataclass(frozen=True)
class TargetedDropout(Method):
    """Drops weights at random among the smallest, which are those that are pruned at the end.

    Of the n weights of each output unit, the round(sparsity n) of lowest abs(w) are each set to 0
    with probability `rate` in an update; the others are as they are, without 1 / (1 - rate). With
    unit=True whole units of a group are dropped so, by the norm of their weights. At the end, and
    in each epoch's validation, the share `sparsity` of all is pruned, by the same rank. Null
    setting: sparsity = 0.

    Parameters
    ----------
    sparsity : float
        The share that may be dropped, and is pruned at the end; gamma in the paper.
    rate : float
        The probability; alpha in the paper.
    unit : bool
        Whether units are dropped and pruned, rather than single weights.
    ramp : float
        The share of the training in which the share that may be dropped grows from 0 to `sparsity`;
        0: none.
    layers : name or names, optional
        The layers whose weights, or units, are dropped, or patterns of them; None: all.

    Raises
    ------
    ArgumentError
        For shares that are none; in `fit`, for a layer that the net does not have, a net without
        units that may be removed, and a sparsity below the present one.

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.digits()
    >>> model = mp.zoo.mlp(data, hidden=(16,))
    >>> method = mp.methods.TargetedDropout(0.5)
    >>> trained, history = mp.fit(model, data, epochs=2, method=method, progress=False)
    >>> history.epochs["sparsity"]
    [0.5, 0.5]

    Source: Gomez et al. (2019), Learning Sparse Networks Using Targeted Dropout. There a count is
    floored, and each unit loses as many weights; here the net loses round(sparsity n) of n.
    """

    sparsity: float = 0.75
    rate: float = 0.66
    unit: bool = False
    ramp: float = 0.0
    layers: Names = None

    @property
    def reads_total(self) -> bool:  # type: ignore[override]
        return bool(self.ramp)

    def __post_init__(self) -> None:
        for what in ("sparsity", "rate", "ramp"):
            share("TargetedDropout", what, getattr(self, what))
        if self.layers is not None:
            object.__setattr__(self, "layers", tuple(listed(self.layers)))
            filled("TargetedDropout", "layers", self.layers, "name one, or leave it out")

    def start(self, model: Model, ctx: Context) -> tuple[Model, Arrays, Any]:
        dense_only(model, "pruning")
        known = of_parameters(model.net.weights)
        names = matched(known, known if self.layers is None else self.layers, NEEDS)
        state: dict[str, Any] = {"weights": names}
        if self.unit:
            groups = [
                g for g in ties(model) if g.free and {m.param for m in g.producers} & {*names}
            ]
            filled(
                "TargetedDropout", "groups of units", groups,
                "print(mp.ties(model)) shows which may be removed",
            )  # fmt: skip
            state["groups"] = {
                g.name: {
                    "makes": [[m.param, m.index] for m in g.producers],
                    "owns": [[m.param, m.axis, m.index] for m in g.members],
                }
                for g in groups
            }
        self._pruned(model, state)  # a share below the present one is refused now
        return model, {}, state

    def weights(self, params: Values, extra: Values, ctx: Context) -> Values:
        now = self.sparsity
        if self.ramp:
            now *= min(1.0, ctx.step / (self.ramp * ctx.total))
        if not now or not self.rate:
            return params
        arrays = {name: value(w) for name, w in params.items()}
        dropped = self._units if self.unit else self._weights
        kept = dropped(arrays, now, ctx)
        return params | {k: mul(params[k], m.astype(arrays[k].dtype)) for k, m in kept.items()}

    def finish(self, model: Model, extra: Arrays, ctx: Context) -> Model:
        return self._pruned(model, ctx.state)

    def _weights(self, arrays: Arrays, now: float, ctx: Context) -> Arrays:
        """{weight: bool, False where it is dropped in this update}"""
        kept: Arrays = {}
        for name in ctx.state["weights"]:
            a = rows_of(arrays[name])
            dead = lowest(a, now) & self._draw(ctx, a.shape)
            kept[name] = ~dead.reshape(arrays[name].shape)
        return kept

    def _units(self, arrays: Arrays, now: float, ctx: Context) -> Arrays:
        """The same of all that the dropped units own"""
        kept: Arrays = {}
        for group in ctx.state["groups"].values():
            sizes = norms(arrays, group)[None]
            dead = (lowest(sizes, now) & self._draw(ctx, sizes.shape))[0]
            for name, axis, index in group["owns"]:
                mask = kept.setdefault(name, np.ones(arrays[name].shape, bool))
                mask[(slice(None),) * axis + (index[dead].ravel(),)] = False
        return kept

    def _draw(self, ctx: Context, shape: tuple[int, ...]) -> Array:
        """True with probability `rate`"""
        drawn: Array = ctx.rng.random(shape, np.float32) < self.rate
        return drawn

    def _pruned(self, model: Model, state: Mapping[str, Any]) -> Model:
        """Without the lowest share, by rank among the weights of a unit, or units of a group."""
        if not self.sparsity:
            return model
        arrays, scores = model.params, dict[str, Array]()
        for name in () if self.unit else state["weights"]:
            scores[name] = ranks(rows_of(arrays[name])).reshape(arrays[name].shape)
        for group in state["groups"].values() if self.unit else ():
            own = ranks(norms(arrays, group)[None])[0]
            for name, index in group["makes"]:
                found = scores.setdefault(name, np.zeros(len(arrays[name])))
                found[index] = own[:, None]
        return prune(model, scores, sparsity=self.sparsity)


def rows_of(w: Array) -> Array:
    """(o, ...) -> abs(w) as (o, incoming)"""
    found: Array = np.abs(w).reshape(len(w), -1)
    return found


def norms(arrays: Mapping[str, Array], group: Mapping[str, Any]) -> Array:
    """(units,) sqrt(sum w^2) over all weights that make a unit"""
    total: Any = 0.0
    for name, index in group["makes"]:
        squares = np.square(arrays[name].reshape(len(arrays[name]), -1)).sum(axis=1)
        total = total + squares[index].sum(axis=1)
    found: Array = np.sqrt(total)
    return found


def lowest(a: Array, share: float) -> Array:
    """bool, the shape of a: the round(share n) lowest of each row of n; of equals the last ones"""
    k = pruned_count(share, a.shape[1])
    if not k:
        return np.zeros(a.shape, bool)
    edge = np.partition(a, k - 1, axis=1)[:, k - 1 : k]
    below, ties = a < edge, a == edge
    missing = k - below.sum(axis=1)
    if (ties.sum(axis=1) != missing).any():
        left = np.cumsum(ties[:, ::-1], axis=1)[:, ::-1]  # ties from here to the end of the row
        ties &= left <= missing[:, None]
    found: Array = below | ties
    return found


def ranks(a: Array) -> Array:
    """0, 1/n, ..., (n - 1)/n from the lowest of each row of n; of equals the last is the lowest"""
    n = a.shape[1]
    order = n - 1 - np.argsort(a[:, ::-1], axis=1, kind="stable")
    found = np.empty(a.shape)
    np.put_along_axis(found, order, np.arange(n)[None] / n, axis=1)
    return found


targeted_dropout = one_call(TargetedDropout, "targeted_dropout", "sparsity=0.5")
