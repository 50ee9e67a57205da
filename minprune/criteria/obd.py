"""s = h w^2 / 2: Optimal Brain Damage."""

import numpy as np

from minprune.core import Arrays, Evidence, Example, criterion
from minprune.criteria.options import alike, one_of


def negative(ev: Evidence, *, clip: bool = False) -> str:
    """How many h are below 0, which no minimum has."""
    diag = ev.of("hess_diag").values()
    below, n = sum(int((h < 0).sum()) for h in diag), sum(h.size for h in diag)
    if not below:
        return ""
    return f"obd: {below} of {n} second derivatives are negative, so the net is at no minimum; " + (
        "they count as 0" if clip else "their scores are negative, clip=True takes them as 0"
    )


@criterion(
    needs=("weights", "hess_diag"),
    note=negative,
    unit="incoming and bias",
    estimates=1.0,
    cite="LeCun, Denker & Solla (1989, printed 1990), Optimal Brain Damage",
    examples=(
        Example({"weights": [3, -1, 0], "hess_diag": [2, 4, 9]}, [9, 2, 0]),
        Example({"weights": [[3, -1], [2, 1]], "hess_diag": [[2, -4], [1, 2]]}, [7, 3], unit=True),
    ),
)
def obd(ev: Evidence, *, clip: bool = False) -> Arrays:
    """s = h w^2 / 2; unit: the sum over its incoming weights and bias

    s, w, h: one shape per tensor; for units (units, incoming and bias) -> s: (units,). Unit of
    measure: loss. The rise of the loss from zeroing one weight, if the Hessian is diagonal, the
    gradient zero (a minimum) and the loss quadratic. Where h < 0 the score is negative and goes
    first; clip=True takes such h as 0, entry by entry. Raises ArgumentError for another clip.
    """
    one_of("obd", "clip", clip, (False, True))
    found = alike("obd", ev, "weights", "hess_diag")
    return {
        name: ev.sum((np.maximum(h, 0) if clip else h) * w * w / 2)
        for name, (w, h) in found.items()
    }
