"""Wrong patterns, one error each, with the law that must reject it."""

import math
from fractions import Fraction
from typing import Any

import numpy as np
from selection import half_even
from tiling import Index, Select, cells, exactly, slow_blocks, slow_n_of_m, tile_of

from minprune.core import Array, Arrays


def nm(**change: Any) -> Select:
    return lambda scores, live, n, m: slow_n_of_m(scores, live, n, m, **change)


def best_of_flat(scores: Array, n: int, m: int) -> Array:
    """N of every M in the order of memory, whatever the rows."""
    flat = scores.reshape(1, -1)
    return slow_n_of_m(flat, np.ones(flat.shape, bool), n, m).reshape(scores.shape)


def left_in_other_layout(scores: Array, live: Array, n: int, m: int) -> Array:
    """The mask stays (o, y, x, i) where the weight is (o, i, y, x) (SparseML mask_creator.py)."""
    if scores.ndim == 2:
        return slow_n_of_m(scores, live, n, m)
    moved = np.moveaxis(slow_n_of_m(scores, live, n, m), 1, -1)
    return moved.reshape(scores.shape) if moved.shape == scores.shape else moved


def across_rows(scores: Array, live: Array, n: int, m: int) -> Array:
    """Tiles that run on into the next row where M does not divide it (jaxpruner, SparseML)."""
    moved = np.moveaxis(scores, 1, -1)
    return np.moveaxis(best_of_flat(moved, n, m).reshape(moved.shape), -1, 1) & live


def top_of_all(scores: Array, live: Array, n: int, m: int) -> Array:
    """Masked entries take places."""
    return slow_n_of_m(scores, np.ones_like(live), n, m) & live


def top_of_layer(scores: Array, live: Array, n: int, m: int) -> Array:
    """The right share, but of the whole layer."""
    order = sorted(np.argwhere(live).tolist(), key=lambda at: (-scores[tuple(at)], at))
    mask = np.zeros_like(live)
    for at in order[: math.ceil(live.size * n / m)]:
        mask[tuple(at)] = True
    return mask


def in_memory_order(scores: Array, live: Array, n: int, m: int) -> Array:
    return slow_n_of_m(scores.ravel("K").reshape(scores.shape), live, n, m)


NM_WRONG: dict[str, tuple[str, Select]] = {
    "the mask keeps another layout": ("shape", left_in_other_layout),
    "another layout of the same shape": ("definition", left_in_other_layout),
    "tiles over the order of memory": (
        "definition",
        lambda s, live, n, m: best_of_flat(s, n, m) & live,
    ),
    "tiles run on into the next row": ("definition", across_rows),
    "tiles of outputs": (
        "definition",
        nm(tile=lambda at, r, m: (at[0] // m, *at[1:])),
    ),
    "tiles along the kernel": (
        "definition",
        nm(tile=lambda at, r, m: (*at[:-1], at[-1] // m)),
    ),
    "N zeroed": ("definition", nm(count=lambda n, cell, live: len(cell) - n)),
    "a short tail stays": (
        "definition",
        lambda s, live, n, m: slow_n_of_m(
            s, live, n, m, count=lambda n, cell, live: n if len(cell) == m else m
        ),
    ),
    "a short tail goes": (
        "definition",
        lambda s, live, n, m: slow_n_of_m(
            s, live, n, m, count=lambda n, cell, live: n if len(cell) == m else 0
        ),
    ),
    "masked entries take places": ("definition", top_of_all),
    "forgets the mask": (
        "definition",
        lambda s, live, n, m: slow_n_of_m(s, np.ones_like(live), n, m),
    ),
    "the higher index is kept": (
        "definition",
        nm(first=lambda s, at: (-s, tuple(-k for k in at))),
    ),
    "the lowest are kept": ("definition", nm(first=lambda s, at: (s, at))),
    "the best of the layer": ("definition", top_of_layer),
    "two tie rules": (
        "definition",
        lambda s, live, n, m: slow_n_of_m(
            s, live, n, m,
            first=lambda v, at: (-v, at if n % 2 else tuple(-k for k in at)),
        ),
    ),
    "N of M of what is left": (
        "definition",
        lambda s, live, n, m: slow_n_of_m(
            s, live, n, m,
            count=lambda n, cell, live: math.ceil(sum(live[at] for at in cell) * n / m),
        ),
    ),
    "memory order": ("memory layout", in_memory_order),
}  # fmt: skip


def blocks(**change: Any) -> Select:
    return lambda scores, masks, **target: slow_blocks(scores, masks, **(target | change))


def padded_by_the_remainder(scores: Arrays, masks: Arrays, **target: Any) -> Arrays:
    """7 columns by 3 give 6: 7 % 3 = 1 is added, 2 are missing (jaxpruner mask_calculator.py)."""
    new = slow_blocks(scores, masks, **target)
    for n, m in new.items():
        keep = [(k + k % b) // b * b for k, b in zip(m.shape, target["pattern"], strict=False)]
        new[n] = m[: keep[0], : keep[1]]
    return new


def wrapped(scores: Array, live: Array, cell: list[Index], how: str) -> Fraction:
    """A block of (2, 3) that overhangs the edge goes on at the other one."""
    (o, i), (row, column), rest = scores.shape[:2], cell[0][:2], cell[0][2:]
    around = {((row + a) % o, (column + b) % i, *rest) for a in range(2) for b in range(3)}
    return exactly(scores, live, sorted(around), how)


def padding_counts(scores: Array, live: Array, cell: list[Index], how: str) -> Fraction:
    """The mean over 2 x 3 entries where the edge leaves fewer."""
    return sum((Fraction(float(scores[at])) for at in cell if live[at]), Fraction(0)) / 6


def masked_count(scores: Array, live: Array, cell: list[Index], how: str) -> Fraction:
    """The mean with a 0 for each masked entry."""
    return sum((Fraction(float(scores[at])) for at in cell if live[at]), Fraction(0)) / len(cell)


def all_alive(scores: Array, live: Array, cell: list[Index], how: str) -> Fraction:
    """The scores of masked entries too."""
    return exactly(scores, np.ones_like(live), cell, how)


def always(how: str) -> Any:
    return lambda scores, live, cell, _: exactly(scores, live, cell, how)


def whole_blocks_alive(scores: Arrays, masks: Arrays, **target: Any) -> Arrays:
    """A block that stays comes back whole."""
    new = slow_blocks(scores, masks, **target)
    for m in new.values():
        for cell in cells(m.shape, *target["pattern"]).values():
            if any(m[at] for at in cell):
                m[tuple(zip(*cell, strict=True))] = True
    return new


def share_of_entries(scores: Arrays, masks: Arrays, *, sparsity: float, **target: Any) -> Arrays:
    """Whole blocks, lowest first, until that share of the ENTRIES is pruned."""
    names = [n for n in scores if n not in target["protect"]]
    size = sum(masks[n].size for n in names)
    total = sum(len(cells(masks[n].shape, *target["pattern"])) for n in names)
    for k in range(total + 1):
        new = slow_blocks(scores, masks, sparsity=1, count=lambda _, k=k: k, **target)
        if sum(int((~new[n]).sum()) for n in names) >= half_even(sparsity * size):
            break
    return new


def of_the_remaining(scores: Arrays, masks: Arrays, *, sparsity: float, **target: Any) -> Arrays:
    alive = [any(masks[n][at] for at in cell) for n in scores if n not in target["protect"]
             for cell in cells(scores[n].shape, *target["pattern"]).values()]  # fmt: skip
    count = lambda _: alive.count(False) + half_even(sparsity * alive.count(True))  # noqa: E731
    return slow_blocks(scores, masks, sparsity=sparsity, count=count, **target)


def two_tie_rules(scores: Arrays, masks: Arrays, *, sparsity: float, **target: Any) -> Arrays:
    """Ties fall one way at one sparsity and another way at the next."""
    sign = 1 if sparsity > 0.5 else -1
    first = lambda s, i: (s, sign * i)  # noqa: E731
    return slow_blocks(scores, masks, sparsity=sparsity, first=first, **target)


def blocks_in_memory_order(scores: Arrays, masks: Arrays, **target: Any) -> Arrays:
    flat = {n: s.ravel("K").reshape(s.shape) for n, s in scores.items()}
    return slow_blocks(flat, masks, **target)


def runs(at: Index, rows: int, columns: int) -> Index:
    """rows * columns entries of a row one after another, which is no block (SparseML)."""
    return at[0], at[1] // (rows * columns), *at[2:]


BLOCK_WRONG: dict[str, tuple[str, Select]] = {
    "padded by the remainder": ("shape", padded_by_the_remainder),
    "rows for columns": ("definition", blocks(tile=lambda at, r, c: tile_of(at, c, r))),
    "runs of entries": ("definition", blocks(tile=runs)),
    "a block comes back whole": ("definition", whole_blocks_alive),
    "over the whole kernel": (
        "definition",
        blocks(tile=lambda at, r, c: tile_of(at, r, c)[:2]),
    ),
    "the share of entries": ("definition", share_of_entries),
    "the share of what is left": ("definition", of_the_remaining),
    "rounds down": ("definition", blocks(count=math.floor)),
    "two tie rules": ("definition", two_tie_rules),
    "the share of what is left, in steps": ("definition", of_the_remaining),
    "wraps at the edge": ("definition", blocks(value=wrapped)),
    "padding counts as zeros": ("definition", blocks(value=padding_counts)),
    "masked entries count as zeros": ("definition", blocks(value=masked_count)),
    "masked entries have a say": ("definition", blocks(value=all_alive)),
    "always the sum": ("definition", blocks(value=always("sum"))),
    "always the mean": ("definition", blocks(value=always("mean"))),
    "always the largest": ("definition", blocks(value=always("max"))),
    "the later block is kept": ("definition", blocks(first=lambda s, i: (s, i))),
    "no minimum": ("definition", blocks(minimum=0)),
    "no protection": ("definition", blocks(protect=())),
    "memory order": ("memory layout", blocks_in_memory_order),
    "pairs at least": (
        "blocks of one",
        blocks(tile=lambda at, r, c: tile_of(at, r, 2)),
    ),
    "a minimum of one always": ("definition", blocks(minimum=1)),
}
