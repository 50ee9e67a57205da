"""Every criterion as its definition: loops over entries and samples, exact sums, nothing shared.

A new criterion is one function here and one row in definitions_table.py. A function takes the
evidence of one weight or unit (lists of floats) or of a layer; sums are math.fsum: rounded once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import update_wrapper
from math import fsum, inf, log, prod, sqrt
from typing import Any

import numpy as np

from minprune.core import Arrays, Evidence

Values = list[float]


def entries(ev: Evidence, kinds: tuple[str, ...], name: str) -> Iterator[tuple[Any, list[Values]]]:
    """(index, the values of each kind): of each weight, or of each unit's row"""
    arrays = [np.asarray(ev.of(kind)[name], np.float64) for kind in kinds]
    for k in np.ndindex(arrays[0].shape[:1] if ev.unit else arrays[0].shape):
        yield k, [np.ravel(a[k]).tolist() for a in arrays]


def by_entry(*kinds: str) -> Callable[[Callable[..., float]], Callable[..., Arrays]]:
    """Turns a function of one weight's, or unit's, values into one of evidence."""

    def of_evidence(entry: Callable[..., float]) -> Callable[..., Arrays]:
        def scores(ev: Evidence, **options: Any) -> Arrays:
            found = {}
            for name, a in ev.of(kinds[0]).items():
                found[name] = np.zeros(a.shape[:1] if ev.unit else a.shape)
                for k, values in entries(ev, kinds, name):
                    found[name][k] = entry(*values, **options)
            return found

        return update_wrapper(scores, entry)

    return of_evidence


def by_layer(layer: Callable[..., Values]) -> Callable[..., Arrays]:
    """Turns a function of a layer's rows (units, incoming) into one of evidence."""

    def scores(ev: Evidence, **options: Any) -> Arrays:
        rows = {name: np.asarray(w, np.float64).tolist() for name, w in ev.of("weights").items()}
        return {name: np.array(layer(r, **options), np.float64) for name, r in rows.items()}

    return update_wrapper(scores, layer)


def dot(*factors: Values) -> float:
    terms: list[float] = [prod(together) for together in zip(*factors, strict=True)]
    return fsum(terms)


@by_entry("weights")
def magnitude(w: Values) -> float:
    """sqrt(sum w^2), |w| of a single weight"""
    return abs(w[0]) if len(w) == 1 else sqrt(dot(w, w))


@by_entry("weights")
def norm(w: Values, p: float = 2, tol: float = 0.0) -> float:
    """(sum |w|^p)^(1/p); p = 0: how many |w| > tol"""
    if p == 0:
        return sum(abs(v) > tol for v in w)
    if p == inf or len(w) == 1:
        return max(map(abs, w), default=0.0)
    return float(fsum(abs(v) ** p for v in w) ** (1 / p))


@by_layer
def geometric_median(rows: list[Values]) -> Values:
    """sum_k norm(w_j - w_k)"""
    return [fsum(sqrt(fsum((a - b) ** 2 for a, b in zip(u, v, strict=True))) for v in rows)
            for u in rows]  # fmt: skip


@by_layer
def weight_entropy(rows: list[Values], bins: int = 10, prune: str = "high") -> Values:
    """sum_b p_b ln p_b of each unit; the bins cover the range of the LAYER's weights"""
    every = [v for row in rows for v in row]
    low, high = min(every, default=0.0), max(every, default=0.0)
    found = []
    for row in rows:
        places = [min(int((v - low) / (high - low) * bins), bins - 1) if high > low else 0
                  for v in row]  # fmt: skip
        shares = [places.count(b) / len(row) for b in set(places)]
        minus = fsum(p * log(p) for p in shares)
        found.append(minus if prune == "high" else -minus)
    return found


@by_entry("weights", "path_grads")
def synflow(w: Values, path: Values) -> float:
    """sum |w| dR/d|w|"""
    return fsum(abs(v) * g for v, g in zip(w, path, strict=True))


@by_entry("weights", "grads")
def taylor_1(w: Values, g: Values) -> float:
    """(sum g w)^2: of a unit, the square of the sum"""
    return dot(g, w) ** 2


@by_entry("weights", "grads", "hess_diag")
def taylor_2(w: Values, g: Values, h: Values) -> float:
    """(g w - 1/2 w h w)^2"""
    return (dot(g, w) - dot(w, h, w) / 2) ** 2


@by_entry("weights", "grads", "hess_weight")
def taylor_2_row(w: Values, g: Values, hw: Values) -> float:
    """(g w - 1/2 w (H w))^2"""
    return (dot(g, w) - dot(w, hw) / 2) ** 2


def by_sample(ev: Evidence) -> Arrays:
    """mean over samples of |mean over positions of a dl_p/da|"""
    found = {}
    for name, a in ev.of("activations").items():
        g = np.asarray(ev.of("act_grads")[name], np.float64)
        found[name] = np.zeros(a.shape[1])
        for j in range(a.shape[1]):
            terms = []
            for p in range(len(a)):
                change = dot(np.ravel(a[p, j]).tolist(), np.ravel(g[p, j]).tolist())
                terms.append(abs(change) / max(1, g[p, j].size))
            found[name][j] = fsum(terms) / max(1, len(terms))
    return found


@by_entry("gate_grads", "gate_hess")
def taylor_gate(g: Values, h: Values) -> float:
    """(dL/dc - 1/2 d2L/dc2)^2"""
    return (g[0] - h[0] / 2) ** 2


def layer_norm(scores: Arrays) -> Arrays:
    """Each layer divided by its L2 norm; 0/0 = 0"""
    return {name: s / (sqrt(fsum((s * s).ravel())) or 1) for name, s in scores.items()}


@by_entry("weights", "squared_grads")
def fisher(w: Values, squares: Values) -> float:
    """1/2 mean over samples of (g_p w)^2"""
    return dot(squares, w, w) / 2


@by_entry("weights", "grads")
def connection(w: Values, g: Values) -> float:
    return abs(dot(g, w))


def snip(ev: Evidence) -> Arrays:
    """|g w| / the sum of |g w| over all that is scored"""
    size = connection(ev)
    total = fsum(v for s in size.values() for v in s.ravel().tolist()) or 1
    return {name: s / total for name, s in size.items()}


@by_entry("weights", "hess_grad")
def grasp(w: Values, hg: Values) -> float:
    """sum w (H g)"""
    return dot(w, hg)


@by_entry("weights", "hess_diag")
def obd(w: Values, h: Values, clip: bool = False) -> float:
    """sum 1/2 h w^2"""
    return dot([max(v, 0.0) for v in h] if clip else h, w, w) / 2


@by_entry("weights", "inverse_diag")
def obs(w: Values, d: Values) -> float:
    """w^2 / (2 [H^-1]_qq): the rise from removing the weight while all others adjust"""
    return fsum(v * v / (2 * i) for v, i in zip(w, d, strict=True))


def obs_set(ev: Evidence) -> Arrays:
    """1/2 w_S^T ([H^-1]_SS)^-1 w_S of each unit, S its incoming weights and bias"""
    found = {}
    for name, w in ev.of("weights").items():
        blocks, w = ev.of("inverse_block")[name].astype(np.float64), w.astype(np.float64)
        solved = [np.linalg.solve(block, row) for block, row in zip(blocks, w, strict=True)]
        halves = [dot(row.tolist(), x.tolist()) / 2 for row, x in zip(w, solved, strict=True)]
        found[name] = np.array(halves, np.float64)
    return found


def obs_rows(ev: Evidence) -> Arrays:
    """the loss of the weight's step in exact row sweeps, risen along the row's order"""
    return {name: np.array(loss, np.float64) for name, loss in ev.of("sweep_loss").items()}


@by_entry("removal")
def oracle(change: Values, square: bool = False) -> float:
    """L(w | removed) - L(w), or its square"""
    return change[0] ** 2 if square else change[0]


def random(ev: Evidence) -> Arrays:
    """U(0, 1): any numbers of the right shape; the law `uniform` says the rest"""
    rng = ev.of("rng")
    return {n: rng.random(w.shape[: 1 if ev.unit else None]) for n, w in ev.of("weights").items()}
