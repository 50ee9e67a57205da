"""The kit's laws of selection accept ours and torch's, and reject every wrong variant."""

import math
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from planted_selection import SELECTORS, Planted, of_the_remaining, one_more, variant

from minprune.core import Array, Arrays
from minprune.errors import ArgumentError
from minprune.masking.choose import choose, keep_top
from minprune.verify import check_selector
from minprune.verify.plain.rules import slow
from minprune.verify.selection.laws import LAWS

EVERY = [*LAWS, "sparsity 0 and 1", "empty layer"]


def ours(
    scores: Arrays, sparsity: float, masks: Arrays | None = None, minimum: int = 0,
    protect: tuple[str, ...] = (),
) -> Arrays:  # fmt: skip
    return choose(scores, masks or {}, sparsity=sparsity, minimum=minimum, protect=protect)


def one_array(scores: Array, sparsity: float) -> Array:
    return keep_top(scores, scores.size - round(sparsity * scores.size))


def test_ours_keeps_every_law() -> None:
    found = check_selector(ours, examples=50)
    assert found.ok, found
    assert [v.law for v in found] == EVERY


def test_a_function_of_one_array_is_recognised() -> None:
    found = check_selector(one_array, examples=50)
    assert found.ok, found
    masked = ("by steps", "masked stay masked", "minimum", "protected")
    assert [v.law for v in found] == [law for law in EVERY if law not in masked]


def name(row: Planted) -> str:
    return f"{row.project or 'slip'}: {row.what}"


@pytest.mark.parametrize("row", SELECTORS, ids=name)
def test_slips_of_selection_are_caught(row: Planted) -> None:
    found = check_selector(row.fn, laws=[row.law], examples=600)
    assert row.law in [v.law for v in found.broken], found


def test_each_law_has_a_slip() -> None:
    assert {row.law for row in SELECTORS} == set(EVERY)


def test_another_tie_rule_may_be_allowed() -> None:
    higher = variant(first=lambda s, i: (s, i))
    assert not check_selector(higher, laws=["definition"]).ok
    found = check_selector(higher, tie="any", examples=100)
    assert found.ok, found
    assert [v.law for v in found] == [law for law in EVERY if law != "ties by lower index"]


ANY_TIE = ("prunes every weight on ties", "... so one step is not two", "memory order",
           "another answer in float32", "rounds down")  # fmt: skip


@pytest.mark.parametrize("row", [r for r in SELECTORS if r.what in ANY_TIE], ids=name)
def test_with_any_tie_rule_the_other_laws_are_asked(row: Planted) -> None:
    found = check_selector(row.fn, tie="any", laws=[row.law], examples=300)
    assert row.law in [v.law for v in found.broken], found


def test_another_rounding_may_be_allowed() -> None:
    floor = variant(count=math.floor)
    assert not check_selector(floor, laws=["exact count"]).ok
    found = check_selector(floor, count="any", examples=100)
    assert found.ok, found
    assert [v.law for v in found] == [law for law in EVERY if law != "definition"]
    for wrong in (one_more, of_the_remaining):
        assert not check_selector(wrong, count="any", laws=["exact count"]).ok


def test_a_function_that_ranks_magnitudes() -> None:
    def sizes(scores: Array, sparsity: float) -> Array:
        return one_array(abs(scores), sparsity)

    assert not check_selector(sizes, laws=["lowest scores go"]).ok
    assert check_selector(sizes, signed=False, examples=100).ok
    assert check_selector(sizes, signed=False, tie="any", examples=100).ok


def test_layers_may_come_in_any_order_and_protected_ones_too() -> None:
    def others(
        scores: Arrays, sparsity: float, masks: Arrays, protect: tuple[str, ...] = ()
    ) -> Arrays:
        left = {n: masks[n].copy() for n in protect}
        found = ours(scores, sparsity, masks, protect=protect)
        return dict(sorted((left | found).items()))

    found = check_selector(others, examples=100)
    assert found.ok, found
    assert {"protected", "masked stay masked"} <= {v.law for v in found}

    def unmasked(scores: Arrays, sparsity: float, protect: tuple[str, ...] = ()) -> Arrays:
        left = {n: np.ones(scores[n].shape, bool) for n in protect}
        return left | ours(scores, sparsity, protect=protect)

    assert check_selector(unmasked, examples=100).ok

    def dense_again(
        scores: Arrays, sparsity: float, masks: Arrays, protect: tuple[str, ...] = ()
    ) -> Arrays:
        return others(scores, sparsity, masks, protect) | {
            n: np.ones(scores[n].shape, bool) for n in protect
        }

    assert not check_selector(dense_again, laws=["protected"]).ok


def test_an_array_function_that_needs_masks_is_recognised() -> None:
    def fn(scores: Array, sparsity: float, masks: Array) -> Array:
        return one_array(np.where(masks, scores, -9), sparsity)

    found = check_selector(fn, examples=50)
    assert found.ok, found
    assert "masked stay masked" in [v.law for v in found]


def test_a_selector_of_each_layer_alone() -> None:
    def each(scores: Arrays, sparsity: float) -> Arrays:
        return {n: one_array(s, sparsity) for n, s in scores.items()}

    assert not check_selector(each, laws=["exact count"]).ok
    assert check_selector(each, scope="layer", examples=50).ok
    found = check_selector(ours, scope="layer", examples=100)
    assert [v.law for v in found.broken] == ["layers apart"], found

    def by_layer(scores: Arrays, sparsity: float, protect: tuple[str, ...] = ()) -> Arrays:
        return {n: one_array(s, sparsity * (n not in protect)) for n, s in scores.items()}

    assert check_selector(by_layer, scope="layer", examples=50).ok

    def unprotected(scores: Arrays, sparsity: float, protect: tuple[str, ...] = ()) -> Arrays:
        return each(scores, sparsity)

    found = check_selector(unprotected, scope="layer", examples=100)
    assert [v.law for v in found.broken] == ["layers apart"], found


def test_the_verdict_is_the_smallest_case_in_words() -> None:
    wrong = next(r.fn for r in SELECTORS if r.what == "prunes n+1 weights")
    found = check_selector(wrong, laws=["shape", "exact count"])
    assert found.broken[0].law == "exact count"
    assert found.broken[0].sentence == (
        "round(sparsity * n) of n entries are pruned, half to even, what was masked included, "
        "but 1 of 1 are pruned, expected 0"
    )
    assert found.broken[0].example == "scores of b.weight = [-1.0], float64\nsparsity = 0.5"
    assert str(found) == (
        "shape        holds\nexact count  BROKEN\n\n"
        f"exact count: {found.broken[0].sentence}\n"
        "    scores of b.weight = [-1.0], float64\n    sparsity = 0.5\n\n"
        "1 of 2 laws hold"
    )


def test_same_seed_same_verdicts() -> None:
    wrong = SELECTORS[1].fn
    pair = [check_selector(wrong, laws=["exact count", "nested"], examples=60) for _ in range(2)]
    assert pair[0] == pair[1]
    assert not pair[0].ok


def best_mask(scores: Array, k: int) -> Array:
    """argmax over masks of k entries of sum(scores[mask]), by trying all; of equals the lowest"""
    places = np.arange(scores.size)
    every = [np.isin(places, kept) for kept in combinations(range(scores.size), k)]
    return max(every, key=lambda m: float(scores[m].sum()))  # the first of equals


@pytest.mark.parametrize("k", range(7))
def test_the_definition_is_the_best_mask_of_all(k: int) -> None:
    scores = np.array([0.5, 1, 0, 0.5, 0.5, 1])
    got = slow({"w": scores}, {"w": np.ones(6, bool)}, sparsity=k / 6, minimum=0)["w"]
    assert got.tolist() == best_mask(scores, 6 - k).tolist()
    some = [[j in keep for j in range(6)] for keep in combinations(range(6), 6 - k)]
    assert got.tolist() in some


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (
            {"form": "list"},
            "check_selector: form must be None, 'dict' or 'array', not 'list'; choose one of them",
        ),
        (
            {"laws": ["count"]},
            "check_selector: laws must be 'shape', 'exact count', 'nested', 'by steps', 'lowest "
            "scores go', 'ties by lower index', 'masked stay masked', 'minimum', 'protected', "
            "'deterministic', 'memory layout', 'input untouched', 'float32', 'definition', "
            "'sparsity 0 and 1', 'empty layer' or 'layers apart', not 'count'; "
            "choose one of them",
        ),
        (
            {"tie": "higher"},
            "check_selector: tie must be 'lower' or 'any', not 'higher'; choose one of them",
        ),
        (
            {"count": "down"},
            "check_selector: count must be 'round' or 'any', not 'down'; choose one of them",
        ),
    ],
)
def test_messages(wrong: dict[str, Any], text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        check_selector(ours, **wrong)
    assert caught.value.args == (text,)


def test_what_cannot_be_called_so_is_told_at_once() -> None:
    def of_one(weights: Arrays) -> Arrays:
        return weights

    def of_three(scores: Arrays, sparsity: float, scope: str) -> Arrays:
        return scores

    for fn, text in (
        (of_one, "of_one(weights) is called as of_one(scores, sparsity): too many positional "
                 "arguments; wrap it in a function that takes these"),
        (of_three, "of_three(scores, sparsity, scope) is called as of_three(scores, sparsity): "
                   "missing a required argument: 'scope'; wrap it in a function that takes these"),
        (0.5, "0.5 must be a function, not of type float"),
    ):  # fmt: skip
        with pytest.raises(ArgumentError) as caught:
            check_selector(fn)  # type: ignore[arg-type]
        assert caught.value.args == (text,)
