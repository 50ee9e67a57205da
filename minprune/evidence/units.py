"""Evidence for units: gates, activations, and moments of activations, one array for each group."""

from collections.abc import Callable
from typing import Any

import numpy as np

from minprune.arguments import choice
from minprune.core import Array, Arrays, Split
from minprune.curvature.gates import gate_hess
from minprune.errors import ArgumentError
from minprune.evidence.activations import act_grads, activations
from minprune.evidence.entries import ONLY, grads
from minprune.evidence.moments import (
    BINS,
    Classes,
    Moments,
    class_counts,
    class_moments,
    histograms,
    moments,
)
from minprune.evidence.request import Request
from minprune.nets.rows import outgoing

HESSIANS = ("diagonal", *ONLY)  # options of the single weights' diagonal


def ones(asked: Request, _: object) -> Arrays:
    """The gate of each unit, which its weights stand for: 1"""
    return {name: np.ones(g.size, asked.model.dtype) for name, g in asked.groups.items()}


def outgoing_of(asked: Request, _: object) -> Arrays:
    """The weights that read each unit"""
    return {name: outgoing(asked.model.params, g) for name, g in asked.groups.items()}


def gate_grads(asked: Request, data: Split) -> Arrays:
    """dL/dc = sum over the outgoing weights of g w, in float64"""
    products = {
        name: g * asked.model.params[name].astype(np.float64)
        for name, g in grads(asked, data).items()
    }
    return {name: outgoing(products, g).sum(axis=1) for name, g in asked.groups.items()}


def gate_hess_alone(asked: Request, data: Split) -> Arrays:
    """d2L/dc2, which is always exact; raises ArgumentError for options of another diagonal"""
    for name in asked.how.keys() & HESSIANS:
        raise ArgumentError(
            f"{name} says how hess_diag is computed, and that of a unit's gate is always exact; "
            f"leave {name} out"
        )
    return gate_hess(asked.model, data, asked.groups)


def in_front(asked: Request) -> bool:
    """Whether activations are read before the activation function; raises for another word."""
    where = asked.how.get("nonlinearity", "after")
    return bool(choice("score", "nonlinearity", where, ("after", "before")) == "before")


def activations_of(asked: Request, data: Split) -> Arrays:
    """a, (n, units, positions): those that a training step holds, or those of the data"""
    where = in_front(asked)
    found: Arrays = asked.once(
        "activations", data, lambda: activations(asked.model, data, asked.groups, where)
    )
    return found


def act_grads_of(asked: Request, data: Split) -> Arrays:
    """dl_p/da of each sample"""
    return act_grads(asked.model, data, asked.groups, in_front(asked))


def act_mean(asked: Request, data: Split) -> Arrays:
    """The mean of a over samples and positions"""
    return {name: m.mean for name, m in _moments(asked, data).items()}


def act_gram(asked: Request, data: Split) -> Arrays:
    """The mean of a a^T over samples and positions"""
    return {name: m.gram for name, m in _moments(asked, data).items()}


def act_hist(asked: Request, data: Split) -> Arrays:
    """Counts of each sample's mean a, in as many bins as the criterion's option says"""
    bins = asked.settings.get("bins", BINS)
    return histograms(asked.model, data, asked.groups, in_front(asked), bins)


def class_counts_of(asked: Request, data: Split) -> Array:
    """Samples of each class, in the net's dtype, which the scores of lda come back in"""
    classes = _classes(asked, data)
    counts = next(iter(classes.values())).counts if classes else class_counts(data[1])
    return counts.astype(asked.model.dtype)


def class_means(asked: Request, data: Split) -> Arrays:
    """The mean of a in each class"""
    return {name: c.means for name, c in _classes(asked, data).items()}


def within(asked: Request, data: Split) -> Arrays:
    """The mean of (a - class mean)(a - class mean)^T"""
    return {name: c.within for name, c in _classes(asked, data).items()}


def _moments(asked: Request, data: Split) -> dict[str, Moments]:
    found: dict[str, Moments] = _once(asked, "moments", data, moments)
    return found


def _classes(asked: Request, data: Split) -> dict[str, Classes]:
    found: dict[str, Classes] = _once(asked, "classes", data, class_moments)
    return found


def _once(asked: Request, what: str, data: Split, make: Callable[..., Any]) -> Any:
    where = in_front(asked)
    return asked.once(what, data, lambda: make(asked.model, data, asked.groups, where))
