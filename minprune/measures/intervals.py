"""mean +- t s / sqrt(n): confidence intervals of a mean over seeds, Student's t without tables."""

import math
from collections.abc import Sequence

from minprune.arguments import count, filled, share


def t_cdf(t: float, df: int) -> float:
    """P(T <= t) of Student's t with df degrees of freedom, by its finite sums

    Abramowitz & Stegun (1964), 26.7.3 and 26.7.4.
    """
    angle = math.atan(t / math.sqrt(df))
    sine, square, odd = math.sin(angle), math.cos(angle) ** 2, df % 2
    term, total = (math.cos(angle) if odd else 1.0), 0.0
    for k in range(odd, df - 1, 2):
        total += term
        term *= square * (k + 1) / (k + 2)
    inside = 2 / math.pi * (angle + sine * total) if odd else sine * total
    return (1 + inside) / 2


def t_quantile(p: float, df: int) -> float:
    """The t with P(T <= t) = p >= 1/2, by bisection to the last bit"""
    low, high = 0.0, 1.0
    while t_cdf(high, df) < p:
        high *= 2
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if t_cdf(middle, df) < p else (low, middle)
    return high


def t_interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float, float]:
    """(mean, lower end, upper end) of the t interval; infinite ends for one value

    values: independent ones, such as a difference for each seed. Raises ArgumentError for none,
    and for a level outside (0, 1).
    """
    filled("t_interval", "values", values, "pass one for each seed")
    share("t_interval", "level", level, above=True, below=True)
    n = count("t_interval", "the number of values", len(values))
    mean = math.fsum(values) / n
    if n == 1:
        return mean, -math.inf, math.inf
    spread = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (n - 1))
    half = t_quantile((1 + level) / 2, n - 1) * spread / math.sqrt(n)
    return mean, mean - half, mean + half
