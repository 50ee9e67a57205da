"""The kit's check of KL terms: right ones pass, each planted bug breaks the law that is named."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from minprune.core import Array
from minprune.errors import ArgumentError
from minprune.methods.kl import gaussian_kl, sparse_kl
from minprune.verify import check_kl
from minprune.verify.command import check, itself
from minprune.verify.plain.kl import integral

K1, K2, K3 = 0.63576, 1.87320, 1.48695


def sigmoid(x: Array) -> Array:
    return np.exp(-np.logaddexp(0, -x))


def kl(a: Array) -> Array:
    return K1 - K1 * sigmoid(K2 + K3 * a) + 0.5 * np.logaddexp(0, -a)


def of_weights(theta: Array, log_sigma2: Array) -> Array:
    square = np.maximum(theta**2, np.finfo(theta.dtype).tiny)
    return kl(np.clip(log_sigma2 - np.log(square), -8, 8))


def no_constant(a: Array) -> Array:
    return kl(a) - K1


def gain(a: Array) -> Array:
    """-KL, to be added to the loss as it is."""
    return -kl(a)


def shifted_wrong(a: Array) -> Array:
    return K1 - K1 * sigmoid(K3 * a - K2) + 0.5 * np.logaddexp(0, -a)


def unclipped(a: Array) -> Array:
    return K1 - K1 * sigmoid(K2 + K3 * a) + 0.5 * np.log(1 + 1 / np.exp(a))


def of_theta(theta: Array, log_sigma2: Array) -> Array:
    return kl(np.clip(log_sigma2 - np.log(np.abs(theta) + 1e-30), -8, 8))


def unguarded(theta: Array, log_sigma2: Array) -> Array:
    return kl(log_sigma2 - np.log(np.where(theta == 0, np.nan, theta) ** 2))


def of_sigma(theta: Array, log_sigma2: Array) -> Array:
    """log sigma for log sigma^2"""
    return of_weights(theta, log_sigma2 / 2)


def half_of_the_log(a: Array) -> Array:
    return kl(a) + 0.25 * np.logaddexp(0, -a)


def summed(a: Array) -> Any:
    return kl(a).sum()


def against_the_mean(a: Array) -> Array:
    return kl(a) + (a - a.mean()) * 1e-3


def in_place(a: Array) -> Array:
    np.clip(a, -5, 5, out=a)
    return kl(a)


def flat(a: Array) -> Array:
    """Stops at alpha = e^-6"""
    return kl(np.maximum(a, -6))


PLANTED: tuple[tuple[Callable[..., Any], str], ...] = (
    (no_constant, "vanishes"), (no_constant, "integral"), (gain, "falls"), (gain, "integral"),
    (shifted_wrong, "integral"), (unclipped, "far"), (of_theta, "of alpha alone"),
    (unguarded, "far"), (of_sigma, "of alpha alone"), (half_of_the_log, "integral"),
    (summed, "integral"), (against_the_mean, "entry by entry"), (in_place, "input untouched"),
    (flat, "integral"),
)  # fmt: skip


@pytest.mark.parametrize(("fn", "law"), PLANTED, ids=lambda v: getattr(v, "__name__", v))
def test_each_planted_bug_breaks_its_law(fn: Callable[..., Any], law: str) -> None:
    assert law in [v.law for v in check_kl(fn, examples=10).broken]


def polynomial(a: Array) -> Array:
    """Kingma's, with no constant at all."""
    alpha = np.exp(a)
    return -0.5 * a - 1.16145124 * alpha + 1.50204118 * alpha**2 - 0.58629921 * alpha**3


def signs(a: Array) -> Array:
    alpha = np.exp(a)
    return -0.5 * a - 1.16145124 * alpha - 1.50204118 * alpha**2 - 0.58629921 * alpha**3


def test_right_ones_pass() -> None:
    assert check_kl(kl, examples=5).ok
    assert check_kl(of_weights, examples=20).ok
    assert check_kl(polynomial, like="gaussian", examples=5).ok
    for fn, how in ((signs, "gaussian"), (polynomial, "sparse")):
        assert not check_kl(fn, like=how, examples=5).ok  # type: ignore[arg-type]
    assert check(f"{__name__}:kl", "kl", examples=5).ok
    text, ok = itself("kl", 10, 0)
    assert ok, text
    assert text.count("kl ") == 3


def test_the_integral_is_the_series() -> None:
    """E log e^2 = log(2 alpha) + sum_j Poisson(j; 1 / 2 alpha) psi(j + 1/2), by chi square."""
    a = np.array([-4.0, -1.0, 0.0, 3.0, 8.0])
    for log_alpha, found in zip(a, integral(a), strict=True):
        half = np.exp(-log_alpha) / 2
        j = np.arange(int(half + 12 * np.sqrt(half) + 40))
        log_p = -half + j * np.log(half) - np.concatenate([[0], np.cumsum(np.log(j[1:]))])
        psi = -np.euler_gamma - 2 * np.log(2) + np.concatenate([[0], np.cumsum(1 / (j[1:] - 0.5))])
        mean = 0.5 * (log_alpha + np.log(2) + (np.exp(log_p) * psi).sum())
        assert abs(-log_alpha / 2 + mean + (np.euler_gamma + np.log(2)) / 2 - found) < 1e-9


def test_the_forms_are_as_near_as_their_docstrings_say() -> None:
    a = np.linspace(-8, 8, 161)
    off = sparse_kl(a) - integral(a)
    assert 0.0093 < np.abs(off).max() < 0.0094
    assert np.isclose(a[np.abs(off).argmax()], -3.5)
    low = a[a <= 0]
    assert 0.0200 < np.abs(gaussian_kl(low) - integral(low)).max() < 0.0201


def test_bad_use_is_one_sentence() -> None:
    with pytest.raises(ArgumentError) as caught:
        check_kl(kl, like="normal")  # type: ignore[arg-type]
    assert caught.value.args == (
        "check_kl: like must be 'sparse' or 'gaussian', not 'normal'; choose one of them",
    )
    with pytest.raises(ArgumentError, match="wrap it in a function that takes these"):
        check_kl(lambda a, b, c: a)
