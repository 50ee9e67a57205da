"""s / norm(s), layer by layer, so that scores can be compared across layers."""

from collections.abc import Callable

import numpy as np

from minprune.core import Array, Arrays
from minprune.errors import ArgumentError


def _over(norm: Callable[[Array], float]) -> Callable[[Array], Array]:
    def scaled(s: Array) -> Array:
        top = np.abs(s).max(initial=0)
        if top == 0:
            return np.zeros(s.shape)
        s = s.astype(np.float64) / top  # first, so that no square overflows or vanishes
        return s / norm(s)

    return scaled


NORMALIZE: dict[str, Callable[[Array], Array]] = {
    "l1": _over(lambda s: float(np.abs(s).sum())),
    "l2": _over(lambda s: float(np.sqrt((s * s).sum()))),
    "max": _over(lambda s: 1.0),
}


def normalized(scores: Arrays, by: str | None) -> Arrays:
    """Each layer's scores over their l1, l2 or max norm in float64, 0/0 = 0; by=None: as they are

    Raises ArgumentError for another norm.
    """
    if by is None:
        return scores
    if by not in NORMALIZE:
        raise ArgumentError(
            f"normalize is {by!r}, expected None or one of {', '.join(NORMALIZE)}; "
            f"choose one of them"
        )
    return {name: NORMALIZE[by](s) for name, s in scores.items()}
