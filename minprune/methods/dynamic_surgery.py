"""m = 0 where abs(w) <= 0.9 t, 1 where abs(w) > 1.1 t, else as it was: t = mean + c deviations."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from minprune.arguments import choice, is_number, number, share
from minprune.core import Array, Arrays
from minprune.errors import ArgumentError
from minprune.masking.choose import choose
from minprune.masking.count import for_each, pruned_count
from minprune.methods.during import one_call
from minprune.nets.model import Model, dense_only
from minprune.nets.net import Net, layer_of
from minprune.train.history import Learned
from minprune.train.method import Change, Context, Method, View

POINTS = 400  # of the lines of what went and came back, at most


@dataclass(frozen=True, kw_only=True)
class DynamicSurgery(Method):
    """Dynamic network surgery: weights below a threshold are cut, and spliced back above another.

    Of each layer t = max(mean + c deviation, 0), of the abs(w) that live where it begins, and fixed
    from there. After each update, with probability (1 + gamma updates)^-power for each layer, what
    is at most (1 - margin) t is masked, and what is above (1 + margin) t is not; between them it
    stays as it was. Masked weights keep their values and get the dense gradient, straight through
    the mask, so that they may grow back. Those that the model masked from the start stay masked.
    Null setting: sparsity = 0.

    Parameters
    ----------
    c : float or dict
        Deviations above the mean; a dict gives layers their own, by name or patterns, and leaves
        the others dense.
    sparsity : float
        Instead of c: one c for all layers, such that this share is below t where it begins; and at
        the last of the choices exactly round(sparsity n) are masked, those of the lowest
        (abs(w) - mean) / deviation.
    begin, stop : float
        The shares of the training between which masks change, from 0 and up to 1.
    gamma, power : float
        How the probability falls.
    margin : float
        Between t and its two levels, as a share of t.
    params : {"weights", "all"}
        Whether biases and normalisation entries are cut too; mean and deviation are of all that is.

    Raises
    ------
    ArgumentError
        For settings out of their range, or both or neither of c and sparsity; in `fit`, for names
        that the net does not have and sparse layers. UnreachableError, before the first update,
        where the sparsity leaves a layer nothing.

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.digits()
    >>> model, _ = mp.fit(mp.zoo.mlp(data, hidden=(16,)), data, epochs=5, progress=False)
    >>> method = mp.methods.DynamicSurgery(c=1.0)
    >>> sparse, history = mp.fit(model, data, epochs=2, method=method, progress=False)
    >>> history.steps["sparsity"][-1] > 0.7
    True
    >>> sorted(history.extra)
    ['cut', 'fc1 threshold', 'fc2 threshold', 'spliced', 'step']

    Source: Guo, Yao, Chen (2016), and their code: begin=0 from a trained net, power=1, gamma=1e-4,
    params="all", and masks that change until an update given for each layer.
    """

    c: float | Mapping[str, float] | None = None
    sparsity: float | None = None
    begin: float = 0.0
    stop: float = 0.75
    gamma: float = 1e-4
    power: float = 1.0
    margin: float = 0.1
    params: str = "weights"
    dense = True
    reads_total = True
    pictures = (
        Learned("cut", "weights cut", over="step"),
        Learned("spliced", "weights spliced back", over="step"),
        Learned("* threshold", ""),
    )

    def __post_init__(self) -> None:
        owner = "DynamicSurgery"
        if (self.c is None) == (self.sparsity is None):
            raise ArgumentError(
                f"{owner}: one of c and sparsity must be given, not "
                f"{'none' if self.c is None else 'both'}; pass sparsity=0.9 alone, for example"
            )
        for c in self.c.values() if isinstance(self.c, Mapping) else (self.c,):
            if c is not None and not (is_number(c) and np.isfinite(c)):
                raise ArgumentError(
                    f"{owner}: c must be a finite number, or a dict of them, not {c!r}; pass c=1, "
                    f"for example"
                )
        if self.sparsity is not None:
            share(owner, "sparsity", self.sparsity)
        share(owner, "begin", self.begin, below=True)
        share(owner, "stop", self.stop, above=True)
        if self.begin >= self.stop:
            raise ArgumentError(
                f"{owner}: begin must be below stop, {self.stop}, not {self.begin}; lower it"
            )
        number(owner, "gamma", self.gamma)
        number(owner, "power", self.power)
        share(owner, "margin", self.margin, below=True)
        choice(owner, "params", self.params, ("weights", "all"))

    def start(self, model: Model, ctx: Context) -> tuple[Model, Arrays, Any]:
        dense_only(model, "pruning")
        self._names(model.net)
        if self.sparsity:
            self._exactly(model.masks, {k: np.zeros_like(w) for k, w in model.params.items()})
        state: dict[str, Any] = {
            "held": model.masks,
            "of": None,
            "step": [],
            "cut": [],
            "spliced": [],
        }
        if self._first(ctx) or self.sparsity == 0 or not ctx.total:
            return model, {}, state
        state["of"] = self._levels(model.net, model.params, model.masks)
        masks = self._cut(model.net, model.params, model.masks, state, None)
        return Model(model.net, model.params, model.buffers, model.masks | masks), {}, state

    def after(self, view: View) -> Change | None:
        ctx, state = view.ctx, dict(view.ctx.state)
        first, last = self._first(ctx), max(1, round(self.stop * ctx.total))
        if self.sparsity == 0 or not first <= ctx.step <= last:
            return None
        if state["of"] is None:
            state["of"] = self._levels(ctx.net, view.params, state["held"])
        done = ctx.step - first
        chance = (1 + self.gamma * done) ** -self.power
        masks = self._cut(ctx.net, view.params, ctx.masks, state, (ctx.rng, chance))
        if ctx.step == last and self.sparsity is not None:
            masks = self._exactly(state["held"], self._normalised(view.params, state["of"]))
        return Change(masks=masks, state=self._noted(ctx, masks, state))

    def learned(self, model: Model, extra: Arrays, ctx: Context) -> Arrays:
        found = {k: np.array(ctx.state[k]) for k in ("step", "cut", "spliced")}
        of = ctx.state["of"] or {}
        return found | {f"{layer} threshold": np.array([t]) for layer, (_, _, t) in of.items()}

    def settled(self, step: int, total: int) -> bool:
        return self.sparsity == 0 or step >= round(self.stop * total)

    def _first(self, ctx: Context) -> int:
        """The update after which the thresholds are fixed."""
        return round(self.begin * ctx.total)

    def _names(self, net: Net) -> dict[str, float]:
        """{parameter: its c} of what may be cut; 0 where the sparsity decides"""
        names = net.params if self.params == "all" else net.weights
        if isinstance(self.c, Mapping):
            return for_each(names, self.c, "c", "DynamicSurgery")
        return dict.fromkeys(names, self.c or 0.0)

    def _levels(self, net: Net, params: Arrays, held: Arrays) -> dict[str, Any]:
        """{layer: [mean, deviation, threshold]} of the abs(w) that live"""
        given = self._names(net)
        live = {k: np.abs(params[k])[held[k]] if k in held else np.abs(params[k]) for k in given}
        found = {}
        for layer in dict.fromkeys(map(layer_of, given)):
            of = np.concatenate([a.ravel() for k, a in live.items() if layer_of(k) == layer])
            mean, deviation = of.mean(dtype=np.float64), of.std(dtype=np.float64)
            found[layer] = [float(mean), float(deviation) or 1.0, 0.0]
        cs = {layer_of(k): c for k, c in given.items()}
        if self.sparsity is not None:
            z = self._normalised({k: params[k] for k in given}, found)
            low = np.concatenate([
                np.where(held.get(k, np.True_), a, -np.inf).ravel() for k, a in z.items()
            ])  # fmt: skip
            count = pruned_count(self.sparsity, low.size)
            cs = dict.fromkeys(
                found, float(np.partition(low, count - 1)[count - 1]) if count else 0
            )
        return {
            layer: [mean, deviation, max(mean + cs[layer] * deviation, 0.0)]
            for layer, (mean, deviation, _) in found.items()
        }

    def _normalised(self, params: Arrays, of: Mapping[str, Any]) -> Arrays:
        """(abs(w) - mean) / deviation, in float64"""
        return {
            k: (np.abs(w, dtype=np.float64) - of[layer_of(k)][0]) / of[layer_of(k)][1]
            for k, w in params.items()
            if layer_of(k) in of and (self.params == "all" or w.ndim > 1)
        }

    def _exactly(self, held: Arrays, scores: Arrays) -> Arrays:
        names = [k for k, s in scores.items() if self.params == "all" or s.ndim > 1]
        return choose({k: scores[k] for k in names}, held, sparsity=self.sparsity)

    def _cut(
        self, net: Net, params: Arrays, masks: Mapping[str, Array], state: Mapping[str, Any],
        draw: tuple[np.random.Generator, float] | None,
    ) -> Arrays:  # fmt: skip
        """The masks of the layers whose turn it is; draw: (rng, with what probability)"""
        now = {
            layer: t
            for layer, (_, _, t) in state["of"].items()
            if draw is None or draw[0].random() < draw[1]
        }
        found = {}
        for name in (k for k in self._names(net) if layer_of(k) in now):
            w, t = np.abs(params[name]), now[layer_of(name)]
            low, high = w.dtype.type((1 - self.margin) * t), w.dtype.type((1 + self.margin) * t)
            found[name] = w > high
            if name in masks:
                found[name] |= masks[name] & (w > low)
            else:
                found[name] = w > low
            if name in state["held"]:
                found[name] &= state["held"][name]
        return found

    def _noted(self, ctx: Context, masks: Arrays, state: dict[str, Any]) -> dict[str, Any]:
        """How many weights went and came, in at most POINTS lines"""
        old = {k: ctx.masks.get(k, np.True_) for k in masks}
        cut = sum(int(np.count_nonzero(old[k] & ~m)) for k, m in masks.items())
        back = sum(int(np.count_nonzero(m & ~old[k])) for k, m in masks.items())
        every = -(-ctx.total // POINTS)
        if state["step"] and -(-ctx.step // every) == -(-state["step"][-1] // every):
            cut, back = cut + state["cut"][-1], back + state["spliced"][-1]
            state = state | {k: state[k][:-1] for k in ("step", "cut", "spliced")}
        more = {"step": ctx.step, "cut": cut, "spliced": back}
        return state | {k: [*state[k], n] for k, n in more.items()}


dynamic_surgery = one_call(DynamicSurgery, "dynamic_surgery", "sparsity=0.5")
