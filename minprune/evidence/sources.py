"""Where each kind of evidence comes from: one row for each kind of `minprune.core.Evidence`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from minprune.core import Array, Arrays, Evidence, Split, UnitView
from minprune.curvature import hvp, squared_grads
from minprune.curvature.gates import gate_hess, gate_product, gate_squares
from minprune.curvature.removal import unit_removal
from minprune.errors import NonFiniteError
from minprune.evidence import units
from minprune.evidence.entries import grads, hess_diag, masks, mean_gradients, removed, weights
from minprune.evidence.inverses import inverse_block, inverse_diag, sweep_loss
from minprune.evidence.paths import path_grads
from minprune.evidence.request import Request
from minprune.nets.nonfinite import not_finite
from minprune.nets.rows import incoming, outgoing

Fill = Callable[[Request, Any], Any]


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
    "weights": Source(weights, gates=units.ones, data=False),
    "masks": Source(masks, data=False, rows=False),
    "grads": Source(grads, gates=units.gate_grads, step=True),
    "squared_grads": Source(
        lambda a, chunk: squared_grads(a.model, chunk, params=a.params),
        gates=lambda a, chunk: gate_squares(a.model, chunk, a.groups),
    ),
    "hess_diag": Source(hess_diag, gates=units.gate_hess_alone, options=units.HESSIANS),
    "hess_grad": Source(
        lambda a, chunk: hvp(a.model, chunk, mean_gradients(a.model, chunk, a.names))
    ),
    "hess_weight": Source(
        lambda a, chunk: hvp(a.model, chunk, weights(a)),
        gates=lambda a, chunk: gate_product(a.model, chunk, a.groups),
    ),
    "path_grads": Source(lambda a, _: path_grads(a.model, a.names), data=False),
    "removal": Source(
        removed,
        units=lambda a, chunk: unit_removal(a.model, chunk, a.groups),
    ),
    "gate_grads": Source(units=units.gate_grads, step=True),
    "gate_hess": Source(units=lambda a, chunk: gate_hess(a.model, chunk, a.groups)),
    "activations": Source(units=units.activations_of, step=True, options=_A),
    "act_grads": Source(units=units.act_grads_of, options=_A),
    "labels": Source(lambda a, chunk: chunk[1], units=lambda a, chunk: chunk[1], step=True),
    "outgoing": Source(units=units.outgoing_of, data=False),
    "act_mean": Source(units=units.act_mean, step=True, options=_A),
    "act_gram": Source(units=units.act_gram, step=True, options=_A),
    "act_hist": Source(units=units.act_hist, options=_A),
    "class_counts": Source(units=units.class_counts_of, step=True),
    "class_means": Source(units=units.class_means, step=True, options=_A),
    "within": Source(units=units.within, step=True, options=_A),
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
    if row.units:
        return row.units
    if row.entries and row.rows and view in ("incoming", "incoming and bias", "outgoing"):
        return lambda asked, chunk: _rows(asked, row.entries(asked, chunk))  # type: ignore[misc]
    return None


def _rows(asked: Request, arrays: Mapping[str, Any]) -> Arrays:
    """One row for each unit; a criterion's option bias=False leaves the biases out of it"""
    view = asked.spec.unit
    if view == "outgoing":
        return {name: outgoing(arrays, g) for name, g in asked.groups.items()}
    bias = view == "incoming and bias" and asked.settings.get("bias", True)
    return {name: incoming(arrays, g, bias=bias) for name, g in asked.groups.items()}


def gather(asked: Request, chunk: Split | None) -> Evidence:
    """The evidence that the criterion needs, read-only and finite; chunk: None takes no samples"""
    found: dict[str, Any] = {}
    for kind in asked.needs:
        if kind not in asked.own:
            make = partial(_made, asked, kind, chunk)
            found[kind] = make() if SOURCES[kind].data else asked.once(kind, None, make)
    return Evidence(unit=asked.unit, more=dict(asked.own), **found)


def _made(asked: Request, kind: str, chunk: Split | None) -> Any:
    fill = fill_of(kind, asked.unit, asked.spec.unit)
    assert fill is not None  # `ask` refuses what cannot be computed
    arrays = fill(asked, chunk)
    if isinstance(arrays, Mapping):
        finite(kind, arrays)
    return read_only(arrays)


def read_only(found: Any) -> Any:
    """The same arrays, read-only: they may be the model's, or the caller's."""
    if isinstance(found, Mapping):
        return {name: read_only(a) for name, a in found.items()}
    if not isinstance(found, np.ndarray):
        return found
    view = found.view()
    view.flags.writeable = False
    return view


def finite(kind: str, arrays: Mapping[str, Array]) -> None:
    """Raises NonFiniteError, naming the array and counting the entries, unless all are numbers."""
    for name, a in arrays.items():
        if not np.isfinite(a).all():
            what = kind.replace("_", " ")
            what = what if what.endswith("ss") else what.removesuffix("s")
            remedy = "train with a lower learning rate, or correct the data"
            if kind == "score":
                remedy = "correct the criterion, or scale it to the dtype of the net"
            raise NonFiniteError(
                f"{name}: {not_finite(a)} of {a.size} entries of the {what} are not finite, "
                f"but must be numbers; {remedy}"
            )
