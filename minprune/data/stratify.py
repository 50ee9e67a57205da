"""Which samples go to validation: a draw that keeps the class shares."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np
import numpy.typing as npt

from minprune.core import Array
from minprune.errors import ArgumentError


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
    whole = isinstance(val, Integral) and not isinstance(val, bool)
    share = isinstance(val, Real) and not isinstance(val, Integral) and 0 <= val < 1
    count = int(val) if whole else round(float(val) * n) if share else -1
    if not 0 <= count < n:
        raise ArgumentError(
            f"val must be an integer from 0 to {n - 1}, or a share from 0 to below 1, not {val!r}; "
            f"leave at least one of the {n} samples of the training file for training"
        )
    return count
