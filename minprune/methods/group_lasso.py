"""w_u = w_u max(1 - t sqrt(n) / |w_u|, 0): the weights of whole units become 0 together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minprune.arguments import choice, number
from minprune.core import Array, Arrays
from minprune.errors import ArgumentError
from minprune.evidence.options import free_groups
from minprune.methods.during import one_call
from minprune.methods.penalties import Metric
from minprune.methods.prox import prox_group_lasso, prox_sparse_group_lasso
from minprune.nets.model import Model, dense_only
from minprune.train.method import Change, Context, Method, View


class _OfUnits(Method):
    """state: for each group of units, {weight that makes them: (units, k) its rows of each}"""

    reads_total = False
    metric: Metric

    def start(self, model: Model, ctx: Context) -> tuple[Model, Arrays, Any]:
        owner = type(self).__name__
        dense_only(model, "a penalty on units")
        groups = free_groups(model)
        if not groups:
            raise ArgumentError(
                f"{owner}: the net must have units that may be removed, in a hidden layer, not "
                f"none; print(mp.ties(model)) shows its groups"
            )
        return model, {}, [{m.param: m.index for m in g.producers} for g in groups.values()]

    def _shrunk(self, view: View, prox: Callable[[Array, Array | float], Array]) -> Change:
        """prox(rows of the units, metric), put back where the rows are from"""
        new: Arrays = {}
        for group in view.ctx.state:
            d: Any = {k: view.metric(k) for k in group} if self.metric == "optimizer" else 1.0
            if self.metric == "optimizer":  # SGD has one number for all
                first = next(iter(d.values()))
                d = rows(d, group) if np.ndim(first) else first
            found, at = prox(rows(view.params, group), d), 0
            for name, index in group.items():
                w = new.setdefault(name, view.params[name].copy())
                width = index.shape[1] * w[0].size
                w[index] = found[:, at : at + width].reshape(*index.shape, *w.shape[1:])
                at += width
        return Change(new)


@dataclass(frozen=True)
class GroupLasso(_OfUnits):
    """Shrinks the norm of each unit's weights after each update: t = lr lam sqrt(n), until it is 0.

    The proximal step of lam sum_u sqrt(n_u) |w_u|_2, w_u: the n_u incoming weights of unit u; of
    tied units those of all of them, as one group. Only units that may be removed count (`mp.ties`
    lists them), not the net's outputs; biases and normalisation entries are left as they are. The
    step is in the metric of the optimizer, as that of `ElasticNet`, where the group has one radius
    that Newton's method finds. Null setting: lam = 0.

    Parameters
    ----------
    lam : float
        At least 0.
    metric : {"optimizer", "euclidean"}
        "euclidean": w_u max(1 - lr lam sqrt(n) / |w_u|, 0), for any optimizer.

    Raises
    ------
    ArgumentError
        For a lam below 0, or another metric; in training, for a net without units, or with sparse
        layers.

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.digits()
    >>> model = mp.zoo.mlp(data, hidden=(16,))
    >>> method = mp.methods.GroupLasso(0.03)
    >>> shrunk, _ = mp.fit(model, data, epochs=8, method=method, progress=False)
    >>> bool(0 < shrunk.params["fc1.weight"].any(axis=1).sum() < 16)
    True

    Source: Yuan & Lin (2006); for the units of a net: Scardapane et al. (2017); in the metric of
    the optimizer: Deleu & Bengio (2021).
    """

    lam: float
    metric: Metric = "optimizer"

    def __post_init__(self) -> None:
        number("GroupLasso", "lam", self.lam)
        choice("GroupLasso", "metric", self.metric, ("optimizer", "euclidean"))

    def after(self, view: View) -> Change | None:
        t = view.ctx.lr * self.lam
        return self._shrunk(view, lambda v, d: prox_group_lasso(v, t, d)) if t else None


@dataclass(frozen=True)
class SparseGroupLasso(_OfUnits):
    """Shrinks single weights and then units after each update: soft by lr lam1, then by lam_group.

    The proximal step of lam1 sum |w| + lam_group sum_u sqrt(n_u) |w_u|_2, over the incoming weights
    w_u of the units that may be removed, as of `GroupLasso`: some units become 0, and of the others
    some weights. Weights of the net's outputs are left as they are. Null setting: lam1 = 0,
    lam_group = 0.

    Parameters
    ----------
    lam1, lam_group : float, float
        At least 0.
    metric : {"optimizer", "euclidean"}
        As of `GroupLasso`.

    Raises
    ------
    ArgumentError
        As `GroupLasso`.

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.digits()
    >>> model = mp.zoo.mlp(data, hidden=(16,))
    >>> method = mp.methods.SparseGroupLasso(2e-3, 0.02)
    >>> shrunk, _ = mp.fit(model, data, epochs=8, method=method, progress=False)
    >>> weight = shrunk.params["fc1.weight"]
    >>> bool(0 < weight.any(axis=1).sum() < 16 and (weight == 0).mean() > 0.3)
    True

    Source: Simon, Friedman, Hastie, Tibshirani (2013); for nets: Scardapane et al. (2017).
    """

    lam1: float
    lam_group: float
    metric: Metric = "optimizer"

    def __post_init__(self) -> None:
        number("SparseGroupLasso", "lam1", self.lam1)
        number("SparseGroupLasso", "lam_group", self.lam_group)
        choice("SparseGroupLasso", "metric", self.metric, ("optimizer", "euclidean"))

    def after(self, view: View) -> Change | None:
        t1, tg = view.ctx.lr * self.lam1, view.ctx.lr * self.lam_group
        if t1 == tg == 0:
            return None
        return self._shrunk(view, lambda v, d: prox_sparse_group_lasso(v, t1, tg, d))


def rows(arrays: Arrays, group: dict[str, Array]) -> Array:
    """(units, entries): those of all the weights that make the units, one after the other"""
    parts = [arrays[k][index].reshape(len(index), -1) for k, index in group.items()]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)


group_lasso = one_call(GroupLasso, "group_lasso", "lam=1e-4")
sparse_group_lasso = one_call(SparseGroupLasso, "sparse_group_lasso", "lam1=1e-4, lam_group=1e-4")
