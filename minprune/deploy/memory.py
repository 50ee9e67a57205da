"""Where values live in one block of memory: offsets such that no two that live together overlap.

The block cannot be smaller than the largest sum of sizes that live at one step. Values are placed
by size, the largest first, each at the lowest offset that is free while it lives (Pisarchyk & Lee
2020, greedy by size), or in the order of their birth: the smaller block of the two.
"""

from collections.abc import Sequence
from typing import NamedTuple


class Life(NamedTuple):
    """A value of `size` bytes that is written at step `born` and last read at step `last`"""

    size: int
    born: int
    last: int


class Layout(NamedTuple):
    """offsets: of each value; size: of the block; least: no block can be smaller"""

    offsets: tuple[int, ...]
    size: int
    least: int


def layout(lives: Sequence[Life]) -> Layout:
    """Offsets for these values

    >>> from minprune.deploy.memory import Life, layout
    >>> layout([Life(8, 1, 2), Life(4, 2, 3), Life(8, 3, 4)])
    Layout(offsets=(0, 8, 0), size=12, least=12)
    """
    least = max((sum(v.size for v in lives if v.born <= t <= v.last)
                 for t in {v.born for v in lives}), default=0)  # fmt: skip
    by_size = sorted(range(len(lives)), key=lambda k: (-lives[k].size, lives[k].born))
    by_birth = sorted(range(len(lives)), key=lambda k: (lives[k].born, -lives[k].size))
    tried = [_placed(lives, order) for order in (by_size, by_birth)]
    size, offsets = min(tried, key=lambda t: t[0])
    return Layout(tuple(offsets), size, least)


def _placed(lives: Sequence[Life], order: Sequence[int]) -> tuple[int, list[int]]:
    """(size of the block, offsets), the values placed in this order"""
    offsets, done = [0] * len(lives), list[int]()
    for k in order:
        v = lives[k]
        taken = sorted(
            (offsets[j], lives[j].size)
            for j in done
            if lives[j].born <= v.last and v.born <= lives[j].last
        )
        at = 0
        for offset, size in taken:
            if offset >= at + v.size:
                break
            at = max(at, offset + size)
        offsets[k] = at
        done.append(k)
    return max((o + v.size for o, v in zip(offsets, lives, strict=True)), default=0), offsets
