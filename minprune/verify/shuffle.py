"""Masks with as many kept in other places: the control of a criterion."""

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from minprune.core import Arrays
from minprune.verify.calling import callable_as
from minprune.verify.selection import differ, same
from minprune.verify.verdict import Broken, Verdicts, find_each, first

Masks = tuple[Arrays, int]  # and a seed


@st.composite
def masks(draw: Any) -> Masks:
    """One or two layers of 1 to 12 bits, and a seed."""
    layers = {}
    for name in ("a.weight", "b.weight")[: draw(st.integers(1, 2))]:
        bits = draw(st.lists(st.booleans(), min_size=1, max_size=12))
        layers[name] = np.array(bits, bool).reshape(1, -1)
    return layers, draw(st.integers(0, 99))


# half of the entries, as rows and as columns: a shuffle within either leaves one as it is
HALVES = [np.arange(8) < 4, np.repeat([[True], [False]], 4, 1), np.repeat([[True, False]], 4, 0)]
SEEDS = 8


def check_shuffle(fn: Callable[..., Arrays], *, examples: int = 200, seed: int = 0) -> Verdicts:
    """The laws of `fn(masks, rng) -> masks`: the same count in each layer, in random places

    masks: {name: bool array}, True = kept; rng: a numpy Generator.
    """
    callable_as(fn, "masks", "rng")

    def run(m: Arrays, s: int) -> Arrays:
        return fn({n: a.copy() for n, a in m.items()}, np.random.default_rng(s))

    def shape(example: Masks) -> str | None:
        given, got = example[0], run(*example)
        if set(got) != set(given):
            return f"there are masks for {', '.join(got)}"
        for n, m in given.items():
            a = np.asarray(got[n])
            if a.shape != m.shape or a.dtype != bool:
                return f"the mask of {n} is {a.shape}, {a.dtype}, and was {m.shape}, bool"
        return None

    def counts(example: Masks) -> str | None:
        want = {n: int(m.sum()) for n, m in example[0].items()}
        got = {n: int(np.asarray(m).sum()) for n, m in run(*example).items()}
        return None if got == want else f"{got} stay, expected {want}"

    def moves(example: Masks) -> str | None:
        # a shuffle leaves 4 of 8 in place once in 70 times; 8 seeds: once in 10^14
        others = [run(example[0], example[1] + k) for k in range(SEEDS)]
        if all(same(o, example[0]) for o in others):
            return f"{SEEDS} seeds move nothing"
        return f"{SEEDS} seeds do the same" if all(same(o, others[0]) for o in others) else None

    def repeats(example: Masks) -> str | None:
        return differ(run(*example), run(*example), "and before")

    def leaves(example: Masks) -> str | None:
        given, s = example
        before = {n: m.copy() for n, m in given.items()}
        fn(given, np.random.default_rng(s))
        return differ(given, before, "and were")

    laws: dict[str, tuple[str, Broken]] = {
        "shape": ("a mask is an array of bool with the shape it had", shape),
        "same count": ("each layer keeps as many", counts),
        "deterministic": ("the same generator gives the same masks", repeats),
        "input untouched": ("the masks given are not changed", leaves),
    }
    found = find_each(laws, masks(), examples=examples, seed=seed)
    sentence = "entries move, to any row and column, and elsewhere with another seed"
    found.append(
        first("other places", sentence, [({"a.weight": h}, abs(seed)) for h in HALVES], moves)
    )
    return Verdicts(found)
