"""check_shuffle: as many entries kept in other places are the control of a criterion."""

from collections import Counter
from collections.abc import Callable
from math import log, sqrt
from typing import Any

import numpy as np
from hypothesis import strategies as st

from minprune.core import Array, Arrays
from minprune.verify.law import Laws, callable_as, judged
from minprune.verify.trees import mapped, moved, repeats, untouched
from minprune.verify.verdict import Verdicts

SHUFFLE = Laws()

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


@SHUFFLE("shape", masks)
def same_shape(fn: Shuffle, example: Masks) -> str | None:
    """a mask is an array of bool with the shape it had"""
    given, got = example[0], run(fn, example)
    if set(got) != set(given):
        return f"there are masks for {', '.join(got)}"
    for n, m in given.items():
        a = np.asarray(got[n])
        if a.shape != m.shape or a.dtype != bool:
            return f"the mask of {n} is {a.shape}, {a.dtype}, and was {m.shape}, bool"
    return None


@SHUFFLE("same count", masks)
def counts(fn: Shuffle, example: Masks) -> str | None:
    """each layer keeps as many"""
    want = {n: int(m.sum()) for n, m in example[0].items()}
    got = {n: int(np.asarray(m).sum()) for n, m in run(fn, example).items()}
    return None if got == want else f"{got} stay, expected {want}"


@SHUFFLE("deterministic", masks)
def deterministic(fn: Shuffle, example: Masks) -> str | None:
    """the same generator gives the same masks"""
    return repeats(lambda: run(fn, example))


@SHUFFLE("input untouched", masks)
def leaves_masks(fn: Shuffle, example: Masks) -> str | None:
    """the masks given are not changed"""
    return untouched(lambda given: fn(given, np.random.default_rng(example[1])), example[0])


@SHUFFLE("other places", HALVES)
def other_places(fn: Shuffle, example: Masks) -> str | None:
    """entries move, to any row and column, and elsewhere with another seed"""
    # a shuffle leaves 4 of 8 in place once in 70 times; 8 seeds: once in 10^14
    others = [run(fn, example, k) for k in range(SEEDS)]
    if not any(moved(o, example[0]) for o in others):
        return f"{SEEDS} seeds move nothing"
    return None if any(moved(o, others[0]) for o in others) else f"{SEEDS} seeds do the same"


DRAWS = 12_000
BITS = np.array([1, 2, 4, 8])
# two of four, as a row and as a square; 6 masks of each, 36 together
PAIR = {"a.weight": np.array([True, True, False, False]), "b.weight": np.eye(2, dtype=bool)}
LONG = {"a.weight": np.arange(600).reshape(20, 30) % 3 > 0}
RARE = log(1e10)  # exp(-RARE) is the chance that a right shuffle is called wrong, of each number


def unlikely(counts: Array) -> bool:
    """Whether the chi-square of counts that should be equal is one of 10^10

    P(X > k + 2 sqrt(k x) + 2 x) <= exp(-x), of k degrees of freedom (Laurent & Massart 2000).
    """
    mean, k = counts.sum() / counts.size, counts.size - 1
    return bool(((counts - mean) ** 2).sum() / mean > k + 2 * sqrt(k * RARE) + 2 * RARE)


@SHUFFLE("uniform", [PAIR])
def uniform(fn: Shuffle, given: Arrays) -> str | None:
    """every mask of as many entries is as likely as every other, whatever the other layers get"""
    rng, counts, seen = np.random.default_rng(0), np.zeros((16, 16)), Counter[Any]()
    places = [k for k in range(16) if k.bit_count() == 2]
    for _ in range(DRAWS):
        a, b = fn({n: m.copy() for n, m in given.items()}, rng).values()
        seen[np.asarray(a, bool).tobytes(), np.asarray(b, bool).tobytes()] += 1
    for pair, times in seen.items():
        a, b = (np.frombuffer(bits, bool) @ BITS for bits in pair)
        counts[a, b] += times
    found = counts[np.ix_(places, places)]
    for what, many in (("the first layer", found.sum(axis=1)), ("the second", found.sum(axis=0)),
                       ("both layers", found.ravel())):  # fmt: skip
        if unlikely(many):
            return (f"the {many.size} masks of {what} come {int(many.min())} to {int(many.max())} "
                    f"times in {DRAWS}, expected {DRAWS / many.size:.0f} each")  # fmt: skip
    return None


@SHUFFLE("every place", [LONG])
def every_place(fn: Shuffle, given: Arrays) -> str | None:
    """of a large layer each entry is kept as often as every other"""
    rng, many = np.random.default_rng(0), 200
    share = np.mean([fn(mapped(given, np.copy), rng)["a.weight"] for _ in range(many)], axis=0)
    p = float(given["a.weight"].mean())
    # P(|share - p| > t) <= 2 exp(-2 n t^2) (Hoeffding), 600 entries, together once in 10^10
    most = sqrt((RARE + log(1200)) / 2 / many)
    wrong = np.argwhere(np.abs(share - p) > most).tolist()
    if wrong:
        found = share[tuple(wrong[0])]
        return f"a.weight{wrong[0]} is kept {found:.3g} of the times, expected {p:.3g}"
    return None


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
    ['other places', 'uniform', 'every place']
    """
    callable_as(fn, "masks", "rng")
    return Verdicts(judged(SHUFFLE, fn, examples=examples, seed=seed))
