"""Right code that is written otherwise than ours: other evidence, another order of the sums.

Each row: what it should equal, the function of one tensor's arrays, its kinds of evidence, and how
it is checked. The kit may call none of them wrong.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minprune.core import Array, Arrays
from minprune.verify.ours.planted import on

EPS = 2.0**-52


@dataclass(frozen=True)
class Right:
    """more: arguments of the check beside needs"""

    like: str | None
    what: str
    score: Callable[..., Array]
    kinds: tuple[str, ...]
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def fn(self) -> Callable[..., Arrays]:
        def cast(*arrays: Array) -> Array:
            kind = next(a.dtype for a in arrays if a.dtype.kind == "f")
            return np.asarray(self.score(*arrays)).astype(kind)

        scores = on(cast, *self.kinds)
        return lambda ev: scores(ev)  # it takes no options


def rows(w: Array, g: Array) -> Array:
    """The gate's derivative from the weights that read the unit; for ReLU from those into it."""
    return np.asarray(np.einsum("ui,ui->u", w, g) ** 2)


def gates(a: Array, g: Array) -> Array:
    """dl_p/dc of each sample, (samples, units)"""
    return np.asarray((a * g).sum(axis=2))


def by_class(a: Array, y: Array) -> tuple[Array, Array, Array]:
    """(S_b, S_w, mean squares) of the max over positions, from the samples themselves"""
    a = a.max(axis=2).astype(float)
    if len(set(y.tolist())) < 2:
        raise ValueError("LDA of one class")
    between = within = np.zeros((a.shape[1],) * 2)
    for c in set(y.tolist()):
        one = a[y == c]
        gap, left = one.mean(axis=0) - a.mean(axis=0), one - one.mean(axis=0)
        between = between + len(one) / len(a) * np.outer(gap, gap)
        within = within + left.T @ left / len(a)
    return between, within, (a * a).mean(axis=0)


def edges(between: Array, within: Array, square: Array, kind: Any) -> tuple[Array, Array]:
    """(what varies within classes, the scores of what does not)"""
    apart = np.diagonal(between) > EPS * square
    return np.diagonal(within) > EPS * square, np.where(apart, float(np.finfo(kind).max), 0.0)


def lda(a: Array, y: Array) -> Array:
    between, within, square = by_class(a, y)
    vary, found = edges(between, within, square, a.dtype)
    found[vary] = (np.diagonal(between) / np.where(vary, np.diagonal(within), 1))[vary]
    return found


def uncentred(counts: Array, means: Array, within: Array) -> Array:
    """S_b as sum_c n_c/n mu_c^2 - mu^2"""
    share, m, inside = counts / counts.sum(), means.astype(float), np.diagonal(within).astype(float)
    square, apart = share @ m**2, share @ (m - share @ m) ** 2
    vary = inside > EPS * (inside + square)
    edge = np.where(apart > EPS * (inside + square), float(np.finfo(means.dtype).max), 0.0)
    return np.where(vary, (square - (share @ m) ** 2) / np.where(vary, inside, 1), edge)


def joint(a: Array, y: Array) -> Array:
    """S_w,jj [S_w^-1 S_b S_w^-1]_jj as it stands"""
    between, within, square = by_class(a, y)
    vary, found = edges(between, within, square, a.dtype)
    if vary.any():
        dev = np.outer(*[np.sqrt(np.diagonal(within)[vary])] * 2)
        r = within[np.ix_(vary, vary)] / dev
        r = r + 2.0**-26 * np.eye(len(r)) * (np.linalg.eigvalsh(r)[0] < 2.0**-26)
        i = np.linalg.inv(r)
        found[vary] = np.diagonal(r) * np.diagonal(i @ (between[np.ix_(vary, vary)] / dev) @ i)
    return np.minimum(found, float(np.finfo(a.dtype).max))


def guarded(w: Array, d: Array) -> Array:
    if (d <= 0).any():
        raise ValueError("not positive definite")
    return w * w / 2 / d


def whitened(w: Array, blocks: Array) -> Array:
    """1/2 |L^-1 w|^2, L L^T = [H^-1]_SS"""
    parts = [np.linalg.solve(np.linalg.cholesky(b), v) for b, v in zip(blocks, w, strict=True)]
    return np.array([p @ p / 2 for p in parts])


def replayed(apart: Array, out: Array, first: Any = ()) -> Array:
    """The greedy rule, all pairs sorted again for each removal."""
    left, kind = [j for j in range(len(out)) if j not in first], out.dtype.type
    norms, scores = (out.astype(float) ** 2).sum(axis=1), np.zeros(len(out), kind)
    last = kind(0) if len(left) < len(out) else kind(-1)
    while len(left) > 1:
        d, j, k = min((apart[j, k], -j, -k) for j in left for k in left if j < k)
        gone = -j if norms[-j] < norms[-k] else -k
        last = scores[gone] = max(kind(d), np.nextafter(last, kind(2)) if last >= 0 else kind(d))
        left.remove(gone)
    if left and last >= 0:
        scores[left[0]] = np.nextafter(last, kind(3))
    return scores


def shares(gram: Array, out: Array) -> Array:
    """1 - 2 g_jk / (g_jj + g_kk), where it is a quotient of differences by definition"""
    size = np.diagonal(gram).astype(float)
    both = size[:, None] + size
    return replayed(np.where(both > 0, 1 - 2 * gram / np.where(both > 0, both, 1), 0).clip(0), out)


def values(a: Array) -> Array:
    """(units, samples and positions)"""
    return np.moveaxis(a.astype(float), 1, 0).reshape(a.shape[1], a.shape[0] * a.shape[2])


def apart(a: Array, out: Array) -> Array:
    v = values(a)
    size = (v**2).sum(axis=1)
    both = size[:, None] + size
    return replayed(((v[:, None] - v) ** 2).sum(axis=2) / np.where(both > 0, both, 1), out)


def centred(a: Array, out: Array) -> Array:
    v = values(a)
    left = v - v.mean(axis=1, keepdims=True)
    flat = (left**2).mean(axis=1) <= 2.0**-46 * (v**2).mean(axis=1)
    dev = np.sqrt((left**2).sum(axis=1)) + flat
    corr = left @ left.T / np.outer(dev, dev)
    return replayed(1 - corr.clip(0, 1), out, np.flatnonzero(flat))


def turned(w: Array, out: Array) -> Array:
    """1 - u.v in place of 1/2 |u - v|^2"""
    size = np.sqrt((w.astype(float) ** 2).sum(axis=1))
    u = w / np.where(size > 0, size, 1)[:, None]
    return replayed((1 - u @ u.T).clip(0, 2), out, np.flatnonzero(size == 0))


def of_gram(w: Array) -> Array:
    """Distances from products: |u|^2 + |v|^2 - 2 u.v"""
    gram = w @ w.T
    size = np.diagonal(gram)
    return np.asarray(np.sqrt((size[:, None] + size - 2 * gram).clip(0)).sum(axis=1))


def of_counts(counts: Array) -> Array:
    """-sum p ln p of each row"""
    p = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return np.asarray(-(p * np.log(np.where(p > 0, p, 1))).sum(axis=1))


def spread(a: Array) -> Array:
    rows = [np.histogram(row, 10)[0] for row in a.mean(axis=2).T]
    return of_counts(np.reshape(rows, (-1, 10)))


def digits(w: Array) -> Array:
    """Places of np.digitize, the last bin closed"""
    if not w.size:
        return np.zeros(len(w))
    at = np.digitize(w, np.linspace(w.min(), w.max(), 11)).clip(1, 10)
    return -of_counts(np.array([np.bincount(row, minlength=11) for row in at]))


W, ACTS = ("weights",), ("activations", "act_grads")
UNIT: dict[str, Any] = {"unit": True}
RIGHT = (
    Right("taylor", "outgoing rows", rows, ("weights", "grads"), {"unit": "outgoing"}),
    Right(
        "taylor",
        "incoming rows, of ReLU",
        rows,
        ("weights", "grads"),
        {"unit": "incoming and bias"},
    ),
    Right("taylor", "from activations", lambda a, g: gates(a, g).mean(axis=0) ** 2, ACTS, UNIT),
    Right(
        "fisher", "from activations", lambda a, g: (gates(a, g) ** 2).mean(axis=0) / 2, ACTS, UNIT
    ),
    Right(
        "synflow",
        "what comes in",
        lambda w, g: np.abs(w * g).sum(axis=1),
        ("weights", "path_grads"),
        {"unit": "incoming"},
    ),
    Right("norm", "p is written into it", np.abs, W, {"options": {"p": 1}}),
    Right(
        "norm",
        "p is written into it",
        lambda w: np.abs(w).sum(axis=1),
        W,
        {"options": {"p": 1}, "unit": True},
    ),
    Right(
        "norm",
        "of the bias too",
        lambda w: np.abs(w).sum(axis=1),
        W,
        {"options": {"p": 1}, "unit": "incoming and bias"},
    ),
    Right(
        "taylor",
        "its order is written into it",
        lambda w, g, h: (w * (g - h * w / 2)) ** 2,
        ("weights", "grads", "hess_diag"),
        {"options": {"order": 2}},
    ),
    Right(
        "random", "from the other end", lambda w, rng: 1 - rng.random(w.shape), ("weights", "rng")
    ),
    Right(None, "masks are bits", lambda w, m: np.where(~m, -1, np.abs(w)), ("weights", "masks")),
    Right("geometric_median", "from products", of_gram, W, UNIT),
    Right("weight_entropy", "np.digitize", digits, W, UNIT),
    Right("activation_entropy", "from activations", spread, ("activations",), UNIT),
    Right("lda", "from samples; refuses one class", lda, ("activations", "labels"), UNIT),
    Right("lda", "another S_b", uncentred, ("class_counts", "class_means", "within"), UNIT),
    Right("lda_joint", "from samples", joint, ("activations", "labels"), UNIT),
    Right("obs", "refuses a negative inverse", guarded, ("weights", "inverse_diag")),
    Right("obs", "by Cholesky factors", whitened, ("weights", "inverse_block"), UNIT),
    Right("similarity", "another quotient", shares, ("act_gram", "outgoing"), UNIT),
    Right("similarity", "from activations", apart, ("activations", "outgoing"), UNIT),
    Right("correlation", "from activations", centred, ("activations", "outgoing"), UNIT),
    Right("cosine", "the product", turned, ("weights", "outgoing"), UNIT),
)
