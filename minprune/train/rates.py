"""lr_t = lr * rate(t, total): schedules of the learning rate, pure functions of t = 0, 1, ..."""

import math
from collections.abc import Callable

from minprune.arguments import number

__all__ = ["Rate", "constant", "cosine", "step", "warmup"]

Rate = Callable[[int, int], float]  # (t, total updates) -> factor of the learning rate


def constant() -> Rate:
    """The same learning rate throughout: rate(t, total) = 1.

    Returns
    -------
    Callable[[int, int], float]
        For `mp.fit(..., rate=)`.

    Examples
    --------
    >>> import minprune as mp
    >>> mp.rates.constant()(5, 10)
    1.0
    """
    return lambda t, total: 1.0


def step(every: int, factor: float = 0.1) -> Rate:
    """The learning rate falls by a factor every so often: rate(t, total) = factor^floor(t / every).

    Parameters
    ----------
    every : float
        Updates between two steps, at least 1.
    factor : float
        At least 0.

    Returns
    -------
    Callable[[int, int], float]
        For `mp.fit(..., rate=)`.

    Raises
    ------
    ArgumentError
        For a number out of its range.

    Examples
    --------
    >>> import minprune as mp
    >>> [mp.rates.step(2, 0.5)(t, 6) for t in range(6)]
    [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]
    """
    number("step", "every", every, 1)
    number("step", "factor", factor)
    return lambda t, total: float(factor ** (t // every))


def cosine(floor: float = 0.0) -> Rate:
    """Half a cosine: rate(t, total) = floor + (1 - floor) (1 + cos(pi t / total)) / 2.

    Parameters
    ----------
    floor : float
        The last factor, at least 0.

    Returns
    -------
    Callable[[int, int], float]
        For `mp.fit(..., rate=)`.

    Raises
    ------
    ArgumentError
        For a number out of its range.

    Examples
    --------
    >>> import minprune as mp
    >>> [round(mp.rates.cosine(0.1)(t, 4), 3) for t in range(5)]
    [1.0, 0.868, 0.55, 0.232, 0.1]

    Source: Loshchilov & Hutter (2017).
    """
    number("cosine", "floor", floor)
    return lambda t, total: (
        floor + (1 - floor) * (1 + math.cos(math.pi * min(t, total) / max(total, 1))) / 2
    )


def warmup(updates: int, then: Rate | None = None) -> Rate:
    """A linear start: rate(t, total) = (t + 1) / updates for t < updates, and another rate after.

    Parameters
    ----------
    updates : float
        At least 1.
    then : Callable[[int, int], float] | None
        The rate of what is left, by default constant.

    Returns
    -------
    Callable[[int, int], float]
        For `mp.fit(..., rate=)`.

    Raises
    ------
    ArgumentError
        For a number out of its range.

    Examples
    --------
    >>> import minprune as mp
    >>> [mp.rates.warmup(4, mp.rates.step(2, 0.5))(t, 8) for t in range(8)]
    [0.25, 0.5, 0.75, 1.0, 1.0, 1.0, 0.5, 0.5]
    """
    number("warmup", "updates", updates, 1)
    after = then or constant()
    return lambda t, total: (
        (t + 1) / updates if t < updates else after(t - updates, max(total - updates, 1))
    )
