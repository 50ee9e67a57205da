"""Comparisons over seeds: equal budgets, the same seeds on both sides, equal sizes."""

from typing import Any

import numpy as np
import pytest
from procedures import DATA, HOW, large_sparse, narrow, net, scratch_against_joint
from watching import same

import minprune as mp
from minprune.errors import ArgumentError
from minprune.measures.cost import size
from minprune.methods.large_sparse import nearest


def test_scratch_has_the_masks_that_joint_training_found() -> None:
    found = scratch_against_joint(seeds=2)
    assert [(row["kind"], row["seed"]) for row in found.rounds] == [
        (kind, seed) for seed in (0, 1) for kind in ("joint", "same", "new")
    ]
    assert len({row["updates"] for row in found.rounds}) == 1
    n = sum(net().params[k].size for k in net().net.weights)
    for row in found.rounds:
        assert sum(row["live"].values()) == n - round(0.6 * n)
    for first in (0, 3):
        joint, alike, new = found.masks[first : first + 3]
        assert all(np.array_equal(joint[k], alike[k]) for k in joint)
        assert all(np.array_equal(joint[k], new[k]) for k in joint)
    start = mp.initialise(net().net, seed=1, dtype=np.float64)
    want, _ = mp.fit(mp.with_masks(start, found.masks[3]), DATA, epochs=2, seed=1, **HOW)
    assert same(found.models["same"], want)


def test_differences_are_paired_by_seed() -> None:
    found = scratch_against_joint(seeds=3, level=0.9)
    accuracy = {(r["kind"], r["seed"]): r["test_accuracy"] for r in found.rounds}
    told = found.report["joint - new"]
    assert told["values"] == [accuracy["joint", s] - accuracy["new", s] for s in (0, 1, 2)]
    assert told["low"] <= told["mean"] <= told["high"]
    assert told["level"] == 0.9


def test_at_a_sparsity_of_0_the_same_weights_give_the_same_net() -> None:
    """The null setting: joint training is `fit`, and so is scratch."""
    found = scratch_against_joint(sparsity=0.0, seeds=1)
    plain, _ = mp.fit(net(), DATA, epochs=2, **HOW)
    assert same(found.models["joint"], plain)
    assert same(found.models["same"], plain)
    assert found.report["joint - same"]["values"] == [0.0]


def test_the_small_net_is_as_large_as_what_is_left() -> None:
    found = large_sparse(seeds=1)
    large, params, held = (found.models[k] for k in mp.methods.LargeSparse.kinds)
    want = [  # of every width, the nearest
        min((narrow(k / 12) for k in range(1, 13)), key=lambda m: abs(cost(m) - goal))
        for cost, goal in (
            (lambda m: size(m).parameters, size(large).live),
            (lambda m: size(m).bytes, size(large).sparse_bytes),
        )
    ]
    for got, model in zip((params, held), want, strict=True):
        assert got.net.params == model.net.params
        assert size(got).sparsity == 0


@pytest.mark.parametrize("goal", [0, 50, 120, 151, 10**6])
def test_the_nearest_width_of_all(goal: int) -> None:
    got = size(nearest(narrow, lambda m: size(m).parameters, goal)).parameters
    every = [size(narrow(k / 12)).parameters for k in range(1, 13)]
    assert abs(got - goal) == min(abs(n - goal) for n in every)


MESSAGES: tuple[tuple[Any, str], ...] = (
    (lambda: scratch_against_joint(seeds=0),
     "scratch_against_joint: seeds must be an integer of at least 1, not 0; pass seeds=1, for "
     "example"),
    (lambda: large_sparse(small=narrow(0.5)),
     "large_sparse: small must be a function of a share of the width that gives a model, not "
     f"{narrow(0.5)!r}; pass lambda share: mp.zoo.mlp(...), for example"),
    (lambda: large_sparse(small=lambda share: None),
     "large_sparse: model must be a Model, not NoneType; pass one that mp.zoo, mp.initialise or "
     "mp.load made"),
)  # fmt: skip


@pytest.mark.parametrize(("provoke", "text"), MESSAGES, ids=[m[1][:50] for m in MESSAGES])
def test_messages(provoke: Any, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is trained."""
    monkeypatch.setattr("minprune.train.plan.fit", None)
    with pytest.raises(ArgumentError) as caught:
        provoke()
    assert caught.value.args == (text,)
