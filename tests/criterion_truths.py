"""What each criterion's number means, as checks on random quadratic losses and small layers.

A check takes a function of arrays, so that one that sums, averages or divides too early can be
asked too. Longer than most files: each truth stands beside the variants that it must reject.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minprune.core import Array, Arrays, Evidence
from minprune.criteria import CRITERIA

Score = Callable[..., Any]
EPS = np.finfo(float).eps


class Truth(NamedTuple):
    """check(score, rng): whether score has the property on arrays drawn from rng."""

    check: Callable[[Score, np.random.Generator], bool]
    right: Score
    wrong: dict[str, Score]


def by(name: str, unit: bool = False, **options: Any) -> Score:
    """The criterion as a function of arrays by kind, and of the scores of one tensor."""

    def score(**kinds: Array) -> Array:
        ev: Any = {kind: {"w": a} for kind, a in kinds.items()}
        return CRITERIA[name](Evidence(unit=unit, **ev), **options)["w"]

    return score


def close(got: Any, want: Any, scale: Any) -> bool:
    """Within 100 roundings of the sum of absolute terms: none here has as many operations."""
    return bool(np.all(np.abs(np.asarray(got) - want) <= 100 * EPS * np.max(scale)))


class Quadratic:
    """L(v) = g . (v - w) + (v - w) H (v - w) / 2, H symmetric, of any sign."""

    def __init__(self, rng: np.random.Generator) -> None:
        n = int(rng.integers(1, 5))
        a = rng.standard_normal((n, n))
        self.w, self.g, self.H = rng.standard_normal(n), rng.standard_normal(n), a + a.T
        self.scale = np.abs(self.g) @ np.abs(self.w) + np.abs(self.w) @ np.abs(self.H @ self.w)
        self.scale += np.abs(self.w) @ np.abs(self.H) @ np.abs(self.w)

    def change(self, step: Array) -> float:
        """L(w + step) - L(w)"""
        return float(self.g @ step + step @ self.H @ step / 2)

    def gradient(self, step: Array) -> Array:
        return self.g + self.H @ step

    def removed(self) -> Array:
        """The step that zeroes one entry, for each: (entries, entries)."""
        return np.diag(-self.w)


def zeroes_one(score: Score, rng: np.random.Generator) -> bool:
    """At a minimum: L(w without entry k) - L(w), for any H."""
    q = Quadratic(rng)
    q.g = np.zeros_like(q.g)
    true = [q.change(step) for step in q.removed()]
    return close(score(weights=q.w, hess_diag=np.diag(q.H)), true, q.scale)


def removes_one(score: Score, rng: np.random.Generator) -> bool:
    """At a minimum, H definite: the least rise with entry k at 0, all others free."""
    w, H = definite(rng)
    true = [least_rise(w, H, [k]) for k in range(len(w))]
    got = score(weights=w, inverse_diag=np.diag(np.linalg.inv(H)))
    return close(got, true, np.linalg.cond(H) * (np.abs(w) @ np.abs(H) @ np.abs(w)))


def removes_a_unit(score: Score, rng: np.random.Generator) -> bool:
    """The same with a unit's entries at 0 at once; the rest of the net stays free."""
    w, H = definite(rng)
    block = np.linalg.inv(H)[:2, :2]
    got = score(weights=w[None, :2], inverse_block=(block + block.T)[None] / 2)
    scale = np.linalg.cond(H) * (np.abs(w) @ np.abs(H) @ np.abs(w))
    return close(got, [least_rise(w, H, [0, 1])], scale)


def definite(rng: np.random.Generator) -> tuple[Array, Array]:
    """(w, H), H positive definite (4, 4)"""
    a = rng.standard_normal((6, 4))
    return rng.standard_normal(4), a.T @ a / 6 + 0.1 * np.eye(4)


def least_rise(w: Array, H: Array, q: list[int]) -> float:
    """min over d of 1/2 d H d with (w + d)_q = 0, by Lagrange multipliers"""
    pick = np.eye(4)[q]
    saddle = np.block([[H, pick.T], [pick, np.zeros((len(q), len(q)))]])
    d = np.linalg.solve(saddle, np.concatenate([np.zeros(4), -w[q]]))[:4]
    return float(d @ H @ d / 2)


def zeroes_a_set(score: Score, rng: np.random.Generator) -> bool:
    """At a minimum, H diagonal: L(w without a unit's entries) - L(w)."""
    q = Quadratic(rng)
    q.g, q.H = np.zeros_like(q.g), np.diag(np.diag(q.H))
    got = score(weights=q.w[None], hess_diag=np.diag(q.H)[None])
    return close(got, [q.change(-q.w)], q.scale)


def squares_the_change(score: Score, rng: np.random.Generator) -> bool:
    """Anywhere: (L(w without entry k) - L(w))^2, for any H."""
    q = Quadratic(rng)
    true = [q.change(step) ** 2 for step in q.removed()]
    return close(score(weights=q.w, grads=q.g, hess_diag=np.diag(q.H)), true, q.scale**2)


def shares_the_change_out(score: Score, rng: np.random.Generator) -> bool:
    """sum_k sqrt(s_k) = the fall of L from zeroing everything, where each share is a fall."""
    q = Quadratic(rng)
    q.g = q.H @ q.w / 2 + np.abs(q.g) / q.w  # so that no square root loses a sign
    s = score(weights=q.w, grads=q.g, hess_weight=q.H @ q.w)
    scale = np.abs(q.g) @ np.abs(q.w) + q.scale
    return close(np.sqrt(s).sum(), -q.change(-q.w), scale)


def squares_a_sum(score: Score, rng: np.random.Generator) -> bool:
    """The first-order change from removing a unit, squared: (sum of g w over its weights)^2."""
    w, g = rng.standard_normal((2, 3, 4))
    true = [float(a @ b) ** 2 for a, b in zip(w, g, strict=True)]
    return close(score(w, g), true, (np.abs(w) * np.abs(g)).sum(axis=1) ** 2)


def halves_each_sample(score: Score, rng: np.random.Generator) -> bool:
    """The mean over samples of (g_p w)^2 / 2, also where the gradients cancel."""
    w, g = rng.standard_normal(3), rng.standard_normal((4, 3))
    g -= g.mean(axis=0)
    true = sum(np.square(g_p * w) / 2 for g_p in g) / len(g)
    got = score(weights=w, grads=g.mean(axis=0), squared_grads=np.square(g).mean(axis=0))
    return close(got, true, true)


def shares_all_gates(score: Score, rng: np.random.Generator) -> bool:
    """|dL/dc| of the gates w * c over its sum in ALL layers; scores sum to 1."""
    q = Quadratic(rng)
    # L is quadratic in each gate, so a central difference is exact for any step, c = 0 and 2 too
    slopes = np.array([q.change(s) - q.change(-s) for s in q.removed()]) / 2
    share = np.abs(slopes) / np.abs(slopes).sum()
    cut = len(q.w) // 2
    parts = {"a": slice(None, cut), "b": slice(cut, None)}
    weights, grads = ({n: a[part] for n, part in parts.items()} for a in (q.w, q.g))
    got = score(Evidence(weights=weights, grads=grads))
    return close(np.concatenate([*got.values()]), share, q.scale / np.abs(slopes).sum())


def tells_the_gradient(score: Score, rng: np.random.Generator) -> bool:
    """d norm(gradient)^2 = -2 s for removing a little of entry k."""
    q = Quadratic(rng)
    norms = [[np.square(q.gradient(a * step)).sum() for a in (1, -1)] for step in q.removed()]
    true = [-(up - down) / 4 for up, down in norms]  # quadratic in the step: exact
    got = score(weights=q.w, hess_grad=q.H @ q.g, hess_weight=q.H @ q.w)
    return close(got, true, np.max(norms))


def conserves(score: Score, rng: np.random.Generator) -> bool:
    """Two layers: what goes into each hidden unit comes out; both layers sum to R; never < 0."""
    one, two = rng.standard_normal((4, 3)), rng.standard_normal((2, 4))
    paths_one = np.outer(np.abs(two).sum(axis=0), np.ones(3))
    paths_two = np.outer(np.ones(2), np.abs(one).sum(axis=1))
    total = (np.abs(two) @ np.abs(one)).sum()
    into = score(weights=one, path_grads=paths_one)
    out = score(weights=two, path_grads=paths_two)
    return (
        close(into.sum(axis=1), out.sum(axis=0), total)
        and close([into.sum(), out.sum()], total, total)
        and min(into.min(), out.min()) >= 0
    )


def takes_each_sample(score: Score, rng: np.random.Generator) -> bool:
    """The mean over all samples of abs(mean over positions of a g), then unit length."""
    a, g = rng.standard_normal((2, 7, 3, 4))
    g[0] += 3  # so that samples differ in size
    s = np.zeros(3)
    for one, slope in zip(a, g, strict=True):
        for unit in range(3):
            s[unit] += abs(sum(one[unit] * slope[unit]) / 4) / 7
    s /= np.sqrt(np.square(s).sum())
    return close(score([(a[:2], g[:2]), (a[2:], g[2:])]), s, np.abs(a * g).max() / s.min())


def in_chunks(finish: Callable[[Arrays], Arrays] | None = None) -> Score:
    """taylor_activation averaged over chunks by their samples; finish: what is done too early."""
    mark = CRITERIA["taylor_activation"].mark  # type: ignore[attr-defined]

    def score(chunks: list[tuple[Array, Array]]) -> Array:
        total, n = np.zeros(3), 0
        for a, g in chunks:
            ev = Evidence(activations={"w": a}, act_grads={"w": g}, unit=True)
            s = mark.raw(ev)
            total += len(a) * (finish(s) if finish else s)["w"]
            n += len(a)
        return np.asarray(mark.finish({"w": total / n})["w"])

    return score


def from_signs(change: Callable[[Array], Array]) -> Score:
    """Of (samples, units, positions) -> (units,), over all samples, then unit length."""

    def score(chunks: list[tuple[Array, Array]]) -> Array:
        s = change(np.concatenate([a * g for a, g in chunks]))
        return np.asarray(s / np.sqrt(np.square(s).sum()))

    return score


def sums_distances(score: Score, rng: np.random.Generator) -> bool:
    w = rng.standard_normal((4, 3))
    true = [sum(np.linalg.norm(w[j] - w[k]) for k in range(4)) for j in range(4)]
    return close(score(weights=w), true, true)


def distances(power: float, of: Callable[[Array], Array] = np.asarray) -> Score:
    def score(weights: Array) -> Array:
        w = of(weights)
        apart = np.sqrt(np.square(w[:, None] - w).sum(axis=2))
        return np.asarray((apart**power).sum(axis=1))

    return score


def counts_bins(score: Score, rng: np.random.Generator) -> bool:
    """Minus the entropy of np.histogram over the layer's range, 10 bins, natural log."""
    w = rng.standard_normal((3, 12)) * [[1], [0.1], [3]]
    w[1] = w[1, 0]
    true = []
    for row in w:
        shares = np.histogram(row, bins=10, range=(w.min(), w.max()))[0] / 12
        true.append(sum(p * np.log(p) for p in shares if p > 0))
    return close(score(weights=w), true, np.log(10))


def histogram(sign: int, log: Callable[[Array], Array], of_layer: bool, bins: int = 10) -> Score:
    def score(weights: Array) -> Array:
        found = []
        for row in weights:
            span = weights if of_layer else row
            p = np.histogram(row, bins=bins, range=(span.min(), span.max()))[0] / row.size
            found.append(sign * (p[p > 0] * log(p[p > 0])).sum())
        return np.array(found)

    return score


TRUTHS = {
    "obd, one weight": Truth(zeroes_one, by("obd"), {
        "no 1/2": lambda weights, hess_diag: hess_diag * weights**2,
        "abs(h)": lambda weights, hess_diag: np.abs(hess_diag) * weights**2 / 2,
        "clipped unasked": by("obd", clip=True),
    }),
    "obd, a unit": Truth(zeroes_a_set, by("obd", unit=True), {
        "no 1/2": lambda weights, hess_diag: (hess_diag * weights**2).sum(axis=1),
        "the mean": lambda weights, hess_diag: (hess_diag * weights**2 / 2).mean(axis=1),
    }),
    "obs, one weight": Truth(removes_one, by("obs"), {
        "no 1/2": lambda weights, inverse_diag: weights**2 / inverse_diag,
        "a product": lambda weights, inverse_diag: weights**2 * inverse_diag / 2,
        "not squared": lambda weights, inverse_diag: np.abs(weights) / inverse_diag / 2,
    }),
    "obs, a unit": Truth(removes_a_unit, by("obs", unit=True), {
        "a sum of single scores": lambda weights, inverse_block: (
            (weights**2 / np.diagonal(inverse_block, axis1=1, axis2=2) / 2).sum(axis=1)),
        "not inverted": lambda weights, inverse_block: (
            np.einsum("ui,uij,uj->u", weights, inverse_block, weights) / 2),
        "no 1/2": lambda weights, inverse_block: 2 * by("obs", unit=True)(
            weights=weights, inverse_block=inverse_block),
    }),
    "taylor, order 2": Truth(squares_the_change, by("taylor", order=2), {
        "no 1/2": lambda weights, grads, hess_diag: (
            np.square(grads * weights - hess_diag * weights**2)),
        "plus": lambda weights, grads, hess_diag: (
            np.square(grads * weights + hess_diag * weights**2 / 2)),
        "not squared": lambda weights, grads, hess_diag: (
            hess_diag * weights**2 / 2 - grads * weights),
    }),
    "taylor, hessian row": Truth(
        shares_the_change_out, by("taylor", order=2, hessian="row"), {
        "no 1/2": lambda weights, grads, hess_weight: (
            np.square(grads * weights - weights * hess_weight)),
        "first order": lambda weights, grads, hess_weight: np.square(grads * weights),
    }),
    "taylor, a unit": Truth(
        squares_a_sum,
        lambda w, g: by("taylor", unit=True)(weights=np.ones(3), grads=(w * g).sum(axis=1)), {
        "sum of squares": lambda w, g: by("taylor")(weights=w, grads=g).sum(axis=1),
        "sum of sizes": lambda w, g: np.abs(w * g).sum(axis=1) ** 2,
    }),
    "fisher": Truth(
        halves_each_sample,
        lambda weights, grads, squared_grads: (
            by("fisher")(weights=weights, squared_grads=squared_grads)), {
        "the mean gradient": lambda weights, grads, squared_grads: (
            np.square(grads * weights) / 2),
        "no 1/2": lambda weights, grads, squared_grads: squared_grads * weights**2,
        "not of w": lambda weights, grads, squared_grads: squared_grads / 2,
    }),
    "snip": Truth(shares_all_gates, CRITERIA["snip"], {
        "each layer sums to 1": lambda ev: {
            n: s / max(s.sum(), EPS)
            for n, s in ((n, np.abs(w * ev.grads[n])) for n, w in ev.weights.items())
        },
        "a share of signs": lambda ev: {n: w * ev.grads[n] for n, w in ev.weights.items()},
        "not of w": lambda ev: CRITERIA["snip"](
            Evidence(weights={n: np.ones_like(w) for n, w in ev.weights.items()}, grads=ev.grads)
        ),
    }),
    "grasp": Truth(
        tells_the_gradient,
        lambda weights, hess_grad, hess_weight: by("grasp")(weights=weights, hess_grad=hess_grad), {
        "sign": lambda weights, hess_grad, hess_weight: -weights * hess_grad,
        "abs": lambda weights, hess_grad, hess_weight: np.abs(weights * hess_grad),
        "H w": lambda weights, hess_grad, hess_weight: weights * hess_weight,
    }),
    "synflow": Truth(conserves, by("synflow"), {
        "signed": lambda weights, path_grads: weights * path_grads,
        "w^2": lambda weights, path_grads: weights**2 * path_grads,
    }),
    "taylor_activation": Truth(takes_each_sample, in_chunks(), {
        "divided before the average": in_chunks(
            CRITERIA["taylor_activation"].mark.finish),  # type: ignore[attr-defined]
        "abs outside": from_signs(lambda c: np.abs(c.mean(axis=(0, 2)))),
        "abs of each position": from_signs(lambda c: np.abs(c).mean(axis=(0, 2))),
        "squares": from_signs(lambda c: np.square(c.mean(axis=2)).mean(axis=0)),
    }),
    "geometric_median": Truth(sums_distances, by("geometric_median", unit=True), {
        "on w^2": distances(1, np.square),
        "squared": distances(2),
        "of directions": distances(1, lambda w: w / np.linalg.norm(w, axis=1)[:, None]),
    }),
    "weight_entropy": Truth(counts_bins, by("weight_entropy", unit=True), {
        "sign": histogram(-1, np.log, True),
        "the unit's own range": histogram(1, np.log, False),
        "bits": histogram(1, np.log2, True),
        "9 bins": histogram(1, np.log, True, 9),
    }),
}  # fmt: skip
