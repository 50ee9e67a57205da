"""w' = m w, m a binary mask of learned scores s, whose gradient goes straight through to s."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import sqrt
from typing import Any, Literal

import numpy as np

from minprune.arguments import choice, number, only_with, share
from minprune.autograd import Op, Value, absolute, mul, sigmoid, total, value
from minprune.core import Array, Arrays
from minprune.errors import ArgumentError
from minprune.masking.apply import apply, with_masks
from minprune.masking.choose import Scope, choose
from minprune.methods.during import one_call
from minprune.nets.model import Model, dense_only
from minprune.train.history import Learned
from minprune.train.method import Change, Context, Method, Values, View

Draw = Literal["exact", "bernoulli"]


def _binary(s: Array, *, mask: Array) -> Array:
    """m = mask, as numbers      dm/ds = 1: straight through"""
    return mask.astype(s.dtype)


straight_mask = Op(_binary, lambda g, m, inputs, need, mask: (g,))


@dataclass(frozen=True)
class LearnedMasks(Method):
    """Learns a score for each weight, with binary masks in the forward pass, and prunes by it.

    w' = m w with m = [s >= 0] or, with `sparsity`, 1 at the highest scores; the gradient of m goes
    straight through to s, and lam mean(m) is added to the loss. With draw="bernoulli" m is drawn
    anew in each update, 1 with chance sigmoid(s), to which its gradient goes, and the penalty is
    that of the expectation, lam mean(sigmoid(s)). In each epoch's validation, and at the end, the
    weights of s < 0, or of the lowest scores, are pruned. `history.extra` holds "NAME score" and
    "threshold". It has no null setting: its masks are learned whatever lam is.

    Parameters
    ----------
    sparsity : float, optional
        The share of the weights that is out; None: those of s < 0.
    lam : float, optional
        Of the penalty, at least 0; None: 1, or 0 with sparsity and exact masks, whose mean is
        constant.
    draw : {"exact", "bernoulli"}
        How the masks of an update follow from the scores.
    frozen : bool
        Whether all parameters stay as they begin, so that the masks alone are learned.
    signed : bool
        Whether each weight begins at its sign times the standard deviation of its layer.
    absolute : bool
        With sparsity: abs(s) ranks in place of s.
    scope : {"global", "layer"}
        Of `sparsity`, as for `mp.prune`.
    fine_tune : float
        The share of the training at its end in which the masks are fixed, below 1.
    lr_factor : float
        The learning rate of the scores over that of the weights. Scores begin at abs(w); drawn ones
        at 0; those of which abs(s) ranks in U(-a, a), a = 1 / sqrt(inputs of a unit).

    Raises
    ------
    ArgumentError
        For settings out of their range, or that do not go together; in training, for a sparsity
        below the present one.

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.digits()
    >>> model = mp.zoo.mlp(data, hidden=(16,))
    >>> method = mp.methods.LearnedMasks(0.5)
    >>> trained, history = mp.fit(model, data, epochs=2, method=method, progress=False)
    >>> history.epochs["sparsity"]
    [0.5, 0.5]

    Source: Srinivas, Subramanya & Babu (2017), Training Sparse Neural Networks, for the penalty.
    Zhou et al. (2019), supermasks: draw="bernoulli", frozen, also signed; there masks are drawn at
    test too. Ramanujan et al. (2020), edge-popup: sparsity, absolute, frozen, also signed,
    scope="layer".
    """

    sparsity: float | None = None
    lam: float | None = None
    draw: Draw = "exact"
    frozen: bool = False
    signed: bool = False
    absolute: bool = False
    scope: Scope = "global"
    fine_tune: float = 0.0
    lr_factor: float = 1.0

    @property
    def reads_total(self) -> bool:  # type: ignore[override]
        return bool(self.fine_tune)

    def __post_init__(self) -> None:
        owner = "LearnedMasks"
        if self.sparsity is not None:
            share(owner, "sparsity", self.sparsity)
        choice(owner, "draw", self.draw, ("exact", "bernoulli"))
        choice(owner, "scope", self.scope, ("global", "layer"))
        share(owner, "fine_tune", self.fine_tune, below=True)
        number(owner, "lr_factor", self.lr_factor)
        if self.lam is not None and number(owner, "lam", self.lam) and not self._mean_varies:
            raise ArgumentError(
                f"{owner}: lam must be 0 where sparsity fixes how many weights stay, not "
                f"{self.lam!r}; leave one of them out"
            )
        if self.absolute and self.sparsity is None:
            only_with(owner, "absolute", "sparsity", self.sparsity)
        if self.frozen and self.fine_tune:
            raise ArgumentError(
                f"{owner}: fine_tune must be 0 where the weights are frozen, not "
                f"{self.fine_tune!r}; leave one of them out"
            )

    @property
    def pictures(self) -> tuple[Learned, ...]:  # type: ignore[override]
        return (Learned("* score", "score", "threshold", "pruned below"),)

    @property
    def extra_lr(self) -> Mapping[str, float]:  # type: ignore[override]
        return {extra_name("*"): self.lr_factor}

    def start(self, model: Model, ctx: Context) -> tuple[Model, Arrays, Any]:
        dense_only(model, "LearnedMasks")
        extra = {}
        for k in model.net.weights:
            w = model.params[k]
            if self.absolute:
                a = 1 / sqrt(w[0].size)
                extra[extra_name(k)] = ctx.rng.uniform(-a, a, w.shape).astype(w.dtype)
            else:
                extra[extra_name(k)] = np.zeros_like(w) if self.draw == "bernoulli" else np.abs(w)
        self._masks(model.masks, extra)  # a share that cannot be reached is refused now
        if self.signed:
            new = {k: signs(model.params[k]) for k in model.net.weights}
            model = replace(model, params=model.params | apply(new, _of(model.masks, new)))
        return model, extra, {"held": model.params} if self.frozen else {}

    def weights(self, params: Values, extra: Values, ctx: Context) -> Values:
        if "fixed" in ctx.state:
            return params
        params = ctx.state["held"] if self.frozen else params
        scores = {k: value(extra[extra_name(k)]) for k in ctx.net.weights}
        if self.draw == "exact":
            kept = self._kept(scores, ctx.masks)
        found: Values = {}
        for k in scores:
            s = extra[extra_name(k)]
            if self.draw == "bernoulli":
                s = sigmoid(s)
                m = straight_mask(s, mask=ctx.rng.random(s.shape, s.dtype.type) < value(s))
            else:
                m = straight_mask(absolute(s) if self.absolute else s, mask=kept[k])
            found[k] = mul(m, params[k])
        return params | found

    def penalty(self, params: Values, extra: Values, ctx: Context) -> Value | None:
        lam = float(self._mean_varies) if self.lam is None else self.lam
        if not lam or "fixed" in ctx.state:
            return None
        n, parts = sum(value(s).size for s in extra.values()), []
        for s in extra.values():
            drawn = self.draw == "bernoulli"
            parts.append(total(sigmoid(s) if drawn else straight_mask(s, mask=value(s) >= 0)))
        return mul(sum(parts[1:], parts[0]), lam / n)

    def after(self, view: View) -> Change | None:
        if not self.fine_tune or view.ctx.step != self._last(view.ctx.total):
            return None
        return Change(masks=self._masks(view.ctx.masks, view.extra), state={"fixed": True})

    def settled(self, step: int, total: int) -> bool:
        return not self.fine_tune or step >= self._last(total)

    def finish(self, model: Model, extra: Arrays, ctx: Context) -> Model:
        if "fixed" in ctx.state:
            return model
        model = replace(model, params=ctx.state["held"]) if self.frozen else model
        return with_masks(model, self._masks(model.masks, extra))

    def learned(self, model: Model, extra: Arrays, ctx: Context) -> Arrays:
        masks = self.finish(model, extra, ctx).masks
        kept = [self._rank(extra[extra_name(k)])[masks[k]] for k in model.net.weights]
        cut = 0.0 if self.sparsity is None else np.concatenate(kept).min(initial=np.inf)
        return {**extra, "threshold": np.array(cut)}

    @property
    def _mean_varies(self) -> bool:
        """Whether mean(m) depends on the scores."""
        return self.sparsity is None or self.draw == "bernoulli"

    def _last(self, total: int) -> int:
        """The update after which the masks are fixed."""
        return max(1, round((1 - self.fine_tune) * total))

    def _rank(self, s: Array) -> Array:
        return np.abs(s) if self.absolute else s

    def _kept(self, scores: Arrays, masks: Mapping[str, Array]) -> Arrays:
        """The masks of an update, which may leave a layer without weights"""
        if self.sparsity is None:
            return {k: s >= 0 for k, s in scores.items()}
        ranks = {k: self._rank(s) for k, s in scores.items()}
        own = _of(masks, scores)
        return choose(ranks, own, sparsity=self.sparsity, scope=self.scope, minimum=0)

    def _masks(self, masks: Mapping[str, Array], extra: Arrays) -> Arrays:
        """The masks of the end, with a weight a layer at least"""
        ranks = {k.removesuffix(extra_name("")): self._rank(s) for k, s in extra.items()}
        how: dict[str, Any] = {"sparsity": self.sparsity, "scope": self.scope}
        how = {"threshold": 0.0} if self.sparsity is None else how
        return choose(ranks, _of(masks, ranks), **how)


def extra_name(weight: str) -> str:
    """The name of its scores"""
    return f"{weight} score"


def signs(w: Array) -> Array:
    """sign(w) std(w)"""
    found: Array = (np.sign(w) * w.std()).astype(w.dtype)
    return found


def _of(masks: Mapping[str, Array], arrays: Mapping[str, Any]) -> Arrays:
    """The masks of these"""
    return {k: m for k, m in masks.items() if k in arrays}


learned_masks = one_call(LearnedMasks, "learned_masks", "sparsity=0.5")
