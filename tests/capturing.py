"""The evidence that mp.score fills, as it is: for the tests of where it comes from."""

from typing import Any

import numpy as np

import minprune as mp
from minprune.core import Arrays, Evidence, Split, UnitView, criterion
from minprune.nets.model import Model


def evidence(
    model: Model, data: Split, *kinds: str, row: UnitView = "incoming", **options: Any
) -> Evidence:
    """Evidence of units, all samples as one chunk; bins and bias as a criterion would have them."""
    found: list[Evidence] = []
    sizes = {g.name: g.size for g in mp.ties(model) if g.free}

    @criterion(needs=kinds, unit=row, single=False)
    def capture(ev: Evidence, *, bins: int = 10, bias: bool = True) -> Arrays:
        found.append(ev)
        return {name: np.zeros(size) for name, size in sizes.items()}

    mp.score(model, data, capture, unit=True, **options)
    return found[0]
