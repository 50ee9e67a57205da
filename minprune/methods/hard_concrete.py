"""L + lam/N E[L0]: gates z in [0, 1] on weights or units, drawn in training, multiplied in at last.

Longer than most files: gates of weights and of units differ in who is multiplied, and are read
together. The equations are in concrete_gates.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import log
from typing import Any

import numpy as np

from minprune.arguments import filled, number, share
from minprune.autograd import Tensor, Value, mul, reshape, total, value
from minprune.core import Array, Arrays
from minprune.errors import ArgumentError
from minprune.evidence.options import free_groups
from minprune.masking.apply import prune, with_masks
from minprune.masking.count import for_each
from minprune.masking.units import live_units
from minprune.methods.concrete_gates import EDGE, drawn, gate, gate_at_test, kept_chance, taken
from minprune.methods.during import one_call
from minprune.nets.model import Model, dense_only
from minprune.nets.ties import INPUT, ties
from minprune.train.history import Learned
from minprune.train.method import Change, Context, Method, Values, View

MOST = log(100)  # of abs(log alpha)
OUT = -1e6  # the score of a gate that is 0, below all others
LAM, LAM_UNITS, RATE = 2.0, 0.2, 0.05
ByLayer = float | Mapping[str, float]


@dataclass(frozen=True)
class HardConcrete(Method):
    """Learns a gate for each weight or unit, with the expected number of weights as a penalty.

    w' = z w, z a hard concrete variable of log alpha, drawn once an update; the loss is L + sum
    lam/N P(z > 0) over the weights, N the samples. A gate of a unit multiplies all weights that
    read the unit, and its P counts once for each of them. In each epoch's validation, and at the
    end, z is its value without noise, clip(sigmoid(log alpha) 1.2 - 0.1, 0, 1), multiplied into the
    weights; where it is 0 the weight or unit is pruned. log alpha stays in [-log 100, log 100].
    `history.extra` holds "NAME log alpha", "expected L0", the gated weights expected to be kept
    after each epoch, and "threshold". It has no null setting: the gates are drawn whatever lam is.

    Parameters
    ----------
    sparsity : float, optional
        The share of the weights, or units, that is pruned, those of the lowest log alpha; None:
        those whose gate is 0.
    lam : float or dict, optional
        At least 0; None: 2, or 0.2 of units. A dict gives layers, or their weights, their own: of
        units, the layer that makes them; of the net's inputs, the key "input". What it leaves out
        has the default.
    unit : bool
        Whether gates are on units, rather than single weights.
    inputs : bool
        With unit: also gates on the net's inputs: on each feature, or pixel, that a dense layer
        reads, on each channel that a convolution reads. They go by their own gates, and are not
        counted in `sparsity`.
    rate : float or dict
        Where log alpha begins: near log((1 - rate) / rate); a dict as for lam.
    average : float
        Decay of a moving average of weights and log alpha, which then are those of validation and
        of the end; 0: none.
    lr_factor : float
        The learning rate of log alpha over that of the weights.

    Raises
    ------
    ArgumentError
        For settings out of their range; in `fit`, for layers that the net does not have, a net
        without units, and a sparsity below the present one.

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.digits()
    >>> model = mp.zoo.mlp(data, hidden=(16,))
    >>> method = mp.methods.HardConcrete(0.5, unit=True)
    >>> small, history = mp.fit(model, data, epochs=1, method=method, progress=False)
    >>> mp.compact(small).net.params["fc1.weight"], history.extra["fc1.weight log alpha"].shape
    ((8, 64), (16,))

    Source: Louizos, Welling & Kingma (2018), Learning Sparse Neural Networks through L0
    Regularization. As in their code, one draw serves a whole batch, and log alpha is clipped. There
    each input of a dense layer behind a flatten has a gate; here a unit has one, whoever reads it.
    """

    sparsity: float | None = None
    lam: ByLayer | None = None
    unit: bool = False
    inputs: bool = False
    rate: ByLayer = RATE
    average: float = 0.0
    lr_factor: float = 20.0
    reads_total = False

    def __post_init__(self) -> None:
        owner = "HardConcrete"
        if self.sparsity is not None:
            share(owner, "sparsity", self.sparsity)
        for what, check in (("lam", number), ("rate", _rate)):
            given = getattr(self, what)
            of = given.items() if isinstance(given, Mapping) else [("", given)]
            for key, one in of if given is not None else ():
                check(owner, f"{what}[{key!r}]" if key else what, one)
        share(owner, "average", self.average, below=True)
        number(owner, "lr_factor", self.lr_factor)
        if self.inputs and not self.unit:
            raise ArgumentError(
                f"{owner}: inputs must be False for gates on weights, not {self.inputs!r}; pass "
                f"unit=True too"
            )

    @property
    def pictures(self) -> tuple[Learned, ...]:  # type: ignore[override]
        return (
            Learned("* log alpha", "log alpha", "threshold", "pruned from here down"),
            Learned("expected L0", "gated weights expected to be kept", over="epoch"),
        )

    @property
    def extra_lr(self) -> Mapping[str, float]:  # type: ignore[override]
        return {extra_name("*"): self.lr_factor}

    def start(self, model: Model, ctx: Context) -> tuple[Model, Arrays, Any]:
        dense_only(model, "HardConcrete")
        groups = self._groups(model) if self.unit else {}
        sizes: dict[str, Any] = {k: g["size"] for k, g in groups.items()}
        names = sizes if self.unit else {k: model.params[k].shape for k in model.net.weights}
        lams, rates = (self._each(names, w) for w in ("lam", "rate"))
        extra = {}
        for k, shape in names.items():
            p = rates[k]
            first = log((1 - p) / p) + 0.01 * ctx.rng.standard_normal(shape)
            extra[extra_name(k)] = first.clip(-MOST, MOST).astype(model.dtype)
        state: dict[str, Any] = {"lam": lams, "groups": groups, "expected": []}
        if self.average:
            held = {k: np.zeros_like(a) for k, a in (model.params | extra).items()}
            state |= {"average": held, "updates": 0}
        if self.sparsity is not None:  # a share that cannot be reached is refused before training
            self._pruned(model, extra, state)
        return model, extra, state

    def weights(self, params: Values, extra: Values, ctx: Context) -> Values:
        z = {}
        for k in ctx.state["lam"]:
            a = extra[extra_name(k)]
            z[k] = gate(a, u=drawn(ctx.rng, value(a)))
        return params | _gated(params, z, ctx.state["groups"])

    def penalty(self, params: Values, extra: Values, ctx: Context) -> Value | None:
        parts = [
            mul(expected, lam / ctx.samples)
            for lam, expected in zip(
                ctx.state["lam"].values(), _expected(extra, ctx.state), strict=True
            )
            if lam
        ]
        return sum(parts[1:], parts[0]) if parts else None

    def after(self, view: View) -> Change | None:
        ctx, state = view.ctx, view.ctx.state
        extra = {k: a.clip(-MOST, MOST) for k, a in view.extra.items()}
        if self.average:
            held, now = state["average"], view.params | extra
            held = {k: self.average * a + (1 - self.average) * now[k] for k, a in held.items()}
            state = state | {"average": held, "updates": state["updates"] + 1}
        if ctx.step % ctx.updates_of_epoch == 0:
            kept = sum(float(e) for e in _expected(extra, state))
            state = state | {"expected": [*state["expected"], kept]}
        return Change(extra=extra, state=state)

    def finish(self, model: Model, extra: Arrays, ctx: Context) -> Model:
        model, extra = self._averaged(model, extra, ctx.state)
        return self._pruned(model, extra, ctx.state)

    def learned(self, model: Model, extra: Arrays, ctx: Context) -> Arrays:
        extra = self._averaged(model, extra, ctx.state)[1]
        masks = self._pruned(model, extra, ctx.state).masks
        live = {k: live_units(g, masks) for k, g in free_groups(model).items()}
        live = live if self.unit else {k: masks[k] for k in ctx.state["lam"]}
        gone = np.concatenate([extra[extra_name(k)][~m] for k, m in live.items()])
        cut = gone.max(initial=-MOST) if self.sparsity is not None else EDGE
        return {
            **extra, "expected L0": np.array(ctx.state["expected"]), "threshold": np.array(cut)
        }  # fmt: skip

    def _groups(self, model: Model) -> dict[str, Any]:
        """{group: its size, who reads its units, how many weights that are of each unit}"""
        found = {}
        groups = [g for g in ties(model) if g.free or (self.inputs and g.name == INPUT)]
        filled(
            "HardConcrete", "groups of units", groups,
            "print(mp.ties(model)) shows which may be removed",
        )  # fmt: skip
        for g in groups:
            wide = {m.index.shape[1] for m in g.readers}
            apart = g.name == INPUT and len(wide) == 1  # a gate for each pixel of an image
            size = g.size * wide.pop() if apart else g.size
            reads, each = [], np.zeros(size)
            for m in g.readers:
                shape = model.params[m.param].shape
                index = np.full(shape[m.axis], size)
                index[m.index] = np.arange(size).reshape(g.size, -1)
                reads.append([m.param, m.axis, index])
                each += m.index.size // size * (model.params[m.param].size // shape[m.axis])
            makes = [[m.param, m.index] for m in g.producers]
            found[g.name] = {"size": size, "reads": reads, "makes": makes, "each": each}
        return found

    def _each(self, names: Mapping[str, Any], what: str) -> dict[str, float]:
        """{gates: their lam, or rate}; layers that the dict leaves out have the default"""
        given = getattr(self, what)
        first = {"lam": LAM_UNITS if self.unit else LAM, "rate": RATE}[what]
        if not isinstance(given, Mapping):
            return dict.fromkeys(names, first if given is None else float(given))
        weights = [k for k in names if k != INPUT]
        rest = {k: v for k, v in given.items() if k != "input"}
        found = dict.fromkeys(names, first) | for_each(weights, rest, what, "HardConcrete")
        if INPUT in names:
            found[INPUT] = given.get("input", first)
        return {k: float(found[k]) for k in names}

    def _averaged(self, model: Model, extra: Arrays, state: Any) -> tuple[Model, Arrays]:
        """Both as the moving average has them, with its start at 0 corrected"""
        if not self.average or not state["updates"]:
            return model, extra
        scale = 1 - self.average ** state["updates"]
        now = {
            k: (a / scale).astype((model.params | extra)[k].dtype)
            for k, a in state["average"].items()
        }
        return replace(model, params={k: now[k] for k in model.params}), {k: now[k] for k in extra}

    def _pruned(self, model: Model, extra: Arrays, state: Any) -> Model:
        """Gates multiplied into the weights, and what is pruned masked"""
        a = {k: extra[extra_name(k)] for k in state["lam"]}
        z = {k: gate_at_test(log_alpha) for k, log_alpha in a.items()}
        how: dict[str, Any] = {"sparsity": self.sparsity}
        if self.sparsity is None:
            a = {k: np.where(z[k] > 0, log_alpha, OUT) for k, log_alpha in a.items()}
            how = {"threshold": OUT / 2}
        scores = _of_units(model, a, state["groups"]) if self.unit else a
        model = prune(model, scores, **how) if scores else model
        for name, axis, index in state["groups"].get(INPUT, {}).get("reads", ()):
            mask = model.masks.get(name, np.ones(model.params[name].shape, bool))
            mask = mask & along(np.append(z[INPUT] > 0, True)[index], axis, mask.ndim)
            model = with_masks(model, {name: mask})
        return replace(model, params=model.params | _gated(model.params, z, state["groups"]))


def extra_name(gates: str) -> str:
    """The name of their log alpha"""
    return f"{gates} log alpha"


def along(v: Array, axis: int, ndim: int) -> Array:
    """v along one axis of as many"""
    shape = [1] * ndim
    shape[axis] = -1
    return v.reshape(shape)


def _rate(owner: str, what: str, given: Any) -> float:
    return share(owner, what, given, above=True, below=True)


def _gated(params: Mapping[str, Value], z: Mapping[str, Value], groups: Any) -> Values:
    """{weight: z w}; of groups, all weights that read a unit"""
    if not groups:
        return {k: mul(params[k], gates) for k, gates in z.items()}
    found: Values = {}
    for k, g in groups.items():
        for name, axis, index in g["reads"]:
            w = found.get(name, params[name])
            v = taken(z[k], index=index, rest=1.0)
            shape = along(value(v), axis, value(w).ndim).shape
            found[name] = mul(w, reshape(v, shape=shape))
    return found


def _expected(extra: Mapping[str, Value], state: Any) -> list[Value]:
    """E[L0] of each array of gates, in weights"""
    found = []
    for k in state["lam"]:
        kept = kept_chance(extra[extra_name(k)])
        if k in state["groups"]:
            kept = mul(kept, state["groups"][k]["each"].astype(value(kept).dtype))
        found.append(total(kept) if isinstance(kept, Tensor) else kept.sum())
    return found


def _of_units(model: Model, a: Arrays, groups: Any) -> Arrays:
    """{weight: (o,) the score of each unit that it makes}"""
    scores: Arrays = {}
    for k, g in groups.items():
        for name, index in g["makes"]:
            found = scores.setdefault(name, np.zeros(len(model.params[name])))
            found[index] = a[k][:, None]
    return scores


hard_concrete = one_call(HardConcrete, "hard_concrete", "sparsity=0.5")
