"""check_steps: masks in training hold what is pruned at exactly 0.0, and nothing else matters."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import strategies as st

from minprune.core import Array, Arrays
from minprune.verify.law import Laws, callable_as, judged
from minprune.verify.strategies import among, listed
from minprune.verify.trees import mapped, moved, repeats, untouched
from minprune.verify.verdict import Verdicts

STEPS = Laws()
HALF = 2.0**-20  # of the largest weight: masked numbers that are multiplied by 0 change no bit

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
        return np.array(draw(listed(among(values), math.prod(shape)))).reshape(shape)

    for name, shape in zip(("fc1.weight", "fc2.weight"), shapes, strict=False):
        live = array((True, True, False), shape)
        weights[name] = array((1.0, -2.0, 0.0, 0.5), shape) * live
        sign = array((1.0, -1.0), shape)  # one, so that no step undoes another
        for k in range(count):
            if k:
                live = live & array((True, True, True, False), shape)
            grads[k][name] = sign * array((0.3, 0.7, 1.1), shape)
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


def long_run() -> Steps:
    """A hundred steps of large gradients of one sign: far more than a rate that is warmed up from
    0, or weights of 8 bits, need to move.
    """
    rng = np.random.default_rng(0)
    shapes = {"fc1.weight": (3, 4), "fc2.weight": (2, 1, 2, 2)}
    live = {n: rng.random(shape) < 0.7 for n, shape in shapes.items()}
    weights = {n: rng.choice([1.0, -2.0, 0.0, 0.5], m.shape) * m for n, m in live.items()}
    grads = {n: 1000 * rng.choice([1.0, -1.0], m.shape) for n, m in live.items()}
    return Steps(weights, [grads] * 100, [live] * 100)


@STEPS("live ones move", [long_run()])
def live(fn: Fn, s: Steps) -> str | None:
    """many large gradients of one sign move what is live, from 0.0 too"""
    seen = s.run(fn)
    for n, m in s.masks[-1].items():
        moves = np.any([np.asarray(after[n]) != s.weights[n] for after in seen], axis=0)
        if at := first_of(m & ~moves):
            return f"{n}{list(at)} is {float(s.weights[n][at])!r} before and after each step"
    return None


@STEPS("masked ignored", trained)
def masked_gradients(fn: Fn, s: Steps) -> str | None:
    """the gradients of what is masked do not matter for what is live (as in a norm that clips)"""
    other = [{n: np.where(masks[n], g, -1000 * g) for n, g in grads.items()}
             for grads, masks in zip(s.grads, s.masks, strict=True)]  # fmt: skip
    both = zip(s.run(fn), replace(s, grads=other).run(fn), strict=False)
    for k, (after, then) in enumerate(both, 1):
        for n, w in after.items():
            size = HALF * (np.abs(s.weights[n]).max(initial=0) + np.abs(w).max(initial=0))
            wrong = s.masks[k - 1][n] & (np.abs(np.asarray(then[n], float) - w) > size)
            if at := first_of(wrong):
                pair = f"{float(w[at])!r} after step {k}, and {float(then[n][at])!r}"
                return f"{n}{list(at)} is {pair} with masked gradients -1000 times as large"
    return None


@STEPS("steps apart", trained)
def steps_apart(fn: Fn, s: Steps) -> str | None:
    """the weights after a step stay those of that step when others follow: arrays are not shared"""
    seen = s.run(fn)
    for k, (after, then) in enumerate(pairwise(seen), 1):
        if any(np.shares_memory(w, then[n]) for n, w in after.items()):
            alone = replace(s, grads=s.grads[:k], masks=s.masks[:k]).run(fn)[-1]
            if wrong := moved({n: np.asarray(w) for n, w in alone.items()}, dict(after)):
                return f"after step {k} of {len(seen)} another number is there than of {k}: {wrong}"
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
