"""s = w^2 / (2 [H^-1]_qq): the loss rise from removing a weight while all others adjust."""

from typing import Literal

import numpy as np

from minprune.arguments import choice
from minprune.core import Array, Arrays, Evidence, Example, criterion, fits
from minprune.errors import ArgumentError

Scale = Literal["whole", "layer", "rows", "blocks"]
SCALES = ("whole", "layer", "rows", "blocks")
_UNITS = ("whole", "layer", "blocks")  # a row's sweep takes its weights one by one


def _needs(*, scale: Scale = "whole", unit: bool = False) -> tuple[str, ...]:
    """The evidence for these options."""
    choice("obs with unit=True" if unit else "obs", "scale", scale, _UNITS if unit else SCALES)
    if unit:
        return "weights", "inverse_block"
    return ("sweep_loss",) if scale == "rows" else ("weights", "inverse_diag")


# the inverses of the blocks are [[1, -1], [-1, 2]] and [[1, 0], [0, 0.25]]
_BLOCKS = {"weights": [[2, 1], [2, 4]], "inverse_block": [[[2, 1], [1, 1]], [[1, 0], [0, 4]]]}


@criterion(
    needs=_needs,
    cite="Hassibi & Stork (1992), Optimal Brain Surgeon; layer: Dong et al. (2017); rows: Frantar "
    "& Alistarh (2022), ExactOBS; blocks: Singh & Alistarh (2020), WoodFisher",
    unit="incoming and bias",
    examples=(
        Example({"weights": [3, -1, 2], "inverse_diag": [1, 4, 0.5]}, [4.5, 0.125, 4]),
        Example({"sweep_loss": [1, 2, 0.5]}, [1, 2, 0.5], {"scale": "rows"}),
        Example(_BLOCKS, [1, 4], unit=True, within=1e-15),
    ),
    large={"scale": "blocks"},  # the inverse of a whole net is for small nets
)
def obs(ev: Evidence, *, scale: Scale = "whole") -> Arrays:
    """s = w^2 / (2 [H^-1]_qq); unit: s = 1/2 w_S^T ([H^-1]_SS)^-1 w_S

    It assumes a minimum (g = 0) and a quadratic loss, and that all other weights adjust
    (mp.methods.obs adjusts them). The damped inverses come from minprune/evidence/obs_inverses.py.

    Parameters
    ----------
    ev : Evidence
        weights w, inverse_diag [H^-1]_qq: one shape per tensor. For units w: (units, entries) and
        inverse_block [H^-1]_SS: (units, entries, entries), S the incoming weights and bias. For
        scale="rows" sweep_loss.
    scale
        H is "whole": the damped GGN of the whole net; "layer": (2/P) X X^T of a layer's inputs, one
        for all rows; "blocks": blocks of the Fisher matrix. "rows": the loss of the step of exact
        row sweeps in which the weight goes, raised so that sorted scores replay each row's order;
        not for units.

    Returns
    -------
    dict of arrays
        s: the shape of w, or (units,). Unit of measure: loss.

    Raises
    ------
    ArgumentError
        For another scale, an [H^-1]_qq that is not above 0, or an [H^-1]_SS that is not positive
        definite.

    Examples
    --------
    >>> import numpy as np, minprune as mp
    >>> w, diag = np.array([3.0, -1.0]), np.array([1.0, 4.0])
    >>> mp.criteria.obs(mp.Evidence(weights={"w": w}, inverse_diag={"w": diag}))
    {'w': array([4.5  , 0.125])}
    """
    _needs(scale=scale, unit=ev.unit)
    if ev.unit:
        found = ev.together("weights", "inverse_block")
        flat = ev.rows("weights")
        return {name: _joint(name, flat[name], block) for name, (_, block) in found.items()}
    if scale == "rows":
        return {name: np.array(loss) for name, loss in ev.of("sweep_loss").items()}
    scores = {}
    for name, (w, diag) in ev.alike("weights", "inverse_diag").items():
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
    fits(name, "inverse_block", block, (*w.shape, w.shape[1]))
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
