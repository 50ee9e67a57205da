"""mean +- t s / sqrt(n): confidence intervals of a mean over seeds, Student's t without tables.

And of shares of test samples: Wilson's interval of one, McNemar's test of two on the same samples.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist

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


def wilson(right: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """(low, high): all p with |right / n - p| <= z sqrt(p (1 - p) / n)

    The share of right answers that a model may have, if n samples have so many. Raises
    ArgumentError for a level outside (0, 1). Source: Wilson (1927).
    """
    share("wilson", "level", level, above=True, below=True)
    z2, p = NormalDist().inv_cdf((1 + level) / 2) ** 2, right / n
    middle, whole = p + z2 / (2 * n), 1 + z2 / n
    half = math.sqrt(z2 * (p * (1 - p) / n + z2 / (4 * n * n)))
    return max((middle - half) / whole, 0.0), min((middle + half) / whole, 1.0)


def mcnemar(gained: int, lost: int) -> float:
    """p = min(1, 2 P(X <= min(gained, lost))), X ~ binomial(gained + lost, 1/2)

    gained: samples that the one model alone has right; lost: the other alone. The exact two-sided
    test of whether both are right equally often. Source: McNemar (1947).
    """
    n = gained + lost
    tail = sum(math.comb(n, k) for k in range(min(gained, lost) + 1))
    return min(1.0, float(2 * tail / 2**n))
