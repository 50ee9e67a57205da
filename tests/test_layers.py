"""Every layer against its definition, entry by entry, and wrong ones that it must differ from.

Inputs and weights are small whole numbers, so sums and products are exact in float64 in any order:
most layers must meet the definition to the bit. Where they divide or take roots, `roundings`
counts the rounded operations, each worth half a unit of the last place of `size`.
"""

import math
from dataclasses import dataclass

import numpy as np
import pytest
from definitions import (
    Definition,
    N,
    as_sequence,
    cells,
    channels,
    conv,
    conv1d,
    dense,
    dropped,
    each,
    global_mean,
    grouped,
    mean,
    mean_inside,
    pooled,
    stacked,
)

import minprune as mp
from minprune.core import Array, Arrays
from minprune.nets.convolution import Conv2d
from minprune.nets.dense import Dense
from minprune.nets.layer import ForwardContext, Layer, Shape
from minprune.nets.normalisation import BatchNorm
from minprune.nets.registry import LAYERS

HALF = 2.0**-53


@dataclass(frozen=True)
class Row:
    """want and wrong: (layer, parameters, *inputs) -> output, both with the batch as last axis."""

    layer: Layer
    shapes: tuple[Shape, ...]
    want: Definition
    wrong: Definition
    train: bool = False
    roundings: int = 0
    size: Definition | None = None  # what the roundings are relative to; the output unless given


IMAGE, WIDE, ROW, LINE = (4, 5, 6), (4, 7, 3), (5,), (4, 9)


def gelu(v: float) -> float:
    return v * (1 + math.erf(v / math.sqrt(2))) / 2


def gelu_tanh(v: float) -> float:
    return v * (1 + math.tanh(math.sqrt(2 / math.pi) * (v + 0.044715 * v**3))) / 2


ROWS = [
    Row(Dense(5, 3), (ROW,), dense, lambda *a: dense(*a, turned=True)),
    Row(Dense(5, 3, bias=False), (ROW,), dense, lambda *a: dense(*a) + 1),
    *(
        Row(layer, (IMAGE,), conv, lambda *a, how=how: conv(*a, **{how: True}))
        for layer, how in (
            (Conv2d(4, 3, 3), "flip"),
            (Conv2d(4, 3, (2, 3), stride=(2, 1), padding=(0, 2), bias=False), "flip"),
            (Conv2d(4, 6, (3, 2), stride=(1, 3), padding=1, groups=2), "first"),
            (Conv2d(4, 4, 1, stride=2, groups=4), "first"),
            (Conv2d(4, 2, (2, 3), stride=(1, 2), padding=(1, 2), dilation=(2, 1)), "flip"),
            (Conv2d(4, 6, (2, 3), padding="same", groups=2, dilation=(1, 2)), "first"),
        )
    ),
    *(
        Row(layer, (LINE,), conv1d, lambda *a, how=how: conv1d(*a, **{how: True}))
        for layer, how in (
            (mp.Conv1d(4, 3, 3), "flip"),
            (mp.Conv1d(4, 3, 2, stride=2, padding=2, bias=False), "flip"),
            (mp.Conv1d(4, 6, 3, stride=3, padding=1, groups=2), "first"),
            (mp.Conv1d(4, 4, (1,), stride=2, groups=4), "first"),
            (mp.Conv1d(4, 3, 3, stride=2, padding=2, dilation=2), "flip"),
            (mp.Conv1d(4, 6, 4, padding="same", groups=2), "first"),
        )
    ),
    Row(mp.MaxPool((2, 3), (5, 2), (1, 1)), (LINE,), as_sequence(pooled(-math.inf, max)),
        as_sequence(pooled(0.0, max))),
    Row(mp.AvgPool((2, 3), (5, 2), (0, 1)), (LINE,), as_sequence(pooled(0.0, mean)),
        as_sequence(pooled(math.nan, mean_inside)), roundings=3),
    Row(mp.GlobalAvgPool(), (LINE,), lambda layer, p, x: global_mean(layer, p, x[:, None]),
        lambda layer, p, x: global_mean(layer, p, x[:, None], total=True), roundings=3),
    Row(mp.Flatten(), (LINE,), lambda layer, p, x: np.array([x[c] for c in cells(LINE)]),
        lambda layer, p, x: x.transpose(1, 0, 2).reshape(-1, N)),
    *(
        Row(
            mp.MaxPool(*how), (shape,), pooled(-math.inf, max),
            pooled(0.0, max) if how[2] else pooled(0.0, min),
        )
        for shape, how in ((IMAGE, (2, None, 0)), (WIDE, ((3, 2), (2, 1), (1, 1))))
    ),
    *(  # the sum is exact; 1 / size and the product with it are two roundings
        Row(
            mp.AvgPool(*how), (shape,), pooled(0.0, mean),
            pooled(math.nan, mean_inside) if how[2] else pooled(0.0, sum), roundings=3,
        )
        for shape, how in ((IMAGE, (2, None, 0)), (WIDE, ((3, 2), (2, 1), (1, 1))))
    ),
    Row(mp.GlobalAvgPool(), (WIDE,), global_mean, lambda *a: global_mean(*a, total=True),
        roundings=3),
    # sqrt, 1/sqrt, products, sums: 8 roundings in either form, and 8 of the definition
    *(
        Row(BatchNorm(len_), (shape,), lambda *a: channels(*a, train=False),
            lambda *a: channels(*a, train=True), roundings=16,
            size=lambda *a: channels(*a, train=False, size=True))
        for len_, shape in ((4, IMAGE), (5, ROW), (4, LINE))
    ),
    # besides, the mean, and the variance: a sum of at most N h w squares, under a root, twice
    *(
        Row(BatchNorm(len_), (shape,), lambda *a: channels(*a, train=True),
            lambda *a: channels(*a, train=True, spare=1), train=True,
            roundings=20 + N * 30, size=lambda *a: channels(*a, train=True, size=True))
        for len_, shape in ((4, IMAGE), (5, ROW))
    ),
    # the same, of N h w or fewer values
    *(
        Row(layer, (shape,), grouped, wrong, roundings=20 + 2 * math.prod(shape),
            size=lambda *a: grouped(*a, size=True))
        for layer, shape, wrong in (
            (mp.GroupNorm(2, 4), IMAGE, lambda *a: grouped(*a, spare=1)),
            (mp.GroupNorm(2, 4), LINE, lambda *a: grouped(*a, over="batch")),
            (mp.GroupNorm(1, 5), ROW, lambda *a: grouped(*a, over="batch")),
            (mp.LayerNorm(5), ROW, lambda *a: grouped(*a, spare=1)),
        )
    ),
    Row(mp.ReLU(), (IMAGE,), each(lambda v: max(v, 0.0)), each(abs)),
    Row(mp.LeakyReLU(), (ROW,), each(lambda v: v if v > 0 else 0.01 * v),
        each(lambda v: v if v > 0 else 0.1 * v)),
    # one of the C library, one of NumPy or LLVM: each within 4 units of the last place
    Row(mp.Tanh(), (ROW,), each(math.tanh), each(math.atan), roundings=16),
    Row(mp.Sigmoid(), (ROW,), each(lambda v: 1 / (1 + math.exp(-v))),
        each(lambda v: 1 / (1 + math.exp(v))), roundings=16),
    Row(mp.ELU(), (ROW,), each(lambda v: v if v > 0 else math.exp(v) - 1),
        each(lambda v: v if v > 0 else math.exp(v)), roundings=16),
    Row(mp.SiLU(), (ROW,), each(lambda v: v / (1 + math.exp(-v))),
        each(lambda v: v / (1 + math.exp(v))), roundings=32),
    *(  # 1 + erf and 1 + tanh cancel: to the size of x
        Row(layer, (ROW,), each(want), each(other), roundings=32, size=lambda layer, p, x: abs(x))
        for layer, want, other in (
            (mp.GELU(), gelu, gelu_tanh), (mp.GELU(approximate="tanh"), gelu_tanh, gelu)
        )
    ),
    Row(mp.Softplus(), (ROW,), each(lambda v: math.log(1 + math.exp(v))),
        each(lambda v: math.log(1 + math.exp(2 * v)) / 2), roundings=32,
        size=lambda layer, p, x: 1 + abs(x)),
    Row(mp.ReLU6(), (ROW,), each(lambda v: min(max(v, 0.0), 6.0)),
        each(lambda v: max(v, -1.0))),
    Row(mp.Hardswish(), (ROW,), each(lambda v: v * min(max(v + 3, 0.0), 6.0) / 6),
        each(lambda v: v * min(max(v + 3, 0.0), 6.0)), roundings=4),
    *(  # 1 / (1 - rate) and the product, against one quotient
        Row(mp.Dropout(rate), (IMAGE,), dropped, lambda *a: dropped(*a, scaled=False),
            train=True, roundings=3)
        for rate in (0.5, 0.2)
    ),
    Row(mp.Dropout(0.5), (IMAGE,), each(lambda v: v), dropped),
    Row(mp.Flatten(), (WIDE,), lambda layer, p, x: np.array([x[c] for c in cells(WIDE)]),
        lambda layer, p, x: x.transpose(1, 2, 0, 3).reshape(-1, N)),
    Row(mp.Add(), (ROW, ROW, ROW), lambda layer, p, a, b, c: a + b + c,
        lambda layer, p, a, b, c: a + b),
    Row(mp.Concat(), ((1, 5, 6), IMAGE), stacked, lambda *a: stacked(*a, order=-1)),
]  # fmt: skip


def arrays(row: Row, seed: int) -> tuple[Arrays, list[Array]]:
    """Parameters, buffers and batch-last inputs: whole numbers from -4 to 4, variances positive."""
    rng = np.random.default_rng(seed)
    names = row.layer.params() | row.layer.buffers()
    p = {k: rng.integers(-4, 5, shape).astype(float) for k, shape in names.items()}
    p = {k: abs(a) + 0.5 if k == "running_var" else a for k, a in p.items()}
    return p, [rng.integers(-4, 5, (*s, N)).astype(float) for s in row.shapes]


def output(row: Row, p: Arrays, xs: list[Array]) -> Array:
    how = ForwardContext(train=row.train, rng=np.random.default_rng(5))
    return row.layer.apply(p, xs, how)


def agrees(row: Row, definition: Definition, seed: int) -> bool:
    p, xs = arrays(row, seed)
    got, want = output(row, p, xs), definition(row.layer, p, *xs)
    size = abs(want) if row.size is None else row.size(row.layer, p, *xs)
    bound = row.roundings * HALF * size
    return got.shape == want.shape and bool((abs(got - want) <= bound).all())


SEEDS = range(3)


def test_every_layer_of_the_table_has_a_row() -> None:
    assert {type(row.layer).__name__ for row in ROWS} == set(LAYERS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: repr(row.layer))
def test_a_layer_is_its_definition(row: Row) -> None:
    assert all(agrees(row, row.want, seed) for seed in SEEDS)
    p, xs = arrays(row, 0)
    assert row.layer.out_shape(*row.shapes) == output(row, p, xs).shape[:-1]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: repr(row.layer))
def test_a_wrong_definition_is_told_apart(row: Row) -> None:
    assert not all(agrees(row, row.wrong, seed) for seed in SEEDS)


def test_running_statistics_by_hand() -> None:
    """Channel values 1, 2, 3, 6: mean 3, squares of the deviations 14, unbiased variance 14/3."""
    net = mp.build((1,), [("bn", mp.BatchNorm(1)), ("fc", mp.Dense(1, 1))], "mse")
    model = mp.initialise(net, dtype=np.float64)
    x, y = np.array([[1.0], [2.0], [3.0], [6.0]]), np.zeros((4, 1))
    trained, _ = mp.fit(
        model, mp.Dataset((x, y), (x, y), (x, y)), epochs=2, batch_size=4, progress=False
    )
    want = {"bn.running_mean": 0.0, "bn.running_var": 1.0}
    biased = 1.0
    for _ in range(2):
        want["bn.running_mean"] = 0.9 * want["bn.running_mean"] + 0.1 * 3
        want["bn.running_var"] = 0.9 * want["bn.running_var"] + 0.1 * 14 / 3
        biased = 0.9 * biased + 0.1 * 14 / 4
    for name, v in want.items():
        # about 8 roundings, of numbers below 4.7
        assert abs(trained.buffers[name][0] - v) <= 16 * 4.7 * HALF
    assert abs(trained.buffers["bn.running_var"][0] - biased) > 0.1
    assert model.buffers["bn.running_mean"][0] == 0
    assert model.buffers["bn.running_var"][0] == 1


def test_one_value_a_channel_cannot_be_normalised() -> None:
    layer, p = BatchNorm(2), {"weight": np.ones(2), "bias": np.zeros(2)}
    with pytest.raises(mp.errors.ShapeError) as caught:
        layer.apply(p, [np.ones((2, 1))], ForwardContext(train=True, layer="bn"))
    assert caught.value.args == (
        "bn: one value per channel has no variance; use a batch of at least 2",
    )
