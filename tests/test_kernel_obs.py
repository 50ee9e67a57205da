"""obs_sweep by hand and against dense inverses; bounds and repeats are in test_kernels.py."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import kernel_cases as cases
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_contract import CONTRACT
from surgery import Quadratic, best, quadratic, quadratics, rise
from test_kernels import IMPLS
from twins import ref

from minprune import kernels
from minprune.core import Array
from minprune.errors import ArgumentError, NonFiniteError, ShapeError


def swept(impl: Any, *args: Any) -> tuple[Array, ...]:
    return cases.results("obs_sweep", impl, args)


@pytest.mark.parametrize("impl", IMPLS)
@given(at=quadratics)
def test_each_step_is_the_least_rise_solved_densely(impl: Any, at: Quadratic) -> None:
    """q: the removal of least 1/2 d^T H d beside what is gone; the losses are its differences."""
    order, losses, left = swept(impl, at.w[None], at.inverse)
    size, gone, total = 2 * at.near * rise(at.h, at.w), [], 0.0
    for q, loss in zip(order[0].tolist(), losses[0], strict=True):
        live = [j for j in range(at.w.size) if j not in gone]
        rises = {j: rise(at.h, best(at.h, at.w, np.array([*gone, j])) - at.w) for j in live}
        assert rises[q] <= min(rises.values()) + size
        gone.append(q)
        total += loss
        assert abs(total - rises[q]) <= size
        w = swept(impl, at.w[None], at.inverse, len(gone))[2][0]
        want = best(at.h, at.w, np.array(gone))
        assert (w[gone] == 0).all()
        assert np.abs(w - want).max() <= at.near * np.abs(at.w).max()
    assert not left.any()


@pytest.mark.parametrize("impl", IMPLS)
def test_two_weights_by_hand(impl: Any) -> None:
    """A = [[2, 1], [1, 1]], w = (2, 1): scores 4/4 and 1/2, so the second goes

    w becomes (2 - 1, 0), A_00 becomes 2 - 1, and the first goes at 1/2.
    """
    args = np.array([[2.0, 1.0]]), np.array([[2.0, 1.0], [1.0, 1.0]])
    order, losses, left = swept(impl, *args)
    assert (order.tolist(), losses.tolist(), left.tolist()) == ([[1, 0]], [[0.5, 0.5]], [[0, 0]])
    order, losses, left = swept(impl, *args, 1)
    assert (order.tolist(), losses.tolist(), left.tolist()) == ([[1]], [[0.5]], [[1, 0]])
    order, losses, left = swept(impl, *args, 0)
    assert (order.shape, losses.shape, left.tolist()) == ((1, 0), (1, 0), [[2, 1]])


@pytest.mark.parametrize("impl", IMPLS)
@given(data=st.data())
def test_uncoupled_weights_go_by_size_and_the_higher_of_equals_first(
    impl: Any, data: st.DataObject
) -> None:
    """With A diagonal nothing moves, and ties are exact; more weights than one block holds"""
    n, seed = data.draw(st.integers(0, 150)), data.draw(st.integers(0, 99))
    rng = np.random.default_rng(seed)
    w, d = rng.choice([-2.0, -1.0, 0.0, 1.0, 2.0], (2, n)), rng.choice([0.25, 1.0, 4.0], n)
    order, losses, _ = swept(impl, w, np.diag(d))
    for row, went, loss in zip(w, order, losses, strict=True):
        score = row**2 / d / 2
        assert went.tolist() == sorted(range(n), key=lambda j: (score[j], -j))
        assert loss.tolist() == score[went].tolist()


@pytest.mark.parametrize("impl", IMPLS)
@pytest.mark.parametrize("count", [1, 64, 65, 128, 149, 150])
def test_more_weights_than_one_block_holds(impl: Any, count: int) -> None:
    at = quadratic(7, 150)
    assert cases.breaks("obs_sweep", impl, (np.stack([at.w, -at.w]), at.inverse, count)) is None


@pytest.mark.parametrize("impl", IMPLS)
def test_no_rows_no_weights_one_weight(impl: Any) -> None:
    assert [a.shape for a in swept(impl, np.ones((0, 3)), np.eye(3))] == [(0, 3)] * 3
    assert [a.shape for a in swept(impl, np.ones((3, 0)), np.eye(0))] == [(3, 0)] * 3
    order, losses, left = swept(impl, np.array([[3.0]]), np.array([[0.5]]))
    assert (order.tolist(), losses.tolist(), left.tolist()) == ([[0]], [[9.0]], [[0.0]])


@pytest.mark.parametrize("impl", IMPLS)
def test_single_precision_weights_are_swept_in_double(impl: Any) -> None:
    at = quadratic(3, 6)
    w = at.w.astype(np.float32)[None]
    single, double = swept(impl, w, at.inverse), swept(impl, w.astype(np.float64), at.inverse)
    assert [a.tobytes() for a in single] == [a.tobytes() for a in double]
    assert [a.dtype for a in single] == [np.int64, np.float64, np.float64]


def test_costs_by_hand() -> None:
    count = CONTRACT["obs_sweep"].madds
    assert count(np.ones((2, 3)), np.eye(3)) == 2 * (3 + 1)
    assert count(np.ones((2, 3)), np.eye(3), 1) == 2 * 3


def identity(
    w: Array, inverse: Array, count: Any, order: Array, losses: Array, left: Array
) -> None:
    """OBC's fallback: magnitude pruning."""
    ref.obs_sweep(w, np.eye(len(inverse)), count, order, losses, left)


def lower_first(
    w: Array, inverse: Array, count: Any, order: Array, losses: Array, left: Array
) -> None:
    """The tie rule reversed."""
    turned = order.copy(), losses, left.copy()
    ref.obs_sweep(w[:, ::-1].copy(), inverse[::-1, ::-1].copy(), count, *turned)
    order[...], left[...] = len(inverse) - 1 - turned[0], turned[2][:, ::-1]


def no_half(w: Array, inverse: Array, count: Any, order: Array, losses: Array, left: Array) -> None:
    ref.obs_sweep(w, inverse, count, order, losses, left)
    losses *= 2


def step_by_step(downdated: bool, moved: bool) -> Any:
    """The definition without one of its parts."""

    def sweep(
        w: Array, inverse: Array, count: Any, order: Array, losses: Array, left: Array
    ) -> None:
        left[...] = w
        for r, x in enumerate(left):
            a, gone = inverse.copy(), np.zeros(x.size, bool)
            for step in range(order.shape[1]):
                score = np.where(gone, np.inf, x**2 / np.where(gone, 1, a.diagonal()) / 2)
                q = x.size - 1 - int(score[::-1].argmin())
                order[r, step], losses[r, step], gone[q] = q, score[q], True
                x -= x[q] / a[q, q] * a[q] * moved
                a -= np.outer(a[q], a[q]) / a[q, q] * downdated
                x[gone] = 0

    return sweep


def test_the_definition_step_by_step_with_all_its_parts_is_in_bounds() -> None:
    rng = np.random.default_rng(5)
    impl = SimpleNamespace(obs_sweep=step_by_step(True, True))
    tries = (cases.case("obs_sweep", cases.drawn(rng), np.float64) for _ in range(100))
    assert not any(cases.breaks("obs_sweep", impl, args) for args in tries)


NOT_DOWNDATED, NOT_MOVED = step_by_step(False, True), step_by_step(True, False)


@pytest.mark.parametrize("wrong", [identity, lower_first, no_half, NOT_DOWNDATED, NOT_MOVED])
def test_the_bound_rejects_a_wrong_sweep(wrong: Any) -> None:
    rng = np.random.default_rng(5)
    tries = (cases.case("obs_sweep", cases.drawn(rng), np.float64) for _ in range(100))
    impl = SimpleNamespace(obs_sweep=wrong)
    assert any(cases.breaks("obs_sweep", impl, args) for args in tries)


ROW = np.ones((1, 2))
INDEFINITE = np.array([[1.0, 2.0], [2.0, 1.0]])
MESSAGES: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "single precision": (
        lambda: kernels.obs_sweep(ROW, np.eye(2, dtype=np.float32)),
        ArgumentError,
        "obs_sweep: inverse must be an array of float64, not float32; convert it with "
        "inverse.astype(float)",
    ),
    "another size": (
        lambda: kernels.obs_sweep(ROW, np.eye(3)),
        ShapeError,
        "obs_sweep: inverse must have the shape (n, n) = (2, 2), not (3, 3); pass arrays "
        "that belong to one layer and one batch",
    ),
    "count": (
        lambda: kernels.obs_sweep(ROW, np.eye(2), 3),
        ArgumentError,
        "obs_sweep: count must be at most 2 a row, not 3; count first",
    ),
    "NaN": (
        lambda: kernels.obs_sweep(ROW * np.nan, np.eye(2)),
        NonFiniteError,
        "obs_sweep: w must be finite, but 2 of 2 entries are not; find why",
    ),
    "indefinite": (
        lambda: kernels.obs_sweep(np.ones((2, 2)), INDEFINITE),
        NonFiniteError,
        "obs_sweep: the diagonal of the inverse must stay above 0, not fall to 0 or below"
        " in row 0, so it is not positive definite to rounding; raise damp",
    ),
}


@pytest.mark.parametrize("impl", IMPLS)
@pytest.mark.parametrize("name", MESSAGES)
def test_refusal(name: str, impl: Any) -> None:
    provoke, error, text = MESSAGES[name]
    with cases.computing(impl), pytest.raises(error) as caught:
        provoke()
    assert caught.value.args == (text,)
