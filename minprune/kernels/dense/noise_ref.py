"""Noise of a table's entries, as NumPy writes it: what noise_jit.py computes."""

import numpy as np

from minprune.core import Array


def noisy(mean: Array, variance: Array, words: Array, table: Array, eps: float, out: Array) -> None:
    """out = mean + sqrt(variance + eps) table[words]"""
    out[...] = mean + np.sqrt(variance + eps) * table[words]


def noisy_grad(
    g: Array, variance: Array, words: Array, table: Array, eps: float, out: Array
) -> None:
    """out = g table[words] / (2 sqrt(variance + eps))"""
    out[...] = g * (table[words] / (2 * np.sqrt(variance + eps)))
