"""Every criterion: rows worked by hand, and each row runs every law."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from criterion_laws import LAWS, WRONG, Row
from hypothesis import given
from hypothesis import strategies as st

from minprune.core import Array, Arrays, Criterion, Evidence, criterion
from minprune.criteria import CRITERIA
from minprune.errors import ArgumentError

W = {"weights": [[3.0, -1], [0, -2]]}
U = np.random.default_rng(7).random((2, 2))  # the generator that a row gets
ROWS = (
    Row("random", "the generator itself", U, W),
    Row("magnitude", "by hand", [[3, 1], [0, 2]], W),
    Row("norm", "by hand: p = 2 unless said", [[3, 1], [0, 2]], W),
    Row("norm", "by hand", [[3, 1], [0, 2]], W, {"p": 1}),
    Row("norm", "by hand", [[3, 1], [0, 2]], W, {"p": np.inf}),
    Row("norm", "by hand: a count", [[1, 1], [0, 1]], W, {"p": 0}),
    Row("norm", "by hand: |w| > tol, not >=", [[1, 0], [0, 1]], W, {"p": 0, "tol": 1.0}),
)
IDS = [f"{r.name} {r.options} {r.source}" for r in ROWS]
each_row = pytest.mark.parametrize("row", ROWS, ids=IDS)


def test_every_criterion_has_a_row() -> None:
    assert {row.name for row in ROWS} == set(CRITERIA)


def test_names_sources_and_needs_are_declared() -> None:
    for name, fn in CRITERIA.items():
        assert fn.__name__ == name
        assert fn.mark.cite  # type: ignore[attr-defined]
        assert {k for r in ROWS if r.name == name for k in r.evidence} | {"rng"} >= set(
            fn.mark.needs  # type: ignore[attr-defined]
        )


@each_row
def test_worked_rows(row: Row) -> None:
    got = row.fn(row.filled(), **row.options)
    assert list(got) == ["w"]
    assert np.array_equal(got["w"], np.array(row.want, float))


@each_row
@pytest.mark.parametrize("law", LAWS)
def test_every_row_keeps_every_law(row: Row, law: str) -> None:
    assert LAWS[law](row.fn, row)


@pytest.mark.parametrize("name", WRONG)
def test_each_law_rejects_its_wrong_variants(name: str) -> None:
    law, fn = WRONG[name]
    assert not LAWS[law](fn, Row("magnitude", "any", np.zeros((2, 2)), W))


def test_each_law_has_a_wrong_variant() -> None:
    assert {law for law, _ in WRONG.values()} == set(LAWS)


MAGNITUDES = ROWS[1:]
floats = st.floats(-4, 4, width=32)


@given(values=st.lists(floats, min_size=1, max_size=6), order=st.randoms(use_true_random=False))
def test_single_weight_scores_follow_their_weights(values: list[float], order: Any) -> None:
    places = list(range(len(values)))
    order.shuffle(places)
    w = np.array(values)
    for row in MAGNITUDES:
        s = row.fn(Evidence(weights={"w": w}), **row.options)["w"]
        moved = row.fn(Evidence(weights={"w": w[places]}), **row.options)["w"]
        assert np.array_equal(moved, s[places])


def test_a_factor_changes_magnitude_and_norms_but_not_p_0() -> None:
    ev, twice = ({"w": np.array([3.0, -1, 0]) * a} for a in (1, 2))
    for row in MAGNITUDES[:5]:
        same = np.array_equal(
            *(row.fn(Evidence(weights=w), **row.options)["w"] for w in (ev, twice))
        )
        assert same == (row.options.get("p") == 0)


def is_uniform(fn: Criterion) -> bool:
    """In [0, 1), all tensors independent; mean and correlation within 6 standard errors."""
    n = 4096
    ev = Evidence(weights={"a": np.ones(n), "b": np.ones(n)}, rng=np.random.default_rng(0))
    a, b = fn(ev).values()
    pair = np.mean((a - 0.5) * (b - 0.5))  # variance (1/12)^2 / n if they are independent
    inside = a.min() >= 0 and a.max() < 1
    centred = abs(a.mean() - 0.5) <= 6 / np.sqrt(12 * n)
    spread = abs(np.mean((a - 0.5) ** 2) - 1 / 12) <= 6 * np.sqrt(1 / 180 / n)
    return bool(inside and centred and spread and abs(pair) <= 6 / 12 / np.sqrt(n))


def test_random_is_uniform() -> None:
    assert is_uniform(CRITERIA["random"])


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng, n: np.random.default_rng(3).random(n),  # every tensor the same numbers
        lambda rng, n: rng.standard_normal(n),
        lambda rng, n: rng.random(n) ** 2,
        lambda rng, n: 0.25 + rng.random(n) / 2,
    ],
)
def test_the_law_of_random_rejects(draw: Callable[..., Array]) -> None:
    @criterion(needs=("weights", "rng"))
    def wrong(ev: Evidence) -> Arrays:
        return {name: draw(ev.rng, w.size) for name, w in ev.of("weights").items()}

    assert not is_uniform(wrong)


MESSAGES = (
    (lambda: CRITERIA["magnitude"](Evidence()),
     "evidence has no weights, which this criterion needs; "
     "give Evidence(weights=...), or use mp.score, which fills it"),
    (lambda: CRITERIA["random"](Evidence(weights={})),
     "evidence has no rng, which this criterion needs; "
     "give Evidence(rng=...), or use mp.score, which fills it"),
    (lambda: CRITERIA["norm"](Evidence(weights={}), p=3),
     "norm: p is 3, expected 0, 1, 2 or inf; choose one of them"),
)  # fmt: skip


@pytest.mark.parametrize(("provoke", "text"), MESSAGES, ids=[text for _, text in MESSAGES])
def test_messages(provoke: Callable[[], Any], text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        provoke()
    assert caught.value.args == (text,)
