"""How large the terms of a definition are, where they are not those of its sum: its rounding."""

from __future__ import annotations

from collections.abc import Callable
from math import log

import numpy as np

from minprune.core import Arrays, Evidence

Spread = Callable[[Evidence], Arrays]


def distance_size(ev: Evidence) -> Arrays:
    """sum_k norm(|w_j| + |w_k|): also what a distance from a Gram matrix cancels"""
    return {
        name: np.array([np.sqrt(((abs(w) + abs(u)) ** 2).sum(axis=1)).sum() for u in w])
        for name, w in ev.of("weights").items()
    }


def entropy_size(ev: Evidence) -> Arrays:
    return {name: np.full(len(w), 1 + log(max(w.size, 1))) for name, w in ev.of("weights").items()}


def set_size(ev: Evidence) -> Arrays:
    """|w_S|^2 / (2 the least eigenvalue of [H^-1]_SS)"""
    found = {}
    for name, w in ev.of("weights").items():
        least = [np.linalg.eigvalsh(b).min(initial=np.inf) for b in ev.of("inverse_block")[name]]
        found[name] = (np.asarray(w, np.float64) ** 2).sum(axis=1) / 2 / np.array(least)
    return found


def distance_2(ev: Evidence) -> Arrays:
    """2, the largest distance, for each unit, 2^9 times: as much as a variance may cancel

    What cancels more is not steady, see criterion_bounds.
    """
    return {name: np.full(len(w), 2.0**10) for name, w in ev.of("outgoing").items()}


def bins_size(ev: Evidence) -> Arrays:
    return {name: np.full(len(h), 1 + log(max(h.size, 1))) for name, h in ev.of("act_hist").items()}
