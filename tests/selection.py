"""Selection by definition: sorted() on Python tuples, its laws, and the cases that they run on."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import numpy as np
from hypothesis import Phase, settings
from hypothesis import strategies as st

from minprune.core import Arrays

Select = Callable[..., Arrays]
SEARCH = settings(
    derandomize=True, database=None, max_examples=5000, phases=[Phase.generate], deadline=None
)  # for a counterexample; any one will do
NAMES = ("b.weight", "c.weight", "a.weight")  # net order is not the order of the alphabet


def half_even(x: float) -> int:
    return int(Decimal(x).to_integral_value(ROUND_HALF_EVEN))


def slow(
    scores: Arrays,
    masks: Arrays,
    *,
    sparsity: float,
    minimum: int = 1,
    protect: tuple[str, ...] = (),
    count: Callable[[float], int] = half_even,
    first: Callable[[float, int], Any] = lambda score, place: (score, -place),
) -> Arrays:
    """What choose(scope="global") means; `first` orders what goes, `place` counts in net order."""
    entries, stays, place = [], set(), 0
    for name in (n for n in scores if n not in protect):
        live = masks[name].ravel().tolist()
        layer = []
        for index, score in enumerate(scores[name].ravel().tolist()):
            entries.append((live[index], first(score, place), name, index))
            layer += [(-score, index)] if live[index] else []
            place += 1
        stays |= {(name, index) for _, index in sorted(layer)[:minimum]}
    order = sorted(entries, key=lambda e: (e[0], (e[2], e[3]) in stays, e[1]))
    new = {n: m.copy() for n, m in masks.items() if n not in protect}
    for _, _, name, index in order[: count(sparsity * len(entries))]:
        new[name].flat[index] = False
    return new


@dataclass(frozen=True)
class Case:
    """Scores with many ties, what is masked already, and a target that can be reached."""

    scores: Arrays
    masks: Arrays
    sparsity: float
    less: float  # a lower target, also reachable
    minimum: int
    protect: tuple[str, ...]

    def run(self, select: Select, **changes: Any) -> Arrays:
        c = replace(self, **changes)
        return select(c.scores, c.masks, sparsity=c.sparsity, minimum=c.minimum, protect=c.protect)

    @property
    def names(self) -> list[str]:
        return [n for n in self.scores if n not in self.protect]

    def total(self, masks: Arrays) -> int:
        """How many unprotected entries are pruned."""
        return sum(int((~masks[n]).sum()) for n in self.names)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    names = NAMES[: draw(st.integers(1, 3))]
    value = st.sampled_from([-1.0, 0.0, 0.5, 1.0])
    scores, masks = {}, {}
    for name in names:
        shape = draw(st.sampled_from([(1,), (3,), (2, 2), (2, 3), (2, 1, 1, 2), (0, 2)]))
        n = int(np.prod(shape))
        scores[name] = np.array(draw(st.lists(value, min_size=n, max_size=n))).reshape(shape)
        bits = draw(st.lists(st.sampled_from([True, True, False]), min_size=n, max_size=n))
        masks[name] = np.array(bits, bool).reshape(shape)
    protect = (names[-1],) if len(names) > 1 and draw(st.booleans()) else ()
    minimum = draw(st.integers(0, 2))
    free = [n for n in names if n not in protect]
    size = sum(scores[n].size for n in free)
    dead = sum(int((~masks[n]).sum()) for n in free)
    most = size - sum(min(minimum, int(masks[n].sum())) for n in free)
    share = st.floats(0, 1) | st.sampled_from([0, 0.25, 0.5, 0.75, 1])
    pair = [min(max(draw(share), dead / size), most / size) if size else 0 for _ in range(2)]
    return Case(scores, masks, max(pair), min(pair), minimum, protect)


def same(a: Arrays, b: Arrays) -> bool:
    return list(a) == list(b) and all(
        a[n].dtype == b[n].dtype and np.array_equal(a[n], b[n]) for n in a
    )


def counts_exactly(select: Select, c: Case) -> bool:
    n = sum(c.scores[name].size for name in c.names)
    return c.total(c.run(select)) == half_even(c.sparsity * n)


def is_nested(select: Select, c: Case) -> bool:
    more, less = c.run(select), c.run(select, sparsity=c.less)
    return not any((more[n] & ~less[n]).any() for n in c.names)


def goes_by_steps(select: Select, c: Case) -> bool:
    step = c.masks | c.run(select, sparsity=c.less)
    return same(c.run(select, masks=step), c.run(select))


def keeps_the_best(select: Select, c: Case) -> bool:
    """Of what was live, nothing that went beats anything that stays: (score, lower place)."""
    new, place, gone, stays = c.run(select, minimum=0, sparsity=c.less), 0, [], []
    for n in c.names:
        for score, was, now in zip(c.scores[n].flat, c.masks[n].flat, new[n].flat, strict=True):
            if was:
                (stays if now else gone).append((score, -place))
            place += 1
    return not gone or not stays or max(gone) < min(stays)


def revives_nothing(select: Select, c: Case) -> bool:
    new = c.run(select)
    return not any((new[n] & ~c.masks[n]).any() for n in c.names)


def keeps_the_minimum(select: Select, c: Case) -> bool:
    new = c.run(select)
    return all(new[n].sum() >= min(c.minimum, c.masks[n].sum()) for n in c.names)


def leaves_protected(select: Select, c: Case) -> bool:
    """They are not in the answer, and their scores and masks do not matter for it."""
    new = c.run(select)
    flipped = {n: -s if n in c.protect else s for n, s in c.scores.items()}
    inverse = {n: ~m if n in c.protect else m for n, m in c.masks.items()}
    return set(new) == set(c.names) and same(c.run(select, scores=flipped, masks=inverse), new)


def is_deterministic(select: Select, c: Case) -> bool:
    """The same bits again, from read-only arrays, and whatever the layout in memory."""
    again = {n: np.asfortranarray(s) for n, s in c.scores.items()}
    spread = {n: np.repeat(s[..., None], 2, -1)[..., 0] for n, s in c.scores.items()}
    for s in again.values():
        s.flags.writeable = False
    new = c.run(select)
    return all(same(c.run(select, scores=s), new) for s in (c.scores, again, spread))


def meets_the_definition(select: Select, c: Case) -> bool:
    return same(c.run(select), c.run(slow))


LAWS = {
    law.__name__: law
    for law in (
        counts_exactly, is_nested, goes_by_steps, keeps_the_best, revives_nothing,
        keeps_the_minimum, leaves_protected, is_deterministic, meets_the_definition,
    )
}  # fmt: skip
