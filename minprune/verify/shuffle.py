"""Masks with as many kept in other places: the control of a criterion."""

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from minprune.core import Arrays
from minprune.verify.laws_selector import differ, same
from minprune.verify.verdict import Verdicts, find_each

Masks = tuple[Arrays, int]  # and a seed


@st.composite
def masks(draw: Any) -> Masks:
    """One or two layers of 1 to 12 bits, and a seed."""
    layers = {}
    for name in ("a.weight", "b.weight")[: draw(st.integers(1, 2))]:
        bits = draw(st.lists(st.booleans(), min_size=1, max_size=12))
        layers[name] = np.array(bits, bool).reshape(1, -1)
    return layers, draw(st.integers(0, 99))


def check_shuffle(fn: Callable[..., Arrays], *, examples: int = 200, seed: int = 0) -> Verdicts:
    """The laws of `fn(masks, rng) -> masks`: the same count in each layer, in random places."""

    def run(m: Arrays, s: int) -> Arrays:
        return fn(m, np.random.default_rng(s))

    def counts(example: Masks) -> str | None:
        given, s = example
        want = {n: int(m.sum()) for n, m in given.items()}
        got = {n: int(m.sum()) for n, m in run({n: m.copy() for n, m in given.items()}, s).items()}
        return None if got == want else f"{got} stay, expected {want}"

    def moves(example: Masks) -> str | None:
        size, s = 8, example[1]
        half = {"a.weight": np.arange(size) < size // 2}
        others = [run({n: m.copy() for n, m in half.items()}, s + k) for k in range(8)]
        # a shuffle leaves 4 of 8 in place once in 70 times; 8 seeds: once in 10^14
        return "8 seeds move nothing" if all(same(o, half) for o in others) else None

    def repeats(example: Masks) -> str | None:
        given, s = example
        once = run({n: m.copy() for n, m in given.items()}, s)
        return differ(run({n: m.copy() for n, m in given.items()}, s), once, "and before")

    def leaves(example: Masks) -> str | None:
        given, s = example
        before = {n: m.copy() for n, m in given.items()}
        run(given, s)
        return differ(given, before, "and were")

    laws = {
        "same count": ("each layer keeps as many", counts),
        "other places": ("entries are moved", moves),
        "deterministic": ("the same generator gives the same masks", repeats),
        "input untouched": ("the masks given are not changed", leaves),
    }
    return Verdicts(find_each(laws, masks(), examples=examples, seed=seed))
