"""Where the evidence for units comes from: rows of single weights, gates, activations."""

from collections.abc import Callable, Mapping

import numpy as np

from minprune.core import Array, Arrays, Split, UnitView
from minprune.curvature.gates import gate_hess, gate_product, gate_squares
from minprune.curvature.removal import unit_removal
from minprune.errors import ArgumentError
from minprune.evidence.activations import act_grads, activations
from minprune.evidence.asked import Asked, Source
from minprune.evidence.fill import FILL, OPTIONS, mean_gradients
from minprune.evidence.inverses import inverse_block
from minprune.evidence.moments import (
    BINS,
    Classes,
    Moments,
    class_counts,
    class_moments,
    histograms,
    moments,
)
from minprune.nets.rows import incoming, outgoing
from minprune.nets.ties import Group

Rows = Callable[[Mapping[str, Array], Group], Array]
ROWS: dict[str, Rows] = {
    "incoming": incoming,
    "incoming and bias": lambda arrays, group: incoming(arrays, group, bias=True),
    "outgoing": outgoing,
}


def gate_grads(asked: Asked, data: Split) -> Arrays:
    """dL/dc = sum over the outgoing weights of g w, in float64"""
    grads = mean_gradients(asked.model, data, list(asked.model.net.weights))
    products = {n: g * asked.model.params[n].astype(np.float64) for n, g in grads.items()}
    return {name: outgoing(products, g).sum(axis=1) for name, g in asked.groups.items()}


def in_front(asked: Asked) -> bool:
    """Whether activations are read before the activation function; raises for another word."""
    where = asked.gather.get("nonlinearity", "after")
    if where not in ("after", "before"):
        raise ArgumentError(
            f"nonlinearity is {where!r}, expected 'after' or 'before'; choose one of them"
        )
    return bool(where == "before")


def _moments(asked: Asked, data: Split) -> dict[str, Moments]:
    of = asked.model, data, asked.groups, in_front(asked)
    return asked.once("moments", data, lambda: moments(*of))


def _classes(asked: Asked, data: Split) -> dict[str, Classes]:
    where = in_front(asked)
    return asked.once(
        "classes", data, lambda: class_moments(asked.model, data, asked.groups, where)
    )


def _exact_alone(asked: Asked, data: Split) -> Arrays:
    """d2L/dc2, which has no other reading; raises ArgumentError where one is asked for"""
    for name in (n for n in asked.gather if "hess_diag" in OPTIONS[n]):
        raise ArgumentError(
            f"{name} says how hess_diag is gathered, and that of a unit's gate is exact alone; "
            f"leave {name} out"
        )
    return gate_hess(asked.model, data, asked.groups)


def _ones(asked: Asked, _: None) -> Arrays:
    return {name: np.ones(g.size, asked.model.dtype) for name, g in asked.groups.items()}


WHOLE: dict[str, Source] = {  # of units by nature
    "labels": FILL["labels"],
    "outgoing": Source(
        lambda a, _: {n: outgoing(a.model.params, g) for n, g in a.groups.items()}, looks=False
    ),
    "gate_grads": Source(gate_grads),
    "gate_hess": Source(lambda a, chunk: gate_hess(a.model, chunk, a.groups)),
    "removal": Source(lambda a, chunk: unit_removal(a.model, chunk, a.groups)),
    "inverse_block": Source(inverse_block),
    "activations": Source(
        lambda a, chunk: activations(a.model, chunk, a.groups, before=in_front(a))
    ),
    "act_grads": Source(lambda a, chunk: act_grads(a.model, chunk, a.groups, before=in_front(a))),
    "act_mean": Source(lambda a, chunk: {n: m.mean for n, m in _moments(a, chunk).items()}),
    "act_gram": Source(lambda a, chunk: {n: m.gram for n, m in _moments(a, chunk).items()}),
    "act_hist": Source(
        lambda a, chunk: histograms(
            a.model, chunk, a.groups, in_front(a), a.options.get("bins", BINS)
        )
    ),
    # in the net's dtype, which lda's scores come back in
    "class_counts": Source(lambda a, chunk: class_counts(chunk[1]).astype(a.model.dtype)),
    "class_means": Source(lambda a, chunk: {n: c.means for n, c in _classes(a, chunk).items()}),
    "within": Source(lambda a, chunk: {n: c.within for n, c in _classes(a, chunk).items()}),
}
GATE: dict[str, Source] = {
    "weights": Source(_ones, looks=False),
    "grads": WHOLE["gate_grads"],
    "hess_diag": Source(_exact_alone),
    "squared_grads": Source(lambda a, chunk: gate_squares(a.model, chunk, a.groups)),
    "hess_weight": Source(lambda a, chunk: gate_product(a.model, chunk, a.groups)),
}


def unit_filler(row: UnitView | None) -> dict[str, Source]:
    """The kinds of evidence for a criterion with that CriterionSpec.unit."""
    if row == "gate":
        return WHOLE | GATE
    if row is None or row == "whole":
        return WHOLE
    kinds = {
        k for k in FILL if k not in ("masks", "labels", "removal", "inverse_diag", "sweep_loss")
    }
    return WHOLE | {kind: _rows(kind, row) for kind in kinds}


def _rows(kind: str, row: UnitView) -> Source:
    """Evidence of single weights, gathered into one row a unit

    A criterion's option bias=False takes the biases out of "incoming and bias". Products with H run
    over the scored parameters: the weights, and with biases in the row over all.
    """
    weights_alone = row != "incoming and bias" and kind in ("hess_grad", "hess_weight")

    def fill(asked: Asked, chunk: Split | None) -> Arrays:
        everything = Asked(
            asked.model, list(asked.model.net.params), "all", {}, asked.rng, asked.gather
        )
        found = FILL[kind](asked if weights_alone else everything, chunk)
        bare = row == "incoming and bias" and not asked.options.get("bias", True)
        rows = incoming if bare else ROWS[row]
        return {name: rows(found, g) for name, g in asked.groups.items()}

    return Source(fill, FILL[kind].looks)
