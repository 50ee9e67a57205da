"""Size and latency by hand; the table that prints all measures."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import minprune as mp
from minprune.errors import ArgumentError
from minprune.measures.cost import Latency, Size, Speedup, latencies, latency, size, speedup
from minprune.measures.measure import Measures, measure
from minprune.measures.quality import Quality, evaluate
from minprune.text import table


def test_size_of_lenet_5_by_hand() -> None:
    model = mp.zoo.lenet_5(((1, 28, 28), 10))
    weights = 500 + 25_000 + 400_000 + 5_000
    assert size(model) == Size(
        parameters=431_080,
        live=431_080,
        sparsity=0.0,
        macs=288_000 + 1_600_000 + 400_000 + 5_000,
        live_macs=2_293_000,
        activations=20 * 24 * 24 + 50 * 8 * 8 + 500 + 10,
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
        activations=3 * 2 * 2 + 2,
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
    assert calls == [(2, 3)] * 2 * (3 + 4)  # three turns are the warm-up; two calls a turn


def test_models_are_timed_in_fair_turns_and_warm(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that a call after one of another model moves five times as far."""
    a, b = mp.zoo.mlp(((3,), 2)), mp.zoo.mlp(((3,), 2), (4,))
    calls, now = [], [0.0]

    def counted(self: mp.Model, x: Any) -> None:
        calls.append("a" if self is a else "b")
        now[0] += 1.0 if calls[-2:] in (["a", "a"], ["b", "b"]) else 5.0

    monkeypatch.setattr(mp.Model, "__call__", counted)
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    found = latencies({"a": a, "b": b}, 2, repeats=4)
    assert found == {name: Latency(2, 1e3, 1e3, 0.0, (1e3,) * 4) for name in ("a", "b")}
    assert "".join(calls) == "bbaa" + "aabb" + "bbaa" + "aabb" + "bbaa" + "aabb" + "bbaa"


def test_noise_is_no_speedup(monkeypatch: pytest.MonkeyPatch) -> None:
    """One model, timed twice, by a clock that stands still at times: 7.68x and 1.91x were told."""
    slow = mp.zoo.mlp(((3,), 2))
    rng, now = np.random.default_rng(0), [0.0]

    def busy(self: mp.Model, x: Any) -> None:
        now[0] += 1.0 + 7 * float(rng.random() ** 2)

    monkeypatch.setattr(mp.Model, "__call__", busy)
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    for _ in range(50):
        found = latencies({"a": slow, "b": replace(slow)}, 1)
        assert not speedup(found["a"], found["b"]).told
        assert found["a"].least_ms < 1.5e3 < found["a"].median_ms


def test_speedups_by_hand() -> None:
    def timed(*parts: float) -> Latency:
        return Latency(1, min(parts), 9.0, 9.0, parts)

    assert speedup(timed(4, 5), timed(2, 2)) == Speedup(2.0, 0.5, True)
    assert speedup(timed(4, 8), timed(2, 2)) == Speedup(2.0, 2.0, False)  # as wide as itself
    assert speedup(timed(4, 6), timed(2, 2)) == Speedup(2.0, 1.0, False)  # as wide as 2 - 1
    assert speedup(timed(2, 2), timed(4, 5)) == Speedup(0.5, 0.5 - 0.4, True)
    assert speedup(timed(2, 2.5), timed(8, 2)) == Speedup(1.0, 1.0, False)


def test_measure_asks_for_what_it_is_given() -> None:
    model = mp.zoo.mlp(((3,), 2))
    data = np.zeros((4, 3)), np.array([0, 1, 1, 0])
    assert measure(model, time=False) == Measures(None, size(model), ())
    full = measure(model, data)
    assert full.quality == evaluate(model, data)
    assert [t.batch for t in full.latency] == [1, 64]


PRINTED = """
measure                                 value
--------------------------  -----------------
accuracy                              75.00 %
loss                                      0.5
parameters                              1,234
live parameters                           123
sparsity of the weights               90.00 %
multiply-adds                           9,999
live multiply-adds                        999
activations                                77
bytes as dense arrays                   4,936
bytes as sparse arrays                  1,000
bytes in memory                         4,936
latency, batch of 1                  0.125 ms
median latency, batch of 1            0.25 ms
worst class                 25.00 % (class 2)
"""


def test_measures_print_as_a_table() -> None:
    quality = Quality(0.75, 0.5, (1.0, float("nan"), 0.25))
    sizes = Size(1234, 123, 0.9, 9999, 999, 77, 4936, 1000, 4936)
    assert (
        str(Measures(quality, sizes, (Latency(1, 0.125, 0.25, 0.01, (0.125,)),))) == PRINTED.strip()
    )
    more = replace(quality, top5=0.875, calibration=0.125, collapsed=True, chance=0.75)
    lines = str(Measures(more, sizes, (), ("cat", "dog", "cow"))).splitlines()
    assert lines[2:7] + lines[-2:] == [
        "no better than chance                 COLLAPSED",
        "accuracy                                75.00 %",
        "accuracy, top 5                         87.50 %",
        "loss                                        0.5",
        "calibration error                       12.50 %",
        "worst class              25.00 % (class 2, cow)",
        "COLLAPSED to chance: accuracy 75.00 %, and always giving the same answer has 75.00 %",
    ]


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


MODEL = mp.zoo.mlp(((3,), 2))
REFUSED = (
    (lambda: latency(MODEL, 0),
     "latency: batch must be an integer of at least 1, not 0; pass batch=1, for example"),
    (lambda: latency(MODEL, 1, repeats=2.5),
     "latency: repeats must be an integer of at least 1, not 2.5; pass repeats=1, for example"),
)  # fmt: skip


@pytest.mark.parametrize(("provoke", "text"), REFUSED)
def test_messages(provoke: Callable[[], Any], text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        provoke()
    assert caught.value.args == (text,)
