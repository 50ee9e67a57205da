"""Selection on a net: weights and masks together, targets out of reach, every sentence."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import find, given
from hypothesis import strategies as st
from selection import SEARCH, Case, cases, same

import minprune as mp
from minprune.core import Arrays
from minprune.errors import (
    ArgumentError,
    MinpruneError,
    NonFiniteError,
    ShapeError,
    UnreachableError,
)
from minprune.masking.apply import apply
from minprune.masking.choose import choose, keep_top
from minprune.masking.count import pruned_count


def net(**options: Any) -> mp.Model:
    """fc1: 2 x 3, fc2: 2 x 2, with weights 1..6 and 1..4"""
    model = mp.zoo.mlp(((3,), 2), hidden=(2,), **options)
    counted = {n: np.arange(1, w.size + 1, dtype=w.dtype).reshape(w.shape)
               for n, w in model.params.items()}  # fmt: skip
    return mp.Model(model.net, counted)


def masked(case: Case, masks: Arrays) -> int:
    """How many unprotected entries are masked."""
    return sum(int((~masks[name]).sum()) for name in case.names)


@given(case=cases())
def test_the_largest_reachable_is_named_and_can_be_reached(case: Case) -> None:
    n = sum(case.scores[name].size for name in case.names)
    most = n - sum(min(case.minimum, int(case.masks[name].sum())) for name in case.names)
    if most == n:
        assert masked(case, case.run(choose, sparsity=1)) == n
        return
    with pytest.raises(UnreachableError) as caught:
        case.run(choose, sparsity=1)
    named = float(str(caught.value).rsplit(" ", 1)[1])
    assert masked(case, case.run(choose, sparsity=named)) == most
    with pytest.raises(UnreachableError):
        case.run(choose, sparsity=(most + 1) / n)


@given(case=cases())
def test_the_present_sparsity_is_named_and_can_be_asked_for(case: Case) -> None:
    dead = masked(case, case.masks)
    if dead == 0:
        return
    with pytest.raises(ArgumentError, match="below the present") as caught:
        case.run(choose, sparsity=0)
    named = float(str(caught.value).split("present ")[1].split(" ")[0])
    new = case.run(choose, sparsity=named)
    assert same(new, {n: case.masks[n] for n in case.names})


scaled = st.tuples(cases(), st.integers(-600, 600), st.sampled_from(["l1", "l2", "max"]))


def ignores_scale(select: Callable[..., Arrays], drawn: tuple[Case, int, str]) -> bool:
    """One layer times a power of two, which is exact: with normalize= the masks stay."""
    c, power, _ = drawn
    many = {n: s * 2.0**power if n == c.names[0] else s for n, s in c.scores.items()}
    return same(c.run(select, scores=many), c.run(select))


@given(drawn=scaled)
def test_normalize_makes_layers_comparable(drawn: tuple[Case, int, str]) -> None:
    def select(scores: Arrays, masks: Arrays, **target: Any) -> Arrays:
        return choose(scores, masks, normalize=drawn[2], **target)

    assert ignores_scale(select, drawn)


def overflowing(scores: Arrays, masks: Arrays, **target: Any) -> Arrays:
    with np.errstate(all="ignore"):
        size = {n: np.sqrt((s * s).sum()) or 1 for n, s in scores.items()}
    return choose({n: s / size[n] for n, s in scores.items()}, masks, **target)


@pytest.mark.parametrize("wrong", [choose, overflowing], ids=["raw", "squares overflow"])
def test_the_scale_law_rejects(wrong: Callable[..., Arrays]) -> None:
    find(scaled, lambda drawn: not ignores_scale(wrong, drawn), settings=SEARCH)


def test_prune_masks_and_zeroes_and_leaves_the_given_model_alone() -> None:
    model = net()
    before = {n: w.copy() for n, w in model.params.items()}
    small = mp.prune(model, mp.score(model, None, "magnitude"), sparsity=0.5)
    # 1 1 2 2 3 of 1..6 and 1..4 go; of the equal 3s the one in fc1 stays
    assert same(small.masks, {
        "fc1.weight": np.array([[0, 0, 1], [1, 1, 1]], bool),
        "fc2.weight": np.array([[0, 0], [0, 1]], bool),
    })  # fmt: skip
    assert small.params["fc1.weight"].tolist() == [[0, 0, 3], [4, 5, 6]]
    assert small.params["fc2.weight"].tolist() == [[0, 0], [0, 4]]
    assert small.params["fc1.bias"] is model.params["fc1.bias"]
    assert same(model.params, before)
    assert not model.masks
    again = mp.prune(small, mp.score(small, None, "magnitude"), sparsity=0.7)
    assert again.params["fc1.weight"].tolist() == [[0, 0, 0], [0, 5, 6]]


def test_ties_across_layers_go_by_net_order_whatever_the_order_of_the_scores() -> None:
    model = net()
    backwards = {n: np.ones_like(model.params[n]) for n in ("fc2.weight", "fc1.weight")}
    assert [int(m.sum()) for m in mp.prune(model, backwards, sparsity=0.3).masks.values()] == [6, 1]


def test_a_layer_name_means_all_its_scored_parameters() -> None:
    model = net()
    scores = mp.score(model, None, "magnitude", params="all")
    one = mp.prune(model, scores, sparsity=0.5, protect="fc1")
    assert set(one.masks) == {"fc2.weight", "fc2.bias"}
    two = mp.prune(model, scores, sparsity={"fc2": 0.5})
    assert [int(m.sum()) for m in two.masks.values()] == [2, 1]
    with pytest.raises(ArgumentError, match="must leave weights to prune"):
        mp.prune(model, scores, sparsity=0.5, protect=("fc1", "fc2"))


def cuts_off(fn: Callable[..., Arrays], w: Any, mask: Any) -> bool:
    """Kept entries keep their bits, the others are 0.0, whatever they were."""
    new = fn({"w": w}, {"w": mask})["w"]
    return bool(np.array_equal(new[mask], w[mask]) and (new[~mask] == 0).all()
                and new.dtype == w.dtype)  # fmt: skip


weights = st.lists(st.sampled_from([0.5, -2.0, np.inf, np.nan]), min_size=3, max_size=3)


@given(w=weights, bits=st.lists(st.booleans(), min_size=3, max_size=3))
def test_apply_cuts_off(w: list[float], bits: list[bool]) -> None:
    kept = [0.5 if bit and np.isnan(v) else v for v, bit in zip(w, bits, strict=True)]
    assert cuts_off(apply, np.array(kept, np.float32), np.array(bits))


def test_the_law_of_apply_rejects_a_product() -> None:
    w, mask = np.array([1.0, np.nan]), np.array([True, False])
    assert cuts_off(apply, w, mask)
    assert not cuts_off(lambda w, m: {"w": w["w"] * m["w"]}, w, mask)


W = {"fc1.weight": np.arange(1.0, 7).reshape(2, 3), "fc2.weight": np.ones((2, 2))}
M = {"fc1.weight": W["fc1.weight"] > 2}
THERE = "fc1.weight, fc1.bias, fc2.weight, fc2.bias"
MESSAGES: tuple[tuple[Callable[[], Any], type[MinpruneError], str], ...] = (
    (lambda: apply(W, {"fc3": M["fc1.weight"]}), ArgumentError,
     "fc3: no such parameter; there are fc1.weight, fc2.weight"),
    (lambda: apply(W, {"fc1.weight": np.ones((2, 3))}), ArgumentError,
     "fc1.weight: the mask must be bool, not float64; use mask != 0"),
    (lambda: apply(W, {"fc1.weight": np.ones((3, 2), bool)}), ShapeError,
     "fc1.weight: the mask must have the weight's shape (2, 3), not (3, 2); "
     "score and mask the same parameters you apply the mask to"),
    (lambda: mp.prune(net(), {"fc9": ONE}, sparsity=0.5), ArgumentError,
     f"fc9: no such parameter; there are {THERE}"),
    (lambda: mp.prune(net(), {"fc1.weight": ONE}, sparsity=0.5), ShapeError,
     "prune: the scores of fc1.weight must have the shape (2, 3), not (1,); score each entry"),
    (lambda: choose(W, {"fc1.weight": np.ones(6, bool)}, sparsity=0.5), ShapeError,
     "fc1.weight: scores must have the shape (6,), not (2, 3); score the model "
     "that you prune"),
    (lambda: choose(W, {}), ArgumentError,
     "prune: one of sparsity and threshold must be given, not none; pass sparsity=0.9 alone, "
     "for example"),
    (lambda: choose(W, {}, sparsity=0.5, threshold=1), ArgumentError,
     "prune: one of sparsity and threshold must be given, not both; pass sparsity=0.9 alone, "
     "for example"),
    (lambda: choose(W, {}, sparsity=90), ArgumentError,
     "prune: sparsity must be a number from 0 to 1, not 90; pass sparsity=0.5, for example"),
    (lambda: choose(W, {}, sparsity="90", scope="layer"), ArgumentError,  # type: ignore[arg-type]
     "prune: sparsity must be a number from 0 to 1, not '90'; pass sparsity=0.5, for example"),
    (lambda: pruned_count(float("nan"), 3), ArgumentError,
     "prune: sparsity must be a number from 0 to 1, not nan; pass sparsity=0.5, for example"),
    (lambda: choose(W, {}, threshold={"fc1": float("nan")}), ArgumentError,
     "prune: threshold must be a number, not nan; scores below it are pruned"),
    (lambda: choose(W, {}, threshold=float("nan")), ArgumentError,
     "prune: threshold must be a number, not nan; scores below it are pruned"),
    (lambda: choose(W, {}, sparsity=0.5, scope="net"), ArgumentError,  # type: ignore[arg-type]
     "prune: scope must be 'global' or 'layer', not 'net'; choose one of them"),
    (lambda: choose(W, {}, sparsity=0.5, minimum=0.5), ArgumentError,  # type: ignore[arg-type]
     "prune: minimum must be an integer of at least 0, not 0.5; pass minimum=1, for example"),
    (lambda: choose(W, {}, sparsity=0.5, normalize="l0"), ArgumentError,
     "prune: normalize must be None, 'l1', 'l2' or 'max', not 'l0'; choose one of them"),
    (lambda: choose(W, {}, sparsity=0.5, protect=["fc"]), ArgumentError,
     "'fc' must be a scored parameter, or a layer of one; choose among "
     "fc1.weight, fc2.weight"),
    (lambda: choose(W, {}, sparsity={"fc3": 0.5}), ArgumentError,
     "'fc3' must be a scored parameter, or a layer of one; choose among "
     "fc1.weight, fc2.weight"),
    (lambda: choose(W, {}, sparsity={"fc1": 0.5, "fc1.weight": 0.25}), ArgumentError,
     "prune: sparsity of fc1.weight must be one number, not 0.5 and, by 'fc1.weight', 0.25; "
     "leave one of them out"),
    (lambda: choose(W, {}, threshold={"fc1.weight": 2, "fc1": 3}), ArgumentError,
     "prune: threshold of fc1.weight must be one number, not 2 and, by 'fc1', 3; leave one of"
     " them out"),
    (lambda: mp.prune(net(), W, sparsity=0.5, round_to=8), ArgumentError,
     "prune: round_to must be 1 for scores of single weights, not 8, since it counts units; "
     "score with unit=True, or leave it out"),
    (lambda: choose({"w": np.arange(3)}, {}, sparsity=0.5), ArgumentError,
     "w: scores must be float32 or float64, not int64; use astype(float)"),
    (lambda: choose({"w": np.array([1, np.nan, np.inf])}, {}, sparsity=0.5), NonFiniteError,
     "w: 2 of 3 entries of the scores are not finite, but must be numbers; fix the criterion, "
     "or the model that it scores"),
    (lambda: choose(W, M, sparsity=0.1), ArgumentError,
     "prune: sparsity=0.1 is below the present 0.2 of the net, and pruned weights are not "
     "restored; pass at least the present sparsity"),
    (lambda: choose(W, M, sparsity=0.1, scope="layer"), ArgumentError,
     "prune: sparsity=0.1 is below the present 0.3333333333333333 of fc1.weight, and pruned "
     "weights are not restored; pass at least the present sparsity"),
    (lambda: choose(W, M, sparsity=1), UnreachableError,
     "prune: sparsity=1 leaves 0 of 10 weights of the net, fewer than minimum=1 for each "
     "layer; the largest reachable is 0.8"),
    (lambda: keep_top(ONE, 2), ArgumentError,
     "keep_top: k must be an integer from 0 to 1, not 2; keep fewer"),
)  # fmt: skip
ONE = np.ones(1)


@pytest.mark.parametrize(("provoke", "kind", "text"), MESSAGES, ids=[m[2][:60] for m in MESSAGES])
def test_messages(provoke: Callable[[], Any], kind: type[MinpruneError], text: str) -> None:
    with pytest.raises(kind) as caught:
        provoke()
    assert type(caught.value) is kind
    assert caught.value.args == (text,)


def test_the_minimum_is_of_a_layer_so_its_biases_may_all_go() -> None:
    """Of the 58 parameters of the MONK net 56 can go: one weight stays in each of two layers."""
    model = mp.zoo.monk(3)
    scores = mp.score(model, None, "magnitude", params="all")
    left = mp.prune(model, scores, sparsity=56 / 58)
    assert {n: int(m.sum()) for n, m in left.masks.items()} == {
        "fc1.weight": 1, "fc1.bias": 0, "fc2.weight": 1, "fc2.bias": 0,
    }  # fmt: skip
    with pytest.raises(UnreachableError, match=r"the largest reachable is 0\.9655172413793104$"):
        mp.prune(model, scores, sparsity=57 / 58)
    alone = {n: s for n, s in scores.items() if n.endswith("bias")}
    kept = mp.prune(model, alone, sparsity=0.5).masks  # biases alone keep one each, as before
    assert min(int(m.sum()) for m in kept.values()) == 1
