"""How samples are divided: one epoch into batches, a file into training and validation."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from minprune.arguments import count, instance, is_count, is_number
from minprune.core import Array
from minprune.errors import ArgumentError


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


def stratified(labels: Array, count: int, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """drawn[order[j]] = floor((j + 1) count / n) > floor(j count / n)      labels, drawn: (n,)

    `order` sorts by class and is random within a class. A run of c samples gives floor or ceil of
    c * count / n, so each class is within one sample of its share, and `count` is exact.
    Source: systematic sampling, Madow & Madow (1944).
    """
    n = len(labels)
    shuffled = rng.permutation(n)
    order = shuffled[np.argsort(labels[shuffled], kind="stable")]
    drawn = np.zeros(n, bool)
    drawn[order] = np.diff(np.arange(n + 1) * count // max(n, 1)) > 0
    return drawn


def held_out(val: int | float, n: int) -> int:
    """count = val if it is an integer else round(val * n)      unit: samples

    An integer counts samples, a float below 1 is a share of n. At least one sample stays for
    training. Raises ArgumentError.
    """
    whole = is_count(val, 0)
    taken = val if whole else round(float(val) * n) if is_number(val, 0) and val < 1 else n
    if taken >= n:
        raise ArgumentError(
            f"val must be an integer from 0 to {n - 1}, or a share from 0 to below 1, not {val!r}; "
            f"leave at least one of the {n} samples of the training file for training"
        )
    return int(taken)
