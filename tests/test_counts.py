"""Parameters, live parameters and multiply-adds, by hand and as other projects print them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import find, given
from hypothesis import strategies as st
from selection import SEARCH

import minprune as mp
from minprune.core import Array
from minprune.nets.counts import Count, counts
from minprune.nets.net import Net


def macs(net: Net, masks: Any = None) -> list[int]:
    """Of each layer with a weight; live ones where there are masks."""
    found = counts(net, masks or {})
    return [c.live_macs if masks else c.macs for c in found if c.positions]


def chain(shape: tuple[int, ...], *layers: Any) -> Net:
    return mp.build(shape, [(f"l{k}", layer) for k, layer in enumerate(layers)], "mse")


SIMPLENET = chain(
    (3, 32, 32),
    mp.Conv2d(3, 6, 5), mp.ReLU(), mp.MaxPool(2), mp.Conv2d(6, 16, 5), mp.ReLU(), mp.MaxPool(2),
    mp.Flatten(), mp.Dense(400, 120), mp.ReLU(), mp.Dense(120, 84), mp.ReLU(), mp.Dense(84, 10),
)  # fmt: skip


def convolution(window: Any, **options: Any) -> Net:
    """10 -> 10 channels over 4 x 5"""
    return chain((10, 4, 5), mp.Conv2d(10, 10, window, **options), mp.GlobalAvgPool())


WORKED: tuple[tuple[str, Net, Sequence[int]], ...] = (
    ("distiller test_model_summary.py", SIMPLENET, [352800, 240000, 48000, 10080, 840]),
    ("shrinkbench abstract_flops.py, valid", convolution((3, 2)), [10 * 10 * 6 * 8]),
    # its "same" row pads an even window on one side only, which Conv2d cannot; an odd window can
    ("by hand, same", convolution(3, padding=1), [10 * 10 * 9 * 20]),
    ("by hand, stride 2", convolution((3, 2), stride=2), [10 * 10 * 6 * (1 * 2)]),
    ("by hand, 5 groups", convolution((3, 2), groups=5), [10 * 2 * 6 * 8]),
    ("by hand, depthwise", convolution((3, 2), groups=10), [10 * 1 * 6 * 8]),
    (
        "by hand, a sequence, stride 2",
        chain(
            (2, 9),
            mp.Conv1d(2, 4, 3, stride=2, padding=1),
            mp.GroupNorm(2, 4),
            mp.Flatten(),
            mp.Dense(20, 2),
            mp.LayerNorm(2),
        ),
        [4 * 2 * 3 * 5, 20 * 2],
    ),
    (
        "by hand, a sequence, 2 groups",
        chain((4, 7), mp.Conv1d(4, 6, 2, groups=2), mp.GlobalAvgPool()),
        [6 * 2 * 2 * 6],
    ),
    (
        "Caffe's LeNet-5",
        mp.zoo.lenet_5(((1, 28, 28), 10)).net,
        [500 * 24 * 24, 25000 * 8 * 8, 800 * 500, 500 * 10],
    ),
)


@pytest.mark.parametrize(("source", "net", "want"), WORKED, ids=[w[0] for w in WORKED])
def test_worked_multiply_adds(source: str, net: Net, want: Sequence[int]) -> None:
    assert macs(net) == list(want)


def test_biases_and_normalisation_are_parameters_and_cost_nothing() -> None:
    net = chain((2, 4, 4), mp.Conv2d(2, 3, 3), mp.BatchNorm(3), mp.Flatten(), mp.Dense(12, 1))
    assert counts(net, {}) == [
        Count("l0.weight", (3, 2, 3, 3), 54, 4),
        Count("l0.bias", (3,), 3, 0),
        Count("l1.weight", (3,), 3, 0),
        Count("l1.bias", (3,), 3, 0),
        Count("l3.weight", (1, 12), 12, 1),
        Count("l3.bias", (1,), 1, 0),
    ]


def test_the_mask_decides_what_is_live_not_the_value() -> None:
    net = chain((3,), mp.Dense(3, 2))
    model = mp.Model(net, {"l0.weight": np.zeros((2, 3)), "l0.bias": np.zeros(2)})
    assert [c.live for c in counts(net, model.masks)] == [6, 2]
    masks = {"l0.weight": np.array([[1, 0, 0], [1, 1, 0]], bool), "l0.bias": np.zeros(2, bool)}
    assert [(c.live, c.total) for c in counts(net, masks)] == [(3, 6), (0, 2)]
    assert macs(net, masks) == [3]


@dataclass(frozen=True)
class Window:
    """A masked convolution over (inputs, 5, 4)."""

    layer: mp.Conv2d
    mask: Array

    @property
    def net(self) -> Net:
        return chain((self.layer.inputs, 5, 4), self.layer, mp.GlobalAvgPool())


sides = st.tuples(st.integers(1, 3), st.integers(1, 3))


@st.composite
def windows(draw: st.DrawFn) -> Window:
    groups = draw(st.integers(1, 2))
    i, o = (groups * side for side in draw(sides))
    padding = draw(st.integers(0, 1))
    layer = mp.Conv2d(i, o, draw(sides), draw(sides), padding, groups)
    shape = layer.params()["weight"]
    return Window(layer, np.random.default_rng(draw(st.integers(0, 99))).random(shape) < 0.5)


def products(w: Window) -> int:
    """Slide the window over the padded image; count each live weight each time that it is used."""
    (high, wide), (down, right), (pad, _) = w.layer.kernel, w.layer.stride, w.layer.padding  # type: ignore[misc]
    n = 0
    for _top in range(0, 5 + 2 * pad - high + 1, down):
        for _left in range(0, 4 + 2 * pad - wide + 1, right):
            for _entry in np.argwhere(w.mask):
                n += 1
    return n


def is_the_loop(count: Callable[[Window], int], w: Window) -> bool:
    return count(w) == products(w)


def ours(w: Window) -> int:
    return counts(w.net, {"l0.weight": w.mask})[0].live_macs


@given(w=windows())
def test_live_multiply_adds_equal_a_loop_over_every_product(w: Window) -> None:
    assert is_the_loop(ours, w)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda w: int(w.mask.sum()) * 5 * 4,  # input positions
        lambda w: counts(w.net, {})[0].macs,  # dense
        lambda w: ours(w) * w.layer.groups,  # every input for every output
        lambda w: 2 * ours(w),  # multiplications and additions
    ],
    ids=["input positions", "dense", "groups ignored", "two operations"],
)
def test_the_law_of_counts_rejects(wrong: Callable[[Window], int]) -> None:
    find(windows(), lambda w: not is_the_loop(wrong, w), settings=SEARCH)
