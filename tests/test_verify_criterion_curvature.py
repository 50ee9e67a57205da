"""The kit for curvature: ours passes, planted bugs do not; the oracles by hand and by others."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from minprune.core import Array, Arrays
from minprune.errors import ArgumentError
from minprune.verify.numeric.curvature import CURVATURE_LAWS, becker_lecun, check_curvature
from minprune.verify.ours.networks import CURVATURE
from minprune.verify.plain.evidence import squared_grads, weights
from minprune.verify.plain.hessian import gauss_newton, hessian, times
from minprune.verify.plain.net import ACTS, Mlp, flat, gradient, plain_net, shaped

EXAMPLES = 8


@pytest.mark.parametrize("like", CURVATURE_LAWS)
def test_ours_passes(like: str) -> None:
    found = check_curvature(CURVATURE[like], like, examples=3 if like == "hutchinson" else EXAMPLES)
    assert found.ok, str(found)


def product(p: Mlp, v: Arrays) -> Arrays:
    return times(p, v)


def by_differences(p: Mlp, v: Arrays) -> Arrays:
    h = 1e-5
    up, down = ({n: p.params[n] + s * v[n] for n in v} for s in (h, -h))
    a, b = gradient(p, list(v), up), gradient(p, list(v), down)
    return {n: (a[n] - b[n]) / (2 * h) for n in v}


def one_layer(p: Mlp, v: Arrays) -> Arrays:
    """Each layer's own block: layers do not see each other."""
    found: Arrays = {}
    for name in v:
        found |= times(p, {name: v[name]})
    return found


def upper(p: Mlp, v: Arrays) -> Arrays:
    return shaped(np.triu(hessian(p, p.weights)) @ flat(v), v)


def normalised(p: Mlp, v: Arrays) -> Arrays:
    length = float(np.sqrt((flat(v) ** 2).sum())) or 1.0
    return times(p, {n: a / length for n, a in v.items()})


def diagonal(dense: Callable[[Mlp], Array]) -> Callable[[Mlp], Arrays]:
    return lambda p: shaped(np.diagonal(dense(p)).copy(), weights(p, p.weights))


def exact(p: Mlp) -> Array:
    return hessian(p, p.weights)


def ggn(p: Mlp) -> Array:
    return gauss_newton(p, p.weights)


def last_squared(p: Mlp) -> Arrays:
    return {n: g[-1] ** 2 for n, g in p.per_sample().items() if n in p.weights}


def squared_mean(p: Mlp) -> Arrays:
    return {n: g**2 for n, g in gradient(p, p.weights).items()}


def becker_of(p: Mlp, slip: str) -> Arrays:
    """W for W^2 on the way back, or the last sample's share of the mean."""
    if slip == "mean":
        return {n: h * len(p.x) for n, h in becker_lecun(p).items()}
    half = {n: np.sqrt(np.abs(w)) if n != "fc1.weight" else w for n, w in p.params.items()}
    return becker_lecun(Mlp(p.act, p.loss_kind, half, p.x, p.y))


def estimate(p: Mlp, probes: int, rng: Any, draw: Any, error: float = 1.0) -> Any:
    like = weights(p, p.weights)
    size = sum(w.size for w in like.values())
    v = draw(rng, (probes, size))
    one = v * (v @ exact(p))
    return (
        shaped(one.mean(axis=0), like),
        shaped(error * one.std(axis=0, ddof=1) / np.sqrt(probes), like),
    )


def flips(rng: Any, shape: Any) -> Array:
    return np.asarray(rng.choice([-1.0, 1.0], shape))


PLANTED = (
    ("hvp", "dense", by_differences, "finite differences"),
    ("hvp", "dense", one_layer, "blocks of layers"),
    ("hvp", "symmetric", upper, "one triangle of the matrix"),
    ("hvp", "linear", normalised, "the vector is made a unit vector"),
    ("ggn_product", "dense", product, "H for the GGN"),
    ("ggn_product", "never negative", product, "H for the GGN"),
    ("ggn_product", "symmetric", upper, "one triangle"),
    ("ggn_product", "linear", normalised, "a unit vector"),
    ("hessian", "dense", ggn, "the GGN for H"),
    ("hessian", "dense", lambda p: exact(p) * len(p.x), "L-OBS: a sum over samples, no mean"),
    ("hessian", "dense", lambda p: exact(p) / 2, "1/2 of the loss forgotten"),
    ("ggn", "dense", exact, "H for the GGN"),
    ("ggn", "dense", lambda p: ggn(p) * len(p.x), "L-OBS: divided by the batch"),
    ("exact", "definition", diagonal(ggn), "the GGN's for H's"),
    ("exact", "definition", lambda p: squared_grads(p, p.weights), "the Fisher's for H's"),
    ("gauss_newton", "definition", diagonal(exact), "H's for the GGN's"),
    ("gauss_newton", "never negative", diagonal(exact), "H's for the GGN's"),
    ("gauss_newton", "definition", lambda p: squared_grads(p, p.weights), "the empirical Fisher"),
    ("empirical_fisher", "definition", last_squared, "Torch-Pruning: the last sample's alone"),
    ("empirical_fisher", "definition", squared_mean, "the square of the mean"),
    ("empirical_fisher", "never negative", lambda p: gradient(p, p.weights), "no square"),
    ("becker_lecun", "definition", lambda p: becker_lecun(p, True), "f'' dropped"),
    ("becker_lecun", "definition", lambda p: becker_of(p, "mean"), "a sum over samples"),
    ("becker_lecun", "definition", lambda p: becker_of(p, "W"), "|W| for W^2"),
    ("becker_lecun", "definition", diagonal(exact), "couplings kept"),
    ("levenberg_marquardt", "definition", becker_lecun, "f'' kept"),
    ("levenberg_marquardt", "never negative", becker_lecun, "f'' kept"),
    ("hutchinson", "6 errors", lambda p, n, rng: estimate(p, n, rng, lambda r, s: r.uniform(
        -1, 1, s)), "probes of variance 1/3"),
    ("hutchinson", "its error", lambda p, n, rng: estimate(p, n, rng, flips, n**0.5),
     "the deviation for the error of the mean"),
)  # fmt: skip


@pytest.mark.parametrize(("like", "law", "fn", "what"), PLANTED)
def test_no_slip_passes(like: str, law: str, fn: Any, what: str) -> None:
    (verdict,) = check_curvature(fn, like, laws=(law,))
    assert not verdict.holds
    assert verdict.example


def test_every_law_has_a_slip() -> None:
    assert {(like, law) for like, (_, laws) in CURVATURE_LAWS.items() for law in laws} == {
        row[:2] for row in PLANTED
    }


def test_an_exception_is_told_once_and_a_wrong_shape_in_words() -> None:
    first, second = check_curvature(lambda p, v: {}, "hvp", laws=("symmetric", "dense"))
    assert first.sentence.endswith("but fc1.weight is missing, expected (1, 1)")
    assert "but it raised ValueError" in second.sentence
    found = check_curvature(lambda p: v, "gauss_newton")  # type: ignore[name-defined]  # noqa: F821
    assert "but it raised NameError: name 'v' is not defined" in found[0].sentence
    assert found[1].sentence.endswith("but it raised the same as under 'definition'")


def test_an_unknown_law() -> None:
    with pytest.raises(ArgumentError) as caught:
        check_curvature(product, "hvp", laws=("definition",))
    assert caught.value.args == (
        "check_curvature: laws must be 'dense', 'symmetric' or 'linear', not 'definition'; "
        "choose one of them",
    )


def test_an_unknown_kind() -> None:
    with pytest.raises(ArgumentError) as caught:
        check_curvature(product, "fisher")
    assert caught.value.args == (
        "check_curvature: like must be 'hvp', 'ggn_product', 'hessian', 'ggn', 'exact', "
        "'gauss_newton', 'empirical_fisher', 'becker_lecun', 'levenberg_marquardt' or "
        "'hutchinson', not 'fisher'; choose one of them",
    )


def test_becker_lecun_is_exact_where_it_must_be() -> None:
    """For one hidden layer under mse; for the output layer always."""
    for act in ACTS:
        for loss in ("mse", "cross_entropy"):
            net = plain_net((3, 4, 2), 5, act=act, loss_kind=loss)
            found = becker_lecun(net)
            want = shaped(np.diagonal(exact(net)).copy(), found)
            same = [np.allclose(found[n], want[n], rtol=1e-12, atol=1e-14) for n in found]
            assert same == [loss == "mse", True]
