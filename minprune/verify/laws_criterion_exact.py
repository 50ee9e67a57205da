"""Laws of a score as a number: what it must equal, or sum to, on losses where that is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from minprune.core import Arrays, Evidence
from minprune.verify.criterion_bounds import clause, largest, near
from minprune.verify.criterion_subject import Law, NamedLaw, Options, Subject, total
from minprune.verify.definitions_table import Definition
from minprune.verify.plain import STEP, Mlp, Quadratic, gradient
from minprune.verify.plain_nets import FILLS, mlps, quadratics

ROUND = 2.0**-40  # whole numbers below 2^10: their sums are exact, roots and quotients nearly so


def changes(p: Quadratic) -> Arrays:
    """L(w | w_k = 0) - L(w)"""
    found = np.zeros(p.params["w"].shape)
    for k in range(len(found)):
        w = p.params["w"].copy()
        w[k] = 0
        found[k] = p.loss({"w": w}) - p.loss()
    return {"w": found}


def of_each(
    sentence: str, what: str, want: Callable[[Quadratic], Arrays], examples: Any,
    share: float = ROUND,
) -> NamedLaw:  # fmt: skip
    """The law that the score of each single weight of a quadratic loss is want(loss)."""

    def law(s: Subject, row: Definition, options: Options) -> Law | None:
        def broken(p: Quadratic) -> str | None:
            right = want(p)
            return clause(total(s, p), right, near(right, share), what)

        return None if s.row else Law(f"{s.name}: {sentence}", examples, broken)

    return law


def of_all(sentence: str, what: str, each: Callable[[Any], Any], examples: Any) -> NamedLaw:
    """The law that the sum of each(scores) is the change of the loss from zeroing all."""

    def law(s: Subject, row: Definition, options: Options) -> Law | None:
        def broken(p: Quadratic) -> str | None:
            change = p.loss({"w": np.zeros(len(p.v))}) - p.loss()
            found = float(each(total(s, p)["w"]).sum())
            if abs(found - change) <= ROUND * (change + 1):
                return None
            return f"{what} {found:.6g}, and zeroing all changes the loss by {change:.6g}"

        return None if s.row else Law(f"{s.name}: {sentence}", examples, broken)

    return law


exact = of_each(
    "at a minimum of a quadratic loss the score is the rise from zeroing the weight",
    "zeroing it raises this quadratic loss by",
    changes,
    quadratics(minimum=True),
)
exact_squared = of_each(
    "on a quadratic loss, anywhere, the score is the squared change of the loss from zeroing the "
    "weight",
    "zeroing it changes this quadratic loss by the root of",
    lambda p: {"w": changes(p)["w"] ** 2},
    quadratics(),
)
exact_set = of_all(
    "with a diagonal Hessian the scores of a set sum to the rise from zeroing it",
    "the scores sum to",
    np.asarray,
    quadratics(minimum=True, diagonal=True),
)
exact_sum = of_all(
    "the roots of the scores sum to the change of a quadratic loss from zeroing all (where every "
    "share has one sign)",
    "their roots sum to",
    np.sqrt,
    quadratics(one_way=True),
)


def slope_of_the_gradient(s: Subject, row: Definition, options: Options) -> Law:
    def broken(p: Mlp) -> str | None:
        want = {}
        for name in p.weights:
            want[name] = np.zeros(p.params[name].shape)
            for k in np.ndindex(want[name].shape):
                w = p.params[name].astype(complex)
                w[k] *= 1 - 1j * STEP  # d/dt of w_k (1 - t)
                g = gradient(p, p.weights, {name: w}).values()
                want[name][k] = -sum(float((a**2).sum().imag) for a in g) / STEP / 2
        if s.row is not None:
            want = {n: want[m].sum(axis=0) for n, m in zip(p.weights, p.weights[1:], strict=False)}
        found = total(s, p)
        return clause(found, want, largest(s, want), "half the fall of norm(g)^2 is")

    return Law(
        f"{s.name}: shrinking a weight at the rate t lowers norm(g)^2 at the rate 2 * score",
        mlps(layers=(2, 2)),
        broken,
    )


def conservation(s: Subject, row: Definition, options: Options) -> Law:
    def broken(p: Mlp) -> str | None:
        scores = {n: np.asarray(a, np.float64) for n, a in total(s, p).items()}
        sums = {n: float(a.sum()) for n, a in scores.items()}
        first = next(iter(sums.values()))
        size = max(map(abs, sums.values()))
        for name, found in sums.items():
            if abs(found - first) > 2.0**-26 * size:
                return f"{name} sums to {found:.6g} and {p.weights[0]} to {first:.6g}"
        if s.row is not None:
            return None
        for name, after in zip(p.weights[:-1], p.weights[1:], strict=True):
            into, out = scores[name].sum(axis=1), scores[after].sum(axis=0)
            if (np.abs(into - out) > 2.0**-26 * size).any():
                k = int(np.abs(into - out).argmax())
                return f"{into[k]:.6g} goes into unit {k} of {name}, and {out[k]:.6g} comes out"
        return None

    return Law(
        f"{s.name}: what goes into a hidden unit comes out of it, and all layers sum to the same",
        mlps(layers=(3, 3)),
        broken,
    )


def shares(s: Subject, row: Definition, options: Options) -> Law:
    def broken(p: Mlp) -> str | None:
        scores = total(s, p)
        sum_ = float(sum(a.sum() for a in scores.values()))
        least = min(float(a.min(initial=0)) for a in scores.values())
        if least < 0:
            return f"one is {least:.6g}"
        dead = not any(a.any() for a in scores.values())
        return None if dead or abs(sum_ - 1) < 2.0**-40 else f"they sum to {sum_:.6g}"

    return Law(
        f"{s.name}: all scores of all layers are shares that sum to 1 (or all are 0)",
        mlps(fills=FILLS),
        broken,
    )


def uniform(s: Subject, row: Definition, options: Options) -> Law:
    n = 4096

    def broken(seed: int) -> str | None:
        def draw() -> Arrays:
            ones = {"a": np.ones((n, 1)), "b": np.ones((n, 1))}
            rng = np.random.default_rng(seed)
            return s(Evidence(weights=ones, rng=rng, unit=s.row is not None))

        a, b = (np.ravel(v) for v in draw().values())
        if any(
            not np.array_equal(np.ravel(v), w) for v, w in zip(draw().values(), (a, b), strict=True)
        ):
            return "the same state of the generator gave other scores"
        if min(a.min(), b.min()) < 0 or max(a.max(), b.max()) >= 1:
            return f"they go from {min(a.min(), b.min()):.6g} to {max(a.max(), b.max()):.6g}"
        # six standard errors of a mean, a variance and a correlation of n uniform numbers
        for what, found, want, error in (
            ("mean", a.mean(), 1 / 2, np.sqrt(1 / 12)),
            ("variance", ((a - 0.5) ** 2).mean(), 1 / 12, np.sqrt(1 / 180)),
            ("covariance of two layers", ((a - 0.5) * (b - 0.5)).mean(), 0, 1 / 12),
        ):
            if abs(found - want) > 6 * error / np.sqrt(n):
                return f"their {what} is {found:.6g}, expected {want:.6g}"
        return None

    return Law(
        f"{s.name}: scores are independent and uniform on [0, 1), and follow the generator",
        st.integers(0, 9),
        broken,
    )
