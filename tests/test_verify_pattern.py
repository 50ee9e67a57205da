"""The kit on patterns: right functions pass, ours and others, and each wrong one breaks its law."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tiling_slips import BLOCK_WRONG, NM_WRONG

from minprune.core import Array, Arrays
from minprune.errors import ArgumentError
from minprune.masking.choose import choose
from minprune.verify import check_pattern
from minprune.verify.ours.checks import blocks, n_of_m
from minprune.verify.selection.check import parse
from minprune.verify.selection.laws import BLOCKS, N_OF_M

FEW = 80


def padded(scores: Array) -> Array:
    """2:4 as one would write it: the inputs last, padded to a multiple of 4."""
    s = np.moveaxis(scores, 1, -1)
    inputs = s.shape[-1]
    s = np.pad(s, [(0, 0)] * (s.ndim - 1) + [(0, -inputs % 4)], constant_values=-np.inf)
    groups = s.reshape(*s.shape[:-1], -1, 4)
    best = np.argsort(-groups, axis=-1, kind="stable")[..., :2]
    mask = np.zeros(groups.shape, bool)
    np.put_along_axis(mask, best, True, axis=-1)
    return np.moveaxis(mask.reshape(s.shape)[..., :inputs], -1, 1)


def test_right_ones_hold() -> None:
    for found, laws in (
        (check_pattern(n_of_m, "2:4", examples=FEW), N_OF_M),
        (check_pattern(blocks, (2, 3), examples=FEW), BLOCKS),
    ):
        assert found.ok, found
        assert [v.law for v in found] == list(laws)
    assert parse("2x3") == parse((2, 3)) == (2, 3, None)
    found = check_pattern(padded, "2:4", examples=FEW)
    assert found.ok, found
    assert [v.law for v in found] == [law for law in N_OF_M if law != "masked stay masked"]


def fitting(scores: Array) -> Array:
    """Refuses what does not fit."""
    if scores.shape[1] % 4:
        raise ValueError(f"{scores.shape[1]} inputs are no multiple of 4")
    return padded(scores)


def test_what_refuses_a_rest_is_told_so_and_no_more() -> None:
    found = check_pattern(fitting, "2:4", examples=FEW)
    assert [v.law for v in found.broken] == ["edge"]
    assert "it raised ValueError: 5 inputs are no multiple of 4 (line " in found.broken[0].sentence
    rest = [law for law in N_OF_M if law not in ("edge", "masked stay masked")]
    assert check_pattern(fitting, "2:4", laws=rest, examples=FEW).ok


def test_magnitudes_and_any_tie() -> None:
    def later(scores: Array) -> Array:
        return padded(abs(scores)[:, ::-1])[:, ::-1] if scores.shape[1] % 4 == 0 else padded(scores)

    found = check_pattern(later, "2:4", signed=False, examples=FEW)
    assert [v.law for v in found.broken] == ["ties by lower index"]
    assert check_pattern(later, "2:4", signed=False, tie="any", examples=FEW).ok
    found = check_pattern(later, "2:4", tie="any", examples=FEW)
    assert [v.law for v in found.broken] == ["the best stay"]


def few(select: Callable[..., Array], n: int = 2, m: int = 4) -> Callable[..., Array]:
    """A slip select(scores, live, n, m) as a function of scores and masks."""

    def fn(scores: Array, masks: Array) -> Array:
        return select(scores, masks, n, m)

    return fn


def counting() -> Callable[[Array], Array]:
    calls: list[int] = []

    def fn(scores: Array) -> Array:
        calls.append(0)
        return padded(scores) ^ (scores.size > 4 and len(calls) % 7 == 0)

    return fn


def in_place(scores: Array) -> Array:
    mask = padded(scores)
    scores[~mask] = 0
    return mask


def reshaped(scores: Array) -> Array:
    """SparseML: a mask with the inputs last, taken for one in the layout of the weight."""
    return np.ascontiguousarray(np.moveaxis(padded(scores), 1, -1)).reshape(scores.shape)


LAYOUT = few(NM_WRONG["the mask keeps another layout"][1])
NM: tuple[tuple[str, str, Callable[..., Array]], ...] = (
    ("SparseML: another layout", "N of each M", reshaped),
    ("SparseML: the mask keeps another layout", "shape", LAYOUT),
    ("numbers", "shape", lambda s: padded(s).astype(float)),
    ("order of memory", "N of each M", few(NM_WRONG["tiles over the order of memory"][1])),
    ("jaxpruner: on into the next row", "edge", few(NM_WRONG["tiles run on into the next row"][1])),
    ("outputs", "N of each M", few(NM_WRONG["tiles of outputs"][1])),
    ("N zeroed", "N of each M", few(NM_WRONG["N zeroed"][1], 1)),
    ("a rest stays", "edge", few(NM_WRONG["a short tail stays"][1])),
    ("a rest goes", "edge", few(NM_WRONG["a short tail goes"][1])),
    ("masked entries take places", "N of each M", few(NM_WRONG["masked entries take places"][1])),
    ("forgets the mask", "masked stay masked", few(NM_WRONG["forgets the mask"][1])),
    ("the higher index", "ties by lower index", few(NM_WRONG["the higher index is kept"][1])),
    ("the lowest", "the best stay", few(NM_WRONG["the lowest are kept"][1])),
    ("the best of the layer", "N of each M", few(NM_WRONG["the best of the layer"][1])),
    ("memory order", "memory layout", few(NM_WRONG["memory order"][1])),
    ("by its calls", "deterministic", counting()),
    ("in place", "input untouched", in_place),
)


@pytest.mark.parametrize("row", NM, ids=lambda row: row[0])
def test_slips_of_n_of_m_are_caught(row: Any) -> None:
    what, law, fn = row
    found = check_pattern(fn, "1:4" if what == "N zeroed" else "2:4", laws=[law], examples=FEW)
    assert [v.law for v in found.broken] == [law], found


def test_a_mask_along_another_axis_is_told_which() -> None:
    def outputs(scores: Array) -> Array:
        return np.moveaxis(padded(np.moveaxis(scores, 0, 1)), 1, 0)

    found = check_pattern(outputs, "2:4", laws=["N of each M"], signed=False)
    assert found.broken[0].sentence.startswith(
        "N of every M consecutive inputs stay (axis 1; of a convolution at each y, x), but of "
        "a.weight[0, 0] to a.weight[0, 3] "
    )
    assert " of 4 are pruned, expected 2" in found.broken[0].sentence
    found = check_pattern(reshaped, "2:4", laws=["N of each M"])
    assert found.broken[0].sentence.endswith(", which keeps 2 of every 4 in the order of memory")


def whole(select: Callable[..., Arrays], **how: Any) -> Callable[..., Arrays]:
    """A slip select(scores, masks, **target) as a function of scores, sparsity and masks."""

    def fn(scores: Arrays, sparsity: float, masks: Arrays) -> Arrays:
        target = {"pattern": (2, 3), "reduce": "mean", "minimum": 0, "protect": ()} | how
        return select(scores, masks, sparsity=sparsity, **target)

    return fn


def of_first_entries(scores: Arrays, sparsity: float) -> Arrays:
    """A block scores what its first entry does."""
    first = {n: np.repeat(np.repeat(s[::2, ::3], 2, 0), 3, 1)[: len(s), : s.shape[1]]
             for n, s in scores.items()}  # fmt: skip
    return blocks(first, sparsity)


def of_norms(scores: Arrays, sparsity: float) -> Arrays:
    """A block scores its L2 norm, whose signs are lost."""
    return blocks({n: s**2 for n, s in scores.items()}, sparsity)


def drops_more(scores: Arrays, sparsity: float) -> Arrays:
    """Ties go together, so that more do."""
    keep = blocks(scores, sparsity)
    return {n: m if sparsity < 0.5 else np.zeros_like(m) for n, m in keep.items()}


def with_masked(scores: Arrays, sparsity: float, masks: Arrays) -> Arrays:
    """The mean of a block masked in part has the masked scores in it."""
    whole = {n: np.repeat(np.repeat(np.add.reduceat(np.add.reduceat(m, range(0, len(m), 2), 0) > 0,
             range(0, m.shape[1], 3), 1) > 0, 2, 0), 3, 1)[: len(m), : m.shape[1]]
             for n, m in masks.items()}  # fmt: skip
    return {n: m & masks[n] for n, m in blocks(scores, sparsity, whole).items()}


def in_float32(scores: Arrays, sparsity: float) -> Arrays:
    return blocks({n: s.astype(np.float32) for n, s in scores.items()}, sparsity)


def blocks_in_place(scores: Arrays, sparsity: float) -> Arrays:
    keep = blocks(scores, sparsity)
    for n, m in keep.items():
        scores[n][~m] = 0
    return keep


def revived(scores: Arrays, sparsity: float, masks: Arrays) -> Arrays:
    return blocks(scores, sparsity)


def flickers() -> Callable[..., Arrays]:
    calls: list[int] = []

    def fn(scores: Arrays, sparsity: float) -> Arrays:
        calls.append(0)
        return blocks({n: s * (-1) ** len(calls) for n, s in scores.items()}, sparsity)

    return fn


WHOLE: tuple[tuple[str, str, Callable[..., Arrays]], ...] = (
    ("jaxpruner: 7 by 3 gives 6", "edge", whole(BLOCK_WRONG["padded by the remainder"][1])),
    ("rows for columns", "whole blocks", whole(BLOCK_WRONG["rows for columns"][1])),
    ("SparseML: runs of entries", "whole blocks", whole(BLOCK_WRONG["runs of entries"][1])),
    ("a share of the entries", "exact count", whole(BLOCK_WRONG["over the whole kernel"][1])),
    ("a share of the rest", "exact count", whole(BLOCK_WRONG["the share of what is left"][1])),
    ("rounds down", "exact count", whole(BLOCK_WRONG["rounds down"][1])),
    ("ties go together", "exact count", drops_more),
    ("two tie rules", "nested", whole(BLOCK_WRONG["two tie rules"][1])),
    ("the first entry", "lowest blocks go", of_first_entries),
    ("the L2 norm", "one score", of_norms),
    ("masked entries in the mean", "one score", with_masked),
    ("sorted in float32", "one score", in_float32),
    ("comes back", "masked stay masked", revived),
    ("memory order", "memory layout", whole(BLOCK_WRONG["memory order"][1])),
    ("in place", "input untouched", blocks_in_place),
    ("by its calls", "deterministic", flickers()),
    ("numbers", "shape", lambda s, sparsity: {n: m * 1.0 for n, m in blocks(s, sparsity).items()}),
)  # fmt: skip


@pytest.mark.parametrize("row", WHOLE, ids=lambda row: row[0])
def test_slips_of_blocks_are_caught(row: Any) -> None:
    found = check_pattern(row[2], (2, 3), laws=[row[1]], examples=FEW)
    assert [v.law for v in found.broken] == [row[1]], found


def test_each_law_has_a_slip() -> None:
    assert {law for _, law, _ in NM} == set(N_OF_M)
    assert {law for _, law, _ in WHOLE} == set(BLOCKS)


@pytest.mark.parametrize("reduce", ["mean", "sum", "max"])
def test_a_block_may_score_its_mean_its_sum_or_its_largest(reduce: Any) -> None:
    def fn(scores: Arrays, sparsity: float, masks: Arrays) -> Arrays:
        how: Any = {"pattern": (2, 3), "block_reduce": reduce, "minimum": 0}
        return choose(scores, masks, sparsity=sparsity, **how)

    found = check_pattern(fn, (2, 3), examples=FEW)
    assert found.ok, found
    one = check_pattern(fn, (2, 3), reduce=reduce, laws=["one score", "edge"], examples=FEW)
    assert one.ok, one
    others: Any = {"mean", "sum", "max"} - {reduce}
    for other in others:
        one = check_pattern(fn, (2, 3), reduce=other, laws=["one score"], examples=FEW)
        assert [v.law for v in one.broken] == ["one score"]


@pytest.mark.parametrize("pattern", ["4:2", "0:4", "2", (0, 3), (2,), 4])
def test_another_pattern_is_refused(pattern: Any) -> None:
    with pytest.raises(ArgumentError) as caught:
        check_pattern(padded, pattern)
    assert caught.value.args == (
        f"check_pattern: pattern must be 'N:M' with 1 <= N <= M, or a pair (rows, columns) of "
        f"integers of at least 1, not {pattern!r}; pass '2:4' or (4, 4)",
    )


def test_messages() -> None:
    with pytest.raises(ArgumentError) as caught:
        check_pattern(padded, "2:4", laws=["count"])
    assert caught.value.args == (
        "check_pattern: laws must be 'shape', 'N of each M', 'the best stay', 'ties by lower "
        "index', 'masked stay masked', 'deterministic', 'memory layout', 'input untouched' or "
        "'edge', not 'count'; choose one of them",
    )
    with pytest.raises(ArgumentError) as caught:
        check_pattern(padded, "2:4", tie="none")  # type: ignore[arg-type]
    assert caught.value.args == (
        "check_pattern: tie must be 'lower' or 'any', not 'none'; choose one of them",
    )
    with pytest.raises(ArgumentError) as caught:
        check_pattern(padded, (2, 3))
    assert caught.value.args == (
        "padded(scores) is called as padded(scores, sparsity): too many positional arguments; "
        "wrap it in a function that takes these",
    )
