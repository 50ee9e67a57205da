"""Masks with as many kept in other places: the control of a criterion."""

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from minprune.core import Arrays
from minprune.verify.law import Laws, callable_as, judged
from minprune.verify.trees import mapped, moved, repeats, untouched
from minprune.verify.verdict import Verdicts

LAWS = Laws()

Shuffle = Callable[..., Arrays]
Masks = tuple[Arrays, int]  # and a seed
# half of the entries, as rows and as columns: a shuffle within either leaves one as it is
FLAT, ROWS, COLUMNS = np.arange(8) < 4, np.repeat([[True], [False]], 4, 1), [[True, False]] * 4
HALVES = [({"a.weight": np.array(half)}, 0) for half in (FLAT, ROWS, COLUMNS)]
SEEDS = 8


@st.composite
def layers(draw: Any) -> Masks:
    """One or two layers of 1 to 12 bits, and a seed."""
    found = {}
    for name in ("a.weight", "b.weight")[: draw(st.integers(1, 2))]:
        bits = draw(st.lists(st.booleans(), min_size=1, max_size=12))
        found[name] = np.array(bits, bool).reshape(1, -1)
    return found, draw(st.integers(0, 99))


masks = layers()


def run(fn: Shuffle, example: Masks, more: int = 0) -> Arrays:
    return fn(mapped(example[0], np.copy), np.random.default_rng(example[1] + more))


@LAWS("shape", masks)
def shape(fn: Shuffle, example: Masks) -> str | None:
    """a mask is an array of bool with the shape it had"""
    given, got = example[0], run(fn, example)
    if set(got) != set(given):
        return f"there are masks for {', '.join(got)}"
    for n, m in given.items():
        a = np.asarray(got[n])
        if a.shape != m.shape or a.dtype != bool:
            return f"the mask of {n} is {a.shape}, {a.dtype}, and was {m.shape}, bool"
    return None


@LAWS("same count", masks)
def counts(fn: Shuffle, example: Masks) -> str | None:
    """each layer keeps as many"""
    want = {n: int(m.sum()) for n, m in example[0].items()}
    got = {n: int(np.asarray(m).sum()) for n, m in run(fn, example).items()}
    return None if got == want else f"{got} stay, expected {want}"


@LAWS("deterministic", masks)
def deterministic(fn: Shuffle, example: Masks) -> str | None:
    """the same generator gives the same masks"""
    return repeats(lambda: run(fn, example))


@LAWS("input untouched", masks)
def leaves_masks(fn: Shuffle, example: Masks) -> str | None:
    """the masks given are not changed"""
    return untouched(lambda given: fn(given, np.random.default_rng(example[1])), example[0])


@LAWS("other places", HALVES)
def other_places(fn: Shuffle, example: Masks) -> str | None:
    """entries move, to any row and column, and elsewhere with another seed"""
    # a shuffle leaves 4 of 8 in place once in 70 times; 8 seeds: once in 10^14
    others = [run(fn, example, k) for k in range(SEEDS)]
    if not any(moved(o, example[0]) for o in others):
        return f"{SEEDS} seeds move nothing"
    return None if any(moved(o, others[0]) for o in others) else f"{SEEDS} seeds do the same"


def check_shuffle(fn: Shuffle, *, examples: int = 200, seed: int = 0) -> Verdicts:
    """Check `fn(masks, rng) -> masks`: the same count in each layer, in random places.

    Parameters
    ----------
    fn : callable
        {name: bool array}, True = kept, and a numpy Generator, to such masks.
    examples, seed : int
        How many examples each law is tried on; the same seed tries the same ones.

    Returns
    -------
    Verdicts

    Raises
    ------
    ArgumentError
        For a function that cannot be called so.

    Examples
    --------
    >>> import minprune as mp
    >>> def nothing(masks, rng):
    ...     return masks
    >>> [v.law for v in mp.verify.check_shuffle(nothing).broken]
    ['other places']
    """
    callable_as(fn, "masks", "rng")
    return Verdicts(judged(LAWS, fn, examples=examples, seed=seed))
