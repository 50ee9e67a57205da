"""s = |w| dR/d|w|: what flows through a weight when all weights and inputs are positive."""

import numpy as np

from minprune.core import Arrays, Evidence, Example, criterion

_PATHS = {"weights": [[3, -1], [0, -2]], "path_grads": [[1, 2], [4, 0.5]]}


@criterion(
    needs=("weights", "path_grads"),
    unit="outgoing",
    cite="Tanaka et al. (2020), Pruning Neural Networks without any Data (SynFlow)",
    at_init=True,
    examples=(Example(_PATHS, [[3, 2], [0, 1]]), Example(_PATHS, [5, 1], unit=True)),
)
def synflow(ev: Evidence) -> Arrays:
    """s = |w| dR/d|w|, R = 1^T (prod |W_l|) 1; unit: the sum over its outgoing weights

    dR/d|w| comes from one gradient of R, the sum of the outputs for an input of ones, with weights
    |w|, biases 0, activations the identity and normalisation a positive scale
    (minprune/evidence/sources.py).
    The sum of s over all that goes into a hidden unit, over all its producers, equals the sum over
    all that comes out of it (a depthwise layer passes it on, so it counts once), and each layer has
    the same total. Version: the paper's score; its 100 rounds, without which high sparsities empty
    layers, are left to the caller (mp.methods.in_rounds).

    Parameters
    ----------
    ev : Evidence
        weights w, path_grads dR/d|w|: one shape per tensor; for units (units, outgoing).

    Returns
    -------
    dict of arrays
        s: the shape of w, or (units,). Never negative. Unit of measure: that of R.

    Examples
    --------
    >>> import numpy as np, minprune as mp
    >>> w, paths = np.array([3.0, -1.0]), np.array([1.0, 2.0])
    >>> mp.criteria.synflow(mp.Evidence(weights={"w": w}, path_grads={"w": paths}))
    {'w': array([3., 2.])}
    """
    found = ev.alike("weights", "path_grads")
    return {name: ev.sum(np.abs(w) * paths) for name, (w, paths) in found.items()}
