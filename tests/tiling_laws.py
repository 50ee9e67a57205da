"""What every pattern must obey: it is the definition, whatever the shape and the layout."""

from collections.abc import Callable
from typing import Any

import numpy as np
from selection import same, slow
from tiling import Blocks, Few, Select, slow_blocks, slow_n_of_m

from minprune.core import Arrays
from minprune.verify.law import ClauseError, Law
from minprune.verify.selection.cases import Case
from minprune.verify.selection.laws import BLOCKS, N_OF_M


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


def meets_the_definition(select: Select, c: Few) -> bool:
    return bool(np.array_equal(c.run(select), c.run(slow_n_of_m)))


def blocks_of_one_are_weights(select: Select, c: Blocks) -> bool:
    n = sum(c.scores[k].size for k in c.names)
    dead = sum(int((~c.masks[k]).sum()) for k in c.names)
    plain = {"sparsity": max(c.less, dead / n) if n else 0, "minimum": 0}
    want = slow(c.scores, c.masks, protect=c.protect, **plain)
    return same(c.run(select, pattern=(1, 1), **plain), want)


def blocks_meet_the_definition(select: Select, c: Blocks) -> bool:
    return same(c.run(select), c.run(slow_blocks))


# what equals the definition counts, ranks, nests and protects as the definition does
NM_LAWS: dict[str, Callable[[Select, Few], bool]] = {
    "definition": meets_the_definition,
    "memory layout": of_arrays(N_OF_M["memory layout"]),
    "shape": of_arrays(N_OF_M["shape"]),
}
BLOCK_LAWS: dict[str, Callable[[Select, Blocks], bool]] = {
    "definition": blocks_meet_the_definition,
    "blocks of one": blocks_of_one_are_weights,
    "memory layout": of_nets(BLOCKS["memory layout"]),
    "shape": of_nets(BLOCKS["shape"]),
}
