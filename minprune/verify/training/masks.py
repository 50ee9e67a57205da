"""check_steps and check_shuffle: masks in training hold what is pruned at exactly 0.0, and as many
kept in other places are the control of a criterion.

Longer than most files by its two docstrings.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from minprune.core import Array, Arrays
from minprune.verify.law import Laws, callable_as, judged
from minprune.verify.trees import mapped, moved, repeats, untouched
from minprune.verify.verdict import Verdicts

STEPS, SHUFFLE = Laws(), Laws()

SHAPES = ((3,), (2, 3), (2, 1, 2, 2))
Fn = Callable[[Arrays, list[Arrays], list[Arrays]], Sequence[Arrays]]


@dataclass(frozen=True)
class Steps:
    """Weights, and for each step the gradients of all of them, masked ones too, and the masks."""

    weights: Arrays
    grads: list[Arrays]
    masks: list[Arrays]

    def run(self, fn: Fn) -> list[Arrays]:
        """The weights after each step."""
        return list(fn(*mapped((self.weights, self.grads, self.masks), np.copy)))

    def __str__(self) -> str:
        lines = [f"weights of {n} = {w.tolist()}" for n, w in self.weights.items()]
        for k, (grads, masks) in enumerate(zip(self.grads, self.masks, strict=True), 1):
            lines += [f"step {k}: gradient of {n} = {g.tolist()}, mask = "
                      f"{masks[n].astype(int).tolist()}" for n, g in grads.items()]  # fmt: skip
        return "\n".join(lines)


@st.composite
def steps(draw: Any) -> Steps:
    """One or two layers and one to four steps; from one to the next more may be masked."""
    count = draw(st.integers(1, 4))
    shapes = draw(st.lists(st.sampled_from(SHAPES), min_size=1, max_size=2))
    weights: Arrays = {}
    grads: list[Arrays] = [{} for _ in range(count)]
    masks: list[Arrays] = [{} for _ in range(count)]

    def array(values: Any, shape: tuple[int, ...]) -> Array:
        n = int(np.prod(shape))
        return np.array(draw(st.lists(values, min_size=n, max_size=n))).reshape(shape)

    for name, shape in zip(("fc1.weight", "fc2.weight"), shapes, strict=False):
        live = array(st.sampled_from([True, True, False]), shape)
        weights[name] = array(st.sampled_from([1.0, -2.0, 0.0, 0.5]), shape) * live
        sign = array(st.sampled_from([1.0, -1.0]), shape)  # one, so that no step undoes another
        for k in range(count):
            if k:
                live = live & array(st.sampled_from([True, True, True, False]), shape)
            grads[k][name] = sign * array(st.sampled_from([0.3, 0.7, 1.1]), shape)
            masks[k][name] = live
    return Steps(weights, grads, masks)


trained = steps()


def first_of(wrong: Array) -> tuple[int, ...]:
    """The index of the first entry that is True; () if none is."""
    return next((tuple(at) for at in np.argwhere(wrong).tolist()), ())


@STEPS("shape", trained)
def shape(fn: Fn, s: Steps) -> str | None:
    """each step gives weights of the same names and shapes"""
    found = s.run(fn)
    if len(found) != len(s.grads):
        return f"there are {len(found)} of them after {len(s.grads)} steps"
    want = {n: w.shape for n, w in s.weights.items()}
    for k, after in enumerate(found, 1):
        got = {n: np.shape(w) for n, w in after.items()}
        if got != want:
            return f"after step {k} it is {got}"
    return None


@STEPS("masked stay 0.0", trained)
def masked(fn: Fn, s: Steps) -> str | None:
    """what is masked at a step is exactly 0.0 after it"""
    for k, (after, masks) in enumerate(zip(s.run(fn), s.masks, strict=False), 1):
        for n, m in masks.items():
            if at := first_of(~m & (np.asarray(after[n]) != 0)):
                return f"{n}{list(at)} is {float(np.asarray(after[n])[at])!r} after step {k}"
    return None


@STEPS("live ones move", trained)
def live(fn: Fn, s: Steps) -> str | None:
    """gradients of one sign move what is live, from 0.0 too"""
    last = s.run(fn)[-1]
    for n, m in s.masks[-1].items():
        if at := first_of(m & (np.asarray(last[n]) == s.weights[n])):
            return f"{n}{list(at)} is {float(s.weights[n][at])!r} before and after"
    return None


@STEPS("same bits", trained)
def same_bits(fn: Fn, s: Steps) -> str | None:
    """the same weights, gradients and masks give the same bits"""
    return repeats(lambda: s.run(fn))


@STEPS("input untouched", trained)
def leaves_input(fn: Fn, s: Steps) -> str | None:
    """weights, gradients and masks that are given are not changed"""
    return untouched(fn, s.weights, s.grads, s.masks)


def check_steps(fn: Fn, *, examples: int = 200, seed: int = 0) -> Verdicts:
    """Check training steps under masks: what is pruned stays exactly 0.0.

    Parameters
    ----------
    fn : callable
        fn(weights, grads, masks) -> [weights after step 1, after step 2, ...]. weights: {name:
        array}, 0.0 where they are masked; grads and masks: one such dict for each step, True =
        live. Gradients are dense: masked places have theirs too. Masks may prune more from one
        step to the next, so that momentum of what goes is there to bring it back. fn runs an
        optimizer of any kind over these gradients, starting from a fresh state, and returns the
        weights that the forward pass after each step sees.
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
    >>> def unmasked(weights, grads, masks):
    ...     seen = [weights]
    ...     for g in grads:
    ...         seen.append({n: w - 0.1 * g[n] for n, w in seen[-1].items()})
    ...     return seen[1:]
    >>> [v.law for v in mp.verify.check_steps(unmasked).broken]
    ['masked stay 0.0']
    """
    callable_as(fn, "weights", "grads", "masks")
    return Verdicts(judged(STEPS, fn, examples=examples, seed=seed))


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
    return Verdicts(judged(SHUFFLE, fn, examples=examples, seed=seed))
