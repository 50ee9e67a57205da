"""s = |w|, s = (sum |w|^p)^(1/p) and LAMP: scores from the size of weights alone."""

import numpy as np

from minprune.arguments import choice, number, only_with
from minprune.core import Array, Arrays, Evidence, Example, criterion

_W, _UNITS = {"weights": [[3, -1], [0, -2]]}, {"weights": [[3, -4], [0, -2]]}


@criterion(
    needs=("weights",),
    cite="Han et al. (2015), Learning both Weights and Connections",
    examples=(Example(_W, [[3, 1], [0, 2]]), Example(_UNITS, [5, 2], unit=True)),
)
def magnitude(ev: Evidence) -> Arrays:
    """s = |w|; unit: s = sqrt(sum w^2)

    Parameters
    ----------
    ev : Evidence
        weights: any shape; for units (units, incoming).

    Returns
    -------
    dict of arrays
        s: the shape of w, or (units,). Unit of measure: that of the weight.

    Examples
    --------
    >>> import numpy as np, minprune as mp
    >>> mp.criteria.magnitude(mp.Evidence(weights={"w": np.array([3.0, -1.0, 0.0])}))
    {'w': array([3., 1., 0.])}
    """
    return norm(ev, p=2)


@criterion(
    needs=("weights",),
    cite="Li et al. (2016), Pruning Filters; L0, L1, L2 and L-infinity",
    examples=(
        Example(_W, [[3, 1], [0, 2]]),
        Example(_W, [[1, 0], [0, 1]], {"p": 0, "tol": 1}),  # |w| > tol, not >=
        Example(_UNITS, [7, 2], {"p": 1}, unit=True),
        Example(_UNITS, [4, 2], {"p": np.inf}, unit=True),
    ),
)
def norm(ev: Evidence, *, p: float = 2, tol: float = 0.0) -> Arrays:
    """s = (sum |w|^p)^(1/p); p = 0: the count of |w| > tol; p = inf: max |w|

    For a single weight the sum has one term, s = |w| (p = 0: 1 or 0), so p = 1, 2 and inf rank as
    magnitude. Sums are in float64.

    Parameters
    ----------
    ev : Evidence
        weights: any shape; for units (units, incoming).
    p
        0, 1, 2 or inf.
    tol
        With p = 0: the largest |w| that counts as 0.

    Returns
    -------
    dict of arrays
        s: the shape of w, or (units,).

    Raises
    ------
    ArgumentError
        For another p, and for a tol that is not finite, is below 0, or is given with another p.

    Examples
    --------
    >>> import numpy as np, minprune as mp
    >>> ev = mp.Evidence(weights={"w": np.array([[3.0, -4.0], [0.0, -2.0]])}, unit=True)
    >>> mp.criteria.norm(ev, p=1)["w"]
    array([7., 2.])
    """
    choice("norm", "p", p, (0, 1, 2, np.inf))
    number("norm", "tol", tol)
    if p != 0 and tol:
        only_with("norm", "tol", "p=0", p)
    weights = ev.rows("weights") if ev.unit else ev.of("weights")
    return {name: _norm(np.abs(w), ev.unit, p, tol) for name, w in weights.items()}


def _norm(size: Array, unit: bool, p: float, tol: float) -> Array:
    if p == 0:
        over = size > tol
        return (over.sum(axis=1) if unit else over).astype(size.dtype)
    if not unit:
        return size
    largest: Array = size.max(axis=1, initial=0)
    if p == np.inf:
        return largest
    scale = np.where(largest > 0, largest, 1)  # so that no square overflows or vanishes
    terms = (size / scale[:, None]).astype(np.float64) ** p
    total: Array = scale * terms.sum(axis=1) ** (1 / p)
    return total.astype(size.dtype)


@criterion(
    needs=("weights",),
    unit=None,
    cite="Lee et al. (2021), Layer-adaptive Sparsity for the Magnitude-based Pruning (LAMP)",
    examples=(Example({"weights": [[2, 0], [-1, 3]]}, [[4 / 13, 0], [1 / 14, 1]], within=1e-16),),
)
def lamp(ev: Evidence) -> Arrays:
    """s = w_u^2 / sum_v w_v^2, v: the weights of the layer that rank at least as high as u

    Weights rank by |w|; of equal ones, the lower flat index ranks higher and is kept longer. The
    largest weight of each layer scores 1, so one global threshold over these scores gives each
    layer a sparsity of its own and empties none. Sums are in float64.

    Parameters
    ----------
    ev : Evidence
        weights: any shape. Masked weights are 0 and change nothing.

    Returns
    -------
    dict of arrays
        s: the shape of w, from 0 to 1; all 0 in a layer of zeros.

    Raises
    ------
    ArgumentError
        For evidence of units.

    Examples
    --------
    >>> import numpy as np, minprune as mp
    >>> mp.criteria.lamp(mp.Evidence(weights={"w": np.array([2.0, 1.0, 0.0])}))
    {'w': array([1. , 0.2, 0. ])}
    """
    return {name: _lamp(np.abs(w)) for name, w in ev.of("weights").items()}


def _lamp(size: Array) -> Array:
    order = np.argsort(-size.ravel(), kind="stable")  # the highest rank first
    flat = size.ravel()[order].astype(np.float64) / (size.max(initial=0) or 1)
    squares = flat**2  # which never overflow
    scores = np.empty(flat.size)
    scores[order] = squares / np.maximum(np.cumsum(squares), np.finfo(float).tiny)
    return scores.reshape(size.shape).astype(size.dtype)
