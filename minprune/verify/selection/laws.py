"""Laws of selection, of whole nets and of patterns: one set, with sentences for each.

A law takes select(scores, masks, *, sparsity, minimum, protect) -> masks and a Case. Longer than
most files: N:M and blocks share the laws of selection, so that all stand together.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from math import fsum
from typing import Any

import numpy as np

from minprune.core import Arrays
from minprune.verify.law import Law, Laws
from minprune.verify.plain.rules import slow
from minprune.verify.selection.cases import Case, Item, Select, Several, differ, kept, tiles
from minprune.verify.trees import LAYOUTS, mapped, repeats, untouched

LAWS, NEARLY, ENDS, APART, WHOLE = (Laws() for _ in range(5))
NEAR = 2.0**-46  # of a block's score: what the order of a sum may change


def at(entry: tuple[str, Any]) -> str:
    """b.weight[0, 1]"""
    return f"{entry[0]}[{', '.join(map(str, entry[1]))}]"


@LAWS("shape")
def has_the_shape(select: Select, c: Case) -> str | None:
    """a mask is an array of bool with the shape of its scores"""
    new = c.answer(select)
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


@LAWS("exact count")
def counts_exactly(select: Select, c: Case) -> str | None:
    """round(sparsity * n) of n entries are pruned, half to even, what was masked included

    Of blocks: of n blocks.
    """
    new = c.run(select)
    for scope in c.scopes:
        got, want = c.staying(scope, new).count(False), c.wanted(scope)
        if got != want:
            where = f"of {at(scope[0][0])} to {at(scope[-1][-1])} " if c.pattern else ""
            return f"{where}{got} of {len(scope)} are pruned, expected {want}{elsewhere(new, c)}"
    return None


def elsewhere(new: Arrays, c: Case) -> str:
    """Along which other axis a mask keeps N of every M, or along memory, as a clause."""
    if c.pattern is None or c.pattern[2] is None:
        return ""
    (mask,), (_, columns, n) = new.values(), c.pattern
    axes = {f"along axis {k}": np.moveaxis(mask, k, 1) for k in range(mask.ndim) if k != 1}
    axes["in the order of memory"] = mask.reshape(1, -1)
    for where, m in axes.items():
        each = {sum(int(m[at]) for at in t) for t in tiles(m.shape, 1, columns)}
        if m.shape[1] % columns == 0 and each == {n}:
            return f", which keeps {n} of every {columns} {where}"
    return ""


@NEARLY("exact count")
def counts_nearly(select: Select, c: Case) -> str | None:
    """sparsity * n of n entries are pruned, rounded in any way, what was masked included"""
    (scope,) = c.scopes
    got, want = c.staying(scope, c.run(select)).count(False), c.sparsity * len(scope)
    return None if abs(got - want) < 1 else f"{got} of {len(scope)} are pruned, expected {want:.6g}"


@LAWS("nested")
def is_nested(select: Select, c: Case) -> str | None:
    """what a lower sparsity prunes, a higher one prunes too"""
    (scope,) = c.scopes
    n, alive = len(scope), c.staying(scope, c.masks).count(True)
    most = n - sum(min(c.minimum, int(c.masks[name].sum())) for name in c.names)
    counts = range(n - alive, most + 1) if n else ()  # all that can be reached
    found = [(k / n, c.run(select, sparsity=k / n)) for k in counts]
    for (low, less), (high, more) in pairwise(found):
        if any((more[name] & ~less[name]).any() for name in c.names):
            return f"at {low} they are {kept(less)}, at {high} {kept(more)}"
    return None


@LAWS("by steps")
def goes_by_steps(select: Select, c: Case) -> str | None:
    """pruning to a lower sparsity first, then on, gives the masks of pruning at once"""
    step = c.masks | c.run(select, sparsity=c.less)
    return differ(c.run(select, masks=step), c.run(select), "and at once")


def ranked(select: Select, c: Case) -> list[tuple[list[Any], list[Any]]]:
    """(what was live and went, what stays) among items of one size: (score, -place, first entry)

    The score of a block is its mean: whether it is the mean, the sum or the largest entry, blocks
    of one size hold the same offsets in another order.
    """
    new, found = c.run(select, minimum=0, sparsity=c.less), []
    for scope in c.scopes:
        was, now = c.staying(scope, c.masks), c.staying(scope, new)
        for size in sorted({len(item) for item in scope}):
            parts: tuple[list[Any], list[Any]] = [], []
            for place, (item, live, stays) in enumerate(zip(scope, was, now, strict=True)):
                if len(item) == size and (live or stays):
                    parts[stays].append((score(item, c), -place, at(item[0])))
            found.append(parts)
    return found


def score(item: Item, c: Case) -> float:
    return sum(float(c.scores[n][at]) for n, at in item) / len(item)


@LAWS("lowest scores go")
def keeps_the_best(select: Select, c: Case) -> str | None:
    """of what was live, nothing that goes scores higher than what stays"""
    for gone, stays in ranked(select, c):
        if gone and stays and max(gone)[0] > min(stays)[0]:
            high, low = max(gone), min(stays)
            return (f"{high[2]} of score {high[0]} goes and {low[2]} of score {low[0]} stays at "
                    f"{c.less}")  # fmt: skip
    return None


@LAWS("ties by lower index")
def keeps_the_lower_index(select: Select, c: Case) -> str | None:
    """of equal scores the one with the lower flat index stays, of earlier layers first"""
    for gone, stays in ranked(select, c):
        for score in {s for s, *_ in gone} & {s for s, *_ in stays}:
            first = max(row for row in gone if row[0] == score)
            last = min(row for row in stays if row[0] == score)
            if first[1] > last[1]:
                return f"of the scores {score} {first[2]} goes and {last[2]} stays at {c.less}"
    return None


def reduced(item: Item, c: Case) -> tuple[float, float, float]:
    """(mean, sum, largest) of a block's live entries"""
    live = [float(c.scores[n][at]) for n, at in item if c.masks[n][at]]
    return fsum(live) / len(live), fsum(live), max(live)


REDUCED = ("mean", "sum", "max")


def by_one_score(select: Select, cases: Sequence[Case], allowed: Sequence[str]) -> str | None:
    """A clause where no allowed score of a block explains what goes in all cases."""
    clauses: dict[str, str] = {}
    for c in cases:
        new = c.run(select)
        for scope in c.scopes:
            live = [item for item in scope if any(c.masks[n][k] for n, k in item)]
            stays = c.staying(live, new)
            scores = np.array([reduced(b, c) for b in live]).reshape(-1, len(REDUCED)).T
            for how, values in zip(REDUCED, scores.tolist(), strict=True):
                gone = max(((v, k) for k, v in enumerate(values) if not stays[k]), default=None)
                left = min(((v, k) for k, v in enumerate(values) if stays[k]), default=None)
                if how not in allowed or gone is None or left is None or how in clauses:
                    continue
                if gone[0] > left[0] + NEAR * abs(left[0]):
                    a, b = at(live[gone[1]][0]), at(live[left[1]][0])
                    clauses[how] = (f"by the {how} the block from {a}, {gone[0]:.10g}, goes and "
                                    f"the one from {b}, {left[0]:.10g}, stays")  # fmt: skip
    return "; ".join(clauses.values()) if len(clauses) == len(allowed) else None


def one_score(reduce: str | None) -> tuple[Law, Law]:
    """The laws "one score" and "edge", for one of REDUCED, or for any."""
    allowed = REDUCED if reduce is None else (reduce,)
    whose = f"whose {reduce}" if reduce else "whose mean, or sum, or largest entry,"

    def everywhere(select: Select, e: Several) -> str | None:
        return by_one_score(select, e.cases, allowed)

    def at_the_edge(select: Select, c: Case) -> str | None:
        return holds_at_the_edge(select, c) or by_one_score(select, [c], allowed)

    sentence = (
        f"of unrelated blocks, some masked in part, those go {whose} of live entries is lowest"
    )
    return (
        Law(sentence + ("" if reduce else " (the same of the three throughout)"), everywhere),
        Law(holds_at_the_edge.sentence, at_the_edge),
    )


@WHOLE("whole blocks")
def goes_whole(select: Select, c: Case) -> str | None:
    """of each block every live entry stays, or none"""
    new = c.run(select)
    for item in (item for scope in c.scopes for item in scope):
        stays = {bool(new[n][k]) for n, k in item if c.masks[n][k]}
        if len(stays) == 2:
            return f"the block of {at(item[0])} to {at(item[-1])} is split: {kept(new)}"
    return None


@WHOLE("edge")
def holds_at_the_edge(select: Select, c: Case) -> str | None:
    """blocks that overhang the edge are cut there, never wrapped, and counted like others"""
    return has_the_shape(select, c) or goes_whole(select, c) or counts_exactly(select, c)


@LAWS("masked stay masked")
def revives_nothing(select: Select, c: Case) -> str | None:
    """what is masked already stays masked"""
    new = c.run(select)
    back = sum(int((new[n] & ~c.masks[n]).sum()) for n in c.names)
    return f"{back} masked entries come back: {kept(new)}" if back else None


@LAWS("minimum")
def keeps_the_minimum(select: Select, c: Case) -> str | None:
    """each layer keeps at least `minimum` of its live entries"""
    new = c.run(select)
    for n in c.names:
        if new[n].sum() < min(c.minimum, c.masks[n].sum()):
            return f"{n} keeps {int(new[n].sum())}"
    return None


@LAWS("protected")
def leaves_protected(select: Select, c: Case) -> str | None:
    """protected layers are left as they are, and what they hold does not matter for others"""
    new = c.run(select)
    flipped = {n: -s if n in c.protect else s for n, s in c.scores.items()}
    inverse = {n: ~m if n in c.protect else m for n, m in c.masks.items()}
    return differ(c.run(select, scores=flipped, masks=inverse), new, "and with other protected")


@LAWS("deterministic")
def is_deterministic(select: Select, c: Case) -> str | None:
    """the same scores give the same masks again"""
    return repeats(lambda: c.run(select))


@LAWS("memory layout")
def ignores_layout(select: Select, c: Case) -> str | None:
    """read-only arrays, in Fortran order or with gaps in memory, give the same masks"""
    new = c.run(select)
    for how, lay_out in LAYOUTS.items():
        found = c.run(select, scores=mapped(c.scores, lay_out))
        if clause := differ(found, new, f"{how}, but plainly"):
            return clause
    return None


@LAWS("input untouched")
def leaves_its_input(select: Select, c: Case) -> str | None:
    """neither scores nor masks are changed"""
    return untouched(lambda scores, masks: c.run(select), c.scores, c.masks)


@LAWS("float32")
def rounds_like_double(select: Select, c: Case) -> str | None:
    """float32 scores that are exact give the masks of float64"""
    single = {n: s.astype(np.float32) for n, s in c.scores.items()}
    return differ(c.run(select, scores=single), c.run(select))


@LAWS("definition")
def meets_the_definition(select: Select, c: Case) -> str | None:
    """the masks are those of sorting all entries by (masked, score, higher index first)"""
    return differ(c.run(select), c.run(slow))


@APART("layers apart")
def apart(select: Select, c: Case) -> str | None:
    """the mask of a layer is the same when it comes alone, protected ones are left as they are"""
    new = c.run(select)
    for n in c.names:
        one: dict[str, Any] = {"scores": {n: c.scores[n]}, "masks": {n: c.masks[n]}, "protect": ()}
        if clause := differ({n: new[n]}, c.run(select, **one), "alone"):
            return clause
    return None


@ENDS("sparsity 0 and 1")
def meets_the_ends(select: Select, c: Case) -> str | None:
    """sparsity 0 prunes nothing, and 1, with minimum=0, prunes everything"""
    new = c.run(select)
    stays = sum(int(m.sum()) for m in new.values())
    want = 0 if c.sparsity == 1 else sum(s.size for s in c.scores.values())
    return None if stays == want else f"{stays} entries stay: {kept(new)}"


@ENDS("empty layer")
def takes_nothing(select: Select, c: Case) -> str | None:
    """a layer without entries gets an empty mask"""
    return has_the_shape(select, c) or counts_exactly(select, c)


ANY = {n: LAWS[n] for n in ("masked stay masked", "deterministic", "memory layout",
                            "input untouched")}  # fmt: skip
N_OF_M: dict[str, Law] = {
    "shape": has_the_shape,
    "N of each M": replace(counts_exactly, sentence="N of every M consecutive inputs stay (axis 1; "
                           "of a convolution at each y, x)"),
    "the best stay": keeps_the_best,
    "ties by lower index": keeps_the_lower_index,
    **ANY,
    "edge": replace(counts_exactly, sentence="where M does not divide the inputs, N of those at "
                    "the end stay too, or all of fewer"),
}  # fmt: skip
BLOCKS: dict[str, Law] = {
    "shape": has_the_shape, "whole blocks": goes_whole, "exact count": counts_exactly,
    "lowest blocks go": keeps_the_best, "one score": one_score(None)[0], "nested": is_nested, **ANY,
    "edge": holds_at_the_edge,
}  # fmt: skip
