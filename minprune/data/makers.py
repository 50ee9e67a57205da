"""Synthetic tasks with a seed: train, val and test are n fresh samples each of one distribution.

Longer than most files: half of it is the docstrings of public functions.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from minprune.arguments import count, float_type, number
from minprune.core import Dataset, Seed, Split, stream
from minprune.errors import ArgumentError

Draw = Callable[[np.random.Generator], Split]


def xor(
    n: int = 400, *, seed: Seed = 0, noise: float = 0.1, dtype: npt.DTypeLike = np.float32
) -> Dataset:
    """y = u0 ^ u1, x = u + noise * N(0, 1)      u in {0, 1}^2, x: (n, 2), y: (n,) int64

    Each corner has the same number of samples, within one. The class is that of the corner,
    wherever the noise moves the point.

    Parameters
    ----------
    n : int
        The number of samples in each of the three parts.
    seed : int or numpy.random.Generator
        Of all draws; the same seed gives the same bits.
    noise : float
        The standard deviation of the noise on the inputs.
    dtype : dtype
        Of the inputs: float32 or float64.

    Returns
    -------
    Dataset
        Training, validation and test part, fresh samples each.

    Raises
    ------
    ArgumentError
        For an argument that cannot be used.

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.xor(4, noise=0)
    >>> all((x[0] != x[1]) == y for x, y in zip(*data.train))
    True
    """
    number("xor", "noise", noise)

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

    Two arms, the second rotated by half a turn: y is 0 or 1 (int64), equally often, within one;
    r is uniform in [1/13, 1].

    Parameters
    ----------
    n : int
        The number of samples in each of the three parts.
    seed : int or numpy.random.Generator
        Of all draws; the same seed gives the same bits.
    noise : float
        The standard deviation of the noise on the inputs.
    turns : float
        How many turns an arm makes.
    dtype : dtype
        Of the inputs: float32 or float64.

    Returns
    -------
    Dataset
        Training, validation and test part, fresh samples each.

    Raises
    ------
    ArgumentError
        For an argument that cannot be used.

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.spirals(6)
    >>> sorted(data.train[1].tolist())
    [0, 0, 0, 1, 1, 1]

    Source: Lang & Witbrock (1988), Learning to tell two spirals apart; theirs has 3 turns.
    """
    number("spirals", "noise", noise)
    number("spirals", "turns", turns)

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

    y: (n,) int64; each class has the same number of samples, within one. The three parts share
    the centres.

    Parameters
    ----------
    n : int
        The number of samples in each of the three parts.
    classes : int
        The number of classes, each with its centre.
    features : int
        The number of inputs.
    seed : int or numpy.random.Generator
        Of all draws; the same seed gives the same bits.
    spread : float
        The standard deviation around a centre.
    dtype : dtype
        Of the inputs: float32 or float64.

    Returns
    -------
    Dataset
        Training, validation and test part, fresh samples each.

    Raises
    ------
    ArgumentError
        For an argument that cannot be used.

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.blobs(6, classes=3, spread=0)
    >>> len({tuple(x) for x in data.train[0].tolist()})  # the centres
    3
    """
    count("blobs", "classes", classes)
    count("blobs", "features", features)
    number("blobs", "spread", spread)
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

    Live weights are uniform in [0.5, 1.5] with a random sign, inputs are N(0, 1), targets are
    floats for the mse loss.

    Parameters
    ----------
    features : int
        The number of inputs.
    live : int
        How many weights of each output are not zero.
    outputs : int
        The number of outputs.
    n : int
        The number of samples in each of the three parts.
    seed : int or numpy.random.Generator
        Of all draws; the same seed gives the same bits.
    noise : float
        The standard deviation of the noise on the targets.
    dtype : dtype
        Of the inputs: float32 or float64.

    Returns
    -------
    data : Dataset
        Training, validation and test part, fresh samples each.
    support : array of bool, (outputs, features)
        True at the weights that are not zero, which a pruning method should find.

    Raises
    ------
    ArgumentError
        For an argument that cannot be used.

    Examples
    --------
    >>> import minprune as mp
    >>> data, support = mp.data.teacher(6, live=2)
    >>> int(support.sum())
    2
    """
    count("teacher", "features", features)
    count("teacher", "live", live, 0)
    count("teacher", "outputs", outputs)
    number("teacher", "noise", noise)
    if live > features:
        raise ArgumentError(
            f"teacher: live must be at most features, {features}, not {live}; "
            f"lower live or raise features"
        )
    kind = float_type("teacher", dtype)
    rng = stream(seed, "teacher.weights")
    support = rng.permuted(np.tile(np.arange(features) < live, (outputs, 1)), axis=1)
    weights = support * rng.uniform(0.5, 1.5, support.shape) * rng.choice([-1, 1], support.shape)

    def draw(rng: np.random.Generator) -> Split:
        x = rng.standard_normal((n, features))
        y = x @ weights.T + noise * rng.standard_normal((n, outputs))
        return x, y.astype(kind)

    return _dataset("teacher", n, seed, dtype, draw), support


def _dataset(name: str, n: int, seed: Seed, dtype: npt.DTypeLike, draw: Draw) -> Dataset:
    """Three draws, each from a stream of its own; computed in float64, then cast."""
    count(name, "n", n)
    kind = float_type(name, dtype)

    drawn = (draw(stream(seed, f"{name}.{which}")) for which in ("train", "val", "test"))
    train, val, test = ((x.astype(kind), y) for x, y in drawn)
    return Dataset(train, val, test, name=name)
