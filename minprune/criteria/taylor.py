"""The squared change of the loss that an expansion in the weights, or in a channel, foretells."""

from typing import Literal

import numpy as np

from minprune.core import Array, Arrays, Chunk, Evidence, criterion
from minprune.criteria.options import alike, belongs, of_units, one_of

HESSIANS = {"diag": "hess_diag", "row": "hess_weight"}


def _needs(order: int = 1, hessian: str = "diag", unit: bool = False) -> tuple[str, ...]:
    one_of("taylor", "order", order, (1, 2))
    one_of("taylor", "hessian", hessian, tuple(HESSIANS))
    if order == 1 and hessian != "diag":
        belongs("taylor", "hessian", "order=2", order)
    return ("weights", "grads") if order == 1 else ("weights", "grads", HESSIANS[hessian])


def _chunk(order: int = 1, hessian: str = "diag", unit: bool = False) -> Chunk:
    return "batch" if order == 1 else "all"


@criterion(
    needs=_needs,
    chunk=_chunk,
    unit="gate",
    estimates=0.5,  # the score is the square of the estimate
    cite="Molchanov et al. (2019), Importance Estimation for Neural Network Pruning",
)
def taylor(
    ev: Evidence, *, order: Literal[1, 2] = 1, hessian: Literal["diag", "row"] = "diag"
) -> Arrays:
    """s = (g w)^2; order=2: s = (g w - w H_ww w / 2)^2, hessian="row": s = (g w - w (H w) / 2)^2

    s, w, g, H_ww, H w: one shape per tensor. For a unit w = 1 is its gate, all (units,): g is the
    sum of g w over its weights, so s is the square of the sum, not the sum of squares. Unit of
    measure: loss squared. Order 1 is squared for each minibatch and then averaged, so it depends
    on the split; order 2 takes all samples at once. "diag" is the exact squared change of removing
    ONE weight, or unit, from a quadratic loss, anywhere; "row" is the paper's eq. 7, which shares
    the change of removing everything out among the weights. Raises ArgumentError for another order
    or hessian, and for a hessian without order=2.
    """
    found = alike("taylor", ev, *_needs(order, hessian))
    if order == 1:
        return {name: np.square(g * w) for name, (w, g) in found.items()}
    if hessian == "diag":
        found = {name: (w, g, h * w) for name, (w, g, h) in found.items()}
    return {name: np.square(g * w - w * hw / 2) for name, (w, g, hw) in found.items()}


def _activation_needs(order: int = 1, unit: bool = True) -> tuple[str, ...]:
    one_of("taylor_activation", "order", order, (1, 2))
    return ("activations", "act_grads") if order == 1 else ("gate_grads", "gate_hess")


def over_layer(scores: Arrays, order: int = 1) -> Arrays:
    """s / norm(s) for each layer, 0/0 = 0; order 2 as it is"""
    return {name: _unit_length(s) for name, s in scores.items()} if order == 1 else scores


def _unit_length(s: Array) -> Array:
    top = np.abs(s).max(initial=0)
    if top == 0:
        return s
    scaled = s.astype(np.float64) / top  # so that no square overflows or vanishes
    return np.asarray(scaled / np.sqrt(np.square(scaled).sum())).astype(s.dtype)


@criterion(
    needs=_activation_needs,
    chunk=_chunk,
    unit="whole",
    single=False,
    finish=over_layer,
    cite="Molchanov et al. (2017), Pruning Convolutional Neural Networks; order 2: the surveys",
)
def taylor_activation(ev: Evidence, *, order: Literal[1, 2] = 1) -> Arrays:
    """s = mean_p abs(mean_x a dl_p/da) / norm(s of the layer); order=2: s = (dL/dc - d2L/dc2 / 2)^2

    Order 1, a, dl_p/da: (samples p, units, positions x) -> s: (units,). The absolute value is taken
    for each sample, behind the mean over its positions; the division comes once all samples are
    averaged, so s has no unit of measure and its squares sum to 1 in each layer (0/0 = 0). A mean
    over positions hides how many there are: that is the paper's, and the division makes up for it.

    Order 2, (units,): c = 1 the gate on all positions of a channel, L the mean loss over all
    samples: the second variation of the survey literature, the squared change of L where L is
    quadratic in c. It has a unit of measure, loss squared, and is NOT divided by the layer's norm:
    the numbers of taylor(order=2) for units, whose gate this is.
    Raises ArgumentError for another order, and for single weights.
    """
    of_units("taylor_activation", ev)
    found = alike("taylor_activation", ev, *_activation_needs(order))
    if order == 2:
        return {name: np.square(g - h / 2) for name, (g, h) in found.items()}
    return {name: _per_sample(a, g) for name, (a, g) in found.items()}


def _per_sample(a: Array, g: Array) -> Array:
    """mean_p abs(mean_x a g); of no sample at all: 0"""
    change = np.multiply(a, g, dtype=np.float64).sum(axis=tuple(range(2, a.ndim)))
    count = max(a.size // max(a.shape[1], 1), 1)  # samples times positions
    return np.asarray(np.abs(change).sum(axis=0) / count).astype(a.dtype)
