"""Student's t against its integral, its table, and what intervals are for."""

import itertools
import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minprune.errors import ArgumentError
from minprune.measures.intervals import mcnemar, t_cdf, t_interval, t_quantile, wilson

TABLE = [  # (p, df, t): printed in every textbook, and to 7 digits in NIST's handbook
    (0.975, 1, 12.7062047), (0.975, 2, 4.30265273), (0.975, 4, 2.77644511),
    (0.975, 9, 2.26215716), (0.95, 30, 1.69726089), (0.995, 3, 5.84090931),
]  # fmt: skip


@pytest.mark.parametrize(("p", "df", "t"), TABLE)
def test_the_table(p: float, df: int, t: float) -> None:
    assert t_quantile(p, df) == pytest.approx(t, rel=1e-8)


@given(t=st.floats(0, 8), df=st.integers(1, 40))
def test_the_sums_are_the_integral_of_the_density(t: float, df: int) -> None:
    x = np.linspace(0, t, 4001)
    log = math.lgamma((df + 1) / 2) - math.lgamma(df / 2) - 0.5 * math.log(df * math.pi)
    density = np.exp(log) * (1 + x * x / df) ** (-(df + 1) / 2)
    step = t / 4000
    simpson = step / 3 * (density[0] + density[-1] + 4 * density[1::2].sum()
                          + 2 * density[2:-1:2].sum())  # fmt: skip
    assert t_cdf(t, df) == pytest.approx(0.5 + simpson, abs=1e-9)
    assert t_cdf(-t, df) == pytest.approx(1 - t_cdf(t, df), abs=1e-12)


def test_an_interval_by_hand() -> None:
    """Values 1, 2, 3: mean 2, s = 1, t(0.975, 2) = 4.302653."""
    mean, low, high = t_interval([1.0, 2.0, 3.0])
    half = 4.30265273 / math.sqrt(3)
    assert (mean, low, high) == (2.0, pytest.approx(2 - half), pytest.approx(2 + half))
    assert t_interval([5.0]) == (5.0, -math.inf, math.inf)
    assert t_interval([float(Fraction(1, 3))] * 4)[1] == pytest.approx(1 / 3)


def normal(values: list[float]) -> tuple[float, float]:
    """With 1.96 in place of t: the wrong variant."""
    half = 1.96 * np.std(values, ddof=1) / math.sqrt(len(values))
    return float(np.mean(values) - half), float(np.mean(values) + half)


def test_it_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    samples = rng.standard_normal((2000, 3)).tolist()
    hits = [low <= 0 <= high for _, low, high in map(t_interval, samples)]
    assert abs(np.mean(hits) - 0.95) < 0.015  # 3 standard errors
    wrong = [low <= 0 <= high for low, high in map(normal, samples)]
    assert np.mean(wrong) < 0.9


def test_no_values_are_refused() -> None:
    with pytest.raises(ArgumentError) as caught:
        t_interval([])
    assert caught.value.args == ("t_interval: values must not be empty; pass one for each seed",)


# --- shares of test samples


def allows(right: int, n: int, p: float) -> bool:
    """Whether the score test does not reject p at 95 %"""
    return abs(right / n - p) <= 1.959964 * math.sqrt(p * (1 - p) / n) + 1e-7


def is_wilson(interval: Any, right: int, n: int) -> bool:
    low, high = interval(right, n)
    inside = all(allows(right, n, p) for p in np.linspace(low, high, 9))
    beyond = [p for p in (low - 1e-4, high + 1e-4) if 0 <= p <= 1]
    return inside and not any(allows(right, n, p) for p in beyond)


shares = st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(shares)
def test_wilson_holds_what_the_test_allows(given: tuple[int, int]) -> None:
    assert is_wilson(wilson, *given)


def wald(right: int, n: int) -> tuple[float, float]:
    """p +- z sqrt(p (1 - p) / n): empty at the ends."""
    p = right / n
    half = 1.959964 * math.sqrt(p * (1 - p) / n)
    return p - half, p + half


def test_a_wrong_interval_of_a_share_is_seen() -> None:
    assert not is_wilson(wald, 97, 100)
    assert not is_wilson(lambda right, n: wilson(right, n, 0.9), 97, 100)


def by_coins(gained: int, lost: int) -> float:
    """The share of all outcomes of so many coins that are as uneven, or more"""
    n = gained + lost
    far = [sum(c) for c in itertools.product((0, 1), repeat=n)]
    return sum(abs(2 * k - n) >= abs(gained - lost) for k in far) / len(far)


@given(st.integers(0, 5), st.integers(0, 5))
def test_mcnemar_is_the_share_of_outcomes(gained: int, lost: int) -> None:
    assert mcnemar(gained, lost) == pytest.approx(by_coins(gained, lost))


def one_sided(gained: int, lost: int) -> float:
    return mcnemar(gained, lost) / 2


def of_chi(gained: int, lost: int) -> float:
    """The square of the difference by the chi-squared distribution: only for many samples."""
    return math.erfc(abs(gained - lost) / math.sqrt(2 * (gained + lost)))


@pytest.mark.parametrize("wrong", [one_sided, of_chi])
def test_a_wrong_mcnemar_is_seen(wrong: Any) -> None:
    assert wrong(5, 1) != pytest.approx(by_coins(5, 1))
    assert mcnemar(5, 1) == pytest.approx(14 / 64)
