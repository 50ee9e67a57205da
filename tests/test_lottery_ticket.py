"""Lottery tickets: counts, rewinding, controls, early stopping; overlap against chance."""

from fractions import Fraction
from itertools import combinations
from math import comb
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from procedures import DATA, HOW, lottery_ticket, net
from watching import same

import minprune as mp
from minprune.core import stream
from minprune.errors import ArgumentError
from minprune.methods.lottery_ticket import shuffled
from minprune.methods.overlap import chance
from minprune.methods.tickets import output_weights
from minprune.methods.validate import least_loss
from minprune.train.loop import fit_part

SIZES = {name: net().params[name].size for name in net().net.weights}


def test_each_layer_loses_its_share_of_the_original() -> None:
    found = lottery_ticket(rounds=3, controls=())
    for k, row in enumerate(found.rounds):
        for name, n in SIZES.items():
            rate = 0.1 if name == "fc3.weight" else 0.2
            assert row["live"][name] == n - round((1 - (1 - rate) ** k) * n)
    for before, after in zip(found.masks[1:], found.masks[2:], strict=False):
        assert all((after[name] <= before[name]).all() for name in SIZES)


def test_globally_the_output_layer_has_its_own_count() -> None:
    found = lottery_ticket(rounds=2, scope="global", controls=())
    live, n = found.rounds[2]["live"], SIZES["fc1.weight"] + SIZES["fc2.weight"]
    assert live["fc1.weight"] + live["fc2.weight"] == n - round(0.36 * n)
    assert live["fc3.weight"] == 15 - round(0.19 * 15)


def test_a_ticket_is_trained_from_its_initial_weights() -> None:
    found = lottery_ticket(rounds=1, controls=())
    again, _ = mp.fit(mp.with_masks(net(), found.masks[1]), DATA, epochs=2, **HOW)
    assert same(found.model, again)
    trained = found.models["trained"]
    for name in SIZES:  # the smallest trained weights went
        size, kept = np.abs(trained.params[name]), found.masks[1][name]
        assert size[kept].min() >= size[~kept].max()


def test_controls_keep_what_they_say() -> None:
    found = lottery_ticket(rounds=1, look=1)
    rows = {row["control"]: row for row in found.report["controls"]}
    assert list(rows) == ["reinit", "shuffle", "random", "one_shot"]
    for row in rows.values():
        assert row["live"] == found.rounds[1]["live"]
    exact = {name: row["overlap"]["fc1.weight"] for name, row in rows.items()}
    assert exact["reinit"]["shared"] == exact["one_shot"]["shared"] == 96  # of one round: the same
    assert exact["shuffle"]["shared"] < 96
    assert exact["shuffle"]["expected"] == 96 * 96 / 120
    first = {name: found.history[f"{name} 1"].steps["loss"][0] for name in rows}
    dense = found.history["retrain 1"].steps["loss"][0]
    assert first["one_shot"] == dense
    assert len(set(first.values())) == 4  # other weights, other masks


def test_output_layers_have_half_the_rate_unless_told() -> None:
    plan = mp.methods.LotteryTicket
    assert plan(epochs=1).rate_of_outputs == 0.1
    assert plan(epochs=1, rate=0.5).rate_of_outputs == 0.25
    assert plan(epochs=1, rate=0.5, output_rate=0.0).rate_of_outputs == 0.0
    found = lottery_ticket(rounds=1, rate=0.4, controls=())
    assert found.rounds[1]["live"]["fc3.weight"] == 15 - round(0.2 * 15)


def test_tickets_of_seeds_are_compared_with_chance() -> None:
    """Each other seed is the same call from new weights; the first is what it is without them."""
    found, alone = lottery_ticket(rounds=2, controls=(), seeds=3), lottery_ticket(rounds=2)
    assert same(found.model, alone.model)
    masks = [found.masks]
    for s in (1, 2):
        start = mp.initialise(net().net, seed=stream(s, "tickets"), dtype=np.float64)
        train = {k: v for k, v in HOW.items() if k != "progress"}
        how: dict[str, Any] = {"rounds": 2, "epochs": 2, "look": 2, "train": train, "seed": s}
        own = mp.methods.lottery_ticket(start, DATA, controls=(), progress=False, **how)
        rows = [row for row in found.report["seeds"] if row["seed"] == s]
        assert [row["val_accuracy"] for row in rows] == [r["val_accuracy"] for r in own.rounds]
        assert found.history[f"seed {s}: retrain 2"].steps == own.history["retrain 2"].steps
        masks.append(own.masks)
    told = found.report["overlap"]
    assert [(row["between seeds"], row["after round"]) for row in told] == [
        (pair, k) for k in (1, 2) for pair in ("0, 1", "0, 2", "1, 2")
    ]
    for row, (k, a, b) in zip(
        told, [(k, *pair) for k in (1, 2) for pair in ((0, 1), (0, 2), (1, 2))], strict=True
    ):
        each = mp.methods.overlap(masks[a][k], masks[b][k])
        assert row["layers"] == each
        both = sum(int((masks[a][k][name] & masks[b][k][name]).sum()) for name in SIZES)
        assert row["shared"] == both
        by_chance = sum(m["a"] * m["b"] / m["n"] for m in each.values())
        assert row["expected"] == pytest.approx(by_chance)
        assert row["deviation"] == pytest.approx(
            sum(m["deviation"] ** 2 for m in each.values()) ** 0.5
        )


def test_a_model_that_is_pruned_already_loses_shares_of_what_is_left() -> None:
    half = mp.prune(net(), mp.score(net(), None, "magnitude"), sparsity={"fc1": 0.5}, minimum=0)
    for scope in ("layer", "global"):
        how: dict[str, Any] = {"rounds": 2, "epochs": 1, "scope": scope, "progress": False}
        live = mp.methods.lottery_ticket(half, DATA, controls=(), **how).rounds[2]["live"]
        assert live["fc3.weight"] == 15 - round(0.19 * 15)
        if scope == "layer":  # 120 and 30 weights, of which 60 are masked
            assert live["fc1.weight"] == 120 - round((1 - 0.5 * 0.64) * 120)
            assert live["fc2.weight"] == 30 - round((1 - 0.64) * 30)
        else:
            assert live["fc1.weight"] + live["fc2.weight"] == 150 - round((1 - 0.6 * 0.64) * 150)


def test_a_shuffled_mask_is_of_the_same_counts_in_other_places() -> None:
    model = mp.prune(net(), mp.score(net(), None, "magnitude"), sparsity=0.5)
    other = shuffled(model, 1)
    assert all(other.masks[k].sum() == m.sum() for k, m in model.masks.items())
    assert any((other.masks[k] != m).any() for k, m in model.masks.items())
    assert all(np.array_equal(m, shuffled(model, 1).masks[k]) for k, m in other.masks.items())


def test_early_stopping_is_at_the_least_validation_loss() -> None:
    found = lottery_ticket(rounds=1, look=1, epochs=4)
    for k, row in enumerate(found.rounds):
        model = net() if k == 0 else mp.with_masks(net(), found.masks[k])
        losses, accuracies = [], []
        for updates in range(1, 13):
            part = fit_part(model, DATA, epochs=4, until=updates, **HOW)
            losses.append(mp.evaluate(part.model, DATA.val).loss)
            accuracies.append(mp.evaluate(part.model, DATA.test).accuracy)
        at = int(np.argmin(losses))
        assert (row["early_update"], row["early_val_loss"]) == (at + 1, losses[at])
        assert row["early_test_accuracy"] == accuracies[at]


def test_looks_before_the_rewinding_point_are_not_the_tickets() -> None:
    looks = mp.History(extra={
        "step": np.array([1, 2, 3, 4]), "val_loss": np.array([0.1, 3.0, 2.0, 2.5]),
        "val_accuracy": np.zeros(4), "test_accuracy": np.arange(4.0),
    })  # fmt: skip
    assert least_loss(looks)["early_update"] == 1
    assert least_loss(looks, before=1)["early_update"] == 3
    assert least_loss(looks, before=4)["early_update"] is None


def test_output_weights_are_the_last_ones() -> None:
    assert output_weights(net().net) == ("fc3.weight",)
    assert output_weights(mp.zoo.monk().net) == ("fc2.weight",)
    both = mp.build((3,), [
        ("a", mp.Dense(3, 2)), ("b", mp.Dense(3, 2), "input"), ("sum", mp.Add(), ("a", "b")),
    ])  # fmt: skip
    assert output_weights(both) == ("a.weight", "b.weight")
    found = mp.methods.lottery_ticket(
        mp.initialise(both), few(), rounds=1, epochs=1, progress=False
    )
    assert found.rounds[1]["live"] == {"a.weight": 5, "b.weight": 5}


def few() -> mp.Dataset:
    x = np.random.default_rng(0).standard_normal((9, 3))
    y = np.arange(9) % 2
    return mp.Dataset((x, y), (x, y), (x, y))


COUNTS = st.integers(0, 9).flatmap(
    lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(0, n))
)


def counted(n: int, a: int, b: int) -> list[Fraction]:
    """P(X = x), by counting all pairs of tickets."""
    mine, total = set(range(a)), comb(n, b)
    hits = [len(mine & set(other)) for other in combinations(range(n), b)]
    return [Fraction(hits.count(x), total) for x in range(min(a, b) + 1)]


def binomial(n: int, a: int, b: int) -> list[float]:
    """As if a weight could be drawn twice: the wrong variant."""
    p = a / n if n else 0.0
    return [comb(b, x) * p**x * (1 - p) ** (b - x) for x in range(min(a, b) + 1)]


@given(counts=COUNTS)
def test_chance_is_the_share_of_all_pairs(counts: tuple[int, int, int]) -> None:
    assert np.allclose(chance(*counts), [float(p) for p in counted(*counts)], rtol=1e-12, atol=0)


def test_drawing_twice_is_another_chance() -> None:
    want = [float(p) for p in counted(9, 4, 5)]
    assert not np.allclose(binomial(9, 4, 5), want, rtol=0.1)


@given(n=st.integers(2, 5000), data=st.data())
def test_chance_has_its_mean_and_deviation(n: int, data: Any) -> None:
    a, b = data.draw(st.integers(0, n)), data.draw(st.integers(0, n))
    p = chance(n, a, b)
    x = np.arange(p.size)
    masks = [{"w": np.arange(n) < k} for k in (a, b)]
    row = mp.methods.overlap(*masks)["w"]
    assert p.sum() == pytest.approx(1, rel=1e-9)
    assert (p * x).sum() == pytest.approx(row["expected"], rel=1e-9, abs=1e-12)
    mean = (p * x).sum()
    assert (p * (x - mean) ** 2).sum() == pytest.approx(row["deviation"] ** 2, rel=1e-6, abs=1e-9)
    assert row["shared"] == min(a, b)


def test_masks_of_two_nets_are_refused() -> None:
    with pytest.raises(ArgumentError) as caught:
        mp.methods.overlap({"a": np.ones(3, bool)}, {"b": np.ones(3, bool)})
    assert caught.value.args == (
        "overlap: a and b must have masks of the same weights, not of a and of b; pass two pruned "
        "models of one net",
    )


MESSAGES: tuple[tuple[dict[str, Any], str], ...] = (
    ({"controls": ["random mask"]},
     "lottery_ticket: a control must be reinit, shuffle, random or one_shot, not 'random mask'; "
     "did you mean random?"),
    ({"rate": 1.0},
     "lottery_ticket: rate must be a number from 0 to below 1, not 1.0; pass rate=0.5, for "
     "example"),
    ({"rate": mp.rates.cosine()},
     "lottery_ticket: rate must be the share that each round removes, not a schedule of the "
     "learning rate; pass that as train={'rate': mp.rates.cosine()}"),
    ({"controls_at": [3]},
     "lottery_ticket: a round of controls_at must be 1 or 2, not 3; choose one of them"),
    ({"rewind_to": 6},
     "lottery_ticket: the update to return to must be before the last one, 6, not 6; pass a "
     "smaller rewind_to, or more epochs"),
    ({"epochs": 0},
     "lottery_ticket: epochs must be an integer of at least 1, not 0; pass epochs=1, for example"),
)  # fmt: skip


@pytest.mark.parametrize(("how", "text"), MESSAGES, ids=[m[1][16:50] for m in MESSAGES])
def test_messages(how: dict[str, Any], text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minprune.train.plan.fit_part", None)
    with pytest.raises(ArgumentError) as caught:
        lottery_ticket(**{"rounds": 2, **how})
    assert caught.value.args == (text,)


@pytest.mark.parametrize(("what", "given"), [("controls", True), ("controls_at", 5)])
def test_what_is_no_sequence_is_refused(what: str, given: Any) -> None:
    with pytest.raises(ArgumentError, match=f"{what} must be a list, not "):
        mp.methods.LotteryTicket(rounds=2, epochs=1, **{what: given})
