"""Selection done wrong, one slip each, beside the law that must reject it."""

import math
from typing import Any

import numpy as np
from selection import Select, half_even, slow

from minprune.core import Arrays


def drops_ties(scores: Arrays, masks: Arrays, **target: Any) -> Arrays:
    """Everything up to the threshold goes, ties too (open_lth sparse_global.py)."""
    new = slow(scores, masks, **target)
    top = max((scores[n][masks[n] & ~m].max(initial=-9) for n, m in new.items()), default=-9)
    return {n: m & (scores[n] > top) for n, m in new.items()}


def of_the_remaining(scores: Arrays, masks: Arrays, *, sparsity: float, **target: Any) -> Arrays:
    """The share of the live entries, not of all."""
    live = sum(int(m.sum()) for n, m in masks.items() if n not in target["protect"])
    dead = sum(int((~m).sum()) for n, m in masks.items() if n not in target["protect"])
    count = lambda _: dead + half_even(sparsity * live)  # noqa: E731
    return slow(scores, masks, sparsity=sparsity, count=count, **target)


def in_memory_order(scores: Arrays, masks: Arrays, **target: Any) -> Arrays:
    flat = {n: s.ravel("K").reshape(s.shape) for n, s in scores.items()}
    return slow(flat, masks, **target)


def two_tie_rules(scores: Arrays, masks: Arrays, *, sparsity: float, **target: Any) -> Arrays:
    """The lower index is kept, or the higher in a sparse net (jaxpruner mask_calculator.py)."""
    sign = 1 if sparsity > 0.5 else -1
    return slow(scores, masks, sparsity=sparsity, first=lambda s, i: (s, sign * i), **target)


def variant(**change: Any) -> Select:
    return lambda scores, masks, **target: slow(scores, masks, **(target | change))


def fresh(scores: Arrays, masks: Arrays, **target: Any) -> Arrays:
    return slow(scores, {n: np.ones_like(m) for n, m in masks.items()}, **target)


def by_name(scores: Arrays, masks: Arrays, **target: Any) -> Arrays:
    return slow(dict(sorted(scores.items())), masks, **target)


def scrambled(scores: Arrays, masks: Arrays, **target: Any) -> Arrays:
    return slow(scores, masks, first=lambda s, i: (s, np.random.random()), **target)  # noqa: NPY002


WRONG = {
    "ties fall together": ("counts_exactly", drops_ties),
    "rounds down": ("counts_exactly", variant(count=math.floor)),
    "rounds half up": ("counts_exactly", variant(count=lambda x: math.floor(x + 0.5))),
    "share of the remaining": ("counts_exactly", of_the_remaining),
    "two tie rules": ("is_nested", two_tie_rules),
    "share of the remaining, in steps": ("goes_by_steps", of_the_remaining),
    "the higher index is kept": ("keeps_the_best", variant(first=lambda s, i: (s, i))),
    "the highest go": ("keeps_the_best", variant(first=lambda s, i: (-s, -i))),
    "absolute values": ("keeps_the_best", variant(first=lambda s, i: (abs(s), -i))),
    "layers by the alphabet": ("keeps_the_best", by_name),
    "forgets the masks": ("revives_nothing", fresh),
    "no minimum": ("keeps_the_minimum", variant(minimum=0)),
    "no protection": ("leaves_protected", variant(protect=())),
    "random ties": ("is_deterministic", scrambled),
    "memory order": ("is_deterministic", in_memory_order),
    "minimum of one always": ("meets_the_definition", variant(minimum=1)),
}
