"""The squared change of the loss that an expansion in the weights, or in a channel, predicts."""

from typing import Literal

import numpy as np

from minprune.arguments import choice, only_with
from minprune.core import Array, Arrays, Chunk, Evidence, Example, criterion

HESSIANS = {"diag": "hess_diag", "row": "hess_weight"}


def _needs(order: int = 1, hessian: str = "diag", unit: bool = False) -> tuple[str, ...]:
    choice("taylor", "order", order, (1, 2))
    choice("taylor", "hessian", hessian, tuple(HESSIANS))
    if order == 1 and hessian != "diag":
        only_with("taylor", "hessian", "order=2", order)
    return ("weights", "grads") if order == 1 else ("weights", "grads", HESSIANS[hessian])


def _chunk(order: int = 1, hessian: str = "diag", unit: bool = False) -> Chunk:
    return "batch" if order == 1 else "all"


_FIRST = {"weights": [[3, -1], [0, -2]], "grads": [[1, 2], [5, -1]]}
_CURVED = [[2, 4], [1, 1]]
_GATE = {"weights": [1, 1], "grads": [-3, 0.5]}


@criterion(
    needs=_needs,
    chunk=_chunk,
    unit="gate",
    estimates=0.5,  # the score is the square of the estimate
    cite="Molchanov et al. (2019), Importance Estimation for Neural Network Pruning",
    examples=(
        Example(_FIRST, [[9, 4], [0, 4]]),
        Example(_GATE, [9, 0.25], unit=True),
        Example(_FIRST | {"hess_diag": _CURVED}, [[36, 16], [0, 0]], {"order": 2}),
        Example(
            _FIRST | {"hess_weight": _CURVED}, [[0, 0], [0, 9]], {"order": 2, "hessian": "row"}
        ),
    ),
)
def taylor(
    ev: Evidence, *, order: Literal[1, 2] = 1, hessian: Literal["diag", "row"] = "diag"
) -> Arrays:
    """s = (g w)^2; order=2: s = (g w - w H_ww w / 2)^2, hessian="row": s = (g w - w (H w) / 2)^2

    For a unit w = 1 is its gate: g is the sum of g w over its weights, so s is the square of the
    sum, not the sum of squares. Order 1 is squared for each minibatch and then averaged, so it
    depends on the split; order 2 takes all samples at once. "diag" is the exact squared change of
    removing ONE weight, or unit, from a quadratic loss, anywhere; "row" is the paper's eq. 7, which
    shares the change of removing everything among the weights.

    Parameters
    ----------
    ev : Evidence
        weights w, grads g, hess_diag H_ww, hess_weight H w: one shape per tensor; for units
        (units,).
    order
        1 or 2: the order of the expansion.
    hessian
        "diag" or "row"; only with order=2.

    Returns
    -------
    dict of arrays
        s: the shape of w. Unit of measure: loss squared.

    Raises
    ------
    ArgumentError
        For another order or hessian, and for a hessian without order=2.

    Examples
    --------
    >>> import numpy as np, minprune as mp
    >>> w, g = np.array([3.0, -1.0]), np.array([1.0, 2.0])
    >>> mp.criteria.taylor(mp.Evidence(weights={"w": w}, grads={"w": g}))
    {'w': array([9., 4.])}
    """
    found = ev.alike(*_needs(order, hessian))
    if order == 1:
        return {name: np.square(g * w) for name, (w, g) in found.items()}
    if hessian == "diag":
        found = {name: (w, g, h * w) for name, (w, g, h) in found.items()}
    return {name: np.square(g * w - w * hw / 2) for name, (w, g, hw) in found.items()}


def _activation_needs(order: int = 1, unit: bool = True) -> tuple[str, ...]:
    choice("taylor_activation", "order", order, (1, 2))
    return ("activations", "act_grads") if order == 1 else ("gate_grads", "gate_hess")


def over_layer(scores: Arrays, order: int = 1) -> Arrays:
    """s / norm(s) for each layer, 0/0 = 0; order 2 unchanged"""
    if order == 2:
        return scores
    found = {}
    for name, s in scores.items():
        top = np.abs(s).max(initial=0) or 1  # so that no square overflows or vanishes
        scaled = s.astype(np.float64) / top
        found[name] = (scaled / (np.sqrt(np.square(scaled).sum()) or 1)).astype(s.dtype)
    return found


# a g: unit 0 has 9, -3 and -3, -3: means 3 and -3; unit 1 has 8, 0 and -5, -3: means 4 and -4
_CHANNELS = {
    "activations": [[[1, 2], [2, 4]], [[3, 1], [1, 1]]],
    "act_grads": [[[9, -1.5], [4, 0]], [[-1, -3], [-5, -3]]],
}


@criterion(
    needs=_activation_needs,
    chunk=_chunk,
    unit="whole",
    single=False,
    finish=over_layer,
    cite="Molchanov et al. (2017), Pruning Convolutional Neural Networks; order 2: the surveys",
    examples=(
        Example(_CHANNELS, [0.6, 0.8], unit=True),
        Example({"gate_grads": [3, -1], "gate_hess": [2, 4]}, [4, 9], {"order": 2}, unit=True),
    ),
)
def taylor_activation(ev: Evidence, *, order: Literal[1, 2] = 1) -> Arrays:
    """s = mean_p abs(mean_x a dl_p/da) / norm(s of the layer); order=2: s = (dL/dc - d2L/dc2 / 2)^2

    Order 1: the absolute value is of each sample p, after the mean over its positions x; the
    division comes once all samples are averaged, so the squares of s sum to 1 in each layer
    (0/0 = 0). A mean over positions hides how many there are: that is the paper's choice, and the
    division compensates for it.

    Order 2: c = 1 is the gate on all positions of a channel, L the mean loss over all samples. It
    is the second variation of the survey literature, the squared change of L where L is quadratic
    in c. It is NOT divided by the layer's norm: it equals taylor(order=2) of units.

    Parameters
    ----------
    ev : Evidence
        activations a, act_grads dl_p/da: (samples, units, positions); or gate_grads dL/dc and
        gate_hess d2L/dc2: (units,).
    order
        1 or 2.

    Returns
    -------
    dict of arrays
        s: (units,). Order 1 has no unit of measure; order 2: loss squared.

    Raises
    ------
    ArgumentError
        For another order, and for evidence of single weights.

    Examples
    --------
    >>> import numpy as np, minprune as mp
    >>> a, g = np.array([[[1.0], [2.0]]]), np.array([[[3.0], [2.0]]])
    >>> ev = mp.Evidence(activations={"w": a}, act_grads={"w": g}, unit=True)
    >>> mp.criteria.taylor_activation(ev)
    {'w': array([0.6, 0.8])}
    """
    found = ev.alike(*_activation_needs(order))
    if order == 2:
        return {name: np.square(g - h / 2) for name, (g, h) in found.items()}
    return {name: _per_sample(a, g) for name, (a, g) in found.items()}


def _per_sample(a: Array, g: Array) -> Array:
    """mean_p abs(mean_x a g); of no sample at all: 0"""
    change = np.multiply(a, g, dtype=np.float64).sum(axis=tuple(range(2, a.ndim)))
    count = max(a.size // max(a.shape[1], 1), 1)  # samples times positions
    return np.asarray(np.abs(change).sum(axis=0) / count).astype(a.dtype)
