"""Selection: worked masks and laws; the laws' wrong variants are in planted_selection.py."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import find, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from selection import LAWS, SEARCH, Case, cases, half_even, same, slow

from minprune.core import Arrays
from minprune.masking.choose import choose, keep_top
from minprune.masking.count import pruned_count

ONES = np.ones(8)


def layers(*rows: list[float]) -> Arrays:
    return {f"fc{k}.weight": np.array(row, float) for k, row in enumerate(rows, 1)}


WORKED = (
    # source, scores, target, kept
    (
        "jaxpruner mask_calculator_test.py",
        layers([1, 0.5, 0.3, 0.2, 1, 1.5, 1.8, 2, 1, 1]),
        {"sparsity": 0.5},
        [[1, 0, 0, 0, 1, 1, 1, 1, 0, 0]],
    ),
    ("jaxpruner, equal scores", layers(ONES), {"sparsity": 0.5}, [[1, 1, 1, 1, 0, 0, 0, 0]]),
    (
        "jaxpruner global_pruners_test.py",
        layers([0.1, 0.9, 0.2, 0.5], [0.7, 0.8]),
        {"sparsity": 0.5, "normalize": "l2"},
        [[0, 1, 0, 0], [1, 1]],
    ),
    ("TF-MOT pruning_impl_test.py", layers(range(1, 11)), {"sparsity": 0.2}, [[0, 0, *[1] * 8]]),
    ("TF-MOT, as a threshold", layers(range(1, 11)), {"threshold": 3}, [[0, 0, *[1] * 8]]),
    ("one dict entry a layer", layers([1, 2], [3, 4]), {"sparsity": {"fc2": 0.5}}, [None, [0, 1]]),
    (
        "by hand: raw scores leave fc1 its minimum",
        layers([1, 2, 3], [4, 5, 6]),
        {"sparsity": 0.5},
        [[0, 0, 1], [0, 1, 1]],
    ),
    *(  # each norm makes another layer's least score the lowest; of equal ones the later goes
        (f"by hand: one goes, by {by}", layers([6, 5, 2], [6, 9, 4, 4, 6], [2, 7], [1, 1]),
         {"sparsity": 1 / 12, "normalize": by},
         [[1, 1, by != "l2"], [1, 1, 1, by != "l1", 1], [by != "max", 1], [1, by is not None]])
        for by in (None, "l1", "l2", "max")
    ),
    ("by hand: sums 6, 15", layers([1, 2, 3], [4, 5, 6]), {"sparsity": 1 / 3, "normalize": "l1"},
     [[0, 1, 1], [0, 1, 1]]),
    ("by hand: 1/3, 2/3, 1, 2/3, 5/6, 1", layers([1, 2, 3], [4, 5, 6]),
     {"sparsity": 1 / 3, "normalize": "max"}, [[0, 1, 1], [0, 1, 1]]),
    ("by hand: 0/0 is 0", layers([0, 0], [1, 2]), {"sparsity": 0.5, "normalize": "l2",
     "minimum": 0}, [[0, 0], [1, 1]]),
    ("each layer alone", layers([1, 2], [3, 4]), {"sparsity": 0.5, "scope": "layer"},
     [[0, 1], [0, 1]]),
    ("nothing", layers([1, 2]), {"sparsity": 0}, [[1, 1]]),
    ("everything", layers([1, 2]), {"sparsity": 1, "minimum": 0}, [[0, 0]]),
)  # fmt: skip


@pytest.mark.parametrize(("source", "scores", "target", "kept"), WORKED, ids=[w[0] for w in WORKED])
def test_worked_masks(source: str, scores: Arrays, target: Any, kept: Any) -> None:
    want = {n: np.array(k, bool) for n, k in zip(scores, kept, strict=True) if k is not None}
    assert same(choose(scores, {}, **target), want)
    single = {n: s.astype(np.float32) for n, s in scores.items()}
    assert same(choose(single, {}, **target), want)


# rigl sparse_utils_test.py floors the zeros; where that is not an integer ours differs by one
@pytest.mark.parametrize(
    ("n", "sparsity", "pruned"),
    [(120, 0.5, 60), (8, 0.8, 6), (30, 0.1, 3), (100, 0.9999, 100), (5, 0.5, 2), (7, 0.5, 4)],
)
def test_count_rounds_half_to_even(n: int, sparsity: float, pruned: int) -> None:
    assert pruned_count(sparsity, n) == pruned_count(np.float64(sparsity), n) == pruned


@given(n=st.integers(0, 10**6), sparsity=st.floats(0, 1) | st.sampled_from([0, 0.125, 0.5, 1]))
def test_count_is_the_rounded_float_product(n: int, sparsity: float) -> None:
    assert pruned_count(sparsity, n) == half_even(sparsity * n)


value = st.sampled_from([0, 0.5, 1])
tied = arrays(
    np.float64, array_shapes(max_dims=4, max_side=5), elements=st.sampled_from([0, 0.5, 1])
)


@given(scores=tied, data=st.data())
def test_keep_top_is_exact_even_with_ties(scores: Any, data: Any) -> None:
    k = data.draw(st.integers(0, scores.size), label="k")
    kept = keep_top(scores, k)
    assert kept.shape == scores.shape
    assert kept.sum() == k
    assert scores[kept].min(initial=np.inf) >= scores[~kept].max(initial=-np.inf)
    assert not (keep_top(scores, max(k - 1, 0)) & ~kept).any()


def test_keep_top_at_the_edges() -> None:
    assert keep_top(np.array([-0.0, 0.0]), 1).tolist() == [True, False]
    assert keep_top(np.array([3e38, 3e38, -3e38], np.float32), 1).tolist() == [True, False, False]
    assert keep_top(np.zeros((0, 3)), 0).shape == (0, 3)


@pytest.mark.parametrize("law", LAWS)
@given(case=cases())
def test_choose_keeps_the_laws(law: str, case: Case) -> None:
    assert LAWS[law](choose, case) is None


@given(case=cases())
def test_a_number_for_each_layer_is_a_dict_with_that_number(case: Case) -> None:
    few = {"minimum": 0, "protect": case.protect}
    each = {n: case.sparsity for n in case.names}
    a = choose(case.scores, {}, sparsity=case.sparsity, scope="layer", **few)
    b = choose(case.scores, {}, sparsity=each, **few)
    alone = {n: slow({n: case.scores[n]}, {n: np.ones_like(case.masks[n])},
                     sparsity=case.sparsity, minimum=0)[n] for n in each}  # fmt: skip
    assert same(a, b)
    assert same(a, alone)


def cut(scores: Arrays, masks: Arrays, threshold: float, minimum: int) -> Arrays:
    """The definition of threshold: what scores below it goes, but for the best `minimum` live."""
    new = {}
    for n, s in scores.items():
        live = [i for i in range(s.size) if masks[n].flat[i]]
        best = sorted(live, key=lambda i: (-s.flat[i], i))[:minimum]
        bits = [i in live and (not s.flat[i] < threshold or i in best) for i in range(s.size)]
        new[n] = np.array(bits, bool).reshape(s.shape)
    return new


def meets_cut(select: Callable[..., Arrays], case: tuple[Case, float]) -> bool:
    c, t = case
    return same(select(c.scores, c.masks, threshold=t, minimum=c.minimum),
                cut(c.scores, c.masks, t, c.minimum))  # fmt: skip


levels = st.tuples(cases(), st.sampled_from([-2.0, -0.5, 0.0, 0.5, 0.7, 1.0, 2.0]))


@given(case=levels)
def test_threshold_drops_what_scores_below(case: tuple[Case, float]) -> None:
    assert meets_cut(choose, case)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda s, m, threshold, minimum: choose(
            s, m, threshold=np.nextafter(threshold, np.inf), minimum=minimum
        ),  # also what equals it
        lambda s, m, threshold, minimum: choose(s, {}, threshold=threshold, minimum=minimum),
        lambda s, m, threshold, minimum: choose(s, m, threshold=threshold, minimum=0),
    ],
)
def test_the_threshold_law_rejects(wrong: Callable[..., Arrays]) -> None:
    find(levels, lambda case: not meets_cut(wrong, case), settings=SEARCH)
