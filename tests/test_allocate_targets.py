"""Allocation by a budget of multiply-adds, by measured sensitivities, and by hand."""

import math
from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from watching import small_net

import minprune as mp
from minprune.errors import ArgumentError, UnreachableError
from minprune.masking.allocate import ratios, within_budget
from minprune.masking.allocate_measured import measured
from minprune.nets.counts import counts
from minprune.verify import check_allocation
from minprune.verify.plain.rules import Shapes

LENET: Shapes = {"fc1": (300, 784), "fc2": (100, 300), "fc3": (10, 100)}
Shares = Mapping[str, float]
Allocation = Callable[[mp.Model, float], Shares]

# --- a budget of multiply-adds


@st.composite
def nets(draw: st.DrawFn) -> mp.Model:
    """Convolutions and dense layers, whose weights multiply at 1 to 25 positions."""
    side, c = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    layers: list[Any] = []
    shape = (c, side, side)
    for k in range(draw(st.integers(0, 2))):
        kernel = draw(st.integers(1, shape[1]))
        o = draw(st.integers(1, 4))
        layers.append((f"conv{k}", mp.Conv2d(shape[0], o, kernel)))
        shape = (o, shape[1] - kernel + 1, shape[2] - kernel + 1)
    layers += [
        ("flat", mp.Flatten()),
        ("fc1", mp.Dense(math.prod(shape), 4)),
        ("fc2", mp.Dense(4, 2)),
    ]
    return mp.initialise(mp.build((c, side, side), layers))


def costs(model: mp.Model) -> dict[str, tuple[int, int]]:
    """{weight: (entries, multiply-adds of one)}"""
    return {c.name: (c.total, c.positions) for c in counts(model.net, {}) if c.positions}


def removed(model: mp.Model, share: Shares) -> int:
    return sum(round(share.get(k, 0) * n) * c for k, (n, c) in costs(model).items())


def broken(fn: Allocation, model: mp.Model, budget: float, how: str) -> str:
    """Which law of a budget the allocation breaks, or nothing

    within: the live multiply-adds are at most the budget; tight: one entry fewer of some layer
    would exceed it; in proportion: densities below 1 are e r, to one entry.
    """
    share, each = fn(model, budget), costs(model)
    total = sum(n * c for n, c in each.values())
    wanted = round((1 - budget) * total)
    gone = removed(model, share)
    if gone < wanted:
        return "within"
    if wanted and gone - max(c for _, c in each.values()) >= wanted:
        return "tight"
    r = ratios({k: model.params[k].shape for k in share}, how, 1.0)
    lows, highs = [0.0], [math.inf]  # of e: a count is less than one entry from n (1 - e r)
    for k, s in share.items():
        n = each[k][0]
        lows.append(((1 - s) * n - 1) / n / r[k])
        highs.append(((1 - s) * n + 1) / n / r[k] if s > 0 else math.inf)  # 0: capped, perhaps
    return "" if max(lows) < min(highs) + 1e-9 else "in proportion"


budgets = st.floats(0, 1) | st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])
rules = st.sampled_from(["uniform", "er", "erk", "flops"])


@given(model=nets(), budget=budgets, how=rules)
def test_the_budget_is_met_to_one_entry(model: mp.Model, budget: float, how: str) -> None:
    assert broken(lambda m, b: mp.allocate(m, how=how, budget=b), model, budget, how) == ""


def by_weights(model: mp.Model, budget: float) -> Shares:
    return mp.allocate(model, 1 - budget)


def floored(model: mp.Model, budget: float) -> Shares:
    share = mp.allocate(model, "flops", budget=budget)
    return {k: max(round(s * n) - 1, 0) / n for k, s in share.items() for n in [costs(model)[k][0]]}


def ceiled(model: mp.Model, budget: float) -> Shares:
    share = mp.allocate(model, "flops", budget=budget)
    return {k: min(round(s * n) + 1, n) / n for k, s in share.items() for n in [costs(model)[k][0]]}


def even(model: mp.Model, budget: float) -> Shares:
    return mp.allocate(model, "uniform", budget=budget)


@pytest.mark.parametrize(
    ("wrong", "law"),
    [(by_weights, "within"), (floored, "within"), (ceiled, "tight"), (even, "in proportion")],
)
def test_wrong_budgets_are_rejected(wrong: Allocation, law: str) -> None:
    model = mp.zoo.lenet_5(((1, 28, 28), 10))
    assert law in {broken(wrong, model, b, "flops") for b in (0.15, 0.3, 0.5)}


def test_rounded_by_hand() -> None:
    """Of 3 x 4 + 4 x 1 multiply-adds 8 go: 1.5 and 2 entries, 1 and 2 give 6, 2 and 2 give 10."""
    layers: list[Any] = [
        ("conv", mp.Conv1d(1, 1, 3)),
        ("flat", mp.Flatten()),
        ("fc", mp.Dense(4, 1)),
    ]
    model = mp.initialise(mp.build((1, 6), layers, loss="mse"))
    found = mp.allocate(model, "uniform", budget=0.5)
    assert found == {"conv.weight": 2 / 3, "fc.weight": 0.5}


@pytest.mark.parametrize("how", ["uniform", "er", "erk"])
def test_where_each_weight_multiplies_once_a_budget_is_a_share_of_weights(how: str) -> None:
    model = mp.zoo.mlp(((7,), 3), (5, 4))
    for sparsity in (0.0, 0.25, 0.5, 0.875, 1.0):
        assert mp.allocate(model, how=how, budget=1 - sparsity) == mp.allocate(model, sparsity, how)


def test_prune_keeps_to_the_budget() -> None:
    model = mp.zoo.lenet_5(((1, 28, 28), 10))
    share = mp.allocate(model, "flops", budget=0.3)
    assert share == mp.allocate(model, how="flops", budget=0.3)
    size = mp.measure(
        mp.prune(model, mp.score(model, None, "magnitude"), sparsity=share), time=False
    ).size
    most = round(0.3 * size.macs)
    assert most - max(c for _, c in costs(model).values()) < size.live_macs <= most


def test_protected_layers_count_in_the_budget() -> None:
    model = mp.zoo.lenet_5(((1, 28, 28), 10))
    share = mp.allocate(model, "flops", budget=0.5, protect="conv1")
    assert list(share) == ["conv2.weight", "fc1.weight", "fc2.weight"]
    total = sum(n * c for n, c in costs(model).values())
    assert (
        0 <= removed(model, share) - round(0.5 * total) < max(c for _, c in costs(model).values())
    )


# --- measured sensitivities

points = st.lists(
    st.tuples(st.floats(0, 1), st.sampled_from([-0.5, 0.0, 0.25, 0.5, 0.7, 1.0, 3.0])), max_size=3
)
measures = st.lists(st.tuples(st.integers(1, 9), points), min_size=1, max_size=4)
Measured = Callable[[dict[str, int], Any, float], dict[str, int]]


def best(sizes: dict[str, int], curves: Any, bound: float) -> tuple[int, float]:
    """(largest sum of counts, its least rise), of all choices"""
    options = [[(0, 0.0), *((round(s * n), r) for s, r in curves[k])] for k, n in sizes.items()]
    found = []
    for chosen in product(*options):
        rise = 0.0
        for _, r in chosen:
            rise += r
        if rise <= bound:
            found.append((sum(c for c, _ in chosen), -rise))
    count, rise = max(found)
    return count, -rise


def rise_of(sizes: dict[str, int], curves: Any, counts: dict[str, int]) -> float:
    total = 0.0
    for k, n in sizes.items():
        total += min(
            [r for s, r in curves[k] if round(s * n) == counts[k]] + [0.0] * (counts[k] == 0)
        )
    return total


def wrong_choice(fn: Measured, layers: Any, bound: float) -> bool:
    sizes = {f"l{k}": n for k, (n, _) in enumerate(layers)}
    curves = {f"l{k}": curve for k, (_, curve) in enumerate(layers)}
    counts, (most, rise) = fn(sizes, curves, bound), best(sizes, curves, bound)
    return sum(counts.values()) != most or rise_of(sizes, curves, counts) != rise


@given(layers=measures, bound=st.sampled_from([0.0, 0.25, 0.7, 0.95, 1.5, 4.0]))
def test_the_largest_total_of_all_choices(layers: Any, bound: float) -> None:
    assert not wrong_choice(measured, layers, bound)


def greedy(sizes: dict[str, int], curves: Any, bound: float) -> dict[str, int]:
    """Layer by layer, as much as the rest of the bound bears"""
    found = {}
    for k, n in sizes.items():
        fits = [(round(s * n), -r) for s, r in curves[k] if r <= bound]
        count, rise = max([(0, 0.0), *fits])
        found[k], bound = count, bound + rise
    return found


def each_alone(sizes: dict[str, int], curves: Any, bound: float) -> dict[str, int]:
    return {
        k: max([0, *(round(s * n) for s, r in curves[k] if r <= bound)]) for k, n in sizes.items()
    }


@pytest.mark.parametrize("wrong", [greedy, each_alone])
def test_wrong_choices_are_rejected(wrong: Measured) -> None:
    layers = [(4, [(0.5, 0.5), (1.0, 1.0)]), (9, [(0.9, 0.7)]), (5, [(1.0, 0.5)])]
    assert any(wrong_choice(wrong, layers, b) for b in (0.5, 0.7, 1.0, 1.5))


def test_measured_by_hand() -> None:
    rises = {"fc1": [(0.5, 0.01), (0.9, 0.2)], "fc2.weight": [(0.5, 0.02)]}
    shapes = {"fc1.weight": (10, 40), "fc2.weight": (5, 20), "fc3.weight": (5, 5)}
    found = mp.allocate(shapes, bound=0.05, curves=rises)
    assert found == {"fc1.weight": 0.5, "fc2.weight": 0.5, "fc3.weight": 0.0}
    assert mp.allocate(shapes, bound=0, curves=rises) == dict.fromkeys(shapes, 0.0)


def test_many_layers_are_still_exact() -> None:
    rng = np.random.default_rng(0)
    sizes = {f"l{k}": int(n) for k, n in enumerate(rng.integers(1_000, 60_000, 30))}
    grid = (0.2, 0.4, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)
    curves = {
        k: [(s, float(r)) for s, r in zip(grid, np.sort(rng.random(9)), strict=True)] for k in sizes
    }
    found = measured(sizes, curves, 2.0)
    assert 0 < rise_of(sizes, curves, found) <= 2.0


# --- by hand


def test_by_hand() -> None:
    assert mp.allocate(LENET, {"fc1": 0.9, "fc2": 0.77777}) == {
        "fc1": 0.9, "fc2": 23_333 / 30_000, "fc3": 0.0
    }  # fmt: skip
    model = small_net()
    share = mp.allocate(model, {"conv2": 0.5, "fc1.weight": 0.25}, protect=["fc2"])
    assert list(share) == ["conv1.weight", "conv2.weight", "fc1.weight"]
    pruned = mp.prune(model, mp.score(model, None, "magnitude"), sparsity=share)
    assert {k: int((~m).sum()) for k, m in pruned.masks.items()} == {
        "conv1.weight": 0, "conv2.weight": round(0.5 * 81), "fc1.weight": 15
    }  # fmt: skip


# --- the kit


def by_budget(shapes: Shapes, sparsity: float) -> Shares:
    """Each weight multiplies once."""
    found = within_budget(shapes, 1 - sparsity, "flops", 1.0, dict.fromkeys(shapes, 1), 0)
    return {k: n / math.prod(shapes[k]) for k, n in found.items()}


def by_rises(shapes: Shapes, sparsity: float) -> Shares:
    """Each weight costs a rise of 1, and as many as the sparsity says are borne

    A small layer may lose any number; a large one none, all, or what the layers before leave over.
    """
    sizes = {k: math.prod(shape) for k, shape in shapes.items()}
    bound = left = round(sparsity * sum(sizes.values()))
    curves = {}
    for k, n in sizes.items():
        counts = range(n + 1) if n <= 1000 else sorted({min(left, n), n})
        curves[k] = [(i / n, float(i)) for i in counts]
        left -= min(left, n)
    return mp.allocate(shapes, bound=bound, curves=curves)


def hand(shapes: Shapes, sparsity: float) -> Shares:
    return mp.allocate(shapes, dict.fromkeys(shapes, sparsity))


@pytest.mark.parametrize(("fn", "like"), [(by_budget, "erk"), (by_rises, None), (hand, "uniform")])
def test_the_kit(fn: Any, like: str | None) -> None:
    assert check_allocation(fn, like=like, examples=40).ok


MESSAGES: tuple[tuple[Callable[[], Any], type[ArgumentError], str], ...] = (
    (lambda: mp.allocate(LENET), ArgumentError,
     "allocate: one of sparsity, budget, bound must be given, not none; pass sparsity=0.9 alone, "
     "for example"),
    (lambda: mp.allocate(small_net(), 0.5, budget=0.5), ArgumentError,
     "allocate: one of sparsity, budget, bound must be given, not sparsity and budget; pass "
     "sparsity=0.9 alone, for example"),
    (lambda: mp.allocate(small_net(), 0.5, "flops"), ArgumentError,
     "allocate: how='flops' needs budget, not sparsity; pass budget=0.5, for example"),
    (lambda: mp.allocate(LENET, "flops", budget=0.5), ArgumentError,
     "allocate: layers must be a model for a budget, not a dict of shapes, which do not tell how "
     "often a weight multiplies; pass the model"),
    (lambda: mp.allocate(small_net(), "flops", budget=1.5), ArgumentError,
     "allocate: budget must be a number from 0 to 1, not 1.5; pass budget=0.5, for example"),
    (lambda: mp.allocate(small_net(), "flops", budget=0.1, protect="conv2"), UnreachableError,
     "allocate: budget=0.1 is below the share of the multiply-adds that protected layers take; "
     "the smallest reachable is 0.7248322147651006"),
    (lambda: mp.allocate(LENET, bound=0.1), ArgumentError,
     "allocate: bound and curves must be given together, not bound alone; pass "
     "curves=mp.sensitivity(model, data).curves() and a bound"),
    (lambda: mp.allocate(LENET, 0.5, curves={}), ArgumentError,
     "allocate: bound and curves must be given together, not curves alone; pass "
     "curves=mp.sensitivity(model, data).curves() and a bound"),
    (lambda: mp.allocate(LENET, bound=-1, curves={}), ArgumentError,
     "allocate: bound must be a finite number of at least 0, not -1; pass bound=1, for example"),
    (lambda: mp.allocate(LENET, bound=1, curves={"fc9": []}), ArgumentError,
     "'fc9' must be a scored parameter, or a layer of one; choose among "
     "fc1, fc2, fc3"),
    (lambda: mp.allocate(LENET, bound=1, curves={"fc1": [(0.5, float("nan"))]}), ArgumentError,
     "allocate: the curve of fc1 must hold pairs of a sparsity and a rise, not (0.5, nan); pass "
     "[(0.5, 0.01), (0.9, 0.2)], for example"),
    (lambda: mp.allocate(LENET, bound=1, curves={"fc1": [(1.5, 0.1)]}), ArgumentError,
     "allocate: the curve of fc1 must hold pairs of a sparsity and a rise, not (1.5, 0.1); pass "
     "[(0.5, 0.01), (0.9, 0.2)], for example"),
    (lambda: mp.allocate(LENET, bound=1, curves=3), ArgumentError,  # type: ignore[arg-type]
     "allocate: curves must be a Mapping, not int; pass {'fc1': [(0.5, 0.01), (0.9, 0.2)]}"),
    (lambda: mp.allocate({"fc1.weight": (2, 2)}, {"fc1": 0.5, "fc1.weight": 0.25}), ArgumentError,
     "allocate: sparsity of fc1.weight must be one number, not 0.5 and, by 'fc1.weight', 0.25; "
     "leave one of them out"),
    (lambda: mp.allocate(LENET, {"fc1": 2}), ArgumentError,
     "allocate: sparsity must be a number from 0 to 1, not 2; pass sparsity=0.5, for example"),
)  # fmt: skip


@pytest.mark.parametrize(("provoke", "kind", "text"), MESSAGES, ids=[m[2][:50] for m in MESSAGES])
def test_messages(provoke: Callable[[], Any], kind: type[ArgumentError], text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        provoke()
    assert type(caught.value) is kind
    assert caught.value.args == (text,)
