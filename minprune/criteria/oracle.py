"""s = L(w | removed) - L(w): what really happens, the reference for all other criteria."""

import numpy as np

from minprune.core import Arrays, Evidence, criterion
from minprune.criteria.options import one_of


@criterion(
    needs=("removal",),
    unit="whole",
    estimates=1.0,
    cite="Molchanov et al. (2017), whose oracle is the absolute change; here signed, or squared",
)
def oracle(ev: Evidence, *, square: bool = False) -> Arrays:
    """s = L(w | entry removed) - L(w); square=True: s = (L(w | entry removed) - L(w))^2

    s: the shape of the parameter, or (units,). Unit of measure: loss (squared). One forward pass
    over all samples for each entry. Signed: what lowers the loss goes first; squared: what leaves
    the loss where it is. Raises ArgumentError for another square.
    """
    one_of("oracle", "square", square, (False, True))
    return {
        name: np.square(change) if square else np.array(change)  # not the evidence itself
        for name, change in ev.of("removal").items()
    }
