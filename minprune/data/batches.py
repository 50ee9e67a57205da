"""One epoch of index arrays."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from minprune.data.checks import at_least
from minprune.errors import ArgumentError


def batches(
    n: int, size: int, rng: np.random.Generator | None, shuffle: bool = True
) -> Iterator[npt.NDArray[np.intp]]:
    """order[0:size], order[size:2 size], ...      order: a permutation of 0 .. n - 1

    Each index comes exactly once; the last batch is short where `size` does not divide `n`.
    The order is drawn from `rng` at the call; without `shuffle` it is 0 .. n - 1 and `rng` may be
    None. Raises ArgumentError.
    """
    at_least("n", n, 0)
    at_least("size", size, 1)
    if shuffle and not isinstance(rng, np.random.Generator):
        raise ArgumentError(
            f"rng is {rng!r}, expected a numpy Generator; "
            f"pass np.random.default_rng(0), or shuffle=False"
        )
    order = rng.permutation(n) if shuffle and rng is not None else np.arange(n)
    return (order[i : i + size] for i in range(0, n, size))
