"""check_counted: masks that a procedure makes during training, counted at each step."""

import itertools
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from hypothesis import strategies as st

from minprune.arguments import choice
from minprune.core import Array, Arrays
from minprune.verify.law import ClauseError, Laws, callable_as, judged, picked
from minprune.verify.plain.rules import half_even
from minprune.verify.trees import mapped, moved, repeats, untouched
from minprune.verify.verdict import Verdicts

LAWS = Laws()

CHECK = "check_counted"
Fn = Callable[[list[Arrays], list[float]], Sequence[Arrays]]
Scope = Literal["global", "layer"]
Count = Literal["round", "any"]
SHAPES = ((3,), (2, 3), (4, 5), (2, 1, 2, 2))


def pruned(count: Count, sparsity: float, n: int) -> range:
    """How many of n entries may be masked: round(sparsity n), or that number rounded in any way."""
    if count == "round":
        exact = half_even(sparsity * n)
        return range(exact, exact + 1)
    return range(int(np.floor(sparsity * n - 1e-9)), int(np.ceil(sparsity * n + 1e-9)) + 1)


@dataclass(frozen=True)
class Subject:
    """The function, and how it counts."""

    fn: Fn
    scope: Scope
    count: Count


@dataclass(frozen=True)
class Steps:
    """The weights as they are at each step, masked places too, and the sparsity asked for there."""

    weights: list[Arrays]
    sparsities: list[float]

    def run(self, s: Subject, steps: int | None = None) -> list[Arrays]:
        """The masks after each of the first steps, as bool, of the right shapes."""
        given = mapped(self.weights[:steps], np.copy), list(self.sparsities[:steps])
        found = list(s.fn(*given))
        if len(found) != len(given[1]):
            raise ClauseError(f"there are {len(found)} of them after {len(given[1])} steps")
        return [self.sound(k, dict(masks)) for k, masks in enumerate(found)]

    def sound(self, k: int, masks: Arrays) -> Arrays:
        """The masks of a step; ClauseError where they are none."""
        for n, w in self.weights[k].items():
            m = np.asarray(masks[n]) if n in masks else np.zeros(0)
            if n not in masks or m.shape != w.shape or not np.isin(m, (0, 1)).all():
                what = "missing" if n not in masks else f"{m.shape}, {m.dtype}"
                raise ClauseError(
                    f"after step {k + 1} the mask of {n} is {what}, its weights {w.shape}"
                )
        return {n: np.array(masks[n]).astype(bool) for n in self.weights[k]}

    def __str__(self) -> str:
        lines = [
            f"step {k}: sparsity {s!r}, weights "
            + "; ".join(
                f"{n} = {w.tolist() if w.size < 13 else w.shape}" for n, w in weights.items()
            )
            for k, (weights, s) in enumerate(zip(self.weights, self.sparsities, strict=True), 1)
        ]
        return "\n".join(lines)


@st.composite
def plans(draw: Any) -> Steps:
    """One to five steps over one to three layers; weights with ties and zeros, which move."""
    shapes = draw(st.lists(st.sampled_from(SHAPES), min_size=1, max_size=3))
    names = ("b.weight", "a.weight", "c.weight")[: len(shapes)]
    sizes = [int(np.prod(shape)) for shape in shapes]
    least = min((n - 1) / n for n in sizes)  # at which every layer can keep one
    most = min(least, (sum(sizes) - len(sizes)) / sum(sizes)) if len(sizes) > 1 else least
    share = st.floats(0, 1) | st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])
    targets = sorted(draw(st.lists(share, min_size=1, max_size=5)))
    if draw(st.booleans()):  # a plateau
        targets.insert(draw(st.integers(0, len(targets) - 1)), targets[0])
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    coarse = draw(st.booleans())

    def numbers(shape: tuple[int, ...]) -> Array:
        made = rng.standard_normal(shape)
        return np.round(made) if coarse else made

    steps = [dict(zip(names, map(numbers, shapes), strict=True)) for _ in targets]
    return Steps(steps, sorted(t * most for t in targets))


def large() -> Steps:
    """30,400 weights in three layers and a cubic schedule of 12 steps."""
    rng = np.random.default_rng(0)
    shapes = {"a.weight": (100, 300), "b.weight": (10, 30), "c.weight": (4, 25)}
    weights = [{n: rng.standard_normal(s) for n, s in shapes.items()} for _ in range(12)]
    return Steps(weights, [0.9 - 0.9 * (1 - k / 11) ** 3 for k in range(12)])


EXAMPLES, LARGE = plans(), [large()]


@LAWS("count", EXAMPLES)
def counts(s: Subject, p: Steps) -> str | None:
    """after each step the masks hold round(sparsity n) of the n weights, half to even"""
    return miscounted(s, p)


@LAWS("count of many", LARGE)
def counts_many(s: Subject, p: Steps) -> str | None:
    """of 30,400 weights too the masks hold what the schedule asks for at each of 12 steps"""
    return miscounted(s, p)


def miscounted(s: Subject, p: Steps) -> str | None:
    """A clause where a step masks another number than asked for."""
    for k, (masks, sparsity) in enumerate(zip(p.run(s), p.sparsities, strict=True), 1):
        scopes = {"the net": list(masks.values())}
        if s.scope == "layer":
            scopes = {n: [m] for n, m in masks.items()}
        for where, parts in scopes.items():
            n, gone = sum(m.size for m in parts), sum(int((~m).sum()) for m in parts)
            want = pruned(s.count, sparsity, n)
            if gone not in want:
                asked = " or ".join(map(str, want))
                return f"after step {k} {gone} of {n} in {where} are masked, expected {asked}"
    return None


@LAWS("nothing comes back", EXAMPLES)
def nested(s: Subject, p: Steps) -> str | None:
    """what is masked stays masked, however large its weight becomes"""
    seen = p.run(s)
    for k, (one, two) in enumerate(itertools.pairwise(seen), 1):
        for n, m in one.items():
            back = int((two[n] & ~m).sum())
            if back:
                return f"{back} of {n} are back after step {k + 1}"
    return None


@LAWS("plateau", EXAMPLES)
def holds_still(s: Subject, p: Steps) -> str | None:
    """where the schedule stands still the masks do"""
    seen, targets = p.run(s), p.sparsities
    for k in range(1, len(seen)):
        if targets[k] == targets[k - 1] and (clause := moved(seen[k - 1], seen[k])):
            return f"from step {k} to {k + 1} the mask {clause}"
    return None


@LAWS("no look ahead", EXAMPLES)
def causal(s: Subject, p: Steps) -> str | None:
    """the masks of the first steps are the same if training ends there"""
    k = (len(p.weights) + 1) // 2
    clause = moved(p.run(s)[:k], p.run(s, k))
    return f"of {k} steps alone {clause}" if clause else None


@LAWS("same bits", EXAMPLES)
def same_bits(s: Subject, p: Steps) -> str | None:
    """the same weights and sparsities give the same masks"""
    return repeats(lambda: p.run(s))


@LAWS("input untouched", EXAMPLES)
def leaves_input(s: Subject, p: Steps) -> str | None:
    """weights and sparsities that are given are not changed"""
    return untouched(s.fn, p.weights, p.sparsities)


def check_counted(
    fn: Fn, *, scope: Scope = "global", count: Count = "round",
    laws: Collection[str] | None = None, examples: int = 100, seed: int = 0,
) -> Verdicts:  # fmt: skip
    """Check the masks that `fn(weights, sparsities)` makes, counted at each step.

    Parameters
    ----------
    fn : callable
        fn(weights, sparsities) -> [masks after step 1, after step 2, ...]. weights: one {name:
        array} for each step, the dense weights as they are then (masked places have theirs too);
        sparsities: what a schedule that does not fall asks for at each step. Masks: True = kept.
    scope : {"global", "layer"}
        "layer": each layer has that sparsity; "global": the net.
    count : {"round", "any"}
        "round": round(sparsity n), half to even; "any": rounded in any way.
    laws : collection of str, optional
        Only these.
    examples, seed : int
        How many examples each law is tried on; the same seed tries the same ones.

    Returns
    -------
    Verdicts

    Raises
    ------
    ArgumentError
        For another scope, count or law, and a function that cannot be called so.

    Examples
    --------
    >>> import minprune as mp
    >>> from minprune.masking.choose import choose
    >>> def afresh(weights, sparsities):  # masks of what is small now, whatever was masked before
    ...     return [choose({n: abs(w) for n, w in now.items()}, {}, sparsity=s)
    ...             for now, s in zip(weights, sparsities)]
    >>> [v.law for v in mp.verify.check_counted(afresh).broken]
    ['nothing comes back', 'plateau']
    """
    choice(CHECK, "scope", scope, ("global", "layer"))
    choice(CHECK, "count", count, ("round", "any"))
    wanted = picked(CHECK, laws, LAWS)
    callable_as(fn, "weights", "sparsities")
    return Verdicts(judged(wanted, Subject(fn, scope, count), examples=examples, seed=seed))
