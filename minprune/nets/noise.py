"""m / (1 - rate), N(1, alpha) and N(0, 1): the noise of dropout, in the net's dtype."""

import math
from functools import cache
from statistics import NormalDist
from typing import Any

import numpy as np

from minprune.core import Array
from minprune.nets.layer import Shape


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
    """e = Phi^-1((j + 1/2) / 2^16), j uniform in 0 ... 2^16 - 1: near N(0, 1)

    In less than a third of the time of the generator's own. abs(e) is at most 4.33.
    """
    return quantiles(dtype)[words16(rng, shape)]


def words16(rng: np.random.Generator, shape: Shape) -> Array:
    """j, uniform in 0 ... 2^16 - 1      uint16"""
    n = math.prod(shape)
    return rng.integers(0, 2**64, -(-n // 4), np.uint64).view(np.uint16)[:n].reshape(shape)


@cache
def quantiles(dtype: np.dtype[Any]) -> Array:
    """Phi^-1((j + 1/2) / 2^16) for each j"""
    return np.array([NormalDist().inv_cdf((j + 0.5) / 2**16) for j in range(2**16)], dtype)
