"""s = L(w | removed) - L(w): the measured change, the reference for all other criteria."""

import numpy as np

from minprune.arguments import choice
from minprune.core import Arrays, Evidence, Example, criterion


@criterion(
    needs=("removal",),
    unit="whole",
    estimates=1.0,
    cite="Molchanov et al. (2017), whose oracle is the absolute change; here signed, or squared",
    examples=(
        Example({"removal": [0.5, -2]}, [0.25, 4], {"square": True}),
        Example({"removal": [0.5, -2]}, [0.5, -2], unit=True),
    ),
)
def oracle(ev: Evidence, *, square: bool = False) -> Arrays:
    """s = L(w | entry removed) - L(w); square=True: s = (L(w | entry removed) - L(w))^2

    Signed, what lowers the loss goes first; squared, what leaves the loss as it is. The evidence
    takes one forward pass over all samples for each entry.

    Parameters
    ----------
    ev : Evidence
        removal: the change of the loss for each entry, or for each unit, (units,).
    square
        Whether the change is squared.

    Returns
    -------
    dict of arrays
        s: the shape of the evidence. Unit of measure: loss (squared).

    Raises
    ------
    ArgumentError
        For another square.

    Examples
    --------
    >>> import numpy as np, minprune as mp
    >>> mp.criteria.oracle(mp.Evidence(removal={"w": np.array([0.5, -2.0])}), square=True)
    {'w': array([0.25, 4.  ])}
    """
    choice("oracle", "square", square, (False, True))
    return {
        name: np.square(change) if square else np.array(change)  # not the evidence itself
        for name, change in ev.of("removal").items()
    }
