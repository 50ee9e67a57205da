"""Where each kind of evidence comes from: one row for each kind of `minprune.core.Evidence`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from minprune.arguments import choice, only_with
from minprune.autograd import Tensor, Value, grad, total
from minprune.core import Array, Arrays, Split, UnitView
from minprune.curvature import diagonal, hvp, squared_grads
from minprune.curvature.gates import gate_hess, gate_product, gate_squares
from minprune.curvature.removal import removal, unit_removal
from minprune.errors import ArgumentError
from minprune.evidence.activation_moments import class_counts, class_moments, histograms, moments
from minprune.evidence.activations import act_grads, activations
from minprune.evidence.obs_inverses import inverse_block, inverse_diag, sweep_loss
from minprune.nets.model import CHUNK, Model, batch_last, loss_of, masks_of, run
from minprune.nets.net import INPUT
from minprune.nets.ties import incoming, outgoing, scaling

if TYPE_CHECKING:
    from minprune.evidence.options import Request

Fill = Callable[["Request", Any], Any]
# {option of the single weights' diagonal: the diagonal that takes it}
ONLY = {"limit": "exact", "samples": "hutchinson", "levenberg_marquardt": "becker_lecun"}
HESSIANS = ("diagonal", *ONLY)


def weights(asked: Request, _: object) -> Arrays:
    """w of every scored parameter"""
    return {name: asked.model.params[name] for name in asked.names}


def gradients(asked: Request, data: Split) -> Arrays:
    """g = dL/dw, L the mean loss over data, in evaluation mode; chunks add up in float64

    Or the gradients that a training step holds.
    """
    if "grads" in asked.held:
        return {name: asked.held["grads"][name] for name in asked.names}
    model, (x, y) = asked.model, data
    found = {name: np.zeros(model.params[name].shape) for name in asked.names}
    for i in range(0, len(x), CHUNK):
        leaves = {name: Tensor(model.params[name]) for name in asked.names}
        part = batch_last(x[i : i + CHUNK], model.dtype)
        out = run(model.net, model.params | model.buffers | leaves, part)
        loss = loss_of(model.net, out, y[i : i + CHUNK])
        gs = grad(loss, list(leaves.values()), free=True)
        for name, g in zip(asked.names, gs, strict=True):
            found[name] += g.astype(np.float64) * part.shape[-1]
    return {name: (t / len(x)).astype(model.dtype) for name, t in found.items()}


def scales(asked: Request, _: object) -> Arrays:
    """gamma of the normalisation layers that a group's units pass, (units, k), or 1"""
    params, found = asked.model.params, {}
    for name, g in asked.groups.items():
        gammas = [params[m.param][m.index] for m in scaling(asked.model, g)]
        found[name] = np.concatenate(
            [np.ones((g.size, int(not gammas)), asked.model.dtype), *gammas], 1
        )
    return found


def gate_grads(asked: Request, data: Split) -> Arrays:
    """dL/dc = sum over the outgoing weights of g w, in float64"""
    params, g = asked.model.params, gradients(asked, data)
    products = {name: g[name] * params[name].astype(np.float64) for name in g}
    return {name: outgoing(products, group).sum(axis=1) for name, group in asked.groups.items()}


def hess_diag(asked: Request, data: Split) -> Arrays:
    """The diagonal that the options name"""
    how = dict(asked.how)
    kind = how.pop("diagonal", "exact")
    if kind == "hutchinson":
        how["seed"] = asked.rng
    for option, only in ONLY.items():
        if option in how and kind != only:
            only_with("hess_diag", option, f"diagonal={only!r}", kind)
    return diagonal(asked.model, data, kind, params=asked.params, **how)


def gate_curvature(asked: Request, data: Split) -> Arrays:
    """d2L/dc2, which is always exact; raises ArgumentError for options of another diagonal"""
    for name in asked.how.keys() & HESSIANS:
        raise ArgumentError(
            f"{name} says how hess_diag is computed, and that of a unit's gate is always exact; "
            f"leave {name} out"
        )
    return gate_hess(asked.model, data, asked.groups)


def removed(asked: Request, data: Split) -> Arrays:
    """L(w | entry removed) - L(w) of every entry"""
    params = weights(asked, None)
    changes = removal(asked.model, data, {name: np.arange(w.size) for name, w in params.items()})
    return {name: changes[name].reshape(w.shape) for name, w in params.items()}


def path_grads(model: Model, names: list[str]) -> Arrays:
    """dR/d|w| in float64, {name: shape}: R is the output's sum for an input of ones

    Each layer's own `path` says what it does in this pass: activations are the identity, biases 0,
    BatchNorm scales by |gamma| / sqrt(var + eps), GroupNorm and LayerNorm by |gamma|. Biases, which
    are no part of R, get 0.
    Source: Tanaka et al. (2020), Pruning neural networks without any data.
    """
    net, values = model.net, {}
    scales = {f"{n.name}.{k}" for n in net.nodes for k in n.layer.params().keys() - n.layer.shifts}
    for name, w in model.params.items():
        w = w.astype(np.float64)
        values[name] = Tensor(np.abs(w) if name in scales else np.zeros(w.shape))
    p = values | {name: b.astype(np.float64) for name, b in model.buffers.items()}
    seen: dict[str, Value] = {INPUT: np.ones((*net.input_shape, 1))}
    for n in net.nodes:
        seen[n.name] = n.layer.path(n.layer.own(n.name, p), [seen[x] for x in n.inputs])
    wanted = [name for name in names if name in scales]
    out = total(seen[net.nodes[-1].name])
    found = dict(zip(wanted, grad(out, [values[n] for n in wanted]), strict=True))
    return {name: found.get(name, np.zeros(model.params[name].shape)) for name in names}


def of_pass(asked: Request, what: str, data: Split, make: Callable[..., Any]) -> Any:
    """make(model, data, groups, before), once for all that a chunk needs of it, by group

    Or what a training step holds. before: whether activations are read before the activation
    function; raises ArgumentError for another word.
    """
    where = asked.how.get("nonlinearity", "after")
    before = choice("score", "nonlinearity", where, ("after", "before")) == "before"
    if what in asked.held:
        return asked.held[what]
    if what not in asked.made or asked.made[what][0] is not data:
        asked.made[what] = data, make(asked.model, data, asked.groups, before)
    return asked.made[what][1]


def entry_of(what: str, make: Callable[..., Any], entry: str) -> Fill:
    """An entry of the moments, or of the moments of the classes, of each group"""
    return lambda a, chunk: {
        name: getattr(m, entry) for name, m in of_pass(a, what, chunk, make).items()
    }


def class_sizes(asked: Request, data: Split) -> Array:
    """Samples of each class, in the net's dtype, which the scores of lda come back in"""
    classes = of_pass(asked, "classes", data, class_moments)
    counts = next(iter(classes.values())).counts if classes else class_counts(data[1])
    return np.asarray(counts.astype(asked.model.dtype))


def act_hist(asked: Request, data: Split) -> Any:
    """Counts of each sample's mean a, in as many bins as the criterion's option says"""
    bins = {k: v for k, v in asked.settings.items() if k == "bins"}
    return of_pass(asked, "act_hist", data, partial(histograms, **bins))


@dataclass(frozen=True)
class Source:
    """fn(request, chunk) -> arrays, for each way in which a kind is read; None: it is not

    entries: by parameter, which unit criteria get as rows of units, unless `rows` is False.
    units: by group, of units by nature. gates: by group, in the gate of each unit (view "gate").
    data: whether it takes samples. step: whether a training step holds it. options: those of
    mp.score that say how it is gathered.
    """

    entries: Fill | None = None
    units: Fill | None = None
    gates: Fill | None = None
    data: bool = True
    rows: bool = True
    step: bool = False
    options: tuple[str, ...] = ()


_A = ("nonlinearity",)
SOURCES: dict[str, Source] = {
    "weights": Source(
        weights,
        gates=lambda a, _: {n: np.ones(g.size, a.model.dtype) for n, g in a.groups.items()},
        data=False,
    ),
    "masks": Source(lambda a, _: masks_of(a.model, a.names), data=False),
    "grads": Source(gradients, gates=gate_grads, step=True),
    "squared_grads": Source(
        lambda a, chunk: squared_grads(a.model, chunk, params=a.params),
        gates=lambda a, chunk: gate_squares(a.model, chunk, a.groups),
    ),
    "hess_diag": Source(hess_diag, gates=gate_curvature, options=HESSIANS),
    "hess_grad": Source(lambda a, chunk: hvp(a.model, chunk, gradients(a, chunk))),
    "hess_weight": Source(
        lambda a, chunk: hvp(a.model, chunk, weights(a, None)),
        gates=lambda a, chunk: gate_product(a.model, chunk, a.groups),
    ),
    "path_grads": Source(lambda a, _: path_grads(a.model, a.names), data=False),
    "removal": Source(removed, units=lambda a, chunk: unit_removal(a.model, chunk, a.groups)),
    "gate_grads": Source(units=gate_grads, step=True),
    "gate_hess": Source(units=lambda a, chunk: gate_hess(a.model, chunk, a.groups)),
    "activations": Source(
        units=lambda a, chunk: of_pass(a, "activations", chunk, activations), step=True, options=_A
    ),
    "act_grads": Source(
        units=lambda a, chunk: of_pass(a, "act_grads", chunk, act_grads), options=_A
    ),
    "labels": Source(lambda a, chunk: chunk[1], units=lambda a, chunk: chunk[1], step=True),
    "outgoing": Source(
        units=lambda a, _: {name: outgoing(a.model.params, g) for name, g in a.groups.items()},
        data=False,
    ),
    "scales": Source(units=scales, data=False),
    "act_mean": Source(units=entry_of("moments", moments, "mean"), step=True, options=_A),
    "act_gram": Source(units=entry_of("moments", moments, "gram"), step=True, options=_A),
    "act_cov": Source(units=entry_of("moments", moments, "cov"), step=True, options=_A),
    "act_hist": Source(units=act_hist, options=_A),
    "class_counts": Source(units=class_sizes, step=True),
    "class_means": Source(units=entry_of("classes", class_moments, "means"), step=True, options=_A),
    "within": Source(units=entry_of("classes", class_moments, "within"), step=True, options=_A),
    "inverse_diag": Source(inverse_diag, rows=False, options=("damp", "block")),
    "inverse_block": Source(units=inverse_block, options=("damp",)),
    "sweep_loss": Source(sweep_loss, rows=False, options=("damp",)),
    "rng": Source(lambda a, _: a.rng, units=lambda a, _: a.rng, data=False),
}
# {option of mp.score: the kinds of evidence that it belongs to}
OPTIONS: dict[str, tuple[str, ...]] = {
    option: tuple(kind for kind, row in SOURCES.items() if option in row.options)
    for row in SOURCES.values()
    for option in row.options
}


def fill_of(kind: str, unit: bool, view: UnitView | None) -> Fill | None:
    """How a criterion gets that kind; view: CriterionSpec.unit. None where it cannot"""
    row = SOURCES[kind]
    if not unit:
        return row.entries
    if view == "gate" and row.gates:
        return row.gates
    if row.entries and row.rows and not row.units and view not in ("gate", "whole", None):
        return partial(in_rows, row.entries)
    return row.units


def in_rows(entries: Fill, asked: Request, chunk: Any) -> Arrays:
    """One row for each unit; a criterion's option bias=False leaves the biases out of it"""
    view, arrays = asked.fn.spec.unit, entries(asked, chunk)
    if view == "outgoing":
        return {name: outgoing(arrays, g) for name, g in asked.groups.items()}
    bias = view == "incoming and bias" and asked.settings.get("bias", True)
    return {name: incoming(arrays, g, bias=bias) for name, g in asked.groups.items()}
