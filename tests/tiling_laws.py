"""What every pattern must obey: laws of N:M on one array, and of blocks on the arrays of a net."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from selection import half_even, same, slow
from tiling import Blocks, Few, Select, exactly, slow_blocks, slow_n_of_m

from minprune.core import Array


def layouts(a: Array) -> list[Array]:
    """The same values: read-only, in Fortran order, and with gaps between them."""
    fixed = a.copy()
    fixed.flags.writeable = False
    return [fixed, np.asfortranarray(a), np.repeat(a[..., None], 2, -1)[..., 0]]


def has_the_shape(select: Select, c: Few) -> bool:
    mask = c.run(select)
    return mask.shape == c.scores.shape and mask.dtype == bool


def counts_each_tile(select: Select, c: Few) -> bool:
    mask = c.run(select)
    return all(
        sum(mask[at] for at in cell) == min(c.n, sum(c.live[at] for at in cell))
        for cell in c.tiles()
    )


def revives_nothing(select: Select, c: Few) -> bool:
    return not (c.run(select) & ~c.live).any()


def keeps_the_best(select: Select, c: Few) -> bool:
    """Within a tile, nothing live that went beats what stays: (score, lower index)."""
    mask = c.run(select)
    for cell in c.tiles():
        stays = [(-c.scores[at], at) for at in cell if mask[at]]
        gone = [(-c.scores[at], at) for at in cell if c.live[at] and not mask[at]]
        if stays and gone and max(stays) > min(gone):
            return False
    return True


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


def ignores_layout(select: Select, c: Few) -> bool:
    mask = c.run(select)
    return all(np.array_equal(c.run(select, scores=s), mask) for s in layouts(c.scores))


def meets_the_definition(select: Select, c: Few) -> bool:
    return bool(np.array_equal(c.run(select), c.run(slow_n_of_m)))


def blocks_have_the_shape(select: Select, c: Blocks) -> bool:
    new = c.run(select)
    return list(new) == c.names and all(
        m.shape == c.scores[n].shape and m.dtype == bool for n, m in new.items()
    )


def blocks_go_whole(select: Select, c: Blocks) -> bool:
    """In each block every live entry stays, or none does; nothing comes back."""
    new = c.run(select)
    return all(
        [new[n][at] for at in cell] in ([False] * len(cell), [c.masks[n][at] for at in cell])
        for n, cell in c.tiles()
    )


def blocks_are_counted(select: Select, c: Blocks) -> bool:
    alive = c.alive(c.run(select))
    return alive.count(False) == half_even(c.sparsity * len(alive))


def blocks_are_nested(select: Select, c: Blocks) -> bool:
    more, less = c.run(select), c.run(select, sparsity=c.less)
    return not any((more[n] & ~less[n]).any() for n in c.names)


def blocks_go_by_steps(select: Select, c: Blocks) -> bool:
    step = c.masks | c.run(select, sparsity=c.less)
    return same(c.run(select, masks=step), c.run(select))


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


def protected_blocks_do_not_matter(select: Select, c: Blocks) -> bool:
    flipped = {n: -s if n in c.protect else s for n, s in c.scores.items()}
    inverse = {n: ~m if n in c.protect else m for n, m in c.masks.items()}
    return same(c.run(select, scores=flipped, masks=inverse), c.run(select))


def blocks_ignore_layout(select: Select, c: Blocks) -> bool:
    new = c.run(select)
    each = [dict(zip(c.scores, many, strict=True))
            for many in zip(*map(layouts, c.scores.values()), strict=True)]  # fmt: skip
    return all(same(c.run(select, scores=s), new) for s in each)


def blocks_of_one_are_weights(select: Select, c: Blocks) -> bool:
    n = sum(c.scores[k].size for k in c.names)
    dead = sum(int((~c.masks[k]).sum()) for k in c.names)
    plain = {"sparsity": max(c.less, dead / n) if n else 0, "minimum": 0}
    want = slow(c.scores, c.masks, protect=c.protect, **plain)
    return same(c.run(select, pattern=(1, 1), **plain), want)


def blocks_meet_the_definition(select: Select, c: Blocks) -> bool:
    return same(c.run(select), c.run(slow_blocks))


NM_LAWS: dict[str, Callable[[Select, Few], bool]] = {
    law.__name__: law
    for law in (
        has_the_shape, counts_each_tile, revives_nothing, keeps_the_best, minds_its_own_tile,
        is_nested, is_stable, ignores_layout, meets_the_definition,
    )
}  # fmt: skip
BLOCK_LAWS: dict[str, Callable[[Select, Blocks], bool]] = {
    law.__name__: law
    for law in (
        blocks_have_the_shape, blocks_go_whole, blocks_are_counted, blocks_are_nested,
        blocks_go_by_steps, the_best_blocks_stay, blocks_keep_the_minimum,
        protected_blocks_do_not_matter, blocks_ignore_layout, blocks_of_one_are_weights,
        blocks_meet_the_definition,
    )
}  # fmt: skip
