"""L2 in the loss, L1 by its proximal step: their definitions, by hand and by brute force."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from watching import Watching, context, same, small_data, small_net

import minprune as mp
from minprune.autograd import Tensor, grad
from minprune.core import Array
from minprune.errors import ArgumentError
from minprune.methods import L1, L2
from minprune.methods import prox_l1 as soft
from minprune.nets.model import Model

HALF = 2.0**-53
HOW: dict[str, Any] = {"epochs": 2, "batch_size": 4, "progress": False}

grid = np.arange(-64, 65) / 8
cases = st.tuples(st.integers(-40, 40), st.integers(0, 24))


def is_the_minimizer(prox: Callable[[Array, float], Array], case: tuple[int, int]) -> bool:
    """The best x of (x - v)^2 / 2 + t |x|, for v and t in eighths, is found among the eighths."""
    v, t = case[0] / 8, case[1] / 8
    cost = (grid - v) ** 2 / 2 + t * np.abs(grid)  # exact: few bits
    return bool(prox(np.array([v]), t)[0] == grid[cost.argmin()])


@given(case=cases)
def test_soft_thresholding_is_the_brute_force_minimizer(case: tuple[int, int]) -> None:
    assert is_the_minimizer(soft, case)


WRONG: dict[str, Callable[[Array, float], Array]] = {
    "hard threshold": lambda v, t: np.where(np.abs(v) > t, v, 0),
    "of (x - v)^2 without the half": lambda v, t: soft(v, t / 2),
    "L2's": lambda v, t: v / (1 + t),
    "one side": lambda v, t: np.maximum(v - t, 0),
    "overshoots": lambda v, t: v - t * np.sign(v),
}


@pytest.mark.parametrize("name", WRONG)
def test_the_law_rejects(name: str) -> None:
    find(
        cases, lambda case: not is_the_minimizer(WRONG[name], case),
        settings=settings(derandomize=True, database=None, phases=[Phase.generate]),
    )  # fmt: skip


def test_soft_keeps_dtype_and_input() -> None:
    for dtype in (np.float32, np.float64):
        v = np.array([-0.3, 0.1, 0.25], dtype)
        assert soft(v, 0.2).dtype == dtype
        assert v.tolist() == np.array([-0.3, 0.1, 0.25], dtype).tolist()


def test_l1_shrinks_the_weights_of_each_update_by_lr_times_lam() -> None:
    """The same first batch: plain SGD's step, then soft with the learning rate of that step."""
    lam = 0.5
    optimizer, rate = mp.SGD(0.25), mp.rates.warmup(2)
    plain, shrunk = Watching(), Recording(lam)
    for method in (plain, shrunk):
        mp.fit(
            small_net(), small_data(4), epochs=1, batch_size=4, optimizer=optimizer, rate=rate,
            method=method, progress=False,
        )  # fmt: skip
    (change,) = shrunk.changes
    for k, w in plain.params[0].items():
        if w.ndim > 1:
            assert np.array_equal(change[k], soft(w, 0.125 * lam))
            assert not np.array_equal(change[k], soft(w, 0.25 * lam))  # lr without its schedule
        else:
            assert k not in change
    assert any((w == 0).any() for w in change.values())


class Recording(L1):
    """Keeps what it changes."""

    def after(self, view: mp.View) -> mp.Change | None:
        change = super().after(view)
        object.__setattr__(self, "changes", [*getattr(self, "changes", []), change.params])
        return change


def test_l1_makes_exact_zeros_and_a_strong_one_all() -> None:
    how = HOW | {"optimizer": mp.SGD(0.25)}
    model, _ = mp.fit(small_net(), small_data(), method=L1(100.0), **how)
    assert not any(model.params[k].any() for k in model.net.weights)
    assert not model.masks
    assert model.params["fc2.bias"].any()


@pytest.mark.parametrize("lam", [0.25, 3.0])
def test_the_gradient_of_l2_is_lam_w(lam: float) -> None:
    model = small_net()
    leaves: dict[str, Any] = {k: Tensor(w) for k, w in model.params.items()}
    penalty = L2(lam).penalty(leaves, {}, context(model))
    assert penalty is not None
    for (k, w), g in zip(model.params.items(), grad(penalty, [*leaves.values()]), strict=True):
        want = lam * w if w.ndim > 1 else 0 * w
        assert (np.abs(g - want) <= 2 * HALF * np.abs(want)).all(), k
        assert w.ndim == 1 or not (np.abs(g - 2 * want) <= 2 * HALF * np.abs(want)).all()  # no half
    squares = sum(float((model.params[k] ** 2).sum()) for k in model.net.weights)
    n = sum(model.params[k].size for k in model.net.weights)
    assert abs(float(penalty.value) - lam / 2 * squares) <= 2 * n * HALF * lam / 2 * squares


def regression(method: mp.Method, optimizer: mp.SGD) -> Model:
    """Three steps on numbers that are exact in float64; one layer without biases."""
    net = mp.build((2,), [("fc", mp.Dense(2, 2, bias=False))], "mse")
    model = mp.Model(net, {"fc.weight": np.array([[1.0, -2.0], [0.5, 3.0]])})
    x, y = np.array([[1.0, 2.0], [0.0, -1.0]]), np.array([[1.0, 0.0], [3.0, -1.0]])
    data = mp.Dataset((x, y), (x, y), (x, y))
    how = {"epochs": 3, "optimizer": optimizer, "method": method, "progress": False}
    return mp.fit(model, data, **how)[0]


@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_l2_is_the_weight_decay_of_sgd(momentum: float) -> None:
    decayed = regression(mp.Method(), mp.SGD(0.125, momentum=momentum, weight_decay=0.25))
    assert same(regression(L2(0.25), mp.SGD(0.125, momentum=momentum)), decayed)
    assert not same(regression(L2(0.5), mp.SGD(0.125, momentum=momentum)), decayed)
    assert not same(regression(mp.Method(), mp.SGD(0.125, momentum=momentum)), decayed)


def test_the_history_has_the_penalty_beside_the_loss() -> None:
    _, plain = mp.fit(small_net(), small_data(), **HOW)
    _, penal = mp.fit(small_net(), small_data(), method=L2(0.5), **HOW)
    squares = sum(float((small_net().params[k] ** 2).sum()) for k in small_net().net.weights)
    want = 0.25 * squares
    assert abs(penal.steps["penalty"][0] - want) <= 400 * HALF * want  # 245 squares are summed
    assert penal.steps["loss"][0] == plain.steps["loss"][0]
    assert not any(plain.steps["penalty"])


@pytest.mark.parametrize("kind", [L1, L2])
@pytest.mark.parametrize("lam", [-0.1, float("nan"), float("inf"), "0.1", None, True])
def test_messages(kind: type[L1] | type[L2], lam: Any) -> None:
    with pytest.raises(ArgumentError) as caught:
        kind(lam)
    assert caught.value.args == (
        f"{kind.__name__}: lam must be a finite number of at least 0, not {lam!r}; pass lam=1, "
        f"for example",
    )
