"""Criteria of weights by definition: loops over entries and samples, sums rounded once.

A function takes the values of one weight or unit (lists of floats), the rows of a layer, or
Evidence. Beside it stands its row, see twin.py.

Longer than most files: one list of definitions, each with its row.
"""

from collections.abc import Callable
from functools import update_wrapper
from math import fsum, inf, log, sqrt
from typing import Any

import numpy as np

from minprune.core import Arrays, Evidence
from minprune.verify.plain.twin import Score, Values, by_entry, by_layer, dot, twin

W, G = "weights", "grads"
SLOPE = ("twins", "rescaling", "direction")
CHANGES = ("twins", "rescaling changes", "direction")
SPLIT = (*SLOPE, "split matters")
REMOVAL = (*CHANGES, "split matters", "exact removal", "below zeroing")


@twin("random", W, "rng", unit="incoming", laws=("uniform",))
def random(ev: Evidence) -> Arrays:
    """U(0, 1): any numbers of the right shape; the law `uniform` says the rest"""
    rng = ev.of("rng")
    return {n: rng.random(w.shape[: 1 if ev.unit else None]) for n, w in ev.of(W).items()}


@twin("magnitude", W, unit="incoming", laws=CHANGES, by=by_entry)
def magnitude(w: Values) -> float:
    """sqrt(sum w^2), |w| of a single weight"""
    return abs(w[0]) if len(w) == 1 else sqrt(dot(w, w))


@twin("norm", W, unit="incoming", laws=CHANGES, by=by_entry)
def norm(w: Values, p: float = 2) -> float:
    """(sum |w|^p)^(1/p)"""
    return abs(w[0]) if len(w) == 1 else float(fsum(abs(v) ** p for v in w) ** (1 / p))


@twin("norm 0", W, unit="incoming", by=by_entry, reads=("norm", "p", 0),
      laws=lambda tol=0.0: ("twins", "direction") if tol else SLOPE)  # fmt: skip
def count_above(w: Values, tol: float = 0.0) -> float:
    """how many |w| > tol"""
    return sum(abs(v) > tol for v in w)


@twin("norm inf", W, unit="incoming", laws=CHANGES, by=by_entry, reads=("norm", "p", inf))
def largest(w: Values) -> float:
    """max |w|"""
    return max(map(abs, w), default=0.0)


@twin("lamp", W, unit=None, laws=("rescaling changes",))
def lamp(ev: Evidence) -> Arrays:
    """w_u^2 / sum w_v^2 over the v that rank at least as high: by |w|, then the lower flat index"""
    flat = {name: list(enumerate(np.ravel(w).tolist())) for name, w in ev.of(W).items()}
    return {n: np.reshape([
        v * v / fsum(u * u for j, u in ws if (abs(u), -j) >= (abs(v), -k)) if v else 0.0
        for k, v in ws], np.shape(ev.of(W)[n])) for n, ws in flat.items()}  # fmt: skip


def distance_size(ev: Evidence) -> Arrays:
    """sum_k norm(|w_j| + |w_k|): also what a distance from a Gram matrix cancels"""
    return {
        name: np.array([np.sqrt(((abs(w) + abs(u)) ** 2).sum(axis=1)).sum() for u in w])
        for name, w in ev.of(W).items()
    }


@twin("geometric_median", W, unit="incoming", laws=("rescaling changes", "twins", "outlier"),
      by=by_layer, single=False, spread=distance_size)  # fmt: skip
def geometric_median(rows: list[Values]) -> Values:
    """sum_k norm(w_j - w_k)"""
    return [fsum(sqrt(fsum((a - b) ** 2 for a, b in zip(u, v, strict=True))) for v in rows)
            for u in rows]  # fmt: skip


def on_an_edge(ev: Evidence, bins: int = 10) -> bool:
    """Whether rounding may decide in which bin of a histogram a weight falls."""
    for w in ev.of(W).values():
        span = np.ptp(w) if w.size else 0
        place = (w - w.min(initial=0)) / span * bins if span else 0 * w
        near = np.abs(place - np.round(place)) < 1e-9
        if span and w.max() == -w.min() and np.frexp(span)[0] == 0.5 and bins % 2 == 0:
            near &= w != 0  # which halves the range without rounding
        if (near & (w > w.min(initial=np.inf)) & (w < w.max(initial=-np.inf))).any():
            return True
    return False


def of_live(layer: Callable[..., Values], kind: str) -> Score:
    """by_layer, of the entries that are not masked; masks may be absent"""

    def scores(ev: Evidence, **options: Any) -> Arrays:
        found = {}
        for name, w in ev.of(kind).items():
            live = np.ones(w.shape, bool) if ev.masks is None else ev.masks[name] != 0
            rows = [row[m].tolist() for row, m in zip(np.asarray(w, float), live, strict=True)]
            found[name] = np.array(layer(rows, **options), np.float64)
        return found

    return update_wrapper(scores, layer)


@twin("weight_entropy", W, unit="incoming", laws=("rescaling changes", "twins", "constant unit"),
      by=of_live, single=False, unsure=on_an_edge, spread=lambda ev: {
          n: np.full(len(w), 1 + log(max(w.size, 1))) for n, w in ev.of(W).items()})  # fmt: skip
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


@twin("synflow", W, "path_grads", unit="incoming", laws=(*SLOPE, "conservation"), by=by_entry)
def synflow(w: Values, path: Values) -> float:
    """sum |w| dR/d|w|"""
    return fsum(abs(v) * g for v, g in zip(w, path, strict=True))


@twin("taylor", W, G, unit="gate", laws=SPLIT, chunk="batch", by=by_entry)
def taylor(w: Values, g: Values) -> float:
    """(sum g w)^2: of a unit, the square of the sum"""
    return dot(g, w) ** 2


@twin("taylor order 2", W, G, "hess_diag", unit="gate", laws=(*SPLIT, "exact squared"),
      chunk="all", by=by_entry, reads=("taylor", "order", 2), minus=("hess_diag",))  # fmt: skip
def taylor_2(w: Values, g: Values, h: Values) -> float:
    """(g w - 1/2 w h w)^2"""
    return (dot(g, w) - dot(w, h, w) / 2) ** 2


@twin("taylor row", W, G, "hess_weight", unit="gate", laws=(*SPLIT, "exact sum"), chunk="all",
      by=by_entry, reads=("taylor order 2", "hessian", "row"), minus=("hess_weight",))  # fmt: skip
def taylor_row(w: Values, g: Values, hw: Values) -> float:
    """(g w - 1/2 w (H w))^2"""
    return (dot(g, w) - dot(w, hw) / 2) ** 2


def layer_norm(scores: Arrays) -> Arrays:
    """Each layer divided by its L2 norm; 0/0 = 0"""
    return {name: s / (sqrt(fsum((s * s).ravel())) or 1) for name, s in scores.items()}


@twin("taylor_activation", "activations", "act_grads", unit="whole", laws=(*SLOPE, "merge"),
      single=False, finish=layer_norm)  # fmt: skip
def taylor_activation(ev: Evidence) -> Arrays:
    """mean over samples of |mean over positions of a dl_p/da|"""
    found = {}
    for name, a in ev.of("activations").items():
        g = np.asarray(ev.of("act_grads")[name], np.float64)
        found[name] = np.zeros(a.shape[1])
        for j in range(a.shape[1]):
            pairs = zip(a[:, j].tolist(), g[:, j].tolist(), strict=True)
            terms = [abs(dot(u, v)) / max(1, len(v)) for u, v in pairs]
            found[name][j] = fsum(terms) / max(1, len(terms))
    return found


@twin("taylor_activation order 2", "gate_grads", "gate_hess", unit="whole", laws=SPLIT,
      chunk="all", by=by_entry, reads=("taylor_activation", "order", 2), single=False,
      minus=("gate_hess",))  # fmt: skip
def taylor_gate(g: Values, h: Values) -> float:
    """(dL/dc - 1/2 d2L/dc2)^2"""
    return (g[0] - h[0] / 2) ** 2


@twin("fisher", W, "squared_grads", unit="gate", laws=(*SLOPE, "merge"), by=by_entry)
def fisher(w: Values, squares: Values) -> float:
    """1/2 mean over samples of (g_p w)^2"""
    return dot(squares, w, w) / 2


connection = by_entry(lambda w, g: abs(dot(g, w)), W, G)


@twin("snip", W, G, unit="gate", laws=(*SPLIT, "shares"), chunk="all")
def snip(ev: Evidence) -> Arrays:
    """|g w| / the sum of |g w| over all that is scored"""
    size = connection(ev)
    total = fsum(v for s in size.values() for v in s.ravel().tolist()) or 1
    return {name: s / total for name, s in size.items()}


@twin("grasp", W, "hess_grad", unit="outgoing", chunk="all", by=by_entry,
      laws=("twins", "rescaling changes", "split matters", "slope of the gradient"))  # fmt: skip
def grasp(w: Values, hg: Values) -> float:
    """sum w (H g)"""
    return dot(w, hg)


@twin("obd", W, "hess_diag", unit="incoming and bias", by=by_entry,
      # what is clipped is no sum over samples
      chunk=lambda clip=False: "all" if clip else None,
      laws=lambda clip=False: (*SLOPE, "exact") if clip else (*SLOPE, "merge", "exact",
                                                               "exact set"))  # fmt: skip
def obd(w: Values, h: Values, clip: bool = False) -> float:
    """sum 1/2 h w^2"""
    return dot([max(v, 0.0) for v in h] if clip else h, w, w) / 2


@twin("obs", W, "inverse_diag", unit="incoming and bias", laws=REMOVAL, chunk="all", by=by_entry)
def obs(w: Values, d: Values) -> float:
    """w^2 / (2 [H^-1]_qq): the rise from removing the weight while all others adjust"""
    return fsum(v * v / (2 * i) for v, i in zip(w, d, strict=True))


def set_size(ev: Evidence) -> Arrays:
    """|w_S|^2 / (2 the least eigenvalue of [H^-1]_SS)"""
    found = {}
    for name, w in ev.of(W).items():
        least = [np.linalg.eigvalsh(b).min(initial=np.inf) for b in ev.of("inverse_block")[name]]
        found[name] = (np.asarray(w, np.float64) ** 2).sum(axis=1) / 2 / np.array(least)
    return found


@twin("obs of units", W, "inverse_block", unit="incoming and bias", chunk="all", single=False,
      laws=(*REMOVAL, "downdated singles"), reads=("obs", "unit", True),
      spread=set_size)  # fmt: skip
def obs_of_units(ev: Evidence) -> Arrays:
    """1/2 w_S^T ([H^-1]_SS)^-1 w_S of each unit, S its incoming weights and bias"""
    found = {}
    for name, w in ev.of(W).items():
        blocks, w = ev.of("inverse_block")[name].astype(np.float64), w.astype(np.float64)
        solved = [np.linalg.solve(block, row) for block, row in zip(blocks, w, strict=True)]
        halves = [dot(row.tolist(), x.tolist()) / 2 for row, x in zip(w, solved, strict=True)]
        found[name] = np.array(halves, np.float64)
    return found


@twin("obs rows", "sweep_loss", unit="incoming", laws=CHANGES[1:], chunk="all",
      reads=("obs", "scale", "rows"))  # fmt: skip
def obs_rows(ev: Evidence) -> Arrays:
    """the loss of the weight's step in exact row sweeps, rising along the row's order"""
    return {name: np.array(loss, np.float64) for name, loss in ev.of("sweep_loss").items()}


@twin("oracle", "removal", unit="whole", by=by_entry,
      # the square of a change is no sum over samples
      chunk=lambda square=False: "all" if square else None,
      laws=lambda square=False: (*SLOPE[:2], "split matters", "exact squared") if square
      else (*SLOPE[:2], "merge", "exact"))  # fmt: skip
def oracle(change: Values, square: bool = False) -> float:
    """L(w | removed) - L(w), or its square"""
    return change[0] ** 2 if square else change[0]
