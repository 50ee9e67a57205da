"""What `prune` takes for units, by hand; multiples of a size; messages."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import find, given
from hypothesis import strategies as st
from randomnets import filled
from selection import SEARCH
from structures import NETS

import minprune as mp
from minprune.core import Arrays, Evidence
from minprune.errors import (
    ArgumentError,
    MinpruneError,
    NonFiniteError,
    ShapeError,
    UnreachableError,
)
from minprune.masking.units import rounded_up
from minprune.nets.model import Model
from minprune.nets.ties import OUTPUT


def net(name: str = "sigmoid") -> Model:
    return filled(NETS[name], 0)


# --- arguments, on a net of groups a (4 units) and b (3)

SCORES = {"a.weight": np.array([1.0, 2, 3, 4]), "b.weight": np.array([0.5, 5, 6])}
ARGUMENTS: tuple[tuple[str, dict[str, Any], list[int], list[int]], ...] = (
    ("global", {"sparsity": 3 / 7}, [0, 0, 1, 1], [0, 1, 1]),
    ("layer", {"sparsity": 0.5, "scope": "layer"}, [0, 0, 1, 1], [0, 0, 1]),
    ("a dict", {"sparsity": {"b": 2 / 3}}, [1, 1, 1, 1], [0, 0, 1]),
    ("a dict by parameter", {"sparsity": {"a.bias": 0.25}}, [0, 1, 1, 1], [1, 1, 1]),
    ("threshold", {"threshold": 3}, [0, 0, 1, 1], [0, 1, 1]),
    ("thresholds", {"threshold": {"a": 2, "b": 6}}, [0, 1, 1, 1], [0, 0, 1]),
    ("twice the same", {"sparsity": {"a": 0.25, "a.weight": 0.25}}, [0, 1, 1, 1], [1, 1, 1]),
    ("protected", {"sparsity": 2 / 3, "protect": "a"}, [1, 1, 1, 1], [0, 0, 1]),
    ("protected bias", {"sparsity": 0.5, "protect": ["b"]}, [0, 0, 1, 1], [1, 1, 1]),
    ("minimum", {"sparsity": 5 / 7, "minimum": 1}, [0, 0, 0, 1], [0, 0, 1]),
    ("minimum 2", {"sparsity": 3 / 7, "minimum": 2}, [0, 0, 1, 1], [0, 1, 1]),
    ("minimum 0", {"sparsity": 1, "minimum": 0}, [0, 0, 0, 0], [0, 0, 0]),
    ("normalize", {"sparsity": 4 / 7, "normalize": "max"}, [0, 0, 0, 1], [0, 1, 1]),
    ("round_to 2", {"sparsity": 4 / 7, "round_to": 2}, [0, 0, 1, 1], [0, 1, 1]),
    ("round_to 4, more than there are", {"sparsity": 5 / 7, "round_to": 4}, [1] * 4, [1] * 3),
    ("nothing", {"sparsity": 0}, [1, 1, 1, 1], [1, 1, 1]),
)  # fmt: skip


@pytest.mark.parametrize(("target", "a", "b"), [row[1:] for row in ARGUMENTS],
                         ids=[row[0] for row in ARGUMENTS])  # fmt: skip
def test_arguments_by_hand(target: dict[str, Any], a: list[int], b: list[int]) -> None:
    masks = mp.prune(net("sigmoid"), SCORES, **target).masks
    for name, kept in (("a", a), ("b", b)):
        mask = masks.get(f"{name}.weight", np.ones(len(kept), bool))
        live = mask.reshape(len(kept), -1).any(axis=1)
        assert live.tolist() == [bool(k) for k in kept]


def kept_by(model: Model, scores: Arrays, **target: Any) -> list[int]:
    """How many units a and b keep, from the masks of their biases and weights."""
    masks = mp.prune(model, scores, **target).masks
    return [int(masks[n].reshape(len(masks[n]), -1).any(axis=1).sum()) for n in scores]


def wide(seed: int) -> tuple[Model, Arrays]:
    """Two groups of 11 and 7 units."""
    layers = [("a", mp.Dense(3, 11)), ("r", mp.Sigmoid()), ("b", mp.Dense(11, 7))]
    model = filled(mp.build((3,), [*layers, ("fc", mp.Dense(7, 2))]), seed)
    rng = np.random.default_rng(seed)
    return model, {
        "a.weight": rng.integers(0, 4, 11) * 1.0,
        "b.weight": rng.integers(1, 5, 7) * 1.0,
    }


Round = tuple[int, int, float]
rounds = st.tuples(st.integers(0, 99), st.integers(1, 9), st.floats(0, 0.85))


def rounds_up(fn: Callable[..., list[int]], c: Round) -> bool:
    """Each group keeps a multiple, or all it has, the least that is not below what was asked for"""
    seed, size, share = c
    model, scores = wide(seed)
    asked = kept_by(model, scores, sparsity=share)
    found = fn(model, scores, sparsity=share, round_to=size)
    want = [min(-(-k // size) * size, len(s)) for k, s in zip(asked, scores.values(), strict=True)]
    return found == want


@given(c=rounds)
def test_round_to_keeps_multiples(c: Round) -> None:
    assert rounds_up(kept_by, c)


def down(model: Model, scores: Arrays, round_to: int, **target: Any) -> list[int]:
    return [k // round_to * round_to for k in kept_by(model, scores, **target)]


def pruned_multiple(model: Model, scores: Arrays, round_to: int, **target: Any) -> list[int]:
    """The count that GOES is a multiple."""
    kept = zip(scores.values(), kept_by(model, scores, **target), strict=True)
    return [len(s) - (len(s) - k) // round_to * round_to for s, k in kept]


@pytest.mark.parametrize(
    "wrong", [down, pruned_multiple, lambda m, s, round_to, **t: kept_by(m, s, **t)]
)
def test_the_law_of_multiples_rejects(wrong: Callable[..., list[int]]) -> None:
    find(rounds, lambda c: not rounds_up(wrong, c), settings=SEARCH)


def test_round_to_brings_back_the_best_that_was_live() -> None:
    scores, live = np.array([5.0, 1, 4, 3, 9]), np.array([1, 1, 1, 1, 0], bool)
    mask = np.array([1, 0, 0, 0, 0], bool)
    assert rounded_up(scores, live, mask, 2).tolist() == [True, False, True, False, False]
    assert rounded_up(scores, live, mask, 8).tolist() == [True, True, True, True, False]
    assert rounded_up(scores, live, ~live & mask, 2).tolist() == [False] * 5
    low = np.array([0, 1, 0, 0, 0], bool)  # normalized, its score may equal a higher one's
    assert rounded_up(scores, live, low, 2).tolist() == [True, True, False, False, False]


def test_the_rows_of_one_weight_in_two_groups_are_counted_apart() -> None:
    """c: rows 0 1 go with a, 2 3 4 with b."""
    scores = {"c.weight": np.array([5.0, 1, 2, 6, 7])}
    pruned = mp.prune(net("halves"), scores, sparsity=0.4)
    assert pruned.masks["c.weight"].any(axis=1).tolist() == [True, False, False, True, True]
    assert pruned.masks["a.weight"].any(axis=1).tolist() == [True, False]
    assert pruned.masks["b.weight"].any(axis=1).tolist() == [False, True, True]
    each = mp.prune(net("halves"), scores, sparsity={"c": 0.5})
    # half of each, to even: one of the two that go with a, two of the three that go with b
    assert each.masks["c.weight"].any(axis=1).tolist() == [True, False, False, False, True]
    with pytest.raises(ArgumentError, match="must leave units to prune"):
        mp.prune(net("halves"), scores, sparsity=0.5, protect="c")


def test_what_reaches_the_input_is_not_looked_at() -> None:
    """c: rows 0 1 are added to the input."""
    scores = {"c.weight": np.array([0.0, 0, 3, 1, 2]), "a.weight": np.array([3.0, 1, 2])}
    pruned = mp.prune(net("half_tied"), scores, sparsity=1 / 3)
    assert pruned.masks["c.weight"].any(axis=1).tolist() == [True, True, True, False, True]
    assert pruned.masks["a.weight"].any(axis=1).tolist() == [True, False, True]


def test_scores_and_model_stay_as_they_are() -> None:
    model, scores = net(), {n: s.copy() for n, s in SCORES.items()}
    before = {n: w.copy() for n, w in model.params.items()}
    mp.prune(model, scores, sparsity={"a": 0.5})
    assert all(np.array_equal(w, before[n]) for n, w in model.params.items())
    assert all(np.array_equal(s, SCORES[n]) for n, s in scores.items())
    assert model.masks == {}


@mp.criterion(needs=("weights", "grads"), unit=None)
def graded(ev: Evidence) -> Arrays:
    return {}


HELD = "its units are the net's output or tied to its input, so they cannot be removed"
MESSAGES: tuple[tuple[Callable[[], Any], type[MinpruneError], str], ...] = (
    (lambda: mp.prune(net(), {"fc.weight": np.ones(2)}, sparsity=0.5), ArgumentError,
     "prune: units of fc.weight must not be scored, since they are outputs of the net or tied"
     " to its input and cannot be removed; leave fc.weight out of the scores"),
    (lambda: mp.prune(net("residual"), {"a.weight": np.ones(4), "c.weight": np.arange(4.0)},
                      sparsity=0.5), ArgumentError,
     "c.weight: units that are tied must have one score, and those tied to units of a.weight "
     "have another; take the scores of mp.score(unit=True)"),
    (lambda: mp.prune(net("residual"), {"a.weight": np.ones(4), "c.weight": np.ones(4)},
                      sparsity={"a": 0.25, "c": 0.5}), ArgumentError,
     "prune: sparsity of a.weight must be one number, not 0.25 and, by 'c', 0.5; leave one of"
     " them out"),
    (lambda: mp.prune(net(), SCORES, threshold={"a": 2, "a.bias": 3}), ArgumentError,
     "prune: threshold of a.weight must be one number, not 2 and, by 'a.bias', 3; leave one "
     "of them out"),
    (lambda: mp.prune(net(), {"a.weight": np.array([np.nan, 1, 2, 3])}, sparsity=0.5),
     NonFiniteError,
     "a.weight: 1 of 4 entries of the scores are not finite, but must be numbers; fix the "
     "criterion, or the model that it scores"),
    (lambda: mp.prune(net(), SCORES, sparsity=0.5, round_to=0), ArgumentError,
     "prune: round_to must be an integer of at least 1, not 0; pass round_to=1, for example"),
    (lambda: mp.prune(net(), SCORES, sparsity=0.5, round_to=True), ArgumentError,
     "prune: round_to must be an integer of at least 1, not True; pass round_to=1, for "
     "example"),
    (lambda: mp.prune(net(), SCORES, pattern="2:4"), ArgumentError,
     "prune: pattern must be None for scores of units, not '2:4'; score with unit=False, or "
     "leave the pattern out"),
    (lambda: mp.prune(net(), SCORES, sparsity=0.5, protect="fc"), ArgumentError,
     "prune: 'fc' must make units that can be removed, and makes none; "
     "choose among a.weight, b.weight"),
    (lambda: mp.prune(net(), SCORES, sparsity={"c": 0.5}), ArgumentError,
     "prune: 'c' must make units that can be removed, and makes none; "
     "choose among a.weight, b.weight"),
    (lambda: mp.prune(net(), {"a.weight": np.ones(4), "b.weight": np.ones((3, 4))}, sparsity=0.5),
     ShapeError,
     "prune: scores must be of units or of weights, not of units for a.weight and of shape "
     "(3, 4) for b.weight; score both with the same unit="),
    (lambda: mp.prune(net(), SCORES, sparsity=6 / 7), UnreachableError,
     "prune: sparsity=0.8571428571428571 leaves 1 of 7 units of the net, fewer than minimum=1"
     " for each layer; the largest reachable is 0.7142857142857143"),
    (lambda: mp.score(net(), None, "random", unit=True, params="all"), ArgumentError,
     "random: unit=True needs params='weights', not params='all', since a unit is removed with its "
     "biases; "
     "leave out params"),
    (lambda: mp.score(net(), None, graded, unit=True), ArgumentError,
     "graded: scores single weights, not units; leave out unit=True"),
    (lambda: mp.score(net(), None, "geometric_median"), ArgumentError,
     "geometric_median: scores units, not single weights; pass unit=True"),
)  # fmt: skip


@pytest.mark.parametrize(("provoke", "kind", "text"), MESSAGES, ids=[m[2][:50] for m in MESSAGES])
def test_messages(provoke: Callable[[], Any], kind: type[MinpruneError], text: str) -> None:
    with pytest.raises(kind) as caught:
        provoke()
    assert type(caught.value) is kind
    assert caught.value.args == (text,)


def test_a_net_without_units_that_may_go_has_no_scores() -> None:
    one = filled(mp.build((3,), [("fc", mp.Dense(3, 2))]), 0)
    assert mp.score(one, None, "random", unit=True) == {}
    assert [g.why for g in mp.ties(one)] == [OUTPUT, "the net's input"]
