"""Synthetic tasks with a seed: train, val and test are n fresh samples each of one distribution."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from minprune.core import Dataset, Seed, Split, stream
from minprune.data.checks import at_least, float_type, not_negative
from minprune.errors import ArgumentError


def xor(
    n: int = 400, *, seed: Seed = 0, noise: float = 0.1, dtype: npt.DTypeLike = np.float32
) -> Dataset:
    """y = u0 ^ u1, x = u + noise * N(0, 1)      u in {0, 1}^2, x: (n, 2), y: (n,) int64

    The corners come equally often, within one. The class is that of the corner, wherever the
    noise takes the point. Raises ArgumentError.
    """
    not_negative("noise", noise)

    def draw(rng: np.random.Generator) -> Split:
        corner = rng.permutation(n) % 4
        u = np.stack([corner // 2, corner % 2], axis=1)
        return u + noise * rng.standard_normal((n, 2)), u[:, 0] ^ u[:, 1]

    return _dataset("xor", n, seed, dtype, draw)


def spirals(
    n: int = 400,
    *,
    seed: Seed = 0,
    noise: float = 0.0,
    turns: float = 1.5,
    dtype: npt.DTypeLike = np.float32,
) -> Dataset:
    """x = r * (cos a, sin a) + noise * N(0, 1), a = 2 pi turns r + pi y      x: (n, 2), y: (n,)

    Two arms, one the other turned by half a turn: y is 0 or 1 (int64), equally often, within one;
    r is uniform in [1/13, 1]. Raises ArgumentError.
    Source: Lang & Witbrock (1988), Learning to tell two spirals apart; theirs has 3 turns.
    """
    not_negative("noise", noise)
    not_negative("turns", turns)

    def draw(rng: np.random.Generator) -> Split:
        y = rng.permutation(n) % 2
        r = rng.uniform(1 / 13, 1, n)
        a = 2 * np.pi * turns * r + np.pi * y
        x = r[:, None] * np.stack([np.cos(a), np.sin(a)], axis=1)
        return x + noise * rng.standard_normal((n, 2)), y

    return _dataset("spirals", n, seed, dtype, draw)


def blobs(
    n: int = 400,
    *,
    classes: int = 3,
    features: int = 2,
    seed: Seed = 0,
    spread: float = 0.3,
    dtype: npt.DTypeLike = np.float32,
) -> Dataset:
    """x = centre[y] + spread * N(0, 1)      x: (n, features), centre: (classes, features) ~ N(0, 1)

    y: (n,) int64; the classes come equally often, within one. The three parts share the centres.
    Raises ArgumentError.
    """
    at_least("classes", classes, 1)
    at_least("features", features, 1)
    not_negative("spread", spread)
    centre = stream(seed, "blobs.centre").standard_normal((classes, features))

    def draw(rng: np.random.Generator) -> Split:
        y = rng.permutation(n) % classes
        return centre[y] + spread * rng.standard_normal((n, features)), y

    return _dataset("blobs", n, seed, dtype, draw)


def teacher(
    features: int = 20,
    *,
    live: int = 5,
    outputs: int = 1,
    n: int = 400,
    seed: Seed = 0,
    noise: float = 0.0,
    dtype: npt.DTypeLike = np.float32,
) -> tuple[Dataset, npt.NDArray[np.bool_]]:
    """y = x W^T + noise * N(0, 1), W = 0 outside support      x: (n, features), y: (n, outputs)

    support: (outputs, features) bool, True at the `live` weights of each output that are not zero:
    what a pruning method ought to find. Live weights are uniform in [0.5, 1.5] with a random sign,
    inputs are N(0, 1), targets are floats for the mse loss. Raises ArgumentError.
    """
    at_least("features", features, 1)
    at_least("live", live, 0)
    at_least("outputs", outputs, 1)
    not_negative("noise", noise)
    if live > features:
        raise ArgumentError(
            f"live is {live}, expected at most features, which is {features}; "
            f"lower live or raise features"
        )
    kind = float_type(dtype)
    rng = stream(seed, "teacher.weights")
    first = np.tile(np.arange(features) < live, (outputs, 1))
    support = rng.permuted(first, axis=1)
    weights = support * rng.uniform(0.5, 1.5, support.shape) * rng.choice([-1, 1], support.shape)

    def draw(rng: np.random.Generator) -> Split:
        x = rng.standard_normal((n, features))
        y = x @ weights.T + noise * rng.standard_normal((n, outputs))
        return x, y.astype(kind)

    return _dataset("teacher", n, seed, dtype, draw), support


def _dataset(
    name: str,
    n: int,
    seed: Seed,
    dtype: npt.DTypeLike,
    draw: Callable[[np.random.Generator], Split],
) -> Dataset:
    """Three draws, each from a stream of its own; computed in float64, then cast."""
    at_least("n", n, 1)
    kind = float_type(dtype)

    def part(which: str) -> Split:
        x, y = draw(stream(seed, f"{name}.{which}"))
        return x.astype(kind), y

    return Dataset(part("train"), part("val"), part("test"), name=name)
