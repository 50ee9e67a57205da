"""Choosing entries in plain NumPy: the definition of select_jit."""

import numpy as np

from minprune.core import Array


def smallest(scores: Array, k: int, out: Array) -> None:
    """out[j] = True at the k first of the order (score, then the HIGHER index first)"""
    order = np.lexsort((-np.arange(scores.size), scores.reshape(-1)))
    out[...] = False
    out.reshape(-1)[order[:k]] = True


def gather_last(x: Array, index: Array, out: Array) -> None:
    """out[..., j] = x[index[j], ...]"""
    out[...] = np.moveaxis(x[index], 0, -1)
