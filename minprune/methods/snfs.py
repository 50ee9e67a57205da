"""M = smoothing M + (1 - smoothing) dL/dw: sparse momentum, which says where weights grow."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from minprune.arguments import share
from minprune.core import Array, Arrays
from minprune.errors import ArgumentError
from minprune.methods.drop_grow import movable
from minprune.methods.during import one_call
from minprune.methods.set_rigl import WORTH, Dynamic, cosine
from minprune.nets.model import Model
from minprune.train.method import Change, Context, View


@dataclass(frozen=True)
class SNFS(Dynamic):
    """Sparse networks from scratch: as RigL, but by the momentum of gradients, across layers.

    M = smoothing M + (1 - smoothing) dL/dw after each update, of absent entries too. When weights
    move, of each layer the share with the smallest abs(w) is dropped, which decays as RigL's does;
    as many grow in all, in each layer in proportion to the mean of abs(M) over its live weights,
    where abs(M) of absent ones is largest. What has no room in a layer is given to the others, and
    the sum over layers stays. New weights start at 0. Of masked models. Null setting: fraction = 0.

    Parameters
    ----------
    fraction, every, stop : float, int, float
        As of RigL.
    redistribute : "momentum", "magnitude", "gradient" or None
        What the layers are compared by; None: each grows as many as it drops.
    smoothing : float
        Of the momentum, from 0 to below 1.

    Raises
    ------
    ArgumentError
        For settings out of their range; in `fit`, for a model in which nothing can move, and for
        sparse layers.

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.digits()
    >>> start = mp.methods.start_sparse(mp.zoo.mlp(data, hidden=(32,)), 0.8)
    >>> moved, _ = mp.fit(start, data, epochs=2, method=mp.methods.SNFS(every=10), progress=False)
    >>> [sum(int(m.sum()) for m in one.masks.values()) for one in (start, moved)]
    [474, 474]
    >>> bool(start.masks["fc1.weight"].sum() == moved.masks["fc1.weight"].sum())
    False

    Source: Dettmers & Zettlemoyer (2019), Sparse networks from scratch, who take the optimizer's
    own momentum and move once an epoch.
    """

    stop: float = 0.75
    redistribute: str | None = "momentum"
    smoothing: float = 0.9

    def __post_init__(self) -> None:
        super().__post_init__()
        share("SNFS", "smoothing", self.smoothing, below=True)

    def worths(self) -> dict[str, Callable[[View, str], Array]]:
        return WORTH | {"momentum": lambda view, name: view.ctx.state[name]}

    def start(self, model: Model, ctx: Context) -> tuple[Model, Arrays, Any]:
        super().start(model, ctx)
        if model.net.stored:
            raise ArgumentError(
                "SNFS: the layers must be dense, since it keeps the momentum of absent weights; "
                "train mp.densify(model)"
            )
        names = movable(model.net, model.masks) if self.fraction else []
        return model, {}, {name: np.zeros_like(model.params[name]) for name in names}

    def share(self, step: int, total: int) -> float:
        return cosine(self.fraction, step, self.stop * total)

    def scores(self, view: View, names: Iterable[str]) -> Callable[[str], Array]:
        return lambda name: np.abs(view.ctx.state[name])

    def after(self, view: View) -> Change | None:
        ctx = view.ctx
        if not self.fraction or ctx.step >= self.stop * ctx.total:
            return None
        old, b = ctx.state, self.smoothing
        state: Arrays = {
            name: w.dtype.type(b) * old[name] + w.dtype.type(1 - b) * view.grads[name]
            for name, w in ((name, view.params[name]) for name in old)
        }
        moved = super().after(replace(view, ctx=ctx._replace(state=state)))
        return replace(moved or Change(), state=state)


snfs = one_call(SNFS, "snfs", "sparsity=0.8, every=5")
