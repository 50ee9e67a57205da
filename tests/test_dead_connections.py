"""With weight decay, a unit without live outputs loses the rest: its weights shrink by a known law.

Without momentum the loss no longer reaches them, so w_T = w_0 prod_t (1 - lr_t wd). Source: Han et
al. (2015); their "automatically" needs lr wd T / (1 - momentum) >> 1, and `compact` needs no time.
"""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from procedures import DATA, NET, net
from watching import same

import minprune as mp


def cut(layer: str = "fc2") -> mp.Model:
    """A model whose unit 2 of fc1 has lost all outputs, or, of fc1, all inputs and its bias."""
    model = net()
    masks = {k: np.ones(w.shape, bool) for k, w in model.params.items()}
    if layer == "fc2":
        masks["fc2.weight"][:, 2] = False
    else:
        masks["fc1.weight"][2] = masks["fc1.bias"][2] = False
    return mp.with_masks(model, masks)


def train(model: mp.Model, epochs: int, optimizer: Any, rate: Any = None) -> mp.Model:
    how: dict[str, Any] = {"batch_size": 4, "rate": rate, "progress": False}
    return mp.fit(model, DATA, epochs=epochs, optimizer=optimizer, **how)[0]


@given(
    lr=st.floats(0.001, 0.3), decay=st.floats(0.0, 1.0), epochs=st.integers(1, 4),
    falling=st.booleans(),
)  # fmt: skip
def test_what_nothing_reads_decays_by_the_product(
    lr: float, decay: float, epochs: int, falling: bool
) -> None:
    rate = mp.rates.step(3, 0.5) if falling else mp.rates.constant()
    start = cut()
    after = train(start, epochs, mp.SGD(lr, weight_decay=decay), rate)
    left = np.prod([1 - lr * rate(t, 3 * epochs) * decay for t in range(3 * epochs)])
    row, first = after.params["fc1.weight"][2], start.params["fc1.weight"][2]
    assert np.allclose(row, left * first, rtol=1e-12, atol=0)


@given(lr=st.floats(0.001, 0.3), decay=st.floats(0.0, 1.0))
def test_what_reads_a_dead_relu_decays_too(lr: float, decay: float) -> None:
    """A unit without live inputs and bias gives 0, so the gradient of its outputs is 0."""
    start = cut("fc1")
    after = train(start, 2, mp.SGD(lr, weight_decay=decay))
    column, first = after.params["fc2.weight"][:, 2], start.params["fc2.weight"][:, 2]
    assert np.allclose(column, (1 - lr * decay) ** 6 * first, rtol=1e-12, atol=0)


def test_other_laws_are_seen() -> None:
    """A live unit, momentum, and decay per epoch rather than per update give something else."""
    start, sgd = cut(), {"lr": 0.1, "weight_decay": 0.5}
    left = (1 - 0.05) ** 6
    after = train(start, 2, mp.SGD(**sgd))
    live = np.abs(after.params["fc1.weight"][1] / start.params["fc1.weight"][1] - left)
    assert live.max() > 0.01
    heavy = train(start, 2, mp.SGD(momentum=0.9, **sgd))
    dead = heavy.params["fc1.weight"][2] / start.params["fc1.weight"][2]
    assert not np.allclose(dead, left, rtol=0.01)
    assert not np.isclose((1 - 0.05) ** 2, left)


def test_it_takes_long_and_compact_takes_it_at_once() -> None:
    start = cut()
    short = train(
        start, 8, mp.SGD(0.05, momentum=0.9, weight_decay=5e-4)
    )  # as long as Han retrains
    size = np.abs(short.params["fc1.weight"][2] / start.params["fc1.weight"][2])
    assert size.min() > 0.9  # most of it is still there
    small = mp.compact(start)
    assert small.net.params["fc1.weight"] == (5, 20)
    assert np.allclose(small(DATA.test[0]), start(DATA.test[0]), atol=1e-12)
    long = train(start, 20, mp.SGD(0.3, weight_decay=0.5))  # lr wd T = 9: 1e-4 of it is left
    size = np.abs(long.params["fc1.weight"][2] / start.params["fc1.weight"][2])
    assert size.max() < 2e-4


@pytest.mark.parametrize("epochs", [0, 1])
def test_without_decay_nothing_dies(epochs: int) -> None:
    start = cut()
    after = train(start, epochs, mp.SGD(0.1))
    assert np.array_equal(after.params["fc1.weight"][2], start.params["fc1.weight"][2])
    assert same(after, start) == (epochs == 0)
    assert NET.params["fc1.weight"] == (6, 20)
