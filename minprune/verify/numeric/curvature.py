"""Products and diagonals of Hessians, against the dense ones of small plain nets.

A net of plain/net.py goes in: net.params, net.x, net.y, net.act and net.loss_kind say all there is,
so that an adapter of a few lines puts any function to the test. A new kind is one row of
CURVATURE_LAWS.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from minprune.arguments import choice
from minprune.core import Array, Arrays
from minprune.verify.criterion.bounds import clause
from minprune.verify.law import Law, Laws, judged, picked
from minprune.verify.plain.evidence import squared_grads, weights
from minprune.verify.plain.hessian import gauss_newton, hessian
from minprune.verify.plain.net import ACTS, Mlp, flat, mlps, shaped, softmax
from minprune.verify.verdict import Verdicts

CHECK = "check_curvature"
DIGITS = 2.0**-36  # of the largest entry: some thousand roundings, and less than differences cost
PROBES = 256
Fn = Callable[..., Any]


class Pair(NamedTuple):
    """A function, and what it should give, from a dense matrix."""

    fn: Fn
    dense: Fn


@dataclass(frozen=True)
class Probe:
    """A net, and the seed of the vectors that it is tried on."""

    net: Mlp
    seed: int

    def vectors(self, count: int = 1) -> list[Arrays]:
        """Vectors of whole numbers over the weights."""
        rng, like = np.random.default_rng(self.seed), weights(self.net, self.net.weights)
        size = sum(w.size for w in like.values())
        return [shaped(rng.integers(-3, 4, size).astype(float), like) for _ in range(count)]


PRODUCT, POSITIVE, MATRIX, DIAGONAL, SIGN, ESTIMATE = (Laws() for _ in range(6))
nets = mlps()
probes = st.builds(Probe, nets, st.integers(0, 99))


def near(want: Arrays, size: float) -> dict[str, float]:
    return dict.fromkeys(want, DIGITS * (size + 1e-9))


def largest(a: Array) -> float:
    return float(np.abs(a).sum(axis=-1).max(initial=0))


def dense_exact(net: Mlp) -> Array:
    return hessian(net, net.weights)


def dense_ggn(net: Mlp) -> Array:
    return gauss_newton(net, net.weights)


@PRODUCT("dense", probes)
def columns(s: Pair, p: Probe) -> str | None:
    """the product with a vector is that of the dense matrix"""
    H, v = s.dense(p.net), p.vectors()[0]
    want = shaped(H @ flat(v), v)
    what = "the dense matrix gives"
    return clause(s.fn(p.net, v), want, near(want, 3 * largest(H)), what, "the product at ")


@PRODUCT("symmetric", probes)
def symmetric(s: Pair, p: Probe) -> str | None:
    """u (H v) = v (H u)"""
    u, v = p.vectors(2)
    one, two = float(flat(u) @ flat(s.fn(p.net, v))), float(flat(v) @ flat(s.fn(p.net, u)))
    size = largest(s.dense(p.net)) * 9 * len(flat(u))
    return None if abs(one - two) <= DIGITS * (size + 1e-9) else f"{one:.6g} is not {two:.6g}"


@PRODUCT("linear", probes)
def linear(s: Pair, p: Probe) -> str | None:
    """H (2 u - 3 v) = 2 H u - 3 H v"""
    u, v = p.vectors(2)
    one, two = s.fn(p.net, u), s.fn(p.net, v)
    want = {n: 2 * a - 3 * b for (n, a), b in zip(one.items(), two.values(), strict=True)}
    found = s.fn(p.net, {n: 2 * u[n] - 3 * v[n] for n in u})
    bound = near(want, 15 * largest(s.dense(p.net)))
    return clause(found, want, bound, "2 H u - 3 H v has", "H (2 u - 3 v) at ")


@POSITIVE("never negative", probes)
def positive(s: Pair, p: Probe) -> str | None:
    """v (G v) is never negative"""
    v = p.vectors()[0]
    found = float(flat(v) @ flat(s.fn(p.net, v)))
    return None if found >= -DIGITS * (9 * largest(s.dense(p.net)) + 1e-9) else f"v G v = {found}"


@MATRIX("dense", nets)
def matrix(s: Pair, net: Mlp) -> str | None:
    """the matrix is that of complex steps, entry by entry"""
    want = {"H": s.dense(net)}
    bound = near(want, largest(want["H"]))
    return clause({"H": s.fn(net)}, want, bound, "by complex steps it is", "")


@DIAGONAL("definition", nets)
def diagonal(s: Pair, net: Mlp) -> str | None:
    """the diagonal is that of the definition, entry by entry"""
    want = s.dense(net)
    bound = near(want, float(np.abs(flat(want)).max()))
    return clause(s.fn(net), want, bound, "it has to be", "the diagonal at ")


@SIGN("never negative", nets)
def never_negative(s: Pair, net: Mlp) -> str | None:
    """no entry of the diagonal is negative"""
    least = float(flat(s.fn(net)).min())
    return f"one entry is {least:.6g}" if least < 0 else None


@ESTIMATE("6 errors", probes)
def six_errors(s: Pair, p: Probe) -> str | None:
    """the estimate is within 6 of its standard errors"""
    H, like = s.dense(p.net), weights(p.net, p.net.weights)
    mean, error = s.fn(p.net, PROBES, np.random.default_rng(p.seed))
    bound = {n: 6 * e + DIGITS * (largest(H) + 1e-9) for n, e in error.items()}
    what = "more than 6 of its standard errors away is"
    want = shaped(np.diagonal(H).copy(), like)
    return clause(mean, want, bound, what, "the estimate at ")


@ESTIMATE("its error", probes)
def own_error(s: Pair, p: Probe) -> str | None:
    """of 256 probes the standard error is sqrt(sum of H_ij^2 / 256)"""
    H = s.dense(p.net)
    off = H - np.diag(np.diagonal(H))
    want = np.sqrt((off**2).sum(axis=1) / PROBES)
    found = flat(s.fn(p.net, PROBES, np.random.default_rng(p.seed))[1])
    live = want > DIGITS * (largest(H) + 1e-9)
    wrong = live & ((found > 2 * want) | (found < want / 2))
    if not wrong.any():
        return None
    k = int(wrong.argmax())
    return f"the error of entry {k} is given as {found[k]:.6g}, and is {want[k]:.6g}"


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


# what each kind should give, and its laws
CURVATURE_LAWS: dict[str, tuple[Fn, Mapping[str, Law]]] = {
    "hvp": (dense_exact, PRODUCT),
    "ggn_product": (dense_ggn, PRODUCT | POSITIVE),
    "hessian": (dense_exact, MATRIX),
    "ggn": (dense_ggn, MATRIX),
    "exact": (of_diagonal(dense_exact), DIAGONAL),
    "gauss_newton": (of_diagonal(dense_ggn), DIAGONAL | SIGN),
    "empirical_fisher": (lambda net: squared_grads(net, net.weights), DIAGONAL | SIGN),
    "becker_lecun": (becker_lecun, DIAGONAL),
    "levenberg_marquardt": (lambda net: becker_lecun(net, True), DIAGONAL | SIGN),
    "hutchinson": (dense_exact, ESTIMATE),
}


def check_curvature(
    fn: Fn, like: str, examples: int = 25, seed: int = 0, *, laws: Sequence[str] | None = None,
) -> Verdicts:  # fmt: skip
    """Check one kind of curvature, over the weights (biases are held).

    Parameters
    ----------
    fn : callable
        See `like`; net is an Mlp of verify/plain/net.py.
    like : str
        "hvp", "ggn_product": fn(net, {name: v}) -> {name: H v}. "hessian", "ggn": fn(net) -> the
        dense matrix, weights in net order, each in C order. "exact", "gauss_newton",
        "empirical_fisher", "becker_lecun", "levenberg_marquardt": fn(net) -> {name: diagonal}.
        "hutchinson": fn(net, probes, rng) -> (estimate, standard error), Rademacher probes.
    examples, seed : int
        How many examples each law is tried on; the same seed tries the same ones.
    laws : sequence of str, optional
        Only these.

    Returns
    -------
    Verdicts

    Raises
    ------
    ArgumentError
        For another `like` or law.

    Examples
    --------
    >>> import minprune as mp
    >>> from minprune.verify.plain.hessian import times
    >>> mp.verify.check_curvature(times, "hvp", examples=5).ok
    True
    """
    choice(CHECK, "like", like, list(CURVATURE_LAWS))
    dense, known = CURVATURE_LAWS[like]
    name, table = getattr(fn, "__name__", like), picked(CHECK, laws, known)
    return Verdicts(judged(table, Pair(fn, dense), name=name, examples=examples, seed=seed))
