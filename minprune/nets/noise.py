"""m / (1 - rate), N(1, alpha) and N(0, 1): the noise of dropout, in the net's dtype."""

import math
from typing import Any

import numpy as np

from minprune import kernels
from minprune.core import Array
from minprune.nets.layer import Shape

CHUNK = 8192  # pairs of normal numbers at a time, which stay in the cache


def bernoulli(rng: np.random.Generator, shape: Shape, dtype: np.dtype[Any], rate: float) -> Array:
    """m / (1 - rate), m ~ Bernoulli(1 - rate): mean 1, variance rate / (1 - rate)"""
    kept: Array = rng.random(shape, np.float32) >= rate
    scaled: Array = kept * dtype.type(1 / (1 - rate))
    return scaled


def gaussian(rng: np.random.Generator, shape: Shape, dtype: np.dtype[Any], rate: float) -> Array:
    """1 + sqrt(alpha) e, e ~ N(0, 1), alpha = rate / (1 - rate): as `bernoulli` in both moments"""
    noise = normal(rng, shape, dtype)
    noise *= dtype.type(math.sqrt(rate / (1 - rate)))
    noise += dtype.type(1)
    return noise


def normal(rng: np.random.Generator, shape: Shape, dtype: np.dtype[Any]) -> Array:
    """e ~ N(0, 1): sqrt(-2 ln(1 - u)) cos(2 pi v) and ... sin(2 pi v), u, v uniform in [0, 1)

    Box & Muller (1958), in less than half the time of the generator's own. u and v are float32, so
    that abs(e) is at most 5.77.
    """
    made = kernels.empty(shape, dtype)
    flat = made.reshape(-1)
    for start in range(0, flat.size, 2 * CHUNK):
        out = flat[start : start + 2 * CHUNK]
        half = -(-out.size // 2)
        u, v = rng.random((2, half), np.float32)
        radius, angle = np.sqrt(np.log(1 - u) * -2), v * np.float32(2 * math.pi)
        out[:half] = radius * np.cos(angle)
        out[half:] = (radius * np.sin(angle))[: out.size - half]
    return made
