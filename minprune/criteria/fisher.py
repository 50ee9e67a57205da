"""s = w^2 E[g_p^2] / 2: what removal costs if the Fisher information stands for the Hessian."""

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
