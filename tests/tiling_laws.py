"""What every pattern must obey: the kit's laws on more shapes and blocks, and laws of its own."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from selection import same, slow
from tiling import Blocks, Few, Select, exactly, slow_blocks, slow_n_of_m

from minprune.core import Arrays
from minprune.verify.law import ClauseError, Law
from minprune.verify.selection.cases import Case
from minprune.verify.selection.laws import BLOCKS, LAWS, N_OF_M


def holds(law: Law, select: Select, case: Case) -> bool:
    try:
        return law(select, case) is None
    except ClauseError:
        return False


def of_arrays(law: Law) -> Callable[[Select, Few], bool]:
    """A law of the kit on one array."""

    def of_few(select: Select, c: Few) -> bool:
        def whole(scores: Arrays, masks: Arrays, **_: Any) -> Arrays:
            return {"w": select(scores["w"], masks["w"], c.n, c.m)}

        case = Case({"w": c.scores}, {"w": c.live}, 0.0, 0.0, pattern=(1, c.m, c.n))
        return holds(law, whole, case)

    return of_few


def of_nets(law: Law) -> Callable[[Select, Blocks], bool]:
    """A law of the kit on blocks of any reduction."""

    def of_blocks(select: Select, c: Blocks) -> bool:
        def whole(scores: Arrays, masks: Arrays, **target: Any) -> Arrays:
            return select(scores, masks, pattern=c.pattern, reduce=c.reduce, **target)  # type: ignore[no-any-return]

        case = Case(c.scores, c.masks, c.sparsity, c.less, c.minimum, c.protect, (*c.pattern, None))
        return holds(law, whole, case)

    return of_blocks


def minds_its_own_tile(select: Select, c: Few) -> bool:
    """The scores of other tiles do not matter."""
    mask = c.run(select)
    for cell in c.tiles():
        rows = tuple(zip(*cell, strict=True))
        scores = -3 - c.scores
        scores[rows] = c.scores[rows]
        if not np.array_equal(c.run(select, scores=scores)[rows], mask[rows]):
            return False
    return True


def is_nested(select: Select, c: Few) -> bool:
    return c.n == 1 or not (c.run(select, n=c.n - 1) & ~c.run(select)).any()


def is_stable(select: Select, c: Few) -> bool:
    """Done twice is done once."""
    mask = c.run(select)
    return bool(np.array_equal(c.run(select, live=mask), mask))


def meets_the_definition(select: Select, c: Few) -> bool:
    return bool(np.array_equal(c.run(select), c.run(slow_n_of_m)))


def the_best_blocks_stay(select: Select, c: Blocks) -> bool:
    """No live block that went beats one that stays: (exact score, earlier first entry)."""
    new, stays, gone = c.run(select, minimum=0), [], []
    for place, (n, cell) in enumerate(c.tiles()):
        if any(c.masks[n][at] for at in cell):
            rank = exactly(c.scores[n], c.masks[n], cell, c.reduce), -place
            (stays if any(new[n][at] for at in cell) else gone).append(rank)
    return not gone or not stays or max(gone) < min(stays)


def blocks_keep_the_minimum(select: Select, c: Blocks) -> bool:
    new = c.run(select)
    for n in c.names:
        one = replace(c, protect=tuple(set(c.scores) - {n}))
        if sum(one.alive(c.masks | new)) < min(c.minimum, sum(one.alive(c.masks))):
            return False
    return True


def blocks_of_one_are_weights(select: Select, c: Blocks) -> bool:
    n = sum(c.scores[k].size for k in c.names)
    dead = sum(int((~c.masks[k]).sum()) for k in c.names)
    plain = {"sparsity": max(c.less, dead / n) if n else 0, "minimum": 0}
    want = slow(c.scores, c.masks, protect=c.protect, **plain)
    return same(c.run(select, pattern=(1, 1), **plain), want)


def blocks_meet_the_definition(select: Select, c: Blocks) -> bool:
    return same(c.run(select), c.run(slow_blocks))


NM_LAWS: dict[str, Callable[[Select, Few], bool]] = {
    law.__name__: law for law in (minds_its_own_tile, is_nested, is_stable, meets_the_definition)
} | {
    name: of_arrays(N_OF_M[name])
    for name in (
        "shape", "N of each M", "masked stay masked", "the best stay", "ties by lower index",
        "memory layout",
    )
}  # fmt: skip
BLOCK_LAWS: dict[str, Callable[[Select, Blocks], bool]] = {
    law.__name__: law
    for law in (
        the_best_blocks_stay, blocks_keep_the_minimum, blocks_of_one_are_weights,
        blocks_meet_the_definition,
    )
} | {
    name: of_nets((BLOCKS | LAWS)[name])
    for name in (
        "shape", "whole blocks", "exact count", "nested", "by steps", "protected",
        "masked stay masked", "memory layout",
    )
}  # fmt: skip
