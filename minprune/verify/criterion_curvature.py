"""check_curvature: products and diagonals of Hessians, against the dense ones of small plain nets.

A net of plain.py goes in: net.params, net.x, net.y, net.act and net.loss_kind say all there is, so
that an adapter of a few lines puts anybody's function to the test. A new kind is one row of
CURVATURE_LAWS.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from minprune.core import Array, Arrays
from minprune.errors import ArgumentError
from minprune.verify.criterion_bounds import clause, once
from minprune.verify.criterion_subject import Law
from minprune.verify.plain import ACTS, Mlp, flat, gauss_newton, hessian, shaped, softmax
from minprune.verify.plain_evidence import squared_grads, weights
from minprune.verify.plain_nets import mlps
from minprune.verify.verdict import Verdicts, find

DIGITS = 2.0**-36  # of the largest entry: some thousand roundings, and less than differences cost
PROBES = 256


@dataclass(frozen=True)
class Probe:
    """A net, and the seed of the vectors that it is tried on."""

    net: Mlp
    seed: int


Fn = Callable[..., Any]
CurvatureLaw = Callable[[Fn, Fn], Law]
probes = st.builds(Probe, mlps(), st.integers(0, 99))


def drawn(p: Probe, count: int = 1) -> list[Arrays]:
    """Vectors of whole numbers over the weights."""
    rng, like = np.random.default_rng(p.seed), weights(p.net, p.net.weights)
    size = sum(w.size for w in like.values())
    return [shaped(rng.integers(-3, 4, size).astype(float), like) for _ in range(count)]


def near(want: Arrays, size: float) -> Arrays:
    return {n: np.full(np.shape(a), DIGITS * (size + 1e-9)) for n, a in want.items()}


def largest(a: Array) -> float:
    return float(np.abs(a).sum(axis=-1).max(initial=0))


def dense_exact(net: Mlp) -> Array:
    return hessian(net, net.weights)


def dense_ggn(net: Mlp) -> Array:
    return gauss_newton(net, net.weights)


def columns(fn: Fn, dense: Fn) -> Law:
    def broken(p: Probe) -> str | None:
        H, v = dense(p.net), drawn(p)[0]
        want = shaped(H @ flat(v), v)
        bound = near(want, 3 * largest(H))
        told = clause(fn(p.net, v), want, bound, "the dense matrix gives")
        return told and told.replace("the score of", "the product at")

    return Law("the product with a vector is that of the dense matrix", probes, broken)


def symmetric(fn: Fn, dense: Fn) -> Law:
    def broken(p: Probe) -> str | None:
        u, v = drawn(p, 2)
        one, two = float(flat(u) @ flat(fn(p.net, v))), float(flat(v) @ flat(fn(p.net, u)))
        size = largest(dense(p.net)) * 9 * len(flat(u))
        return None if abs(one - two) <= DIGITS * (size + 1e-9) else f"{one:.6g} is not {two:.6g}"

    return Law("u (H v) = v (H u)", probes, broken)


def linear(fn: Fn, dense: Fn) -> Law:
    def broken(p: Probe) -> str | None:
        u, v = drawn(p, 2)
        want = {n: 2 * a - 3 * b for (n, a), b in zip(fn(p.net, u).items(), fn(p.net, v).values(),
                                                      strict=True)}  # fmt: skip
        found = fn(p.net, {n: 2 * u[n] - 3 * v[n] for n in u})
        told = clause(found, want, near(want, 15 * largest(dense(p.net))), "2 H u - 3 H v has")
        return told and told.replace("the score of", "H (2 u - 3 v) at")

    return Law("H (2 u - 3 v) = 2 H u - 3 H v", probes, broken)


def positive(fn: Fn, dense: Fn) -> Law:
    def broken(p: Probe) -> str | None:
        v = drawn(p)[0]
        found = float(flat(v) @ flat(fn(p.net, v)))
        return None if found >= -DIGITS * (9 * largest(dense(p.net)) + 1e-9) else f"v G v = {found}"

    return Law("v (G v) is never negative", probes, broken)


def matrix(fn: Fn, dense: Fn) -> Law:
    def broken(net: Mlp) -> str | None:
        want = {"H": dense(net)}
        told = clause(
            {"H": fn(net)}, want, near(want, largest(want["H"])), "by complex steps it is"
        )
        return told and told.replace("the score of ", "")

    return Law("the matrix is that of complex steps, entry by entry", mlps(), broken)


def diagonal(fn: Fn, dense: Fn) -> Law:
    def broken(net: Mlp) -> str | None:
        want = dense(net)
        told = clause(fn(net), want, near(want, float(np.abs(flat(want)).max())), "it has to be")
        return told and told.replace("the score of", "the diagonal at")

    return Law("the diagonal is that of the definition, entry by entry", mlps(), broken)


def never_negative(fn: Fn, dense: Fn) -> Law:
    def broken(net: Mlp) -> str | None:
        least = float(flat(fn(net)).min())
        return f"one entry is {least:.6g}" if least < 0 else None

    return Law("no entry of the diagonal is negative", mlps(), broken)


def six_errors(fn: Fn, dense: Fn) -> Law:
    def broken(p: Probe) -> str | None:
        H, like = dense(p.net), weights(p.net, p.net.weights)
        mean, error = fn(p.net, PROBES, np.random.default_rng(p.seed))
        bound = {n: 6 * e + DIGITS * (largest(H) + 1e-9) for n, e in error.items()}
        want = shaped(np.diagonal(H).copy(), like)
        told = clause(mean, want, bound, "more than 6 of its standard errors away is")
        return told and told.split(": ")[0].replace("the score of", "the estimate at")

    return Law("the estimate is within 6 of its standard errors", probes, broken)


def own_error(fn: Fn, dense: Fn) -> Law:
    def broken(p: Probe) -> str | None:
        H = dense(p.net)
        off = H - np.diag(np.diagonal(H))
        want = np.sqrt((off**2).sum(axis=1) / PROBES)
        found = flat(fn(p.net, PROBES, np.random.default_rng(p.seed))[1])
        live = want > DIGITS * (largest(H) + 1e-9)
        wrong = live & ((found > 2 * want) | (found < want / 2))
        if not wrong.any():
            return None
        k = int(wrong.argmax())
        return f"the error of entry {k} is given as {found[k]:.6g}, and is {want[k]:.6g}"

    return Law(f"of {PROBES} probes the standard error is sqrt(sum of H_ij^2 / {PROBES})", probes,
               broken)  # fmt: skip


def becker_lecun(net: Mlp, levenberg_marquardt: bool = False) -> Arrays:
    """h_w = a^2 h_z; h_a = W^2 h_z; h_z = f'^2 h_a + f'' dl/da: couplings of units neglected

    From LeCun (1989) and Becker & LeCun (1988), each sample by itself, then the mean;
    levenberg_marquardt drops f''. h_z of the outputs is the diagonal of the loss's own Hessian.
    """
    entered, made, f = net.forward()
    each = net.per_sample()
    q = softmax(f)
    h = np.full(f.shape, 2.0) if net.loss_kind == "mse" else q * (1 - q)
    found: Arrays = {}
    for k in range(net.depth, 0, -1):
        found[f"fc{k}.weight"] = np.einsum("no,ni->oi", h, entered[k - 1] ** 2) / len(net.x)
        if k > 1:
            _, slope, bend = ACTS[net.act]
            z, h_a = made[k - 2], h @ net.params[f"fc{k}.weight"] ** 2
            h = slope(z) ** 2 * h_a
            if not levenberg_marquardt:
                h = h + bend(z) * each[f"fc{k - 1}.act"]
    return {name: found[name] for name in net.weights}


def of_diagonal(dense: Fn) -> Fn:
    return lambda net: shaped(np.diagonal(dense(net)).copy(), weights(net, net.weights))


PRODUCT: dict[str, CurvatureLaw] = {"dense": columns, "symmetric": symmetric, "linear": linear}
CURVATURE_LAWS: dict[str, tuple[Any, dict[str, CurvatureLaw]]] = {
    "hvp": (dense_exact, dict(PRODUCT)),
    "ggn_product": (dense_ggn, {**PRODUCT, "never negative": positive}),
    "hessian": (dense_exact, {"dense": matrix}),
    "ggn": (dense_ggn, {"dense": matrix}),
    "exact": (of_diagonal(dense_exact), {"definition": diagonal}),
    "gauss_newton": (
        of_diagonal(dense_ggn), {"definition": diagonal, "never negative": never_negative}
    ),
    "empirical_fisher": (
        lambda net: squared_grads(net, net.weights),
        {"definition": diagonal, "never negative": never_negative},
    ),
    "becker_lecun": (becker_lecun, {"definition": diagonal}),
    "levenberg_marquardt": (
        lambda net: becker_lecun(net, True),
        {"definition": diagonal, "never negative": never_negative},
    ),
    "hutchinson": (dense_exact, {"6 errors": six_errors, "its error": own_error}),
}  # fmt: skip


def check_curvature(
    fn: Fn,
    like: str,
    examples: int = 25,
    seed: int = 0,
    *,
    laws: Sequence[str] | None = None,
) -> Verdicts:
    """Runs the laws of one kind of curvature on fn, over the weights (biases are held).

    like: "hvp", "ggn_product": fn(net, {name: v}) -> {name: H v}; "hessian", "ggn": fn(net) -> the
    dense matrix, weights in net order, each in C order; "exact", "gauss_newton",
    "empirical_fisher", "becker_lecun", "levenberg_marquardt": fn(net) -> {name: diagonal};
    "hutchinson": fn(net, probes, rng) -> (estimate, standard error), Rademacher probes.
    net: an Mlp of verify/plain.py.    laws: only these. Raises ArgumentError for another `like` or
    law.
    """
    if like not in CURVATURE_LAWS:
        raise ArgumentError(
            f"like is {like!r}, expected one of {', '.join(CURVATURE_LAWS)}; "
            f"say what the function claims"
        )
    dense, rows = CURVATURE_LAWS[like]
    name = getattr(fn, "__name__", like)
    for law in laws or ():
        if law not in rows:
            raise ArgumentError(
                f"laws has {law!r}, expected some of {', '.join(rows)}; correct the name"
            )
    found = {law: make(fn, dense) for law, make in rows.items() if laws is None or law in laws}
    return Verdicts(
        once(
            find(
                law, f"{name}: {of.sentence}", of.examples, of.broken, examples=examples, seed=seed
            )
            for law, of in found.items()
        )
    )
