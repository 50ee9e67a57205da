"""The agent: its updates written out, what it learns, resuming, and what is refused."""

import sys
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from watching import same, small_data, small_net

import minprune as mp
from minprune.core import Array, stream
from minprune.errors import ArgumentError
from minprune.masking.units import live_units
from minprune.methods import Agent
from minprune.methods.agent import softmax, worth
from minprune.methods.plans import OF_FIT, Result

HOW: dict[str, Any] = {"epochs": 1, "retrain_epochs": 1, "batch_size": 4, "progress": False}
MODULE = sys.modules["minprune.methods.agent"]  # the name is that of the call too
run = partial(mp.methods.agent, small_net(), small_data(), **HOW)


def slowly(by: str, rewards: list[float], ratios: tuple[float, ...]) -> dict[str, Array]:
    """The chance of each unit after these rewards, from the same draws; groups of 3 and 5 units."""
    rng, sizes = stream(0, "agent 0"), {"conv1": 3, "fc1": 5}
    theta = {k: [0.0] * len(ratios) if by == "layer" else [2.0] * n for k, n in sizes.items()}
    b = s = None
    for r in rewards:
        slope = {}
        for k in sizes:
            if by == "layer":
                p = [np.exp(t) / sum(np.exp(theta[k])) for t in theta[k]]
                u = rng.random()
                a = sum(u >= sum(p[: j + 1]) for j in range(len(p) - 1))
                slope[k] = [(j == a) - q for j, q in enumerate(p)]
            else:
                p = [1 / (1 + np.exp(-t)) for t in theta[k]]
                slope[k] = [(u < q) - q for u, q in zip(rng.random(len(p)), p, strict=True)]
        b = r if b is None else b
        far = abs(r - b)
        s = far if not s else 0.9 * s + 0.1 * far
        if far:
            theta = {k: [t + 0.3 * (r - b) / s * d for t, d in zip(theta[k], slope[k], strict=True)]
                     for k in sizes}  # fmt: skip
        b = 0.9 * b + 0.1 * r
    if by == "unit":
        return {k: 1 / (1 + np.exp(-np.array(t))) for k, t in theta.items()}
    found = {}
    for k, n in sizes.items():
        p = np.exp(theta[k]) / sum(np.exp(theta[k]))
        kept = [max(1, round(r * n)) for r in ratios]
        found[k] = np.array([sum(q for q, c in zip(p, kept, strict=True) if place < c)
                             for place in range(n)])  # fmt: skip
    return found


@pytest.mark.parametrize("by", ["layer", "unit"])
def test_the_updates_are_those_written_out(by: str) -> None:
    ratios = (0.25, 0.5, 1.0)
    extra = run(by=by, episodes=12, ratios=ratios).history["search"].extra
    want = slowly(by, extra["reward"].tolist(), ratios)
    for k, chance in want.items():
        found = extra[f"{k} chance"]
        found = np.sort(found)[::-1] if by == "layer" else found  # by rank
        assert found == pytest.approx(chance, rel=1e-9)
        assert extra[f"{k} kept"][-1] == pytest.approx(chance.mean(), rel=1e-9)
    assert extra["reward"] == pytest.approx(
        extra["accuracy"] - 0.3 * extra["multiply-adds"], rel=1e-12
    )


@given(st.integers(0, 99))
def test_the_slope_is_that_of_the_log_chance(seed: int) -> None:
    """Against differences; the wrong one, (a = j) + p, is not."""
    rng = np.random.default_rng(seed)
    theta, order, h = rng.standard_normal(4), np.arange(6), 2.0**-17
    plan = Agent(epochs=0, ratios=(0.2, 0.4, 0.6, 1.0))
    kept, slope = plan._act(np.random.default_rng(seed), theta, order)
    a = [max(1, round(r * 6)) for r in plan.ratios].index(int(kept.sum()))
    step = h * np.eye(4)
    want = [(np.log(softmax(theta + d)[a]) - np.log(softmax(theta - d)[a])) / (2 * h) for d in step]
    assert slope == pytest.approx(want, abs=1e-9)
    assert not np.allclose(slope + 2 * softmax(theta), want, atol=1e-3)


def test_what_a_choice_is_worth() -> None:
    """conv1 and conv2, tied, 3 of 3 channels; 2 of 5 units: multiply-adds by hand"""
    model, data = small_net(), small_data()
    kept = {"conv1.weight": np.ones(3, bool), "fc1.weight": np.arange(5) < 2}
    accuracy, left = worth(model, kept, data.val)
    convs = (3 * 9 + 9 * 9) * 20
    assert left == pytest.approx((convs + 2 * 12 + 3 * 2) / (convs + 5 * 12 + 3 * 5))
    assert 0 <= accuracy <= 1
    assert worth(model, {k: np.ones_like(a) for k, a in kept.items()}, data.val)[1] == 1


def test_it_prefers_few_multiply_adds_where_they_are_all_that_counts() -> None:
    found = run(by="layer", episodes=150, lam=100.0, ratios=(0.2, 1.0))
    extra = found.history["search"].extra
    assert extra["multiply-adds"][-30:].mean() < extra["multiply-adds"][:30].mean()
    assert [row["kept"] for row in found.report["policy"]] == [1, 1]


def test_multiply_adds_within_the_budget_cost_nothing_and_the_higher_reward_is_taken() -> None:
    for macs, by in ((0.6, "layer"), (0.6, "unit"), (1.0, "unit")):
        found = run(by=by, episodes=20, macs=macs, lam=0.7, retrain_epochs=0)
        extra = found.history["search"].extra
        accuracy, left = extra["accuracy"], extra["multiply-adds"]
        assert extra["reward"] == pytest.approx(accuracy - 0.7 * np.maximum(0, left - macs))
        kept = {g.name: live_units(g, found.model.masks) for g in mp.ties(found.model) if g.free}
        accuracy, left = worth(found.models["trained"], kept, small_data().val)
        reward = accuracy - 0.7 * max(0.0, left - macs)
        assert reward >= extra["reward"].max()
        assert (found.report["pruned by"] == "the likeliest action") or (
            found.report["pruned by"] == f"the action of episode {extra['reward'].argmax() + 1}"
        )


def test_the_rate_is_that_of_training() -> None:
    """A name of `fit` is free for `fit`."""
    run(rate=mp.rates.cosine(), policy_lr=0.1, episodes=2)
    mine = {"lottery_ticket": {"rate"}, "rewind_on_plateau": {"patience"}}
    for name, plan in mp.methods.PLANS.items():  # refused by name, with what to do; that of `fit`
        assert {f.name for f in fields(plan)} & set(OF_FIT) == mine.get(name, set())
    how: dict[str, Any] = {"epochs": 1, "batch_size": 4, "progress": False}
    usual, cosine = (
        mp.methods.dropout(small_net(), small_data(), rate=0.2, **how, **more)
        for more in ({}, {"train": {"rate": mp.rates.cosine()}})
    )
    assert not same(usual.model, cosine.model)


def test_a_share_is_exact_and_masks_are_of_whole_units() -> None:
    found = run(by="unit", episodes=5, sparsity=0.5)
    assert sum(row["kept"] for row in found.report["policy"]) == 4  # of 8
    assert found.rounds[-1]["unit_sparsity"] == 0.5


class StoppedError(Exception):
    """In place of a signal."""


def test_it_resumes_with_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MODULE, "CHUNK", 4)
    whole, calls = run(episodes=10), []

    def stopping(*args: Any) -> Any:
        calls.append(1)
        if len(calls) == 7:
            raise StoppedError
        return worth(*args)

    monkeypatch.setattr(MODULE, "worth", stopping)
    with pytest.raises(StoppedError):
        run(episodes=10, folder=tmp_path)
    again: Result = run(episodes=10, folder=tmp_path)
    assert len(calls) == 7 + 6 + 1  # the first chunk is not repeated; the choice
    assert same(whole.model, again.model)
    one, other = (r.history["search"].extra for r in (whole, again))
    assert all(one[k].tobytes() == other[k].tobytes() for k in one)
    assert (
        one["reward"].tobytes()
        != run(episodes=10, seed=1).history["search"].extra["reward"].tobytes()
    )


REFUSED: dict[str, dict[str, Any]] = {
    "agent: by must be 'layer' or 'unit', not 'filter'; choose one of them": {"by": "filter"},
    "agent: episodes must be an integer of at least 1, not 0; pass episodes=1, for example":
    {"episodes": 0},
    "agent: macs must be a number from 0 to 1, not 30; pass macs=0.5, for example": {"macs": 30},
    "agent: ratios must not be empty; pass (0.25, 0.5, 1.0), for example": {"ratios": ()},
}  # fmt: skip


def test_targets_without_classes() -> None:
    layers = [("fc1", mp.Dense(2, 3)), ("relu1", mp.ReLU()), ("fc2", mp.Dense(3, 1))]
    model = mp.initialise(mp.build((2,), layers, "mse"))
    part = np.ones((4, 2)), np.linspace(0, 2, 4)[:, None]
    with pytest.raises(ArgumentError) as e:
        mp.methods.agent(model, mp.Dataset(part, part, part), **HOW)
    assert str(e.value) == (
        "agent: data.val must hold classes, whose accuracy is the reward, not numbers; use "
        "mp.methods.iterative"
    )


@pytest.mark.parametrize("said", REFUSED)
def test_what_is_refused(said: str) -> None:
    with pytest.raises(ArgumentError) as e:
        run(**REFUSED[said])
    assert str(e.value) == said
