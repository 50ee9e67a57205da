"""One epoch of index arrays."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from minprune.arguments import count, instance


def batches(
    n: int, size: int, rng: np.random.Generator | None, shuffle: bool = True
) -> Iterator[npt.NDArray[np.intp]]:
    """order[0:size], order[size:2 size], ...      order: a permutation of 0 .. n - 1

    Each index comes exactly once; the last batch is short where `size` does not divide `n`.

    Parameters
    ----------
    n : int
        The number of samples.
    size : int
        The number of samples in a batch.
    rng : numpy.random.Generator or None
        The order is drawn from it at the call; may be None without `shuffle`.
    shuffle : bool
        Whether the order is random; otherwise it is 0 .. n - 1.

    Returns
    -------
    iterator of integer arrays
        The indices of each batch.

    Raises
    ------
    ArgumentError
        For a count that is too small, and for shuffling without a generator.

    Examples
    --------
    >>> import numpy as np, minprune as mp
    >>> [batch.tolist() for batch in mp.data.batches(5, 2, None, shuffle=False)]
    [[0, 1], [2, 3], [4]]
    """
    count("batches", "n", n, 0)
    count("batches", "size", size)
    order = np.arange(n)
    if shuffle:
        generator = "np.random.default_rng(0), or shuffle=False"
        order = instance("batches", "rng", rng, np.random.Generator, generator).permutation(n)
    return (order[i : i + size] for i in range(0, n, size))
