"""s_j = sum_k |w_j - w_k|: how far a unit lies from the others of its layer."""

import numpy as np

from minprune.core import Array, Arrays, Evidence, Example, criterion


@criterion(
    needs=("weights", "masks"),
    single=False,
    cite="He et al. (2019), Filter Pruning via Geometric Median (FPGM)",
    examples=(
        Example(
            {"weights": [[0, 0], [3, 4], [6, 8]], "masks": [[1, 1]] * 3}, [15, 10, 15], unit=True
        ),
    ),
)
def geometric_median(ev: Evidence) -> Arrays:
    """s_j = sum_k norm(w_j - w_k), k over the live units of the layer

    The unit nearest to the geometric median is the one that the others can replace: it goes first.
    Version: the paper's own, whose candidates for the median are the units themselves. Twins tie,
    at a value that need not be low: no unit knows that its twin goes too. Units without a live
    weight are left out, and score 0. Sums are in float64; time units^2 * incoming.

    Parameters
    ----------
    ev : Evidence
        weights: (units, incoming). masks, optional: the same shape, True = kept.

    Returns
    -------
    dict of arrays
        s: (units,). Unit of measure: that of the weight.

    Raises
    ------
    ArgumentError
        For evidence of single weights.

    Examples
    --------
    >>> import numpy as np, minprune as mp
    >>> w = np.array([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]])
    >>> mp.criteria.geometric_median(mp.Evidence(weights={"w": w}, unit=True))
    {'w': array([15., 10., 15.])}
    """
    found = {}
    for name, (w, live) in ev.live_rows().items():
        units, entries = live.any(axis=1), live.any(axis=0)
        found[name] = np.zeros(len(w), w.dtype)
        found[name][units] = _distances(w[np.ix_(units, entries)])
    return found


def _distances(w: Array) -> Array:
    top = np.abs(w).max(initial=0) or 1
    w = np.ascontiguousarray(w, np.float64) / top  # so that no square overflows or vanishes
    apart = np.zeros((len(w), len(w)))
    for j, row in enumerate(w):
        step = w[j:] - row
        apart[j, j:] = apart[j:, j] = np.sqrt(np.einsum("ki,ki->k", step, step))
    return np.asarray(top * apart.sum(axis=1))
