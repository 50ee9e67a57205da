"""Dynamic sparse training: every so often the smallest weights go and as many come elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import cos, pi
from numbers import Real
from typing import Any

import numpy as np

from minprune.core import Array, Arrays, Seed, stream
from minprune.errors import ArgumentError
from minprune.masking.allocate import allocate
from minprune.masking.apply import prune
from minprune.methods.dynamic_grads import whole_grads
from minprune.methods.dynamic_layers import checked, how_many, move
from minprune.nets.model import Model, dense_only, is_model
from minprune.train.method import Change, Context, Method, View


@dataclass(frozen=True)
class SET(Method):
    """Every `every` updates, round(fraction live) weights of each layer move to random free places

    Those of the smallest magnitude go; a new one starts at 0 with optimizer state 0. Live is what
    the mask keeps or a sparse layer stores, 0.0 too. The number of live weights of a layer never
    changes. A place that is dropped is not regrown by the same update. At most the free places of a
    layer move. Updates stop at the share `stop` of the training; none is made at its very end.
    Layers without a mask stay dense; patterns (N:M, blocks) are not kept. Null setting: fraction 0.

    Works on masked models and on those of mp.sparsify (format "csr"), and both follow the same
    masks. Raises ArgumentError for a model in which nothing can move.

    Source: Mocanu et al. (2018), who drop the share of positive and of negative weights apart, once
    an epoch, and in whose code a place may be dropped and drawn again.
    """

    fraction: float = 0.3
    every: int = 100
    stop: float = 1.0

    def __post_init__(self) -> None:
        _settings("SET", self.fraction, self.every, self.stop)

    def start(self, model: Model, ctx: Context) -> tuple[Model, Arrays, Any]:
        checked("SET", model)
        return model, {}, None

    def after(self, view: View) -> Change | None:
        if not _due(self, view):
            return None

        def chance(name: str) -> Array:
            return view.ctx.rng.random(view.ctx.net.stored.get(name, view.params[name].shape))

        return move(view, how_many(view, self.fraction), chance)


@dataclass(frozen=True)
class RigL(Method):
    """As SET, and weights grow where abs(dL/dw) is largest; the share that moves decays to 0

    share(t) = fraction / 2 (1 + cos(pi t / (stop total))) at update t. The gradient is of absent
    entries too: of the loss in training mode on the batch of update t, at the weights after it
    (one pass more at each move, dropout drawn anew, from the method's stream), one layer at a time.

    Source: Evci et al. (2020). There the gradient stands in place of update t; and in their code a
    place may be dropped and regrown by one update, with its weight kept: their published mask
    example does not tell the two rules apart.
    """

    fraction: float = 0.3
    every: int = 100
    stop: float = 0.75

    def __post_init__(self) -> None:
        _settings("RigL", self.fraction, self.every, self.stop)

    def start(self, model: Model, ctx: Context) -> tuple[Model, Arrays, Any]:
        checked("RigL", model)
        return model, {}, None

    def share(self, step: int, total: int) -> float:
        """The share of the live weights that moves at this update, if one does."""
        return self.fraction / 2 * (1 + cos(pi * step / (self.stop * total)))

    def after(self, view: View) -> Change | None:
        if not _due(self, view):
            return None
        counts = how_many(view, self.share(view.ctx.step, view.ctx.total))
        if not counts:
            return None
        grads = whole_grads(view, counts)
        return move(view, counts, lambda name: np.abs(grads(name)))


def start_sparse(
    model: Model,
    sparsity: float,
    how: str = "erk",
    *,
    power: float = 1.0,
    protect: Iterable[str] = (),
    seed: Seed = 0,
) -> Model:
    """The model with random masks, round(sparsity n) of the n weights masked: to train sparse

    how, power, protect: see `mp.allocate`. mp.sparsify(..., "csr") of it stores what is live alone.
    Raises UnreachableError where a layer would keep nothing, and as `allocate` and `prune` do.
    """
    is_model(model, "start_sparse")
    dense_only(model, "start_sparse")
    rng, protect = stream(seed, "start_sparse"), list(protect)
    shares = allocate(model, sparsity, how, power=power, protect=protect)
    scores = {name: rng.random(model.params[name].shape) for name in model.net.weights}
    return prune(model, scores, sparsity=shares)


def _due(method: SET | RigL, view: View) -> bool:
    """Whether this update moves weights."""
    return view.ctx.step % method.every == 0 and view.ctx.step < method.stop * view.ctx.total


def _settings(owner: str, fraction: float, every: int, stop: float) -> None:
    for what, given, least in (("fraction", fraction, 0.0), ("stop", stop, 5e-324)):
        if isinstance(given, bool) or not isinstance(given, Real) or not least <= given <= 1:
            raise ArgumentError(
                f"{owner}: {what} is {given!r}, expected a share from 0 to 1"
                f"{', above 0' if least else ''}; give {what}=0.5, for example"
            )
    if isinstance(every, bool) or not isinstance(every, int | np.integer) or every < 1:
        raise ArgumentError(
            f"{owner}: every is {every!r}, expected an integer of at least 1, of updates; "
            f"give every=100, for example"
        )
