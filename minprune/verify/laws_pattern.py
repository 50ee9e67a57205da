"""Laws of patterns on one array: N kept of every M inputs, and whole blocks.

Both cut the matrix (o, i), at each (y, x) of a kernel, into tiles: (1, M) or (rows, columns), cut
at the edge. A law takes select(scores, live, sparsity) -> mask and a Tiled, and gives None where it
holds, or a clause that says what was found.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from minprune.core import Array
from minprune.verify.selection import half_even
from minprune.verify.verdict import ClauseError

Index = tuple[int, ...]
Select = Callable[[Array, Array, float], Any]


def tiles(shape: Index, rows: int, columns: int) -> list[list[Index]]:
    """The entries of each tile, in the order of flat indices."""
    found: dict[Index, list[Index]] = {}
    for at in np.ndindex(*shape):
        found.setdefault((at[0] // rows, at[1] // columns, *at[2:]), []).append(at)
    return [found[tile] for tile in sorted(found)]


@dataclass(frozen=True)
class Tiled:
    """One array of scores, what is masked already, and the pattern

    kept: how many of a tile stay, or None: a share `sparsity` of all tiles goes, each whole.
    """

    scores: Array
    live: Array
    rows: int
    columns: int
    kept: int | None = None
    sparsity: float = 0.0

    def run(self, select: Select, **changes: Any) -> Array:
        """The mask for this case, or for one that differs by the given fields."""
        c = replace(self, **changes)
        mask = np.asarray(select(c.scores, c.live, c.sparsity)).astype(bool)
        if mask.shape != c.scores.shape:
            raise ClauseError(f"the mask is {mask.shape}, the scores are {c.scores.shape}")
        return mask

    @property
    def tiles(self) -> list[list[Index]]:
        return tiles(self.scores.shape, self.rows, self.columns)

    def __str__(self) -> str:
        lines = [f"scores = {self.scores.tolist()}, {self.scores.shape}, {self.scores.dtype}"]
        lines += [] if self.live.all() else [f"mask = {self.live.astype(int).tolist()}"]
        lines += [f"sparsity = {self.sparsity}"] * (self.kept is None)
        return "\n".join(lines)


def told(mask: Array) -> str:
    """A mask in a clause: 1 = kept."""
    return f"{mask.astype(int).tolist()}"


def has_the_shape(select: Select, c: Tiled) -> str | None:
    """the mask is an array of bool with the shape of its scores"""
    mask = select(c.scores, c.live, c.sparsity)
    if not isinstance(mask, np.ndarray):
        return f"it is of type {type(mask).__name__}"
    if mask.shape != c.scores.shape:
        return f"it is {mask.shape}, the scores are {c.scores.shape}"
    return None if mask.dtype == bool else f"it is {mask.dtype}"


def keeps_n_of_each(select: Select, c: Tiled) -> str | None:
    """N of every M consecutive inputs stay (axis 1; of a convolution at each y, x)"""
    return _counted(select, c)


def keeps_n_of_the_rest(select: Select, c: Tiled) -> str | None:
    """where M does not divide the inputs, N of those at the end stay too, or all of fewer"""
    return _counted(select, c)


def _counted(select: Select, c: Tiled) -> str | None:
    mask = c.run(select)
    for tile in c.tiles:
        got = sum(int(mask[at]) for at in tile)
        want = min(int(c.kept or 0), sum(int(c.live[at]) for at in tile))
        if got != want:
            entries = ", ".join(f"[{', '.join(map(str, at))}]" for at in tile)
            return f"of {entries} {got} stay, expected {want}: {told(mask)}{_elsewhere(mask, c)}"
    return None


def _elsewhere(mask: Array, c: Tiled) -> str:
    """Along which other axis the mask keeps N of every M, or along memory, as a clause."""
    axes = {f"along axis {k}": np.moveaxis(mask, k, 1) for k in range(mask.ndim) if k != 1}
    axes["in the order of memory"] = mask.reshape(1, -1)
    for where, m in axes.items():
        each = {sum(int(m[at]) for at in t) for t in tiles(m.shape, 1, c.columns)}
        if m.shape[1] % c.columns == 0 and each == {c.kept}:
            return f", which keeps {c.kept} of every {c.columns} {where}"
    return ""


def keeps_the_best(select: Select, c: Tiled) -> str | None:
    """of what was live in a tile, nothing that goes scores higher than what stays"""
    mask = c.run(select)
    for tile in c.tiles:
        gone = [(c.scores[at], at) for at in tile if c.live[at] and not mask[at]]
        stays = [(c.scores[at], at) for at in tile if mask[at]]
        if gone and stays and max(gone)[0] > min(stays)[0]:
            (high, goes), (low, left) = max(gone), min(stays)
            return f"{goes} of score {high} goes and {left} of score {low} stays: {told(mask)}"
    return None


def keeps_the_lower_index(select: Select, c: Tiled) -> str | None:
    """of equal scores in a tile the one with the lower index stays"""
    mask = c.run(select)
    for tile in c.tiles:
        for k, at in enumerate(tile):
            for later in tile[k + 1 :]:
                if c.scores[at] == c.scores[later] and c.live[at] and mask[later] and not mask[at]:
                    return f"{at} goes and {later} stays, both of score {c.scores[at]}"
    return None


def goes_whole(select: Select, c: Tiled) -> str | None:
    """of each block every live entry stays, or none"""
    mask = c.run(select)
    for tile in c.tiles:
        stays = {bool(mask[at]) for at in tile if c.live[at]}
        if len(stays) == 2:
            return f"the block of {tile[0]} to {tile[-1]} is split: {told(mask)}"
    return None


def _alive(mask: Array, c: Tiled) -> list[bool]:
    return [any(bool(mask[at]) for at in tile) for tile in c.tiles]


def counts_blocks(select: Select, c: Tiled) -> str | None:
    """round(sparsity * n) of n blocks go, half to even, what was masked included"""
    alive = _alive(c.run(select), c)
    got, want = alive.count(False), half_even(c.sparsity * len(alive))
    return None if got == want else f"{got} of {len(alive)} go, expected {want}"


def keeps_the_best_blocks(select: Select, c: Tiled) -> str | None:
    """of blocks of one size none that goes scores higher than one that stays

    Whether the mean, the sum or the largest entry is the score of a block: those of one size hold
    the same offsets in another order.
    """
    new, was = _alive(c.run(select), c), _alive(c.live, c)
    each = [(len(t), sum(float(c.scores[at]) for at in t) / len(t)) for t in c.tiles]
    for size in {size for size, _ in each}:
        gone = [s for (k, s), a, b in zip(each, was, new, strict=True) if k == size and a and not b]
        stays = [s for (k, s), b in zip(each, new, strict=True) if k == size and b]
        if gone and stays and max(gone) > min(stays):
            return f"one with a mean of {max(gone)} goes and one of {min(stays)} stays"
    return None


def is_whole_at_the_edge(select: Select, c: Tiled) -> str | None:
    """blocks that overhang the edge are cut there, never wrapped, and counted like others"""
    return has_the_shape(select, c) or goes_whole(select, c) or counts_blocks(select, c)


def is_nested(select: Select, c: Tiled) -> str | None:
    """what a lower sparsity prunes, a higher one prunes too"""
    alive = _alive(c.live, c)
    n = len(alive)
    found = [(k / n, c.run(select, sparsity=k / n)) for k in range(alive.count(False), n + 1)]
    for (low, less), (high, more) in pairwise(found):
        if (more & ~less).any():
            return f"at {low} it is {told(less)}, at {high} {told(more)}"
    return None


def revives_nothing(select: Select, c: Tiled) -> str | None:
    """what is masked already stays masked"""
    mask = c.run(select)
    return f"some come back: {told(mask)}" if (mask & ~c.live).any() else None


def is_deterministic(select: Select, c: Tiled) -> str | None:
    """the same scores give the same mask again"""
    one, two = c.run(select), c.run(select)
    return None if np.array_equal(one, two) else f"it is {told(one)} and then {told(two)}"


def ignores_layout(select: Select, c: Tiled) -> str | None:
    """read-only arrays, in Fortran order or with gaps in memory, give the same mask"""
    fixed = c.scores.copy()
    fixed.flags.writeable = False
    gaps = np.repeat(c.scores[..., None], 2, -1)[..., 0]
    mask = c.run(select)
    for how, scores in {
        "in Fortran order": np.asfortranarray(c.scores), "with gaps": gaps, "read-only": fixed,
    }.items():  # fmt: skip
        new = c.run(select, scores=scores)
        if not np.array_equal(new, mask):
            return f"{how} it is {told(new)}, plainly {told(mask)}"
    return None


def leaves_its_input(select: Select, c: Tiled) -> str | None:
    """neither scores nor mask are changed"""
    scores, live = c.scores.copy(), c.live.copy()
    c.run(select)
    same = np.array_equal(scores, c.scores) and np.array_equal(live, c.live)
    return None if same else f"they are {c.scores.tolist()} and {told(c.live)}"


Law = Callable[[Select, Tiled], "str | None"]
ANY: dict[str, Law] = {
    "masked stay masked": revives_nothing,
    "deterministic": is_deterministic,
    "memory layout": ignores_layout,
    "input untouched": leaves_its_input,
}
N_OF_M: dict[str, Law] = {
    "shape": has_the_shape,
    "N of each M": keeps_n_of_each,
    "the best stay": keeps_the_best,
    "ties by lower index": keeps_the_lower_index,
    **ANY,
    "edge": keeps_n_of_the_rest,
}
BLOCKS: dict[str, Law] = {
    "shape": has_the_shape,
    "whole blocks": goes_whole,
    "exact count": counts_blocks,
    "lowest blocks go": keeps_the_best_blocks,
    "nested": is_nested,
    **ANY,
    "edge": is_whole_at_the_edge,
}
