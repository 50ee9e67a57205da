"""s = w^2 E[g_p^2] / 2: what removal costs if the Fisher information stands for the Hessian."""

from minprune.core import Arrays, Evidence, criterion
from minprune.criteria.options import alike


@criterion(
    needs=("weights", "squared_grads"),
    unit="gate",
    estimates=1.0,
    cite="Theis et al. (2018), Faster Gaze Prediction with Dense Networks and Fisher Pruning",
)
def fisher(ev: Evidence) -> Arrays:
    """s = w^2 squared_grads / 2 = (1 / 2P) sum_p (g_p w)^2

    s, w, squared_grads: one shape per tensor; for a unit w = 1 is its gate, all (units,). Unit of
    measure: loss. g_p is the gradient of ONE sample's loss, for its true label: the empirical
    Fisher, not the square of the mean gradient, which vanishes at a minimum.
    """
    found = alike("fisher", ev, "weights", "squared_grads")
    return {name: w * w * squares / 2 for name, (w, squares) in found.items()}
