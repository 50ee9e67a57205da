"""s = w^2 / (2 [H^-1]_qq): the loss rise from removing a weight while all others adjust."""

from typing import Literal

import numpy as np

from minprune.core import Array, Arrays, Evidence, criterion
from minprune.criteria.options import alike, fits, one_of, rows, together
from minprune.errors import ArgumentError

Scale = Literal["whole", "layer", "rows", "blocks"]
SCALES = ("whole", "layer", "rows", "blocks")
UNITS = ("whole", "layer", "blocks")  # a row's sweep takes its weights one by one


def _needs(*, scale: Scale = "whole", unit: bool = False) -> tuple[str, ...]:
    """The evidence for these options."""
    one_of("obs with unit=True" if unit else "obs", "scale", scale, UNITS if unit else SCALES)
    if unit:
        return "weights", "inverse_block"
    return ("sweep_loss",) if scale == "rows" else ("weights", "inverse_diag")


@criterion(
    needs=_needs,
    cite="Hassibi & Stork (1992), Optimal Brain Surgeon; layer: Dong et al. (2017); rows: Frantar "
    "& Alistarh (2022), ExactOBS; blocks: Singh & Alistarh (2020), WoodFisher",
    unit="incoming and bias",
    large={"scale": "blocks"},  # the inverse of a whole net is for small nets
)
def obs(ev: Evidence, *, scale: Scale = "whole") -> Arrays:
    """s = w^2 / (2 [H^-1]_qq); unit: s = 1/2 w_S^T ([H^-1]_SS)^-1 w_S      unit of measure: loss

    s, w, [H^-1]_qq: one shape per tensor. For units w: (units, entries), [H^-1]_SS: (units,
    entries, entries), S the incoming weights and bias -> s: (units,). H: the damped GGN of the
    whole net, of a layer ("layer": (2/P) X X^T of its inputs, one for all rows) or of blocks of
    the Fisher matrix ("blocks"). It assumes a minimum (g = 0) and a quadratic, and that the others
    move. "rows": the loss of the step of exact row sweeps in which the weight goes, risen so that
    sorted scores replay each row's order.

    Raises ArgumentError for another scale, an [H^-1]_qq that is not above 0, or an [H^-1]_SS that
    is not positive definite.
    """
    _needs(scale=scale, unit=ev.unit)
    if ev.unit:
        found = together("obs", ev, "weights", "inverse_block")
        flat = rows({name: w for name, (w, _) in found.items()})
        return {name: _joint(name, flat[name], block) for name, (_, block) in found.items()}
    if scale == "rows":
        return {name: np.array(loss) for name, loss in ev.of("sweep_loss").items()}
    scores = {}
    for name, (w, diag) in alike("obs", ev, "weights", "inverse_diag").items():
        bad = int(np.count_nonzero(~(diag > 0)))
        if bad:
            raise ArgumentError(
                f"{name}: {bad} of {w.size} entries of diag H^-1 are not above 0, so H is not "
                f"positive definite to rounding; raise damp"
            )
        wide = w.astype(np.float64)
        scores[name] = (0.5 * wide * wide / diag).astype(w.dtype)
    return scores


def _joint(name: str, w: Array, block: Array) -> Array:
    """1/2 |L^-1 w|^2 of each row, L L^T = block"""
    fits("obs", "inverse_block", name, block, (*w.shape, w.shape[1]))
    try:
        lower = np.linalg.cholesky(block.astype(np.float64))
    except np.linalg.LinAlgError:
        raise ArgumentError(
            f"{name}: a block of H^-1 is not positive definite, so its unit has no score; "
            f"raise damp"
        ) from None
    half = np.linalg.solve(lower, w.astype(np.float64)[..., None])[..., 0]
    scores: Array = 0.5 * np.einsum("us,us->u", half, half)
    return scores.astype(w.dtype)
