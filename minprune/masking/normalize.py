"""s / norm(s), layer by layer, so that scores can be compared across layers."""

from collections.abc import Callable
from typing import Literal

import numpy as np

from minprune.arguments import choice
from minprune.core import Array, Arrays

Norm = Literal["l1", "l2", "max"] | None


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
    if choice("prune", "normalize", by, (None, *NORMALIZE)) is None:
        return scores
    return {name: NORMALIZE[by or ""](s) for name, s in scores.items()}
