"""s = h w^2 / 2, h the diagonal of the Hessian (obd), or of the empirical Fisher (fisher)."""

import numpy as np

from minprune.arguments import choice
from minprune.core import Arrays, Evidence, Example, criterion


@criterion(
    needs=("weights", "squared_grads"),
    unit="gate",
    estimates=1.0,
    cite="Theis et al. (2018), Faster Gaze Prediction with Dense Networks and Fisher Pruning",
    examples=(
        Example({"weights": [3, -1, -2], "squared_grads": [2, 4, 0.5]}, [9, 2, 1]),
        Example({"weights": [1, 1], "squared_grads": [2, 3]}, [1, 1.5], unit=True),
    ),
)
def fisher(ev: Evidence) -> Arrays:
    """s = w^2 squared_grads / 2 = (1 / 2P) sum_p (g_p w)^2

    g_p is the gradient of ONE sample's loss, for its true label: the empirical Fisher, not the
    square of the mean gradient, which vanishes at a minimum.

    Parameters
    ----------
    ev : Evidence
        weights w, squared_grads: one shape per tensor; for a unit w = 1 is its gate, (units,).

    Returns
    -------
    dict of arrays
        s: the shape of w. Unit of measure: loss.

    Examples
    --------
    >>> import numpy as np, minprune as mp
    >>> w, squares = np.array([3.0, -1.0]), np.array([2.0, 4.0])
    >>> mp.criteria.fisher(mp.Evidence(weights={"w": w}, squared_grads={"w": squares}))
    {'w': array([9., 2.])}
    """
    found = ev.alike("weights", "squared_grads")
    return {name: w * w * squares / 2 for name, (w, squares) in found.items()}


def negative(ev: Evidence, *, clip: bool = False) -> str:
    """How many h are below 0, which no minimum has."""
    diag = ev.of("hess_diag").values()
    below, n = sum(int((h < 0).sum()) for h in diag), sum(h.size for h in diag)
    if not below:
        return ""
    return f"obd: {below} of {n} second derivatives are negative, so the net is at no minimum; " + (
        "they count as 0" if clip else "their scores are negative, clip=True takes them as 0"
    )


_BENT = {"weights": [[3, -1], [2, 1]], "hess_diag": [[2, -4], [1, 2]]}


@criterion(
    needs=("weights", "hess_diag"),
    note=negative,
    unit="incoming and bias",
    estimates=1.0,
    cite="LeCun, Denker & Solla (1989, printed 1990), Optimal Brain Damage",
    examples=(
        Example({"weights": [3, -1, 0], "hess_diag": [2, 4, 9]}, [9, 2, 0]),
        Example(_BENT, [[9, 0], [2, 1]], {"clip": True}),
        Example(_BENT, [7, 3], unit=True),
    ),
)
def obd(ev: Evidence, *, clip: bool = False) -> Arrays:
    """s = h w^2 / 2; unit: the sum over its incoming weights and bias

    The rise of the loss from zeroing one weight, if the Hessian is diagonal, the gradient is zero
    (a minimum) and the loss is quadratic. Where h < 0 the score is negative and goes first.

    Parameters
    ----------
    ev : Evidence
        weights w, hess_diag h: one shape per tensor; for units (units, incoming and bias).
    clip
        Whether h < 0 counts as 0, entry by entry.

    Returns
    -------
    dict of arrays
        s: the shape of w, or (units,). Unit of measure: loss.

    Raises
    ------
    ArgumentError
        For another clip.

    Examples
    --------
    >>> import numpy as np, minprune as mp
    >>> w, h = np.array([3.0, -1.0, 0.0]), np.array([2.0, 4.0, 9.0])
    >>> mp.criteria.obd(mp.Evidence(weights={"w": w}, hess_diag={"w": h}))
    {'w': array([9., 2., 0.])}
    """
    choice("obd", "clip", clip, (False, True))
    return {
        name: ev.sum((np.maximum(h, 0) if clip else h) * w * w / 2)
        for name, (w, h) in ev.alike("weights", "hess_diag").items()
    }
