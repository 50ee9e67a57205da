"""check_drop_and_grow: one update of dynamic sparse training, such as SET and RigL.

Longer than most files: what may go and what may come have two readings each.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from itertools import combinations
from math import ceil, floor
from typing import Any, Literal

import numpy as np
from hypothesis import strategies as st

from minprune.arguments import choice
from minprune.core import Array, Arrays
from minprune.verify.law import ClauseError, Laws, callable_as, judged, keywords, picked
from minprune.verify.plain.rules import half_even
from minprune.verify.trees import mapped, repeats, untouched
from minprune.verify.verdict import Verdicts

LAWS, RIGL, SET = Laws(), Laws(), Laws()

CHECK = "check_drop_and_grow"
TAKES = ("grads", "rng", "state")
SHAPES = ((4,), (2, 3), (3, 4), (2, 2, 1, 2))
Regrow = Literal["never", "may"]
By = Literal["abs", "sign"]
Count = Literal["round", "floor", "any"]
COUNTS: dict[str, Callable[[float], tuple[int, ...]]] = {
    "round": lambda x: (half_even(x),),
    "floor": lambda x: (floor(x), floor(x + 1e-9)),  # 0.29 * 100 is a little less than 29
    "any": lambda x: tuple(range(floor(x), ceil(x) + 1)),
}


@dataclass(frozen=True)
class Subject:
    """The function, which arguments it takes by name, and its rules."""

    fn: Callable[..., Any]
    takes: tuple[str, ...]
    regrow: Regrow
    by: By
    count: Count


@dataclass(frozen=True)
class Case:
    """Weights, 0.0 where they are masked, dense gradients, optimizer state and a share to move."""

    weights: Arrays
    masks: Arrays
    grads: Arrays
    fraction: float
    seed: int = 0

    @property
    def state(self) -> Arrays:
        """1, 2, ... at live places, 0 elsewhere: of a momentum, say"""
        return {n: np.arange(1.0, m.size + 1).reshape(m.shape) * m for n, m in self.masks.items()}

    def answer(self, s: Subject, arrays: dict[str, Arrays]) -> Any:
        """What the function returns for weights, masks and what else it takes by name."""
        named: dict[str, Any] = {name: arrays[name] for name in s.takes if name != "rng"}
        if "rng" in s.takes:
            named["rng"] = np.random.default_rng(self.seed)
        return s.fn(arrays["weights"], arrays["masks"], self.fraction, **named)

    def arrays(self, s: Subject) -> dict[str, Arrays]:
        """Copies of the arguments."""
        every = {n: getattr(self, n) for n in ("weights", "masks", "grads", "state")}
        taken = {n: every[n] for n in every if n in ("weights", "masks", *s.takes)}
        copied: dict[str, Arrays] = mapped(taken, np.copy)
        return copied

    def run(self, s: Subject) -> list[Arrays]:
        """[weights, masks as bool] after the update, and the state if it is taken."""
        found = self.answer(s, self.arrays(s))
        names, shapes = ["weights", "masks", *["state"] * ("state" in s.takes)], self.weights
        if not isinstance(found, tuple | list) or len(found) != len(names):
            raise ClauseError(f"it is of type {type(found).__name__}, not ({', '.join(names)})")
        for what, arrays in zip(names, found, strict=True):
            got = {n: np.shape(a) for n, a in dict(arrays).items()}
            if got != {n: w.shape for n, w in shapes.items()}:
                raise ClauseError(f"the {what} after it are {got}")
        made = [{n: np.array(a) for n, a in arrays.items()} for arrays in found]
        made[1] = {n: m.astype(bool) for n, m in made[1].items()}
        return made

    def moving(self, s: Subject, name: str) -> set[int]:
        """How many may be dropped in a layer: of each sign by itself, at most what is free."""
        w, m = self.weights[name], self.masks[name]
        groups = [m] if s.by == "abs" else [m & (w > 0), m & (w < 0)]
        found = {0}
        for live in groups:
            some = COUNTS[s.count](self.fraction * int(live.sum()))
            found = {a + b for a in found for b in some}
        return {min(k, int((~m).sum())) for k in found}

    def __str__(self) -> str:
        lines = []
        for n, w in self.weights.items():
            parts = {"weights": w, "mask": self.masks[n].astype(int), "gradient": self.grads[n]}
            lines += [f"{what} of {n} = {np.round(a, 4).tolist()}" for what, a in parts.items()]
        return "\n".join([*lines, f"fraction = {self.fraction}, seed = {self.seed}"])


@st.composite
def cases(draw: Any, zeros: bool = False) -> Case:
    """One or two layers of distinct weights and gradients; zeros: some live weights are 0.0."""
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    shapes = draw(st.lists(st.sampled_from(SHAPES), min_size=1, max_size=2))
    names = ("b.weight", "a.weight")[: len(shapes)]
    density = draw(st.sampled_from([0.3, 0.5, 0.8]))
    weights, masks, grads = {}, {}, {}
    for n, shape in zip(names, shapes, strict=True):
        masks[n] = rng.random(shape) < density
        weights[n] = rng.standard_normal(shape) * masks[n]
        grads[n] = rng.standard_normal(shape)
        if zeros:
            weights[n] *= rng.random(shape) < 0.5
    fraction = draw(st.sampled_from([0.0, 0.25, 0.3, 0.5, 1.0]) | st.floats(0, 1))
    return Case(weights, masks, grads, fraction, draw(st.integers(0, 99)))


def large() -> Case:
    """6,000 places of one layer, a fifth of them live."""
    rng = np.random.default_rng(0)
    m = rng.random((100, 60)) < 0.2
    return Case({"a.weight": rng.standard_normal(m.shape) * m}, {"a.weight": m},
                {"a.weight": rng.standard_normal(m.shape)}, 0.3)  # fmt: skip


EXAMPLES, LARGE = cases(), [large()]


def at(a: Array) -> list[int]:
    """The index of the first entry that is True."""
    return [int(k) for k in np.argwhere(a)[0]]


@LAWS("same count", EXAMPLES)
def same_count(s: Subject, c: Case) -> str | None:
    """each layer has as many live weights as before"""
    new = c.run(s)[1]
    for n, m in c.masks.items():
        if new[n].sum() != m.sum():
            return f"{n} has {int(new[n].sum())} and had {int(m.sum())}"
    return None


@LAWS("moved", EXAMPLES)
def moves_so_many(s: Subject, c: Case) -> str | None:
    """the share of the live weights that moves is the one asked for, or as many as are free"""
    return miscounted(s, c)


@LAWS("moved of many", LARGE)
def moves_many(s: Subject, c: Case) -> str | None:
    """of 1,200 live weights too the share that moves is the one asked for"""
    return miscounted(s, c) or keeps_small(s, c)


def miscounted(s: Subject, c: Case) -> str | None:
    """A clause where another number of places is dropped."""
    new = c.run(s)[1]
    for n, m in c.masks.items():
        gone, want = int((m & ~new[n]).sum()), c.moving(s, n)
        if gone not in want and not (s.regrow == "may" and gone <= max(want)):
            asked = " or ".join(map(str, sorted(want)))
            return f"{gone} of {int(m.sum())} live weights of {n} are dropped, expected {asked}"
    return None


@LAWS("smallest go", EXAMPLES)
def smallest_go(s: Subject, c: Case) -> str | None:
    """what is dropped is the smallest of what is live, by absolute value"""
    return keeps_small(s, c)


def keeps_small(s: Subject, c: Case) -> str | None:
    """A clause where a larger weight is dropped and a smaller one stays."""
    new = c.run(s)[1]
    for n, m in c.masks.items():
        w = c.weights[n]
        for live in [m] if s.by == "abs" else [m & (w > 0), m & (w < 0)]:
            gone, size = live & ~new[n], np.sort(np.abs(w[live]))
            most = int(gone.sum())
            if s.regrow == "may":  # some that were dropped may be back
                most = max(COUNTS[s.count](c.fraction * int(live.sum())))
            if gone.any() and (most == 0 or np.abs(w[gone]).max() > size[most - 1]):
                bad = gone & (np.abs(w) == np.abs(w[gone]).max())
                return f"{n}{at(bad)} is {w[bad][0]:.6g} and goes, {most} are smaller and live"
    return None


@LAWS("live zeros", cases(zeros=True), lambda s: s.by == "abs")
def live_zeros(s: Subject, c: Case) -> str | None:
    """a live weight that is 0.0 is live: it is counted, and goes first, and no masked place is
    taken for it
    """
    return same_count(s, c) or miscounted(s, c) or keeps_small(s, c) or kept_bits(s, c)


@LAWS("new ones are 0.0", EXAMPLES)
def new_are_zero(s: Subject, c: Case) -> str | None:
    """what grows starts at exactly 0.0"""
    w, new = c.run(s)[:2]
    for n, m in c.masks.items():
        bad = new[n] & ~m & (w[n] != 0)
        if bad.any():
            return f"{n}{at(bad)} starts at {w[n][bad][0]:.6g}"
    return None


@LAWS("masked are 0.0", EXAMPLES)
def masked_are_zero(s: Subject, c: Case) -> str | None:
    """what is masked afterwards is exactly 0.0"""
    w, new = c.run(s)[:2]
    for n, m in new.items():
        bad = ~m & (w[n] != 0)
        if bad.any():
            return f"{n}{at(bad)} is {w[n][bad][0]:.6g}"
    return None


@LAWS("others keep their bits", EXAMPLES)
def kept_bits(s: Subject, c: Case) -> str | None:
    """what stays live keeps its weight, bit for bit"""
    w, new = c.run(s)[:2]
    for n, m in c.masks.items():
        bad = m & new[n] & (w[n] != c.weights[n])
        if s.regrow == "may":  # those that were dropped and are back start at 0.0
            bad &= w[n] != 0
        if bad.any():
            return f"{n}{at(bad)} was {c.weights[n][bad][0]!r} and is {w[n][bad][0]!r}"
    return None


@LAWS("state", EXAMPLES, lambda s: "state" in s.takes)
def state_moves(s: Subject, c: Case) -> str | None:
    """the optimizer's state of what grows is 0.0, and that of what stays is kept"""
    w, new, state = c.run(s)
    for n, m in c.masks.items():
        come, stay = new[n] & ~m, new[n] & m
        if s.regrow == "may":
            stay = stay & (w[n] != 0)
        want = c.state[n] * stay
        bad = (come | stay) & (state[n] != want)
        if bad.any():
            return f"that of {n}{at(bad)} is {state[n][bad][0]:.6g}, expected {want[bad][0]:.6g}"
    return None


@LAWS("nothing to move", EXAMPLES)
def nothing_to_move(s: Subject, c: Case) -> str | None:
    """at fraction 0, and where nothing is masked, nothing changes"""
    full = {n: np.ones_like(m) for n, m in c.masks.items()}
    dense = {n: np.where(w == 0, 0.5, w) for n, w in c.weights.items()}
    for what, one in (("at fraction 0", replace(c, fraction=0.0)),
                      ("of dense layers", replace(c, masks=full, weights=dense))):  # fmt: skip
        w, new = one.run(s)[:2]
        for n, m in one.masks.items():
            if (new[n] != m).any() or (w[n] != one.weights[n]).any():
                return f"{what} {n} changes"
    return None


@LAWS("same bits", EXAMPLES)
def same_bits(s: Subject, c: Case) -> str | None:
    """the same arguments, and the same state of the generator, give the same bits"""
    return repeats(lambda: c.run(s))


@LAWS("input untouched", EXAMPLES)
def leaves_input(s: Subject, c: Case) -> str | None:
    """no argument is changed"""
    return untouched(lambda arrays: c.answer(s, arrays), c.arrays(s))


@RIGL("where it grows", EXAMPLES)
def grows_at_large_gradients(s: Subject, c: Case) -> str | None:
    """weights grow where the dense gradient is largest by absolute value, of the places that may
    grow
    """
    return misgrown(s, c)


@RIGL("where many grow", LARGE)
def many_grow(s: Subject, c: Case) -> str | None:
    """of 4,800 free places too those of the largest gradients grow"""
    return misgrown(s, c)


def misgrown(s: Subject, c: Case) -> str | None:
    """A clause where a place of smaller gradient grows."""
    new = c.run(s)[1]
    for n, m in c.masks.items():
        g = np.abs(c.grads[n])
        come, free = new[n] & ~m, ~new[n] & ~m
        if s.regrow == "may":  # what was dropped may grow as well
            free = ~new[n]
        if come.any() and free.any() and g[come].min() < g[free].max():
            low, high = come & (g == g[come].min()), free & (g == g[free].max())
            return (f"{n}{at(low)} of gradient {c.grads[n][low][0]:.6g} grows, and {n}{at(high)} "
                    f"of gradient {c.grads[n][high][0]:.6g} does not")  # fmt: skip
    return None


DRAWS = 400


def half_live(shape: tuple[int, int]) -> Case:
    """Two layers of 12 live and 12 free places, a quarter of which move."""
    rng = np.random.default_rng(1)
    m = rng.permutation(np.arange(24) < 12).reshape(shape)
    w = {n: rng.permutation(np.arange(1.0, 25.0)).reshape(shape) * m for n in "ab"}
    return Case(w, {n: m for n in w}, {n: np.ones(shape) for n in w}, 0.25)


@SET("uniform", [half_live((3, 8)), half_live((24, 1))])
def uniform(s: Subject, c: Case) -> str | None:
    """every free place grows as often as any other, alone and in pairs, and layers independently

    Six and more standard errors of 400 draws.
    """
    drawn: dict[str, list[Array]] = {"a": [], "b": []}
    for seed in range(DRAWS):
        new = replace(c, seed=seed).run(s)[1]
        for n, m in c.masks.items():
            drawn[n].append((new[n] & ~m).ravel())
    for n, m in c.masks.items():
        times = np.array(drawn[n])[:, ~m.ravel()]
        each, places = times.sum() / DRAWS, times.shape[1]
        p = each / places
        slack = 6 * np.sqrt(DRAWS * p * (1 - p))
        off = np.abs(times.sum(axis=0) - DRAWS * p)
        if off.max() > slack or not each:
            k = int(off.argmax())
            return (f"of {DRAWS} draws free place {k} of {n} grows in {int(times[:, k].sum())}, "
                    f"expected {DRAWS * p:.0f}")  # fmt: skip
        q = p * max(each - 1, 0) / (places - 1)
        most = DRAWS * q + 6.5 * np.sqrt(DRAWS * q * (1 - q)) + 2
        for i, j in combinations(range(places), 2):
            both = int((times[:, i] & times[:, j]).sum())
            if both > most:
                return (f"of {DRAWS} draws free places {i} and {j} of {n} grow together in {both}, "
                        f"expected {DRAWS * q:.0f}")  # fmt: skip
    same = sum(bool((a == b).all()) for a, b in zip(drawn["a"], drawn["b"], strict=True))
    if same > DRAWS / 10:
        return f"of {DRAWS} draws {same} are the same in two layers"
    return None


# where weights grow
GROWTH: dict[str, Laws] = {"rigl": RIGL, "set": SET}
NEEDS = {"rigl": "grads", "set": "rng"}


def check_drop_and_grow(
    fn: Callable[..., Any], like: Literal["rigl", "set"] | None = None, *,
    regrow: Regrow = "never", by: By = "abs", count: Count = "any",
    laws: Collection[str] | None = None, examples: int = 100, seed: int = 0,
) -> Verdicts:  # fmt: skip
    """Check one update of dynamic sparse training: the smallest weights go, as many others come.

    Parameters
    ----------
    fn : callable
        fn(weights, masks, fraction) -> (weights, masks), dicts of arrays; weights are 0.0 where
        they are masked (True = live). It is given by name what else it takes: `grads`, the dense
        gradients; `rng`, a numpy Generator; `state`, an array of the optimizer for each weight,
        and then it returns (weights, masks, state).
    like : {"rigl", "set"}, optional
        Where weights grow: where the dense gradient is largest, or at random. None: anywhere.
    regrow : {"never", "may"}
        "may": a place that is dropped may grow again in the same update.
    by : {"abs", "sign"}
        "sign": the fraction of the positive and of the negative weights goes, each by itself.
    count : {"round", "floor", "any"}
        How fraction times the live weights is rounded.
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
        For another `like`, rule or law, and a function that cannot be called so.

    Examples
    --------
    >>> import numpy as np
    >>> import minprune as mp
    >>> def rigl(weights, masks, fraction, grads):  # ranks masked places with the live ones
    ...     new = {}
    ...     for n, w in weights.items():
    ...         live = int(masks[n].sum())
    ...         k = min(int(fraction * live), w.size - live)
    ...         kept = np.zeros(w.size, bool)
    ...         kept[np.argsort(-abs(w).ravel(), kind="stable")[: live - k]] = True
    ...         g = np.where(kept | masks[n].ravel(), -1, abs(grads[n]).ravel())
    ...         kept[np.argsort(-g)[:k]] = True
    ...         new[n] = kept.reshape(w.shape)
    ...     return {n: w * new[n] for n, w in weights.items()}, new
    >>> [v.law for v in mp.verify.check_drop_and_grow(rigl, "rigl").broken]
    ['live zeros']

    Source: Mocanu et al. (2018), SET; Evci et al. (2020), RigL.
    """
    choice(CHECK, "like", like, (None, *GROWTH))
    choice(CHECK, "regrow", regrow, ("never", "may"))
    choice(CHECK, "by", by, ("abs", "sign"))
    choice(CHECK, "count", count, tuple(COUNTS))
    wanted = picked(CHECK, laws, LAWS | (GROWTH[like] if like else {}))
    takes = tuple(keywords(fn, TAKES))
    callable_as(fn, "weights", "masks", "fraction", given=takes)
    subject = Subject(fn, takes, regrow, by, count)
    return Verdicts(judged(wanted, subject, examples=examples, seed=seed))
