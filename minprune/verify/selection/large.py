"""Fixed larger cases of selection: many different scores, close ones, tiles masked in part."""

from typing import Any

import numpy as np

from minprune.core import Array
from minprune.verify.selection.cases import NAMES, Case, Index, Pattern, tiles

LARGE: tuple[Index, ...] = ((30, 25), (5, 4, 3, 3), (90,))
HUGE = (182, 181)  # more than a short integer counts


def numbers(shape: Index, seed: int, signed: bool, close: bool) -> Array:
    """Different scores: 1e-9 apart, or of sizes from 1e-90 to 1e90."""
    rng = np.random.default_rng(seed)
    rank = rng.permutation(int(np.prod(shape))).astype(np.float64)
    s = 1 + 1e-9 * rank if close else 10.0 ** (180 * rank / max(rank.size, 1) - 90)
    sign = np.where(rng.random(s.size) < 0.3, -1.0, 1.0) if signed else 1.0
    return np.asarray((s * sign).reshape(shape))


def many(alone: bool, masks: bool, signed: bool) -> list[Case]:
    """Cases of a selector, where sparsity n is as good as halfway between two integers."""
    found = []
    for seed in range(12):
        rng, which = np.random.default_rng(seed), slice(seed % 3, seed % 3 + 1)
        layers: tuple[Index, ...] = LARGE[which] if alone else LARGE
        shapes: dict[str, Index] = dict(zip(NAMES, layers, strict=False))
        scores = {n: numbers(shape, seed, signed, seed % 3 > 0) for n, shape in shapes.items()}
        share = 0.7 if masks and seed % 2 else 1.0
        live = {n: rng.random(shape) < share for n, shape in shapes.items()}
        size = sum(s.size for s in scores.values())
        k = int(0.4 * size) + seed
        sparsity = (k + 0.5 + (-2e-6 if k % 2 else 2e-6)) / size
        found.append(Case(scores, live, sparsity, sparsity))
    huge = {NAMES[0]: numbers(HUGE, 1, signed, True)}
    return [*found, Case(huge, {NAMES[0]: np.ones(HUGE, bool)}, 0.6, 0.6)]


def wide(pattern: Pattern, masks: bool, signed: bool, edge: bool) -> list[Case]:
    """Cases of a pattern with many tiles of unrelated or close scores, some masked in part."""
    rows, columns, keep = pattern
    r, c = [edge * (side > 1) for side in (rows, columns)]  # what overhangs
    shapes = [(3 * rows + r, 17 * columns + c), (2 * rows + r, 3 * columns + c, 3, 3)]
    found = []
    for seed, shape in enumerate(2 * shapes):
        rng, close = np.random.default_rng(seed), seed >= len(shapes)
        cells: list[Any] = [tuple(zip(*cell, strict=True)) for cell in tiles(shape, rows, columns)]
        scores = numbers(shape, seed, signed, close)
        if keep is None:  # of blocks: means, sums and largest entries in orders of their own
            scores = rng.standard_normal(shape) + (0 if signed else 9)
            for cell, rank in zip(cells, rng.permutation(len(cells)), strict=True):
                scores[cell] = 1 + 1e-9 * rank if close else scores[cell]
        live = rng.random(shape) < (0.7 if masks else 1.0)
        for cell in cells[::7] if masks else []:
            live[cell] = False
        share = 0.55 if keep is None else 0.0
        found.append(Case({NAMES[1]: scores}, {NAMES[1]: live}, share, share, pattern=pattern))
    return found
