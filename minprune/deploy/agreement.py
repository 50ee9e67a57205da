"""agreement: outputs of an exported form against those of the model, within rounding"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from minprune.core import Array, stream
from minprune.deploy.rounding import rounding
from minprune.errors import FileError
from minprune.nets.model import Model
from minprune.sparse.convert import densify

SAMPLES = 8
OUTPUTS = 8  # of more, those that differ most are held against the bound


class Agreement(NamedTuple):
    """By what an exported form was run, on how many samples, and the largest difference

    share: difference / bound where that is largest; above 1 the form computes something else.
    """

    runtime: str
    samples: int
    largest: float
    share: float

    def __str__(self) -> str:
        return (
            f"checked by {self.runtime}: outputs of {self.samples} samples equal those of the "
            f"model within rounding, the largest difference is {self.largest:.2g}, "
            f"{self.share:.1%} of the bound"
        )


def agreement(
    model: Model,
    runtime: str,
    run: Callable[[Array], Array],
    *,
    x: Array | None = None,
    unit: float = 0.0,
) -> Agreement:
    """Compare run(x) with model(x)      run: (n, ...) -> (n, outputs); x: SAMPLES normal ones

    unit: the largest relative error of one rounding, where that is above the model's.
    Raises FileError where they differ by more than twice the bound of rounding.
    """
    dense = densify(model)
    if x is None:
        rng = stream(0, "samples")
        x = rng.standard_normal((SAMPLES, *model.net.input_shape)).astype(model.dtype)
    ours, theirs = model(x), np.asarray(run(x))
    if bad := int(np.count_nonzero(~np.isfinite(ours))):
        raise FileError(
            f"check: the model's outputs must be finite, but {bad} of {ours.size} are not; train "
            f"it again with a smaller lr"
        )
    if theirs.shape != ours.shape or not np.isfinite(theirs).all():
        raise FileError(
            f"check: {runtime} must give finite outputs {ours.shape}, not {theirs.shape} with "
            f"{theirs.size - int(np.isfinite(theirs).sum())} that are not; do not use the file"
        )
    apart = np.abs(ours.astype(float) - theirs)
    worst = np.sort(np.argsort(-apart.max(axis=0), kind="stable")[:OUTPUTS]).tolist()
    bound = 2 * rounding(dense, x, worst, unit)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.nan_to_num(apart[:, worst] / bound, nan=0.0)
    share = float(shares.max())
    if share > 1:
        raise FileError(
            f"check: outputs of {runtime} must equal those of the model within "
            f"{bound.flat[shares.argmax()]:.2g}, the bound of rounding, and they differ by "
            f"{apart.max():.2g}; do not use the file"
        )
    return Agreement(runtime, len(x), float(apart.max()), share)
