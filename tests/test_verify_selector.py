"""The kit's laws of selection accept ours and torch's, and reject every slip that was met."""

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from planted_selection import ALLOCATIONS, SELECTORS, SHUFFLES, Planted, uniform, variant

from minprune.core import Array, Arrays
from minprune.errors import ArgumentError
from minprune.masking.choose import choose, keep_top
from minprune.verify import check_allocation, check_selector, check_shuffle
from minprune.verify.brute import best_mask
from minprune.verify.laws_selector import LAWS, Select, slow

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


def rejected(check: Callable[..., Any], rows: tuple[Planted, ...]) -> None:
    for row in rows:
        found = check(row.fn)
        assert row.law in [v.law for v in found.broken], (row.what, found)
    assert {v.law for v in check(rows[0].fn)} == {row.law for row in rows}


def test_slips_of_shuffles_are_caught() -> None:
    def right(masks: Arrays, rng: np.random.Generator) -> Arrays:
        return {n: rng.permuted(m.ravel()).reshape(m.shape) for n, m in masks.items()}

    assert check_shuffle(right).ok
    rejected(check_shuffle, SHUFFLES)


def test_slips_of_allocation_are_caught() -> None:
    assert check_allocation(uniform).ok
    rejected(check_allocation, ALLOCATIONS)


def test_another_tie_rule_may_be_allowed() -> None:
    higher = variant(first=lambda s, i: (s, i))
    assert not check_selector(higher, laws=["definition"]).ok
    found = check_selector(higher, tie="any", examples=100)
    assert found.ok, found
    assert {"exact count", "lowest scores go"} <= {v.law for v in found}
    drops = next(row.fn for row in SELECTORS if row.what == "prunes every weight on ties")
    assert "exact count" in [
        v.law for v in check_selector(drops, tie="any", laws=["exact count"]).broken
    ]


def test_a_selector_of_each_layer_alone() -> None:
    def each(scores: Arrays, sparsity: float) -> Arrays:
        return {n: one_array(s, sparsity) for n, s in scores.items()}

    assert not check_selector(each, laws=["exact count"]).ok
    assert check_selector(each, scope="layer", examples=50).ok
    found = check_selector(ours, scope="layer", examples=100)
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
            "form is 'list', expected None or 'dict' or 'array'; choose one of them",
        ),
        (
            {"laws": ["count"]},
            "'count' is no law of selection; there are shape, exact count, lowest scores go, "
            "ties by lower index, nested, by steps, masked stay masked, minimum, protected, "
            "deterministic, memory layout, input untouched, float32, definition, "
            "sparsity 0 and 1, empty layer",
        ),
        ({"tie": "higher"}, "tie is 'higher', expected 'lower' or 'any'; choose one of them"),
    ],
)
def test_messages(wrong: dict[str, Any], text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        check_selector(ours, **wrong)
    assert caught.value.args == (text,)


def torch_l1(scores: Array, sparsity: float) -> Array:
    torch = pytest.importorskip("torch", reason="torch, the peer of this test, is not installed")
    from torch.nn.utils import prune

    given = torch.from_numpy(np.ascontiguousarray(scores).copy())
    method = prune.L1Unstructured(amount=round(sparsity * scores.size))
    mask = method.compute_mask(given, torch.ones_like(given))
    return mask.numpy().astype(bool)


def torch_global(scores: Arrays, sparsity: float) -> Arrays:
    torch = pytest.importorskip("torch", reason="torch, the peer of this test, is not installed")
    from torch.nn.utils import prune

    layers = []
    for s in scores.values():
        layer = torch.nn.Module()
        layer.weight = torch.nn.Parameter(torch.from_numpy(np.ascontiguousarray(s).copy()))
        layers.append(layer)
    total = sum(s.size for s in scores.values())
    prune.global_unstructured(
        [(layer, "weight") for layer in layers],
        pruning_method=prune.L1Unstructured,
        amount=round(sparsity * total),
    )
    masks = [layer.weight_mask.numpy().astype(bool) for layer in layers]
    return dict(zip(scores, masks, strict=True))


def magnitudes(select: Select) -> Callable[..., Any]:
    """torch ranks by magnitude, so it gets scores of one sign: shifted by the lowest of ours."""

    def fn(scores: Any, sparsity: float) -> Any:
        if isinstance(scores, dict):
            return select({n: s + 1 for n, s in scores.items()}, sparsity)
        return select(scores + 1, sparsity)

    return fn


@pytest.mark.parametrize(("fn", "form"), [(torch_l1, "array"), (torch_global, "dict")])
def test_torch_counts_exactly_whatever_its_ties(fn: Any, form: Any) -> None:
    pytest.importorskip("torch", reason="torch, the peer of this test, is not installed")
    found = check_selector(magnitudes(fn), form=form, tie="any", examples=60)
    assert [v.law for v in found.broken] in ([], ["empty layer"]), found
