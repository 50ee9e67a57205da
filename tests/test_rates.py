"""Learning-rate schedules: values by hand, laws, messages."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minprune as mp
from minprune.errors import ArgumentError
from minprune.train import rates
from minprune.train.rates import Rate

EPS = 2.0**-52


@dataclass(frozen=True)
class Row:
    """The factor at each update t of `total`; wrong: a plausible slip that differs somewhere."""

    name: str
    rate: Rate
    total: int
    values: dict[int, float]
    wrong: Rate


ROWS = (
    Row("constant", rates.constant(), 5, {0: 1, 4: 1}, lambda t, total: 1 - t / total),
    Row(
        "step", rates.step(2, 0.5), 6, {0: 1, 1: 1, 2: 0.5, 3: 0.5, 4: 0.25, 5: 0.25},
        lambda t, total: 0.5 ** ((t + 1) // 2),
    ),
    Row("step", rates.step(3), 6, {2: 1, 3: 0.1, 5: 0.1}, lambda t, total: 0.1 ** (t / 3)),
    Row(  # cos of 0, 60, 90, 120, 180 degrees
        "cosine", rates.cosine(), 6, {0: 1, 2: 0.75, 3: 0.5, 4: 0.25, 6: 0, 9: 0},
        lambda t, total: np.cos(np.pi * t / total / 2),
    ),
    Row(
        "cosine", rates.cosine(0.2), 6, {0: 1, 2: 0.8, 3: 0.6, 4: 0.4, 6: 0.2},
        lambda t, total: max(0.2, rates.cosine()(t, total)),
    ),
    Row("cosine", rates.cosine(), 0, {0: 1}, lambda t, total: 0.0),
    Row("cosine", rates.cosine(), 1, {0: 1, 1: 0}, lambda t, total: 1.0),
    Row(
        "warmup", rates.warmup(4), 8, {0: 0.25, 1: 0.5, 2: 0.75, 3: 1, 4: 1, 7: 1},
        lambda t, total: min(t / 4, 1),
    ),
    Row(  # four updates of warmup, then a cosine over the four that are left
        "warmup", rates.warmup(4, rates.cosine()), 8, {3: 1, 4: 1, 6: 0.5, 8: 0},
        lambda t, total: min((t + 1) / 4, 1) * rates.cosine()(t, total),
    ),
    Row("warmup", rates.warmup(4, rates.cosine()), 5, {4: 1, 5: 0}, lambda t, total: 1.0),
    Row("warmup", rates.warmup(9, rates.cosine()), 3, {0: 1 / 9, 2: 3 / 9},
        lambda t, total: (t + 1) / 3),
)  # fmt: skip


def meets(rate: Rate, row: Row) -> bool:
    # a handful of roundings of numbers of at most 1, and of the cosine's argument of at most pi
    return all(abs(rate(t, row.total) - want) <= 8 * EPS for t, want in row.values.items())


def test_every_rate_has_a_row() -> None:
    public = {k for k, f in vars(rates).items() if getattr(f, "__module__", "") == rates.__name__}
    assert public == {row.name for row in ROWS}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.name}, {row.total}")
def test_worked_values(row: Row) -> None:
    assert meets(row.rate, row)
    assert not meets(row.wrong, row)
    assert all(isinstance(row.rate(t, row.total), float) for t in row.values)


@given(total=st.integers(1, 200), t=st.integers(0, 250), floor=st.floats(0, 1))
def test_factors_stay_between_0_and_1(total: int, t: int, floor: float) -> None:
    # 1 - floor and the product are rounded, so floor + (1 - floor) may pass 1 by a unit
    for rate in (rates.cosine(floor), rates.step(3), rates.warmup(5, rates.cosine(floor))):
        assert 0 <= rate(t, total) <= 1 + 2 * EPS


def test_fit_uses_the_rate_of_each_update() -> None:
    x, y = np.zeros((7, 17)), np.zeros((7, 1))
    data = mp.Dataset((x, y), (x, y), (x, y))
    _, history = mp.fit(
        mp.zoo.monk(2), data, epochs=2, batch_size=2, optimizer=mp.SGD(0.5),
        rate=mp.rates.step(3, 0.5), progress=False,
    )  # fmt: skip
    assert history.steps["lr"] == [0.5] * 3 + [0.25] * 3 + [0.125] * 2


MESSAGES = (
    (
        lambda: rates.step(0),
        "step: every must be a finite number of at least 1, not 0; pass every=2, for example",
    ),
    (
        lambda: rates.step(3, -0.1),
        "step: factor must be a finite number of at least 0, not -0.1; pass factor=1, for example",
    ),
    (
        lambda: rates.warmup(-2),
        "warmup: updates must be a finite number of at least 1, not -2; pass updates=2, for "
        "example",
    ),
    (
        lambda: rates.cosine("0.1"),  # type: ignore[arg-type]
        "cosine: floor must be a finite number of at least 0, not '0.1'; pass floor=1, for example",
    ),
)


@pytest.mark.parametrize(("provoke", "text"), MESSAGES, ids=[text for _, text in MESSAGES])
def test_messages(provoke: Callable[[], Rate], text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        provoke()
    assert caught.value.args == (text,)
