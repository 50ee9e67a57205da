"""Dynamic sparse training: at intervals the smallest weights are dropped, as many others grow."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from math import cos, pi
from typing import Any, ClassVar

import numpy as np

from minprune.arguments import choice, count, share
from minprune.core import Array, Arrays
from minprune.errors import ArgumentError, MinpruneWarning
from minprune.methods.drop_grow import (
    by_sign,
    check_movable,
    how_many,
    move,
    redistributed,
    whole_grads,
)
from minprune.methods.during import one_call
from minprune.nets.model import Model
from minprune.train.method import Change, Context, Method, View

WORTH: dict[str, Callable[[View, str], Array]] = {
    "magnitude": lambda view, name: view.params[name],
    "gradient": lambda view, name: view.grads[name],
}  # of a layer's live weights, by which `redistribute` shares out what grows


@dataclass(frozen=True)
class Dynamic(Method):
    """What SET, RigL and SNFS share: their settings, and at which updates weights move."""

    fraction: float = 0.3
    every: int = 100
    stop: float = 1.0
    redistribute: str | None = None
    by: ClassVar[str] = "abs"
    reads_total = True

    def __post_init__(self) -> None:
        owner = type(self).__name__
        share(owner, "fraction", self.fraction)
        share(owner, "stop", self.stop, above=True)
        count(owner, "every", self.every)
        choice(owner, "redistribute", self.redistribute, (None, *self.worths()))

    def worths(self) -> dict[str, Callable[[View, str], Array]]:
        """What layers can be compared by."""
        return WORTH

    def start(self, model: Model, ctx: Context) -> tuple[Model, Arrays, Any]:
        name, total = type(self).__name__, ctx.total
        check_movable(name, model)
        if self.redistribute and model.net.stored:
            raise ArgumentError(
                f"{name}: redistribute must be None for sparse layers, whose arrays keep their "
                f"lengths, not {self.redistribute!r}; train mp.densify(model) instead"
            )
        if self.fraction and total and self.every >= self.stop * total:
            warnings.warn(
                f"{name}: no weight moves in the {total} updates of this training, since every is "
                f"{self.every} and stop {self.stop}; pass a smaller every, or train longer",
                MinpruneWarning, stacklevel=3,
            )  # fmt: skip
        return model, {}, None

    def share(self, step: int, total: int) -> float:
        """The share of the live weights that moves at this update, if one does."""
        return self.fraction

    def scores(self, view: View, names: Iterable[str]) -> Callable[[str], Array]:
        """name -> scores of every place of a weight: the highest of those that are free grow."""
        raise NotImplementedError(type(self).__name__)

    def due(self, ctx: Context) -> bool:
        """Whether this update moves weights."""
        return ctx.step % self.every == 0 and ctx.step < self.stop * ctx.total

    def after(self, view: View) -> Change | None:
        if not self.due(view.ctx):
            return None
        how, grown = self.share(view.ctx.step, view.ctx.total), None
        if self.redistribute is None:
            counts = how_many(view, how, self.by)
        else:
            worth = partial(self.worths()[self.redistribute], view)
            counts, grown = redistributed(view, how, self.by, worth)
        if not any(counts.values()):
            return None
        drop = partial(by_sign, share=how) if self.by == "sign" else None
        return move(view, counts, self.scores(view, counts), grown, drop)


def cosine(fraction: float, step: int, end: float) -> float:
    """fraction / 2 (1 + cos(pi step / end))"""
    return fraction / 2 * (1 + cos(pi * step / end))


@dataclass(frozen=True)
class SET(Dynamic):
    """Sparse evolutionary training: the smallest weights move to random free places.

    Every `every` updates, round(fraction live) weights of each layer move: those of the smallest
    magnitude are dropped, and as many places, drawn from those that were free, start at 0 with
    optimizer state 0. Live is what the mask keeps or a sparse layer stores, also where it is 0.0.
    The number of live weights of a layer never changes. Layers without a mask stay dense; patterns
    (N:M, blocks) are not kept. It works on masked models and on those of mp.sparsify (format
    "csr"), which then follow the same masks. Null setting: fraction = 0.

    Parameters
    ----------
    fraction : float
        The share of the live weights that moves, from 0 to 1; at most the free places are filled.
    every : int
        Updates between two moves, at least 1.
    stop : float
        The share of the training after which nothing moves, above 0; nothing does at its very end.
    redistribute : None, "magnitude" or "gradient"
        None: a layer grows as many as it drops. Else layers grow in proportion to the mean of
        abs(w), or of the batch's abs(dL/dw), over their live weights; the sum over layers stays.
        Of masked models alone.
    by : {"abs", "sign"}
        "sign": the fraction of the positive and of the negative weights is dropped apart; 0 counts
        as positive.

    Raises
    ------
    ArgumentError
        For settings out of their range; in `fit`, for a model in which nothing can move.

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.digits()
    >>> start = mp.methods.start_sparse(mp.zoo.mlp(data, hidden=(32,)), 0.8)
    >>> method = mp.methods.SET(every=10)
    >>> moved, _ = mp.fit(start, data, epochs=1, method=method, progress=False)
    >>> before, after = start.masks["fc1.weight"], moved.masks["fc1.weight"]
    >>> bool(before.sum() == after.sum()), bool((before == after).all())
    (True, False)

    Source: Mocanu et al. (2018), with by="sign" and once an epoch; in their code a place may be
    dropped and drawn again.
    """

    by: str = "abs"  # type: ignore[misc]

    def __post_init__(self) -> None:
        super().__post_init__()
        choice("SET", "by", self.by, ("abs", "sign"))

    def scores(self, view: View, names: Iterable[str]) -> Callable[[str], Array]:
        ctx, shapes = view.ctx, view.ctx.net.stored
        return lambda name: ctx.rng.random(shapes.get(name, view.params[name].shape))


@dataclass(frozen=True)
class RigL(Dynamic):
    """As SET, but weights grow where abs(dL/dw) is largest, and the share that moves decays to 0.

    share(t) = fraction / 2 (1 + cos(pi t / (stop total))) at update t. The gradient is of absent
    entries too: of the loss in training mode on the batch of update t, at the weights after it
    (one more pass at each move, with new draws of dropout from the method's stream), one layer at a
    time. Null setting: fraction = 0.

    Parameters
    ----------
    fraction : float
        The share at the start, from 0 to 1.
    every : int
        Updates between two moves, at least 1.
    stop : float
        The share of the training after which nothing moves, above 0.
    redistribute : None, "magnitude" or "gradient"
        As of SET.

    Raises
    ------
    ArgumentError
        For settings out of their range; in `fit`, for a model in which nothing can move.

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.digits()
    >>> start = mp.methods.start_sparse(mp.zoo.mlp(data, hidden=(32,)), 0.8)
    >>> method = mp.methods.RigL(every=10)
    >>> moved, _ = mp.fit(start, data, epochs=1, method=method, progress=False)
    >>> before, after = start.masks["fc1.weight"], moved.masks["fc1.weight"]
    >>> bool(before.sum() == after.sum()), bool((before == after).all())
    (True, False)

    Source: Evci et al. (2020). There the gradient replaces update t; and in their code a place may
    be dropped and regrown by one update, with its weight kept: their published mask example fits
    both rules.
    """

    stop: float = 0.75

    def share(self, step: int, total: int) -> float:
        return cosine(self.fraction, step, self.stop * total)

    def scores(self, view: View, names: Iterable[str]) -> Callable[[str], Array]:
        grads = whole_grads(view, names)
        return lambda name: np.abs(grads(name))


rigl = one_call(RigL, "rigl", "sparsity=0.8, every=5")
