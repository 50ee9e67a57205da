"""time = call + moved x a + multiply-adds x b: measured, fitted, and not always trusted."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import find, given
from hypothesis import strategies as st
from selection import SEARCH

import minprune as mp
from minprune.core import Array
from minprune.sparse import calibrate
from minprune.sparse.calibrate import (
    DENSE,
    REPEATS,
    TRIES,
    Measured,
    doubt,
    fit,
    in_turn,
    measure,
    name_of,
    passes,
    work,
)

Fit = Callable[[Array, Array], Array]
DIFFERED = "the times of the same work differed by more than a quarter"

# --- the terms


@pytest.mark.parametrize(
    ("layer", "form", "weights", "positions", "want"),
    [
        (mp.Dense(4, 3), "dense", 12, 1, (1, 7 * 5, 12 * 5)),
        (mp.Dense(4, 3), "csr", 2, 1, (1, 7 * 5, 2 * 5)),
        (mp.Conv2d(2, 3, (2, 3)), "dense", 36, 10, (1, (2 * 6 + 3) * 50, 36 * 50)),
        (mp.Conv2d(2, 3, (2, 3)), "csr", 7, 10, (1, (2 + 3) * 50, 7 * 50)),
        (mp.Conv2d(2, 3, 3, stride=(1, 2)), "csr", 7, 10, (1, (2 * 2 + 3) * 50, 7 * 50)),
        (mp.Conv2d(2, 4, 3, groups=2), "dense", 36, 10, (1, (2 * 9 + 4) * 50, 36 * 50)),
    ],
)
def test_the_terms_by_hand(
    layer: Any, form: str, weights: int, positions: int, want: tuple[int, ...]
) -> None:
    assert tuple(work(layer, form, weights, positions, 5)) == want


def test_names() -> None:
    dense, conv = mp.Dense(4, 4), mp.Conv2d(1, 1, 2)
    assert [name_of(dense, form, 1) for form in ("dense", "csr", "2x2", "16x16", "1:4")] == [
        "dense, batch 1", "csr, batch 1", "blocks, batch 1", "blocks, batch 1", "N:M, batch 1",
    ]  # fmt: skip
    assert name_of(conv, "csr", 64) == "conv csr, batch 64"


# --- the fit

WORKS = np.array([[1, 9, 20], [1, 300, 8e3], [1, 290, 1e6], [1, 4e4, 9e4], [1, 8e4, 3e6]])
terms = st.tuples(*[st.just(0.0) | st.floats(1e-2, 1e2)] * 3).filter(any)


def finds_what_it_was_made_of(fn: Fit, case: tuple[float, ...]) -> bool:
    """Every point is met; a term too small to be seen in any of them may be lost."""
    seconds = WORKS @ case
    return np.allclose(WORKS @ fn(WORKS, seconds), seconds, rtol=1e-6)


@given(case=terms)
def test_the_terms_are_found(case: tuple[float, ...]) -> None:
    assert finds_what_it_was_made_of(fit, case)


@given(seconds=st.lists(st.floats(1e-6, 1e-2), min_size=5, max_size=5))
def test_no_term_is_negative_and_no_other_is_better(seconds: list[float]) -> None:
    """No step from it that stays at 0 or above brings it closer: the problem is convex."""

    def off(c: Array) -> float:
        return float(((WORKS @ c / seconds - 1) ** 2).sum())

    found = fit(WORKS, np.array(seconds))
    assert found.min() >= 0
    for k in range(3):
        unit = np.eye(3)[k] * min(np.array(seconds) / WORKS[:, k]) / 100
        assert off(found + unit) >= off(found) * (1 - 1e-9)
        assert off(np.maximum(found - unit, 0)) >= off(found) * (1 - 1e-9)


def test_short_times_count_as_much_as_long_ones() -> None:
    """Of two points either is a tenth too long: the same term, as a share of the right one."""
    works = np.array([[1.0], [1e6]]) * np.ones(3)
    low, high = (fit(works, np.array(seconds)).sum() for seconds in ((1.1, 1e6), (1.0, 1.1e6)))
    assert low == pytest.approx(high)


def least(columns: list[int]) -> Fit:
    """Plain least squares of these terms."""

    def found(works: Array, seconds: Array) -> Array:
        c = np.zeros(3)
        share = works[:, columns] / seconds[:, None]
        c[columns] = np.linalg.lstsq(share, np.ones(len(share)), rcond=None)[0]
        return c

    return found


@pytest.mark.parametrize("wrong", [[1, 2], [0, 2], [0, 1]])
def test_the_law_of_the_fit_rejects_a_term_less(wrong: list[int]) -> None:
    fn = least(wrong)
    find(terms, lambda case: not finds_what_it_was_made_of(fn, case), settings=SEARCH)


def test_plain_least_squares_would_have_negative_terms() -> None:
    seconds = np.array([1e-5, 1e-5, 1e-4, 1e-3, 1e-4])
    assert least([0, 1, 2])(WORKS, seconds).min() < 0


# --- the measurement


def test_runs_take_turns_and_the_times_are_sorted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is called once to warm it before it is timed; "b" is slow in all turns but one."""
    now, calls = [0.0], []

    def run(name: str) -> Callable[[], None]:
        def go() -> None:
            calls.append(name)
            late = name == "b" and calls.count("b") not in (7, 8)
            now[0] += 1.0 + 5.0 * late

        return go

    monkeypatch.setattr(calibrate, "perf_counter", lambda: now[0])
    times = in_turn({"a": run("a"), "b": run("b")})
    assert "".join(calls) == "aabb" * (1 + REPEATS)
    assert times == {"a": [1.0] * REPEATS, "b": [1.0] + [6.0] * (REPEATS - 1)}


def test_every_form_is_the_layer_with_its_mask() -> None:
    """Dense with the full weight; the others with as many live weights as they say."""
    dense, conv = mp.Dense(9, 6, bias=False), mp.Conv2d(2, 3, 2, bias=False)
    layers: list[tuple[Any, tuple[int, ...]]] = [(dense, (9,)), (conv, (2, 3, 3))]
    for layer, shape in layers:
        found = passes(layer, shape, 2, (0.0, 0.5, 1.0))
        whole, size = found[DENSE]
        full, live = found["csr", 1.0]
        assert size == live == np.prod(layer.params()["weight"])
        assert np.allclose(full(), whole(), atol=1e-5)
        empty, none = found["csr", 0.0]
        assert none == 0
        assert not np.asarray(empty()).any()
    assert {form for form, _ in passes(dense, (9,), 2, (0.5,))} == {"dense", "csr", "4x4", "2:4"}


Rounds = list[dict[str, list[float]]]


def measured(rounds: Rounds, monkeypatch: pytest.MonkeyPatch) -> tuple[Measured, int]:
    """measure() where dense and sparse layers take what each round says; how many there were"""
    done: list[int] = []

    def fake(runs: Mapping[tuple[str, int, float], Any]) -> dict[Any, list[float]]:
        this = rounds[min(len(done), len(rounds) - 1)]
        done.append(1)
        return {key: this["dense" if "dense" in key[0] else "sparse"] for key in runs}

    monkeypatch.setitem(measure.__globals__, "in_turn", fake)
    return measure(), len(done)


QUIET = {"dense": [1e-5] * 3, "sparse": [2e-5] * 3}
NOISY = {"dense": [3e-5, 9e-5, 9e-5], "sparse": [2.5e-5, 4e-5, 5e-5]}
ABSURD = {"dense": [2e-3] * 3, "sparse": [2e-5] * 3}
HALF = {"dense": [1e-5] * 3, "sparse": [2.0e-5, 2.4e-5, 2.4e-5]}


def test_one_round_is_enough_where_nothing_else_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    quiet, count = measured([QUIET], monkeypatch)
    assert (quiet.doubt, count) == ("", 1)
    assert measured([HALF], monkeypatch) == (quiet, 1)  # a fifth is no quarter; the least counts


def test_more_rounds_only_bring_the_times_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same speeds in the end as where it was quiet at once, whichever round was noisy."""
    quiet, _ = measured([QUIET], monkeypatch)
    assert measured([NOISY, QUIET], monkeypatch) == (quiet, 2)
    assert measured([ABSURD, QUIET], monkeypatch) == (quiet, 2)


def test_what_stays_noisy_or_absurd_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    lone = {form: [each[0] / 2**9, *each[1:]] for form, each in NOISY.items()}
    falling = [{form: [t / 4**k for t in each] for form, each in lone.items()} for k in range(9)]
    noisy, count = measured(falling, monkeypatch)
    assert (noisy.doubt, count) == (DIFFERED, TRIES)
    absurd, count = measured([ABSURD], monkeypatch)
    assert absurd.doubt == "a dense layer seemed to take 100 times as long as a sparse one"
    assert count == TRIES


def test_half_of_the_times_may_differ() -> None:
    near, far = [1.0, 1.1, 1.25, 9.0], [1.0, 1.0, 1.3, 1.3]
    assert not doubt({"a": near, "b": far})
    assert doubt({"a": near, "b": far, "c": far}) == DIFFERED
