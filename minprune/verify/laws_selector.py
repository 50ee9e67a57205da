"""Laws of selection as plain NumPy predicates.

A law takes select(scores, masks, *, sparsity, minimum, protect) -> masks and a Case, and gives None
where it holds, or a clause that says what was found.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from minprune.verify.selection import Case, Select, differ, half_even, kept, same, slow


def has_the_shape(select: Select, c: Case) -> str | None:
    """a mask is an array of bool with the shape of its scores"""
    new = c.run(select)
    if set(new) != set(c.names):
        return f"there are masks for {', '.join(new)}"
    for n, m in new.items():
        if not isinstance(m, np.ndarray):
            return f"the mask of {n} is of type {type(m).__name__}"
        if m.shape != c.scores[n].shape:
            return f"the mask of {n} is {m.shape}, its scores are {c.scores[n].shape}"
        if m.dtype != bool:
            return f"the mask of {n} is {m.dtype}"
    return None


def counts_exactly(select: Select, c: Case) -> str | None:
    """round(sparsity * n) of n entries are pruned, half to even, what was masked included"""
    n = sum(c.scores[name].size for name in c.names)
    got, want = c.total(c.run(select)), half_even(c.sparsity * n)
    return None if got == want else f"{got} of {n} are pruned, expected {want}"


def counts_nearly(select: Select, c: Case) -> str | None:
    """sparsity * n of n entries are pruned, rounded in any way, what was masked included"""
    n = sum(c.scores[name].size for name in c.names)
    got, want = c.total(c.run(select)), c.sparsity * n
    return None if abs(got - want) < 1 else f"{got} of {n} are pruned, expected {want:.6g}"


def is_nested(select: Select, c: Case) -> str | None:
    """what a lower sparsity prunes, a higher one prunes too"""
    n = sum(c.scores[name].size for name in c.names)
    alive = [int(c.masks[name].sum()) for name in c.names]
    most = n - sum(min(c.minimum, a) for a in alive)
    counts = range(n - sum(alive), most + 1) if n else ()  # all that can be reached
    found = [(k / n, c.run(select, sparsity=k / n)) for k in counts]
    for (low, less), (high, more) in pairwise(found):
        if any((more[name] & ~less[name]).any() for name in c.names):
            return f"at {low} they are {kept(less)}, at {high} {kept(more)}"
    return None


def goes_by_steps(select: Select, c: Case) -> str | None:
    """pruning to a lower sparsity first, then on, gives the masks of pruning at once"""
    step = c.masks | c.run(select, sparsity=c.less)
    return differ(c.run(select, masks=step), c.run(select), "and at once")


def _gone_and_kept(select: Select, c: Case) -> tuple[list[Any], list[Any]]:
    """(score, -place) of what was live and went, and of what stays."""
    new, place = c.run(select, minimum=0, sparsity=c.less), 0
    gone: list[Any] = []
    stays: list[Any] = []
    for n in c.names:
        for score, was, now in zip(c.scores[n].flat, c.masks[n].flat, new[n].flat, strict=True):
            if was:
                (stays if now else gone).append((float(score), -place))
            place += 1
    return gone, stays


def keeps_the_best(select: Select, c: Case) -> str | None:
    """of what was live, nothing that goes scores higher than what stays"""
    gone, stays = _gone_and_kept(select, c)
    if not gone or not stays or max(gone)[0] <= min(stays)[0]:
        return None
    return f"a score of {max(gone)[0]} goes and one of {min(stays)[0]} stays at {c.less}"


def keeps_the_lower_index(select: Select, c: Case) -> str | None:
    """of equal scores the one with the lower flat index stays, of earlier layers first"""
    gone, stays = _gone_and_kept(select, c)
    for score in {s for s, _ in gone} & {s for s, _ in stays}:
        first = -max(place for s, place in gone if s == score)
        last = -min(place for s, place in stays if s == score)
        if first < last:
            return f"of the scores {score} entry {first} goes and entry {last} stays at {c.less}"
    return None


def revives_nothing(select: Select, c: Case) -> str | None:
    """what is masked already stays masked"""
    new = c.run(select)
    back = sum(int((new[n] & ~c.masks[n]).sum()) for n in c.names)
    return f"{back} masked entries come back: {kept(new)}" if back else None


def keeps_the_minimum(select: Select, c: Case) -> str | None:
    """each layer keeps at least `minimum` of its live entries"""
    new = c.run(select)
    for n in c.names:
        if new[n].sum() < min(c.minimum, c.masks[n].sum()):
            return f"{n} keeps {int(new[n].sum())}"
    return None


def leaves_protected(select: Select, c: Case) -> str | None:
    """protected layers are left as they are, and what they hold does not matter for others"""
    new = c.run(select)
    if set(new) != set(c.names):
        return f"there are masks for {', '.join(new)}"
    flipped = {n: -s if n in c.protect else s for n, s in c.scores.items()}
    inverse = {n: ~m if n in c.protect else m for n, m in c.masks.items()}
    return differ(c.run(select, scores=flipped, masks=inverse), new, "and with other protected")


def is_deterministic(select: Select, c: Case) -> str | None:
    """the same scores give the same masks again"""
    return differ(c.run(select), c.run(select), "and before")


def ignores_layout(select: Select, c: Case) -> str | None:
    """read-only arrays, in Fortran order or with gaps in memory, give the same masks"""
    again = {n: np.asfortranarray(s) for n, s in c.scores.items()}
    fixed = {n: s.copy() for n, s in c.scores.items()}
    gaps = {n: np.repeat(s[..., None], 2, -1)[..., 0] for n, s in c.scores.items()}
    for s in fixed.values():
        s.flags.writeable = False
    new = c.run(select)
    for how, scores in {"in Fortran order": again, "with gaps": gaps, "read-only": fixed}.items():
        clause = differ(c.run(select, scores=scores), new, f"{how}, but plainly")
        if clause:
            return clause
    return None


def leaves_its_input(select: Select, c: Case) -> str | None:
    """neither scores nor masks are changed"""
    before = [{n: a.copy() for n, a in part.items()} for part in (c.scores, c.masks)]
    c.run(select)
    for what, was, now in zip(("scores", "masks"), before, (c.scores, c.masks), strict=True):
        if not same(was, now):
            return f"the {what} are changed to { ({n: a.tolist() for n, a in now.items()}) }"
    return None


def rounds_like_double(select: Select, c: Case) -> str | None:
    """float32 scores that are exact give the masks of float64"""
    single = {n: s.astype(np.float32) for n, s in c.scores.items()}
    return differ(c.run(select, scores=single), c.run(select))


def meets_the_definition(select: Select, c: Case) -> str | None:
    """the masks are those of sorting all entries by (masked, score, higher index first)"""
    return differ(c.run(select), c.run(slow))


Law = Callable[[Select, Case], "str | None"]
LAWS: dict[str, Law] = {
    "shape": has_the_shape,
    "exact count": counts_exactly,
    "lowest scores go": keeps_the_best,
    "ties by lower index": keeps_the_lower_index,
    "nested": is_nested,
    "by steps": goes_by_steps,
    "masked stay masked": revives_nothing,
    "minimum": keeps_the_minimum,
    "protected": leaves_protected,
    "deterministic": is_deterministic,
    "memory layout": ignores_layout,
    "input untouched": leaves_its_input,
    "float32": rounds_like_double,
    "definition": meets_the_definition,
}
