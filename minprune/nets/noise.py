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
    """e ~ N(0, 1): sqrt(-2 ln u) cos(2 pi v) and sqrt(-2 ln u) sin(2 pi v)

    Box & Muller (1958), in a third of the time of the generator's own: u = (j + 1/2) / 2^16 and
    v = k / 2^16 with j and k uniform, so that abs(e) is at most 4.86.
    """
    made = kernels.empty(shape, dtype)
    flat = made.reshape(-1)
    for start in range(0, flat.size, 2 * CHUNK):
        out = flat[start : start + 2 * CHUNK]
        half = -(-out.size // 2)
        words = rng.integers(0, 2**64, -(-half // 2), np.uint64).view(np.uint16)
        u, v = words.astype(np.float32).reshape(2, -1)[:, :half]
        u += np.float32(0.5)
        np.log(np.multiply(u, np.float32(2**-16), out=u), out=u)
        np.sqrt(np.multiply(u, np.float32(-2), out=u), out=u)
        np.multiply(v, np.float32(2 * math.pi / 2**16), out=v)
        np.multiply(np.cos(v), u, out=out[:half], casting="same_kind")
        np.multiply(np.sin(v[: out.size - half]), u[: out.size - half], out=out[half:])
    return made
