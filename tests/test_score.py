"""mp.score: chunks and their average by hand; what depends on batches and what must not."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from probing import X, Y, identity, line, on_grads, product, square

import minprune as mp
from minprune.core import Array

EPS = 2.0**-52
HAND = (
    ("all", identity, 64, [-2 / 3, -2]),
    ("batch", identity, 2, [-2 / 3, -2]),  # ((1, 1) 2 + (-4, -8) 1) / 3
    ("sample", identity, 64, [-2 / 3, -2]),
    ("all", product, 64, [4 / 3, 2]),
    ("batch", product, 2, [(2 * 2 + 8) / 3, (1 * 2 + 8) / 3]),
    ("sample", product, 64, [(4 + 0 + 8) / 3, (2 + 0 + 8) / 3]),
    ("all", square, 64, [16 / 9, 4]),
    ("batch", square, 2, [(4 * 2 + 64) / 3, (1 * 2 + 64) / 3]),
    ("sample", square, 64, [(16 + 0 + 64) / 3, (4 + 0 + 64) / 3]),
)


@pytest.mark.parametrize(("over", "score", "batch_size", "want"), HAND)
def test_worked_chunks(over: str, score: Any, batch_size: int, want: list[float]) -> None:
    got = mp.score(line(), (X, Y), on_grads(over, score), batch_size=batch_size)["fc1.weight"][0]
    # the data are small integers: only dividing by 3, the average and one square round
    assert np.all(np.abs(got - want) <= 16 * EPS * np.abs(want))


def test_a_single_chunk_comes_back_bit_for_bit() -> None:
    """So scores that differ by one float stay apart: s n / n would not do."""
    s = np.array([[0.1, np.nextafter(0.1, 1)]])
    huge = np.array([[np.finfo(float).max, 0.7]])
    for want in (s, huge):
        fn = on_grads("all", lambda g, w, want=want: want)
        assert mp.score(line(), (X, Y), fn)["fc1.weight"].tobytes() == want.tobytes()
    assert ((s * 3) / 3).tobytes() != s.tobytes()


integers = st.integers(-8, 8).map(float)
samples = st.lists(st.tuples(integers, integers, integers), min_size=1, max_size=12)
Data = list[tuple[float, float, float]]


def split(rows: Data) -> tuple[Array, Array]:
    table = np.array(rows)
    return table[:, :2], table[:, 2:]


def gradients(rows: Data) -> Array:
    x, y = split(rows)
    return 2 * (x @ [2.0, -1.0] - y[:, 0])[:, None] * x


Score = Callable[[Data, int], Array]


def scored(over: str, score: Any) -> Score:
    return lambda rows, size: mp.score(line(), split(rows), on_grads(over, score), batch_size=size)[
        "fc1.weight"
    ][0]


def unweighted(rows: Data, size: int) -> Array:
    """The mean of the batches' means: a short last batch counts too much."""
    parts = [gradients(rows[i : i + size]).mean(axis=0) for i in range(0, len(rows), size)]
    return np.mean(parts, axis=0)


def ignores_the_split(score: Score, rows: Data, size: int) -> bool:
    one, other = score(rows, len(rows)), score(rows, size)
    other_order = score(rows[::-1], size)
    terms = np.maximum(np.abs(gradients(rows)), 1) ** 2 * 4  # bounds every score here
    # each of n terms goes through at most 2 n + 8 rounded operations
    bound = (2 * len(rows) + 8) * EPS * terms.sum(axis=0)
    return bool(np.all(np.abs(one - other) <= bound) and np.all(np.abs(one - other_order) <= bound))


@given(rows=samples, size=st.integers(1, 13))
def test_what_is_averaged_over_samples_or_taken_at_once_ignores_the_split(
    rows: Data, size: int
) -> None:
    for over, score in (
        ("all", product), ("all", square), ("sample", product), ("sample", square),
        ("batch", identity),
    ):  # fmt: skip
        assert ignores_the_split(scored(over, score), rows, size)


ROWS: Data = [(1, 1, 0), (1, 0, 2), (1, 2, 2)]


@pytest.mark.parametrize(
    "depends",
    [scored("batch", square), scored("batch", product), unweighted],
    ids=["batch square", "batch product", "unweighted mean"],
)
def test_minibatch_averages_of_non_linear_scores_depend_on_the_split(depends: Score) -> None:
    assert not ignores_the_split(depends, ROWS, 2)


def test_more_samples_than_one_pass_takes() -> None:
    rng = np.random.default_rng(0)
    rows = [tuple(map(float, r)) for r in rng.integers(-8, 9, (600, 3))]
    assert ignores_the_split(scored("all", product), rows, 100)
    want = np.abs(gradients(rows).mean(axis=0) * [2, -1])
    terms = np.abs(gradients(rows)).sum(axis=0) * 2
    assert np.all(np.abs(scored("all", product)(rows, 64) - want) <= 608 * EPS * terms / 600)


def test_gradients_are_those_of_evaluation_mode() -> None:
    """Batch statistics, or a dropout mask, in the score would be another function's gradient."""
    layers = [
        ("fc1", mp.Dense(2, 3)), ("bn", mp.BatchNorm(3)), ("drop", mp.Dropout(0.5)),
        ("fc2", mp.Dense(3, 2)),
    ]  # fmt: skip
    model = mp.initialise(mp.build((2,), layers), seed=1, dtype=np.float64)
    x, y = np.random.default_rng(0).standard_normal((6, 2)), np.array([0, 1, 0, 1, 1, 0])

    @mp.criterion(needs=("grads",))
    def gradient(ev: mp.Evidence) -> dict[str, np.ndarray]:
        return ev.of("grads")

    found = mp.score(model, (x, y), gradient)["fc1.weight"]
    h = 2.0**-14
    for k in np.ndindex(found.shape):
        moved = []
        for step in (h, -h):
            w = model.params["fc1.weight"].copy()
            w[k] += step
            changed = mp.Model(model.net, model.params | {"fc1.weight": w}, model.buffers)
            moved.append(mp.evaluate(changed, (x, y)).loss)
        assert abs(found[k] - (moved[0] - moved[1]) / (2 * h)) < h * h  # curvature is below 1
