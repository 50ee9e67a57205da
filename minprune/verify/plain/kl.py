"""KL(N(theta, alpha theta^2) || p), p(log|w|) constant, by numerical integration."""

from math import ceil, exp, log, pi, sqrt

import numpy as np

from minprune.core import Array

REACH = 12.0  # standard deviations on each side; beyond them is 10^-32


def mean_log(alpha: float) -> float:
    """E log|e|, e ~ N(1, alpha): the trapezoid rule over u = log|e|, which has no pole there

    The integrand u e^u (p(e^u) + p(-e^u)) is smooth and falls to 0 at both ends.
    """
    sd = sqrt(alpha)
    low = log(1 - REACH * sd) if REACH * sd < 0.99 else -40.0
    high = log(1 + REACH * sd)
    u = np.linspace(low, high, 1 + ceil((high - low) / min(0.05, sd / 6)))
    x = np.exp(u)
    p = np.exp(-(((x - 1) / sd) ** 2) / 2) + np.exp(-(((x + 1) / sd) ** 2) / 2)
    return float(np.sum(u * x * p) * (u[1] - u[0]) / (sd * sqrt(2 * pi)))


def integral(log_alpha: Array) -> Array:
    """KL = -log alpha / 2 + E log|e| + (Euler's gamma + log 2) / 2, which falls to 0"""
    c = (np.euler_gamma + log(2)) / 2
    rows = [-a / 2 + mean_log(exp(a)) + c for a in np.ravel(log_alpha).tolist()]
    return np.array(rows).reshape(np.shape(log_alpha))
