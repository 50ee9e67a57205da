"""Student's t against its integral, its table, and what intervals are for."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minprune.errors import ArgumentError
from minprune.measures.intervals import t_cdf, t_interval, t_quantile

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
