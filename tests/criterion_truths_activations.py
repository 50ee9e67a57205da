"""What the numbers of the criteria on activations mean, from the activations themselves.

Each check takes a function of raw activations (samples, units, positions) or weights, and slips
that it must reject stand beside it.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from criterion_truths import Score, Truth, by, close

from minprune.core import Array, Evidence
from minprune.criteria import CRITERIA

Chunks = list[Array]


def drawn(rng: np.random.Generator, units: int = 4) -> Array:
    """(7, units, 3): some exact zeros, of either sign, units that overlap"""
    a = rng.standard_normal((7, units, 3)) + rng.standard_normal((7, 1, 3))
    a[rng.random(a.shape) < 0.3] = 0
    a[..., 0] += 0.1  # so that the positions differ
    return a


def in_parts(a: Array) -> Chunks:
    return [a[:2], a[2:]]


def averaged(name: str, too_early: bool = False, **options: Any) -> Score:
    """The criterion of each chunk, averaged by samples and finished."""
    mark = CRITERIA[name].mark  # type: ignore[attr-defined]

    def score(chunks: Chunks) -> Array:
        total, n = np.zeros(chunks[0].shape[1]), 0
        for a in chunks:
            ev = Evidence(activations={"w": a}, unit=True)
            fn = CRITERIA[name] if too_early else (mark.raw or CRITERIA[name])
            total = total + len(a) * fn(ev, **options)["w"]
            n += len(a)
        s = {"w": total / n}
        return np.asarray((s if too_early or not mark.finish else mark.finish(s, **options))["w"])

    return score


def whole(score: Callable[[Array], Array]) -> Score:
    """Of (values, units)."""
    return lambda chunks: score(
        np.concatenate([np.moveaxis(a, 1, 2).reshape(-1, a.shape[1]) for a in chunks])
    )


def counts_what_is_not_zero(score: Score, rng: np.random.Generator) -> bool:
    a = drawn(rng)
    want = [np.mean([v != 0 for v in a[:, j].ravel()]) for j in range(4)]
    return close(score(in_parts(a)), want, 1)


def takes_sizes(score: Score, rng: np.random.Generator) -> bool:
    a = drawn(rng)
    want = [sum(abs(v) for v in a[:, j].ravel()) / 21 for j in range(4)]
    return close(score(in_parts(a)), want, np.abs(a))


def takes_the_root_of_the_mean_square(score: Score, rng: np.random.Generator) -> bool:
    a = drawn(rng)
    want = [np.sqrt(sum(v * v for v in a[:, j].ravel()) / 21) for j in range(4)]
    return close(score(in_parts(a)), want, np.abs(a))


def tells_how_samples_spread(score: Score, rng: np.random.Generator) -> bool:
    """In nats; what all samples agree on goes first."""
    a = drawn(rng)
    a[:, 0] = a[0, 0]
    means = a.mean(axis=2)
    hist = np.array([np.histogram(m, 10)[0] for m in means.T], float)
    p = [row[row > 0] / 7 for row in hist]
    return close(score(hist), [-(q * np.log(q)).sum() for q in p], np.log(7))


def entropy(sign: int, log: Callable[[Array], Array], share: bool = True) -> Score:
    def score(hist: Array) -> Array:
        p = hist / (hist.sum(axis=1, keepdims=True) if share else 1)
        return np.asarray(sign * (p * log(np.where(p > 0, p, 1))).sum(axis=1))

    return score


def replay(apart: Array, norms: Array) -> Array:
    """Greedy scores of distinct distances, from the rule: brute force over all pairs each time."""
    left, s = set(range(len(apart))), np.zeros(len(apart))
    before = -1.0
    while len(left) > 1:
        pairs = [(apart[j, k], -j, -k) for j in left for k in left if j < k]
        d, j, k = min(pairs)
        gone = min((norms[-j], j), (norms[-k], k))[1]
        before = d if d > before else np.nextafter(before, np.inf)
        s[-gone] = before
        left.remove(-gone)
    s[left.pop()] = np.nextafter(before, np.inf)
    return s


def greedily(pair: Callable[[Array, Array], float]) -> Callable[[Score, Any], bool]:
    """Scores are those of brute force on pair(a_j, a_k) of the raw values."""

    def check(score: Score, rng: np.random.Generator) -> bool:
        flat = np.moveaxis(drawn(rng, 5), 1, 2).reshape(21, 5).T
        out = rng.standard_normal((5, 3))
        apart = np.array([[pair(a, b) for b in flat] for a in flat])
        want = replay(apart, np.linalg.norm(out, axis=1))
        return close(score(flat, out), want, 2)

    return check


def shared(a: Array, b: Array) -> float:
    return float(((a - b) ** 2).sum() / ((a**2).sum() + (b**2).sum()))


def uncorrelated(a: Array, b: Array) -> float:
    return float(1 - max(np.corrcoef(a, b)[0, 1], 0))


def turned(a: Array, b: Array) -> float:
    return float(1 - a @ b / np.sqrt((a @ a) * (b @ b)))


def of_moments(name: str, centre: bool = False) -> Score:
    """The criterion on the moments of the values; centre: of what is left of the mean."""

    def score(flat: Array, out: Array) -> Array:
        if centre:
            flat = flat - flat.mean(axis=1, keepdims=True)
        kinds = {"act_gram": flat @ flat.T / flat.shape[1], "outgoing": out}
        if name == "correlation":
            kinds["act_mean"] = flat.mean(axis=1)
        return np.asarray(by(name, unit=True)(**kinds))

    return score


def of_weights(name: str, **options: Any) -> Score:
    fn = by(name, unit=True, **options)
    return lambda flat, out: fn(weights=flat, outgoing=out)


def from_pairs(pair: Callable[[Array, Array], float], greedy: bool = True) -> Score:
    """Greedy scores of another distance; greedy=False: each unit's nearest, so both of a pair."""

    def score(flat: Array, out: Array) -> Array:
        apart = np.array([[pair(a, b) for b in flat] for a in flat])
        if greedy:
            return replay(apart, np.linalg.norm(out, axis=1))
        return np.asarray((apart + np.diag(np.full(len(flat), np.inf))).min(axis=1))

    return score


def heavier_goes(pair: Callable[[Array, Array], float]) -> Score:
    def score(flat: Array, out: Array) -> Array:
        apart = np.array([[pair(a, b) for b in flat] for a in flat])
        return replay(apart, -np.linalg.norm(out, axis=1))

    return score


Samples = tuple[Array, Array]


def classed(rng: np.random.Generator, coupled: bool = True) -> Samples:
    """(samples, 3 units), y: four uneven classes, with noise that units share."""
    y = np.repeat([0, 1, 3], [4, 7, 9])
    a = rng.standard_normal((4, 3))[y] + rng.standard_normal((20, 3))
    if coupled:
        a += rng.standard_normal((20, 1))
    return a, y


def parts(a: Array, y: Array) -> tuple[Array, Array, Array]:
    """(shares, class means, within) of the classes that there are"""
    classes = np.unique(y)
    means = np.array([a[y == c].mean(axis=0) for c in classes])
    share = np.array([(y == c).mean() for c in classes])
    left = a - means[np.searchsorted(classes, y)]
    return share, means, left.T @ left / len(a)


def divides_variances(score: Score, rng: np.random.Generator) -> bool:
    a, y = classed(rng)
    want = []
    for unit in a.T:
        within = np.mean([(v - unit[y == c].mean()) ** 2 for v, c in zip(unit, y, strict=True)])
        want.append((unit.var() - within) / within)
    return close(score(a, y), want, 1 + np.max(want))


def weighs_eigenvectors(score: Score, rng: np.random.Generator) -> bool:
    """S_w,jj sum_k lambda_k v_kj^2 over S_b v = lambda S_w v, v^T S_w v = 1"""
    a, y = classed(rng)
    share, means, within = parts(a, y)
    gap = means - share @ means
    half = np.linalg.inv(np.linalg.cholesky(within))
    values, u = np.linalg.eigh(half @ (gap.T * share @ gap) @ half.T)
    v = half.T @ u  # columns
    want = np.diagonal(within) * (np.square(v) @ values)
    return close(score(a, y), want, 100 * (1 + want.max()) * np.linalg.cond(within))


def on_classes(name: str) -> Score:
    fn = CRITERIA[name]

    def score(a: Array, y: Array) -> Array:
        counts = np.bincount(y).astype(float)
        means = np.array([a[y == c].mean(axis=0) if n else 0 * a[0] for c, n in enumerate(counts)])
        left = a - means[y]
        ev = Evidence(class_counts=counts, class_means={"w": means},
                      within={"w": left.T @ left / len(a)}, unit=True)  # fmt: skip
        return fn(ev)["w"]

    return score


def ratio(change: Callable[[Array, Array, Array], Array]) -> Score:
    return lambda a, y: change(*parts(a, y))


def between(share: Array, means: Array) -> Array:
    return np.asarray(share @ np.square(means - share @ means))


ACTIVATION_TRUTHS = {
    "apoz": Truth(counts_what_is_not_zero, averaged("apoz"), {
        "the share of zeros": whole(lambda a: (a == 0).mean(axis=0)),
        "what is positive": whole(lambda a: (a > 0).mean(axis=0)),
        "silent samples": lambda chunks: (
            np.concatenate(chunks).any(axis=2).mean(axis=0)),
        "chunks alike": lambda chunks: np.mean([(a != 0).mean(axis=(0, 2)) for a in chunks], 0),
    }),
    "activation": Truth(takes_sizes, averaged("activation"), {
        "signed": whole(lambda a: a.mean(axis=0)),
        "most active first": whole(lambda a: -np.abs(a).mean(axis=0)),
        "L1 of positions": whole(lambda a: 3 * np.abs(a).mean(axis=0)),
    }),
    "activation, rms": Truth(
        takes_the_root_of_the_mean_square, averaged("activation", kind="rms"), {
        "the root of each chunk": averaged("activation", True, kind="rms"),
        "no root": whole(lambda a: np.square(a).mean(axis=0)),
        "deviation": whole(lambda a: a.std(axis=0)),
    }),
    "activation_entropy": Truth(
        tells_how_samples_spread,
        lambda hist: by("activation_entropy", unit=True)(act_hist=hist), {
        "sign": entropy(1, np.log),
        "bits": entropy(-1, np.log2),
        "counts": entropy(-1, np.log, False),
        "the other end": lambda hist: (
            by("activation_entropy", unit=True, prune="high")(act_hist=hist)),
    }),
    "similarity": Truth(greedily(shared), of_moments("similarity"), {
        "centred": of_moments("similarity", centre=True),
        "not greedy": from_pairs(shared, False),
        "the heavier goes": heavier_goes(shared),
        "correlation": of_moments("correlation"),
    }),
    "correlation": Truth(greedily(uncorrelated), of_moments("correlation"), {
        "not centred": from_pairs(lambda a, b: 1 - max(1 - turned(a, b), 0)),
        "abs": from_pairs(lambda a, b: 1 - abs(np.corrcoef(a, b)[0, 1])),
        "negative beyond 1": from_pairs(lambda a, b: 1 - np.corrcoef(a, b)[0, 1]),
        "not greedy": from_pairs(uncorrelated, False),
    }),
    "correlation, weights": Truth(
        greedily(uncorrelated), of_weights("correlation", source="weights"), {
        "not centred": of_weights("cosine"),
    }),
    "cosine": Truth(greedily(turned), of_weights("cosine"), {
        "centred": of_weights("correlation", source="weights"),
        "without the last column": lambda flat, out: of_weights("cosine")(flat[:, :-1], out),
        "squared": from_pairs(lambda a, b: 2 * turned(a, b)),
        "not greedy": from_pairs(turned, False),
        "the heavier goes": heavier_goes(turned),
    }),
    "lda": Truth(divides_variances, on_classes("lda"), {
        "over n - classes": ratio(lambda p, m, w: between(p, m) / np.diagonal(w) * 17 / 20),
        "sample variances": lambda a, y: a.var(axis=0, ddof=1) / np.diagonal(parts(a, y)[2]) - 1,
        "classes alike": ratio(
            lambda p, m, w: between(np.full(len(p), 1 / len(p)), m) / np.diagonal(w)),
        "upside down": ratio(lambda p, m, w: np.diagonal(w) / between(p, m)),
        "of the total": ratio(
            lambda p, m, w: between(p, m) / (between(p, m) + np.diagonal(w))),
    }),
    "lda_joint": Truth(weighs_eigenvectors, on_classes("lda_joint"), {
        "alone": on_classes("lda"),
        "no S_w,jj": lambda a, y: on_classes("lda_joint")(a, y) / np.diagonal(parts(a, y)[2]),
        "one inverse": ratio(lambda p, m, w: np.diagonal(
            np.linalg.solve(w, (m - p @ m).T * p @ (m - p @ m)))),
    }),
}  # fmt: skip
