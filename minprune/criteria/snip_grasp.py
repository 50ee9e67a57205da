"""Criteria for pruning before training: what a weight does to the loss, or to its gradient."""

import numpy as np

from minprune.core import Arrays, Evidence, Example, criterion


@criterion(
    needs=("weights", "grads"),
    unit="gate",
    cite="Lee et al. (2019), SNIP: Single-shot Network Pruning based on Connection Sensitivity",
    at_init=True,
    examples=(
        Example({"weights": [3, -1, 0, -2], "grads": [1, 1, 5, -2]}, [0.375, 0.125, 0, 0.5]),
        Example({"weights": [1, 1], "grads": [-3, 1]}, [0.75, 0.25], unit=True),
    ),
)
def snip(ev: Evidence) -> Arrays:
    """s = |g w| / sum |g w|, the sum over all scored entries of all layers; 0/0 = 0

    |g w| = |dL/dc| at c = 1 for the gates w * c. g is of all samples at once. Sums are in float64.

    Parameters
    ----------
    ev : Evidence
        weights w, grads g: one shape per tensor; for a unit w = 1 is its gate, (units,).

    Returns
    -------
    dict of arrays
        s: the shape of w. A share: all scores sum to 1.

    Examples
    --------
    >>> import numpy as np, minprune as mp
    >>> w, g = np.array([3.0, -1.0, 0.0]), np.array([1.0, 1.0, 5.0])
    >>> mp.criteria.snip(mp.Evidence(weights={"w": w}, grads={"w": g}))
    {'w': array([0.75, 0.25, 0.  ])}
    """
    found = ev.alike("weights", "grads")
    size = {n: np.abs(np.multiply(w, g, dtype=np.float64)) for n, (w, g) in found.items()}
    top = max((s.max(initial=0) for s in size.values()), default=0) or 1  # no sum overflows
    total = sum(float((s / top).sum()) for s in size.values()) or 1
    return {name: (s / top / total).astype(found[name][0].dtype) for name, s in size.items()}


_PRODUCT = {"weights": [[3, -1], [0, -2]], "hess_grad": [[1, 2], [4, 0.5]]}


@criterion(
    needs=("weights", "hess_grad"),
    unit="outgoing",
    cite="Wang et al. (2020), Picking Winning Tickets Before Training (GraSP)",
    at_init=True,
    examples=(Example(_PRODUCT, [[3, -2], [0, -1]]), Example(_PRODUCT, [1, -1], unit=True)),
)
def grasp(ev: Evidence) -> Arrays:
    """s = w (H g); unit: the sum over its outgoing weights

    The paper removes the highest of -w (H g), so s has the other sign: higher = keep. To first
    order removing w changes norm(g)^2 by -2 s: what goes first (s < 0) makes the gradient grow.
    That holds for small steps: removing much at once may do the opposite.

    Parameters
    ----------
    ev : Evidence
        weights w, hess_grad H g, of the SAME samples: one shape per tensor; for units
        (units, outgoing).

    Returns
    -------
    dict of arrays
        s: the shape of w, or (units,). Unit of measure: gradient squared.

    Examples
    --------
    >>> import numpy as np, minprune as mp
    >>> w, hess_grad = np.array([3.0, -1.0]), np.array([1.0, 2.0])
    >>> mp.criteria.grasp(mp.Evidence(weights={"w": w}, hess_grad={"w": hess_grad}))
    {'w': array([ 3., -2.])}
    """
    found = ev.alike("weights", "hess_grad")
    return {name: ev.sum(w * hess_grad) for name, (w, hess_grad) in found.items()}
