"""Quality, size and latency by hand; the table that prints them."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minprune as mp
from minprune.errors import ArgumentError, MinpruneError, NonFiniteError, ShapeError
from minprune.measures.latency import Latency, latency
from minprune.measures.measure import Measures, measure
from minprune.measures.quality import Quality, evaluate
from minprune.measures.size import Size, size
from minprune.text import table

EPS = 2.0**-52


def passing(outputs: int, loss: Any = "cross_entropy") -> mp.Model:
    """A net that puts out its input."""
    net = mp.build((outputs,), [("fc1", mp.Dense(outputs, outputs, bias=False))], loss)
    return mp.Model(net, {"fc1.weight": np.eye(outputs)})


LN2 = math.log(2)
X = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 0], [0, 1, 0]]) * LN2  # e^x = 2 and 1


def test_accuracy_loss_and_classes_by_hand() -> None:
    # answers 0, 1, 0 (of equals the first), 1; softmax 2/4, 1/4 or 1/3
    found = evaluate(passing(3), (X, np.array([0, 0, 0, 1])))
    want = (LN2 + math.log(4) + math.log(3) + LN2) / 4
    assert abs(found.loss - want) <= 16 * EPS * want
    assert found.accuracy == 0.75
    assert found.per_class[:2] == (2 / 3, 1.0)
    assert math.isnan(found.per_class[2])


def test_a_single_output_is_judged_at_one_half() -> None:
    x, y = np.array([[0.5], [0.75], [2.0], [-1.0]]), np.array([[1.0], [1.0], [1.0], [0.0]])
    found = evaluate(passing(1, "mse"), (x, y))  # 0.5 is not above 0.5
    assert found == Quality(0.75, (0.25 + 0.0625 + 1 + 1) / 4, (1.0, 2 / 3))


def test_several_outputs_with_mse_answer_by_the_largest() -> None:
    x = np.array([[1.0, 3.0], [2.0, 0.0]])
    found = evaluate(passing(2, "mse"), (x, np.array([[0.0, 1.0], [0.0, 1.0]])))
    assert found == Quality(0.5, ((1 + 4) + (4 + 1)) / 2, (found.per_class[0], 0.5))
    assert math.isnan(found.per_class[0])


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=30))
def test_accuracy_is_a_count(pairs: list[tuple[int, int]]) -> None:
    answers, truth = np.array(pairs).T
    found = evaluate(passing(3), (np.eye(3)[answers], truth))
    assert found.accuracy == sum(a == t for a, t in pairs) / len(pairs)
    for k, share in enumerate(found.per_class):
        mine = [a == t for a, t in pairs if t == k]
        assert math.isnan(share) if not mine else share == sum(mine) / len(mine)


def test_size_of_lenet_5_by_hand() -> None:
    model = mp.zoo.lenet_5(((1, 28, 28), 10))
    weights = 500 + 25_000 + 400_000 + 5_000
    assert size(model) == Size(
        parameters=431_080,
        live=431_080,
        sparsity=0.0,
        macs=288_000 + 1_600_000 + 400_000 + 5_000,
        live_macs=2_293_000,
        bytes=4 * 431_080,
        sparse_bytes=4 * 431_080,  # as CSR a full matrix is larger, so it stays dense
        stored=4 * 431_080,
    )
    assert weights + 20 + 50 + 500 + 10 == 431_080


@pytest.mark.parametrize(("dtype", "each"), [(np.float32, 4), (np.float64, 8)])
def test_size_of_a_masked_net_by_hand(dtype: Any, each: int) -> None:
    net = mp.build((2, 4, 4), [
        ("conv", mp.Conv2d(2, 3, 3)), ("bn", mp.BatchNorm(3)), ("flat", mp.Flatten()),
        ("fc", mp.Dense(12, 2)),
    ])  # fmt: skip
    model = mp.initialise(net, dtype=dtype)
    few = np.zeros((3, 2, 3, 3), bool)
    few[0, 0, 0, :2] = True
    masks = {"conv.weight": few, "fc.weight": np.ones((2, 12), bool), "fc.bias": np.eye(2)[0] > 0}
    assert size(mp.with_masks(model, masks)) == Size(
        parameters=54 + 3 + 6 + 24 + 2,
        live=2 + 3 + 6 + 24 + 1,
        sparsity=1 - 26 / 78,  # of the weights: a masked bias is not in it
        macs=54 * 4 + 24,
        live_macs=2 * 4 + 24,
        bytes=each * 89,
        sparse_bytes=2 * (each + 4) + 4 * (3 + 1) + each * (3 + 6 + 24 + 2),
        stored=each * 89,
    )


def test_latency_is_sane(monkeypatch: pytest.MonkeyPatch) -> None:
    model = mp.zoo.mlp(((3,), 2))
    found = latency(model, 5, repeats=4)
    assert found.batch == 5
    assert found.median_ms > 0
    assert found.spread_ms >= 0
    real, calls = mp.Model.__call__, []

    def counted(self: mp.Model, x: Any) -> Any:
        calls.append(x.shape)
        return real(self, x)

    monkeypatch.setattr(mp.Model, "__call__", counted)
    latency(model, 2, repeats=4)
    assert calls == [(2, 3)] * (3 + 4)  # three of them are the warm-up


def test_measure_asks_for_what_it_is_given() -> None:
    model = mp.zoo.mlp(((3,), 2))
    data = np.zeros((4, 3)), np.array([0, 1, 1, 0])
    assert measure(model, time=False) == Measures(None, size(model), ())
    full = measure(model, data)
    assert full.quality == evaluate(model, data)
    assert [t.batch for t in full.latency] == [1, 64]


PRINTED = """
measure             value
------------------  ----------------
accuracy            0.7500
loss                0.5000
worst class         0.2500 (class 2)
parameters          1,234
live parameters     123
weight sparsity     0.9000
multiply-adds       9,999
live multiply-adds  999
bytes, dense        4,936
bytes, sparse       1,000
bytes, stored       4,936
latency, batch 1    0.125 (0.010) ms
"""


def test_measures_print_as_a_table() -> None:
    quality = Quality(0.75, 0.5, (1.0, float("nan"), 0.25))
    sizes = Size(1234, 123, 0.9, 9999, 999, 4936, 1000, 4936)
    assert str(Measures(quality, sizes, (Latency(1, 0.125, 0.01),))) == PRINTED.strip()


def test_tables_align_numbers_right_and_rule_off_the_total() -> None:
    rows = [("conv1", "1,000", "a"), ("fc", "20", "bc"), ("total", "", "")]
    assert table(("layer", "n", "x"), rows, total=True).splitlines() == [
        "layer      n  x",
        "-----  -----  --",
        "conv1  1,000  a",
        "fc        20  bc",
        "-----  -----  --",
        "total",
    ]


CROSS = "expected integer classes (n,) for cross_entropy; give classes, or a net with loss='mse'"
MESSAGES: tuple[tuple[Callable[[], Any], type[MinpruneError], str], ...] = (
    (lambda: evaluate(passing(3), (X[:0], np.zeros(0, int))), ArgumentError,
     "data has no samples, expected at least one; give a pair (x, y)"),
    (lambda: evaluate(passing(3), (X, np.zeros(3, int))), ShapeError,
     "data: x has 4 rows and y has 3; give one target to each input"),
    (lambda: evaluate(passing(3), (X, np.zeros(4))), ShapeError,
     f"targets are float64 of shape (4,), {CROSS}"),
    (lambda: evaluate(passing(3), (X, np.eye(4)[:, :3])), ShapeError,
     f"targets are float64 of shape (4, 3), {CROSS}"),
    (lambda: evaluate(passing(3, "mse"), (X, np.zeros(4))), ShapeError,
     "targets are of shape (4,), expected (n, outputs) for mse; "
     "give one column per output, or a net with loss='cross_entropy'"),
    (lambda: latency(passing(3), 0), ArgumentError,
     "batch is 0 and repeats is 21, expected at least 1; give batch=1"),
)  # fmt: skip


@pytest.mark.parametrize(("provoke", "kind", "text"), MESSAGES, ids=[m[2] for m in MESSAGES])
def test_messages(provoke: Callable[[], Any], kind: type[MinpruneError], text: str) -> None:
    with pytest.raises(kind) as caught:
        provoke()
    assert type(caught.value) is kind
    assert caught.value.args == (text,)


def test_a_loss_that_is_not_finite_names_the_layer() -> None:
    net = mp.build((1,), [("fc1", mp.Dense(1, 2)), ("relu1", mp.ReLU()), ("fc2", mp.Dense(2, 2))])
    params = {
        "fc1.weight": np.ones((2, 1)), "fc1.bias": np.zeros(2),
        "fc2.weight": np.full((2, 2), 1e200), "fc2.bias": np.zeros(2),
    }  # fmt: skip
    x = np.array([[1.0], [1e150], [2.0]])
    with pytest.raises(NonFiniteError) as caught:
        mp.evaluate(mp.Model(net, params), (x, np.array([0, 1, 0])))
    assert caught.value.args == (
        "the loss is nan, expected a finite number: layer fc2 gave 2 of 2 values that are not "
        "finite; check the model and the data",
    )
