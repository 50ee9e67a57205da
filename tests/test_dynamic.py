"""SET and RigL: as many weights as before, elsewhere; the laws reject what others do wrong."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from moving import (
    LAWS,
    Law,
    Looking,
    Run,
    counts_are_kept,
    plans,
    so_many_move,
    the_smallest_go,
    the_steepest_come,
    trained,
    what_comes_is_new,
)
from watching import small_data

import minprune as mp
from minprune import kernels
from minprune.core import Array
from minprune.masking.choose import keep_top
from minprune.methods import SET, RigL
from minprune.methods import drop_grow as moving_weights
from minprune.methods import set_rigl as dynamic
from minprune.methods.drop_grow import live_places, rewire, whole_grads
from minprune.methods.set_rigl import Dynamic

FEW = settings(max_examples=max(settings().max_examples // 5, 10))


@pytest.mark.parametrize("law", LAWS)
@FEW
@given(plan=plans)
def test_laws(law: Law, plan: Run) -> None:
    assert (law is the_steepest_come and plan.kind is SET) or law(plan)


def by_value(live: Array, drop: Array, grow: Array, count: int, *_: Any) -> tuple[Array, Array]:
    """As rigl: the scores of all places, dead ones 0, so that a live 0.0 ties with them."""
    scores = np.zeros(live.shape)
    scores[live] = drop
    kept, come = keep_top(scores, int(live.sum()) - count), np.zeros(live.shape, bool)
    come[~live] = keep_top(grow[~live], count)
    return kept, come


def back_at_once(live: Array, drop: Array, grow: Array, count: int, *_: Any) -> tuple[Array, Array]:
    kept, come = live.copy(), np.zeros(live.shape, bool)
    kept[live] = ~kernels.smallest(drop, count)
    come[~kept] = keep_top(grow[~kept], count)
    return kept, come


def other_ties(live: Array, drop: Array, grow: Array, count: int, *_: Any) -> tuple[Array, Array]:
    kept, come = rewire(live, drop, grow, count)
    kept[live] = ~kernels.smallest(drop[::-1], count)[::-1]
    return kept, come


def nothing(live: Array, drop: Array, grow: Array, count: int, *_: Any) -> tuple[Array, Array]:
    """As a shuffle of synflow: the result is bound to a name and lost."""
    rewire(live, drop, grow, count)
    return live, np.zeros(live.shape, bool)


def of_the_stored(view: mp.View, names: Any) -> Callable[[str], Array]:
    """The gradient that a sparse layer has: at stored places alone."""
    grads = whole_grads(view, names)
    return lambda name: grads(name) * live_places(view, name)


def with_momentum(change: mp.Change) -> mp.Change:
    return replace(change, opt_state=None)


def with_weights(change: mp.Change) -> mp.Change:
    """New ones start at 1."""
    params = {k: np.where(w == 0, 1, w) for k, w in (change.params or {}).items()}
    return replace(change, params=params)


def changing(how: Callable[[mp.Change], mp.Change]) -> Any:
    real = dynamic.move

    def move(*args: Any) -> mp.Change | None:
        change = real(*args)
        return how(change) if change else None

    return patch.object(dynamic, "move", move)


WRONG: dict[str, tuple[Law, Callable[[], Any]]] = {
    "by value": (the_smallest_go, lambda: patch.object(moving_weights, "rewire", by_value)),
    "back at once": (so_many_move, lambda: patch.object(moving_weights, "rewire", back_at_once)),
    "other ties": (the_smallest_go, lambda: patch.object(moving_weights, "rewire", other_ties)),
    "nothing": (so_many_move, lambda: patch.object(moving_weights, "rewire", nothing)),
    "stored": (the_steepest_come, lambda: patch.object(dynamic, "whole_grads", of_the_stored)),
    "random": (the_steepest_come, lambda: patch.object(RigL, "scores", SET.scores)),
    "momentum": (what_comes_is_new, lambda: changing(with_momentum)),
    "weights": (what_comes_is_new, lambda: changing(with_weights)),
    "at the end": (so_many_move, lambda: patch.object(Dynamic, "due", lambda m, c: True)),
    "not decayed": (so_many_move, lambda: patch.object(RigL, "share", lambda m, *_: m.fraction)),
    "lost": (counts_are_kept, lambda: patch.object(dynamic, "move", less)),
}


def less(*args: Any) -> mp.Change | None:
    """Drops, and does not grow: in masks."""
    real = moving_weights.move(*args)
    old = args[0].ctx.masks
    return real and mp.Change(masks={k: m & old[k] for k, m in (real.masks or {}).items()})


SLIPS = tuple(
    Run(every=every, sparsity=0.7, stored=stored, lr=lr)
    for stored in (False, True) for every, lr in ((1, 0.0), (2, 0.1))
)  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_the_laws_reject(name: str) -> None:
    law, wrong = WRONG[name]
    assert all(law(plan) for plan in SLIPS)
    with wrong():
        assert not all(law(plan) for plan in SLIPS)


MASK, W = [0, 1, 0, 1, 0, 1, 1, 0], [-9.0, 1, 4, -1, 5, 8, -2, 3]


@pytest.mark.parametrize(
    ("fraction", "want"),
    [
        (0.25, [1, 1, 0, 1, 0, 1, 0, 0]),
        (0.5, [1, 1, 0, 0, 1, 1, 0, 0]),
        (0.75, [1, 0, 1, 0, 1, 1, 0, 0]),
    ],
)
@pytest.mark.parametrize("rule", [rewire, back_at_once])  # it does not tell the two apart
def test_a_published_update(rule: Any, fraction: float, want: list[int]) -> None:
    """jaxpruner's: drop by w itself, grow by |w|"""
    live, w = np.array(MASK, bool), np.array(W)
    kept, come = rule(live, w[live], np.abs(w), round(fraction * 4))
    assert (kept | come).tolist() == [bool(k) for k in want]
    assert not (kept & come).any()


def test_ties_by_hand() -> None:
    live = np.array([1, 0, 1, 1, 0, 0, 1], bool)
    kept, come = rewire(live, np.array([0.0, -0.0, 2.0, 0.0]), np.ones(7), 2)
    assert np.flatnonzero(kept).tolist() == [0, 3]  # of the equal 0, 2 and 6 the higher two go
    assert np.flatnonzero(come).tolist() == [1, 4]
    assert live.tolist() == [True, False, True, True, False, False, True]


def test_cosine_decay_by_hand() -> None:
    method = RigL(0.3, 100, 0.75)
    shares = [method.share(t, 1000) for t in (0, 125, 250, 375, 500, 625, 750)]
    want = [0.3, 0.279904, 0.225, 0.15, 0.075, 0.020096, 0.0]
    assert shares == pytest.approx(want, abs=5e-7)
    assert method.share(0, 1000) == 0.3
    plan = Run(RigL, fraction=1.0, every=1, stop=1.0, sparsity=0.5, lr=0.0)
    moved = [int((s.live["fc1.weight"] & ~s.now["fc1.weight"]).sum()) for s in trained(plan)[0]]
    live = int(trained(plan)[0][0].live["fc1.weight"].sum())
    decay = (0.933013, 0.75, 0.5, 0.25, 0.066987, 0.0)
    assert moved == [min(round(share * live), 60 - live) for share in decay]


@pytest.mark.parametrize("adam", [False, True])
@pytest.mark.parametrize("kind", [SET, RigL])
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_sparse_and_masked_training_follow_the_same_masks(
    kind: Any, adam: bool, dropout: float
) -> None:
    """To rounding: the products add up the same terms in another order, and no scores tie."""
    for seed in range(3):
        plan = Run(kind, every=1, adam=adam, seed=seed)
        found = []
        for one in (plan, replace(plan, stored=True)):
            looking = Looking(one.method())
            model, _ = mp.fit(one.model(dropout), small_data(), method=looking, **one.how())
            found.append((looking.seen, mp.densify(model)))
        (masked, a), (stored, b) = found
        for one, other in zip(masked, stored, strict=True):
            assert all((one.now[k] == other.now[k]).all() for k in one.now)
        for k, w in a.params.items():
            assert np.allclose(w, b.params[k], rtol=0, atol=1e-9)  # Adam divides small by small


def test_live_zeros_are_live() -> None:
    """At learning rate 0 all that grew stays 0.0, and moves on before what is not."""
    for stored in (False, True):
        seen, _ = trained(Run(every=1, fraction=0.2, lr=0.0, stored=stored))
        zeros = [int((s.live["fc1.weight"] & (s.w["fc1.weight"] == 0)).sum()) for s in seen]
        assert max(zeros) > 0
        for one, then in pairwise(seen):
            assert one.now["fc1.weight"].sum() == then.live["fc1.weight"].sum()
