"""check_rounds: pruning in rounds of scoring and masking, without training between them.

Longer than most files: beside the laws stands the slow procedure that they compare with.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from hypothesis import strategies as st

from minprune.arguments import choice
from minprune.core import Arrays
from minprune.verify.law import ClauseError, Laws, callable_as, judged, picked
from minprune.verify.plain.evidence import path_grads
from minprune.verify.plain.net import Mlp
from minprune.verify.procedures.counted import Count, pruned
from minprune.verify.trees import mapped, moved, repeats, untouched
from minprune.verify.verdict import Verdicts

GENERAL, LIKE = Laws(), Laws()

CHECK = "check_rounds"
Fn = Callable[[Arrays, float, int], Sequence[Arrays]]
ROUND = 1e-12  # what a power may be off by
APART = 1e-9  # two scores closer than this, to their size, may be ranked either way


def synflow(weights: Arrays) -> Arrays:
    """abs(w) dR/d abs(w), R = 1^T prod abs(W) 1"""
    side = len(next(iter(weights.values()))[0])
    net = Mlp("linear", "mse", weights, np.zeros((1, side)), np.zeros((1, 1)))
    slopes = path_grads(net, net.weights)
    return {n: np.abs(w) * np.abs(slopes[n]) for n, w in weights.items()}


def magnitude(weights: Arrays) -> Arrays:
    """abs(w)"""
    return {n: np.abs(w) for n, w in weights.items()}


SCORES: dict[str, Callable[[Arrays], Arrays]] = {"synflow": synflow, "magnitude": magnitude}


@dataclass(frozen=True)
class Subject:
    """The function, how it counts, and the scores that it should have."""

    fn: Fn
    count: Count
    like: str | None


@dataclass(frozen=True)
class Case:
    """A chain of dense layers without biases, how sparse it gets, and in how many rounds."""

    weights: Arrays
    sparsity: float
    rounds: int

    @property
    def size(self) -> int:
        return sum(w.size for w in self.weights.values())

    def gone(self, count: Count, k: int, rounds: int) -> range:
        """How many may be masked after round k of so many; two numbers where rounding decides."""
        exact = float(1 - (1 - self.sparsity) ** (k / rounds))
        some = [pruned(count, exact + off, self.size) for off in (-ROUND, ROUND)]
        return range(some[0][0], some[1][-1] + 1)

    def run(self, s: Subject, rounds: int | None = None) -> list[Arrays]:
        """The masks after each round, as bool, of the right shapes."""
        asked = self.rounds if rounds is None else rounds
        found = list(s.fn(mapped(self.weights, np.copy), self.sparsity, asked))
        if len(found) != asked:
            raise ClauseError(f"there are masks of {len(found)} rounds, and {asked} were asked for")
        for k, masks in enumerate(found, 1):
            got = {n: np.shape(m) for n, m in dict(masks).items()}
            if got != {n: w.shape for n, w in self.weights.items()}:
                raise ClauseError(f"the masks after round {k} are {got}")
        return [{n: np.array(m).astype(bool) for n, m in masks.items()} for masks in found]

    def slowly(
        self, score: Callable[[Arrays], Arrays], rounds: int, ties: bool = False
    ) -> Iterator[tuple[Arrays, ...]]:
        """(masks, where they are sure) by sorting all scores at each round, up to a tie (or on)

        Of weights that score 0, on no path that is left, any may go first: nothing follows from it.
        """
        live = {n: np.ones(w.shape, bool) for n, w in self.weights.items()}
        ends = np.cumsum([0, *(m.size for m in live.values())])
        for k in range(1, rounds + 1):
            scores = score({n: w * live[n] for n, w in self.weights.items()})
            every = np.concatenate([np.where(live[n], scores[n], -1).ravel() for n in live])
            gone, *more = self.gone("round", k, rounds)
            if more:
                return
            order = np.argsort(every, kind="stable")
            low, high = every[order[gone - 1]] if gone else -1.0, every[order[gone]]
            if not ties and high > 0 and high - low <= APART * high:
                return
            stays = np.ones(self.size, bool)
            stays[order[:gone]] = False
            live = {n: stays[a:b].reshape(live[n].shape)
                    for (a, b), n in zip(pairwise(ends), live, strict=True)}  # fmt: skip
            yield live, {n: s > 0 for n, s in scores.items()}

    def __str__(self) -> str:
        lines = [f"{n} = {w.tolist() if w.size < 13 else w.shape}" for n, w in self.weights.items()]
        return "\n".join([*lines, f"sparsity = {self.sparsity}, rounds = {self.rounds}"])


def chain(seed: int, *sides: int) -> Arrays:
    """{fc1.weight: (o, i), ...} of random numbers of both signs."""
    rng = np.random.default_rng(seed)
    return {f"fc{k}.weight": rng.standard_normal((o, i)) / np.sqrt(i)
            for k, (i, o) in enumerate(pairwise(sides), 1)}  # fmt: skip


@st.composite
def chains(draw: Any) -> Case:
    """Two or three layers of one to five units, in one to nine rounds."""
    sides = draw(st.lists(st.integers(1, 5), min_size=3, max_size=4))
    weights = chain(draw(st.integers(0, 999)), *sides)
    n = sum(w.size for w in weights.values())
    most = 1 - (len(weights) + 0.5) / n  # of which every layer can keep one
    share = draw(st.floats(0.05, 0.95) | st.sampled_from([0.25, 0.5, 0.75]))
    return Case(weights, max(0.0, min(share, most)), draw(st.integers(1, 9)))


EXAMPLES = chains()
# of a large layer beside small ones each score is small: one shot masks all of it
COLLAPSE = [Case(chain(seed, *sides), sparsity, 100) for seed, sides, sparsity in (
    (0, (8, 16, 4), 0.95), (0, (6, 20, 20, 3), 0.95), (1, (3, 24, 24, 3), 0.93))]  # fmt: skip
LARGE = [Case(chain(3, 20, 30, 10), 0.95, 40), Case(chain(4, 20, 30, 10), 0.9, 7)]


@GENERAL("count", EXAMPLES)
def counts(s: Subject, c: Case) -> str | None:
    """after round k of n the share rho^(k/n) is kept, counted from all weights and never from what
    the round before has left
    """
    return miscounted(s, c)


@GENERAL("count of many", LARGE)
def counts_many(s: Subject, c: Case) -> str | None:
    """of 900 weights in 7 and in 40 rounds too the share rho^(k/n) is kept, without drift"""
    return miscounted(s, c)


def miscounted(s: Subject, c: Case) -> str | None:
    """A clause where a round masks another number."""
    for k, masks in enumerate(c.run(s), 1):
        gone = sum(int((~m).sum()) for m in masks.values())
        want = c.gone(s.count, k, c.rounds)
        if gone not in want:
            asked = " or ".join(map(str, want))
            return f"after round {k} {gone} of {c.size} are masked, expected {asked}"
    return None


@GENERAL("nested", EXAMPLES)
def nested(s: Subject, c: Case) -> str | None:
    """what one round masks stays masked in all that follow"""
    for k, (one, two) in enumerate(pairwise(c.run(s)), 1):
        back = sum(int((two[n] & ~m).sum()) for n, m in one.items())
        if back:
            return f"{back} are back after round {k + 1}"
    return None


@GENERAL("same bits", EXAMPLES)
def same_bits(s: Subject, c: Case) -> str | None:
    """the same weights give the same masks"""
    return repeats(lambda: c.run(s))


@GENERAL("input untouched", EXAMPLES)
def leaves_input(s: Subject, c: Case) -> str | None:
    """the weights given are not changed"""
    return untouched(lambda weights: s.fn(weights, c.sparsity, c.rounds), c.weights)


@LIKE("signs", EXAMPLES)
def ignores_signs(s: Subject, c: Case) -> str | None:
    """the signs of the weights do not matter"""
    flipped = Case({n: np.abs(w) for n, w in c.weights.items()}, c.sparsity, c.rounds)
    clause = moved(flipped.run(s), c.run(s))
    return f"of absolute values {clause}" if clause else None


def undefined(s: Subject, c: Case, rounds: int) -> str | None:
    """A clause where masks are not those of sorting the scores of what is left at each round."""
    assert s.like is not None
    pairs = zip(c.run(s, rounds), c.slowly(SCORES[s.like], rounds), strict=False)
    for k, (found, (want, sure)) in enumerate(pairs, 1):
        other = sum(int(((found[n] != m) & sure[n]).sum()) for n, m in want.items())
        one_off = s.count == "any" and other == 1
        if other and not one_off:
            return f"after round {k} {other} of {c.size} places are other ones"
        if other:  # what follows has other scores
            return None
    return None


@LIKE("one shot", EXAMPLES)
def one_shot(s: Subject, c: Case) -> str | None:
    """in one round the lowest scores of the dense net are masked"""
    return undefined(s, c, 1)


@LIKE("definition", EXAMPLES)
def definition(s: Subject, c: Case) -> str | None:
    """each round masks the lowest scores of the net as the round before has left it"""
    return undefined(s, c, c.rounds)


@LIKE("definition, larger", LARGE)
def definition_of_many(s: Subject, c: Case) -> str | None:
    """of 900 weights too each round masks the lowest scores of what is left"""
    return undefined(s, c, c.rounds)


@LIKE("no collapse", COLLAPSE, lambda s: s.like == "synflow")
def no_collapse(s: Subject, c: Case) -> str | None:
    """where one shot masks a whole layer, a hundred rounds leave each layer some weights"""
    dead = [n for n, m in c.run(s)[-1].items() if not m.any()]
    return f"{' and '.join(dead)} keeps none" if dead else None


def check_rounds(
    fn: Fn, like: Literal["synflow", "magnitude"] | None = None, *, count: Count = "round",
    laws: Collection[str] | None = None, examples: int = 100, seed: int = 0,
) -> Verdicts:  # fmt: skip
    """Check pruning in rounds, `fn(weights, sparsity, rounds) -> [masks after each round]`.

    After round k of n the share (1 - sparsity)^(k/n) of all weights is kept.

    Parameters
    ----------
    fn : callable
        weights: {name: (o, i)}, a chain of dense layers without biases. Masks: True = kept.
    like : {"synflow", "magnitude"}, optional
        The scores that each round takes of what is left. None: only what holds for any.
    count : {"round", "any"}
        "round": round(sparsity n) are masked, half to even; "any": rounded in any way.
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
        For another `like`, count or law, and a function that cannot be called so.

    Examples
    --------
    >>> import minprune as mp
    >>> from minprune.masking.choose import choose
    >>> def at_once(weights, sparsity, rounds):  # the same scores at each round
    ...     scores = {n: abs(w) for n, w in weights.items()}
    ...     shares = [1 - (1 - sparsity) ** (k / rounds) for k in range(1, rounds + 1)]
    ...     return [choose(scores, {}, sparsity=s, minimum=0) for s in shares]
    >>> mp.verify.check_rounds(at_once, "magnitude", examples=20).ok
    True
    >>> [v.law for v in mp.verify.check_rounds(at_once, "synflow", examples=20).broken]
    ['one shot', 'definition', 'definition, larger', 'no collapse']

    Source: Tanaka et al. (2020), Pruning neural networks without any data.
    """
    choice(CHECK, "like", like, (None, *SCORES))
    choice(CHECK, "count", count, ("round", "any"))
    wanted = picked(CHECK, laws, GENERAL | (LIKE if like else {}))
    callable_as(fn, "weights", "sparsity", "rounds")
    subject = Subject(fn, count, like)
    return Verdicts(judged(wanted, subject, examples=examples, seed=seed))
