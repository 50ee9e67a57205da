"""Criteria of units by definition: from activations, of redundancy and of classes.

Longer than most files: one list of definitions, each with its row.
"""

from collections.abc import Callable
from functools import update_wrapper
from math import fsum, log, sqrt
from typing import Any

import numpy as np

from minprune.core import Array, Arrays, Evidence
from minprune.verify.plain.twin import Score, Values, twin
from minprune.verify.plain.weights import CHANGES, SLOPE, SPLIT

Rows = list[Values]
Pairs = tuple[Rows, list[bool]]
GREEDY = ("same pairs", "duplicates", "constant first", "greedy")
FLAT = 2.0**-46  # of a mean square: a smaller variance is float32's rounding of a constant
EPS = 2.0**-52  # of a mean square: a variance below that is rounding, of classes
RIDGE = 2.0**-26  # of a unit's own variance: what a singular matrix gets on its diagonal


def over_outputs(ev: Evidence, of: Callable[[float], float]) -> Arrays:
    """The mean of of(a) over samples and positions, (units,)"""
    found = {}
    for name, a in ev.of("activations").items():
        units = np.swapaxes(a, 0, 1).reshape(a.shape[1], len(a) * a.shape[2]).astype(np.float64)
        found[name] = np.array([fsum(map(of, v)) / max(1, len(v)) for v in units.tolist()])
    return found


@twin("scale", "scales", unit="whole", single=False, laws=("twins",))
def scale(ev: Evidence) -> Arrays:
    """max |gamma| of each unit"""
    return {n: np.array([max(map(abs, row), default=0) for row in a.tolist()], float)
            for n, a in ev.of("scales").items()}  # fmt: skip


@twin("apoz", "activations", unit="whole", single=False, laws=lambda tol=0.0: (
    (*SLOPE[::2], "merge") if tol else (*SLOPE, "merge")))  # fmt: skip
def apoz(ev: Evidence, tol: float = 0.0) -> Arrays:
    """1 - mean(|a| <= tol) over samples and positions"""
    return over_outputs(ev, lambda a: float(abs(a) > tol))


@twin("activation", "activations", unit="whole", laws=(*CHANGES, "merge"), single=False)
def activation(ev: Evidence) -> Arrays:
    """mean |a| over samples and positions"""
    return over_outputs(ev, abs)


def root(scores: Arrays) -> Arrays:
    """The root, once all samples are averaged."""
    return {name: np.sqrt(s) for name, s in scores.items()}


@twin("activation rms", "activations", unit="whole", laws=(*CHANGES, "merge"), single=False,
      finish=root, reads=("activation", "kind", "rms"))  # fmt: skip
def mean_square(ev: Evidence) -> Arrays:
    """sqrt(mean a^2), the mean over samples and positions"""
    return over_outputs(ev, lambda a: a * a)


@twin("activation_entropy", "act_hist", unit="whole", chunk="all", single=False,
      laws=lambda prune="low": ("twins", "rescaling", "split matters") if prune == "high"
      else SPLIT,
      spread=lambda ev: {
          n: np.full(len(h), 1 + log(max(h.size, 1))) for n, h in ev.of("act_hist").items()
      })  # fmt: skip
def activation_entropy(ev: Evidence, prune: str = "low") -> Arrays:
    """-sum_b p_b ln p_b, p_b the share of samples in bin b; prune="high": minus that"""
    found = {}
    for name, counts in ev.of("act_hist").items():
        found[name] = np.zeros(len(counts))
        for j, row in enumerate(counts.tolist()):
            shares = [c / sum(row) for c in row if c > 0]
            minus = fsum(p * log(p) for p in shares)
            found[name][j] = -minus if prune == "low" else minus
    return found


def greedy(apart: Rows, first: list[bool], norms: Values, kind: Any) -> Array:
    """Again and again {the closest pair left; of equal ones the greatest (lower, higher)}

    Of the pair goes the smaller norm, of equal ones the higher index. Its score is their distance,
    or the next float of `kind` above the score before it. What is in first has 0; a lone unit 0.
    """
    left = [j for j in range(len(norms)) if not first[j]]
    scores = np.zeros(len(norms), kind)
    last: Any = None if len(left) == len(norms) else kind(0)
    while len(left) > 1:
        pairs = [(j, k) for j in left for k in left if j < k]
        least = min(apart[j][k] for j, k in pairs)
        j, k = max((j, k) for j, k in pairs if apart[j][k] == least)
        gone = j if norms[j] < norms[k] else k
        above = last is None or kind(least) > last
        last = kind(least) if above else np.nextafter(last, kind(np.inf))
        scores[gone] = last
        left.remove(gone)
    if left and last is not None:
        scores[left[0]] = np.nextafter(last, kind(np.inf))
    return scores


def by_pairs(pairs: Callable[..., Pairs], *kinds: str) -> Score:
    """(distances, what goes before all pairs) of a layer's evidence as greedy scores."""

    def scores(ev: Evidence, **options: Any) -> Arrays:
        found = {}
        for name, out in ev.of("outgoing").items():
            given = [ev.of(kind)[name].astype(np.float64).tolist() for kind in kinds[:-1]]
            norms = [fsum(v * v for v in row) for row in out.astype(np.float64).tolist()]
            found[name] = greedy(*pairs(*given, **options), norms, out.dtype.type)
        return found

    return update_wrapper(scores, pairs)


def distance_2(ev: Evidence) -> Arrays:
    """2, the largest distance, for each unit, 2^9 times: as much as a variance may cancel

    What cancels more is not steady, see criterion/bounds.py.
    """
    return {name: np.full(len(w), 2.0**10) for name, w in ev.of("outgoing").items()}


PAIRS: dict[str, Any] = {
    "by": by_pairs, "single": False, "spread": distance_2,
    "floor": 2.0**-40,  # rounding of a distance of 0
}  # fmt: skip


@twin("similarity", "act_gram", "outgoing", unit="whole", chunk="all",
      laws=("rescaling changes", "duplicates", "greedy"), **PAIRS)  # fmt: skip
def similarity(g: Rows) -> Pairs:
    """|a_j - a_k|^2 / (|a_j|^2 + |a_k|^2) to the nearest unit k left; greedy"""
    n = range(len(g))
    d = [[(g[j][j] - g[j][k]) + (g[k][k] - g[k][j]) for k in n] for j in n]
    apart = [[max(d[j][k], 0) / (g[j][j] + g[k][k] or 1) for k in n] for j in n]
    return apart, [False for _ in n]


@twin("correlation", "act_mean", "act_cov", "outgoing", unit="whole", laws=GREEDY, chunk="all",
      **PAIRS)  # fmt: skip
def correlation(m: Values, cov: Rows) -> Pairs:
    """1 - max(corr(a_j, a_k), 0) to the nearest unit k left; greedy, constant ones first"""
    n = range(len(cov))
    flat = [cov[j][j] <= FLAT * (cov[j][j] + m[j] * m[j]) for j in n]
    dev = [1.0 if flat[j] else sqrt(cov[j][j]) for j in n]
    corr = [[(cov[j][k] + cov[k][j]) / 2 / (dev[j] * dev[k]) for k in n] for j in n]
    return [[max(1 - max(c, 0), 0) for c in row] for row in corr], flat


def directions(rows: Rows) -> tuple[Rows, list[bool]]:
    """(w / |w| of each row, which rows are zero)"""
    size = [sqrt(fsum(v * v for v in row)) for row in rows]
    units = [[v / (s or 1) for v in row] for row, s in zip(rows, size, strict=True)]
    return units, [s == 0 for s in size]


def half_squares(u: Rows) -> Rows:
    """1/2 |u_j - u_k|^2 = 1 - cos: exactly 0 for twins"""
    return [[fsum((a - b) ** 2 for a, b in zip(x, y, strict=True)) / 2 for y in u] for x in u]


@twin("cosine", "weights", "outgoing", laws=GREEDY, mute=lambda w: ~w.any(axis=1),
      unit=lambda bias=True: "incoming and bias" if bias else "incoming", **PAIRS)  # fmt: skip
def cosine(w: Rows, bias: bool = True) -> Pairs:
    """1 - cos(w_j, w_k) to the nearest unit k left; greedy, zero vectors first"""
    u, zero = directions(w)
    return half_squares(u), zero


@twin("correlation of weights", "weights", "outgoing", unit="incoming", laws=GREEDY,
      reads=("correlation", "source", "weights"), **PAIRS)  # fmt: skip
def correlation_of_weights(w: Rows) -> Pairs:
    """1 - max(corr(w_j, w_k), 0) to the nearest unit k left; greedy, constant ones first"""
    rows, zero = directions(w)
    centred = [[v - fsum(row) / max(len(row), 1) for v in row] for row in rows]
    flat = [z or fsum(v * v for v in c) <= FLAT for z, c in zip(zero, centred, strict=True)]
    apart = half_squares(directions(centred)[0])
    return [[min(d, 1) for d in row] for row in apart], flat


def by_classes(
    ev: Evidence, ratio: Callable[[Array, Array, Array, list[int]], Values], size: bool = False
) -> Arrays:
    """ratio(S_w, mu_c - mu, n_c / n, the units that vary within classes), and the edges

    No variance within the classes and differing means: the largest finite number; none at all: 0.
    size: |mu_c| + |mu| for mu_c - mu, of which the most may cancel.
    """
    counts = np.asarray(ev.of("class_counts"), np.float64)
    share, found = counts / counts.sum(), {}
    for name, given in ev.of("class_means").items():
        means = given.astype(np.float64)
        inside = ev.of("within")[name].astype(np.float64)
        apart = means - (share[:, None] * means).sum(axis=0)
        square = [inside[j, j] + fsum(share * means[:, j] ** 2) for j in range(len(inside))]
        between = [fsum(share * apart[:, j] ** 2) for j in range(len(inside))]
        vary = [j for j in range(len(inside)) if inside[j, j] > EPS * square[j]]
        most = float(np.finfo(given.dtype).max)
        found[name] = np.array([most if b > EPS * q else 0.0
                                for b, q in zip(between, square, strict=True)])  # fmt: skip
        if size:
            apart = np.abs(means) + share @ np.abs(means)
        if vary:
            found[name][vary] = np.minimum(ratio(inside, apart, share, vary), most)
    return found


def alone(inside: Array, apart: Array, share: Array, vary: list[int]) -> Values:
    return [fsum(share * apart[:, j] ** 2) / inside[j, j] for j in vary]


CLASSES = ("class_counts", "class_means", "within")


@twin("lda", *CLASSES, unit="whole", laws=SLOPE, chunk="all", single=False,
      spread=lambda ev: by_classes(ev, alone, size=True))  # fmt: skip
def lda(ev: Evidence) -> Arrays:
    """sum_c n_c/n (mu_c - mu)^2 / (the mean over samples of the squared deviation from mu_c)"""
    return by_classes(ev, alone)


def correlations(inside: Array, vary: list[int]) -> tuple[Array, Array]:
    """(S_w in units of its deviations, so that no score depends on the scale; the deviations)"""
    dev = np.sqrt(np.diagonal(inside)[vary])
    sw = inside[np.ix_(vary, vary)] / np.outer(dev, dev)
    singular = np.linalg.eigvalsh(sw)[0] < RIDGE
    return sw + singular * RIDGE * np.eye(len(vary)), dev


def joint(inside: Array, apart: Array, share: Array, vary: list[int]) -> Values:
    sw, dev = correlations(inside, vary)
    z = apart[:, vary] / dev
    sb = sum(np.outer(row, row) * p for row, p in zip(z, share, strict=True))
    lower = np.linalg.inv(np.linalg.cholesky(sw))
    lam, u = np.linalg.eigh(lower @ sb @ lower.T)
    v = lower.T @ u
    n = range(len(vary))
    return [sw[j, j] * fsum(lam[k] * v[j, k] ** 2 for k in n) for j in n]


def joint_size(ev: Evidence) -> Arrays:
    """2 cond(S_w) |S_w^-1|^2 sum of what lda divides: an inverse, twice, makes errors larger"""

    def size(inside: Array, apart: Array, share: Array, vary: list[int]) -> Values:
        values = np.linalg.eigvalsh(correlations(inside, vary)[0])
        found = 2 * values[-1] / values[0] ** 3 * fsum(alone(inside, apart, share, vary))
        return [float(found) for _ in vary]

    return by_classes(ev, size, size=True)


@twin("lda_joint", *CLASSES, unit="whole", laws=SLOPE[1:], chunk="all", single=False,
      spread=joint_size, share=2.0**-20)  # a ridge of 2^-26, inverted twice  # fmt: skip
def lda_joint(ev: Evidence) -> Arrays:
    """S_w,jj sum_k lambda_k v_kj^2 over the eigenvectors S_b v = lambda S_w v, v^T S_w v = 1"""
    return by_classes(ev, joint)
