"""masks = all but the lowest scores; one tie rule: among equals the lower flat index is kept."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numpy as np

from minprune import kernels
from minprune.arguments import choice, count, is_number, shaped
from minprune.core import Array, Arrays, flat, unflat
from minprune.errors import ArgumentError, ShapeError, UnreachableError
from minprune.masking.count import Target, for_each, grown_count, named
from minprune.masking.patterns import Given, Pattern, blocks, n_of_m, parse, per_entry
from minprune.nets.model import all_finite
from minprune.nets.net import layer_of

Scope = Literal["global", "layer"]
Norm = Literal["l1", "l2", "max"] | None
Least = Mapping[str, int]


def keep_top(scores: Array, k: int) -> Array:
    """bool, the shape of scores: True at the k highest; among equals the lower flat index is kept

    Raises ArgumentError unless 0 <= k <= scores.size, and for NaN.
    """
    if not 0 <= k <= scores.size:
        raise ArgumentError(
            f"keep_top: k must be an integer from 0 to {scores.size}, not {k}; keep fewer"
        )
    return ~kernels.smallest(scores, scores.size - k)


def choose(
    scores: Mapping[str, Array],
    masks: Mapping[str, Array],
    *,
    sparsity: Target | None = None,
    threshold: Target | None = None,
    scope: Scope = "global",
    protect: Iterable[str] = (),
    minimum: int = 1,
    normalize: Norm = None,
    pattern: Given = None,
    block_reduce: str = "mean",
    things: str = "weights",
) -> Arrays:
    """New masks for the scored parameters: the lowest scores are pruned, masked entries before all

    sparsity: the share of all scored, unprotected entries that is pruned afterwards (masked ones
    included); exactly round(sparsity n), over all of them together (scope "global") or in
    each layer, weights and biases apart ("layer"); a dict gives layers or parameters their own.
    threshold: scores below it are pruned; a dict as there. protect: layers or parameters left as
    they are and not counted. minimum: how many weights a layer keeps at least (of biases scored
    beside weights none). normalize: None compares raw scores across layers; "l1", "l2", "max"
    divide each layer's scores by that norm first.

    pattern: None for single weights; "2:4": of every 4 consecutive inputs (of the channels a group
    reads, at each (o, y, x) of a convolution) the 2 best live ones are kept, without sparsity or
    threshold, and with one input nothing is pruned; (4, 4): whole blocks of 4 outputs by 4 inputs
    (at each (y, x)) are kept or pruned. Then the n of sparsity and minimum counts BLOCKS, also
    those cut at the edge, and one is pruned when all its entries are; the share of weights, which
    `measure` reports, differs where blocks are cut or partly masked. block_reduce: a block's score
    is the "mean", "sum" or "max" of its live entries' scores (after normalize).

    The order of `scores` is the order of the layers; `prune` gives them in net order. things: the
    word for the entries in messages.

    Raises ArgumentError for a target below the present sparsity, NonFiniteError for scores that are
    not finite, and UnreachableError, with the largest sparsity that can be reached, where
    `minimum` prevents it (N:M included).
    """
    form = parse(pattern)
    what, target = ("threshold", threshold) if sparsity is None else ("sparsity", sparsity)
    if form is not None and form.kept is not None:
        if target is not None:
            raise ArgumentError(
                f"prune: {what} must not be given with the pattern {form.kept}:{form.columns}, "
                f"which fixes how many weights stay; leave {what} out"
            )
    elif (sparsity is None) == (threshold is None):
        raise ArgumentError(
            f"prune: one of sparsity and threshold must be given, not "
            f"{'none' if sparsity is None else 'both'}; pass sparsity=0.9 alone, for example"
        )
    choice("prune", "scope", scope, ("global", "layer"))
    count("prune", "minimum", minimum, least=0)
    left = named(scores, protect)
    names = [n for n in scores if n not in left]
    if scores and not names:
        raise ArgumentError(
            f"prune: protect must leave {things} to prune, and names all layers that have scores; "
            f"leave one out"
        )
    ready = {n: rankable(n, scores[n], masks.get(n), form is not None) for n in names}
    ready = normalized(ready, normalize)
    live = {n: masks[n] if n in masks else np.ones(s.shape, bool) for n, s in ready.items()}
    if form is not None and form.kept is not None:
        return {n: _every(n, s, live[n], form, minimum) for n, s in ready.items()}
    matrices = {layer_of(n) for n, s in ready.items() if s.ndim > 1}
    beside = {n for n, s in ready.items() if s.ndim == 1 and layer_of(n) in matrices}  # biases
    least = {n: 0 if n in beside else minimum for n in ready}
    if form is None:
        return _select(ready, live, what, target, scope, least, things)
    tiled = {n: blocks(n, s, live[n], form, block_reduce) for n, s in ready.items()}
    best, some = {n: s for n, (s, _) in tiled.items()}, {n: m for n, (_, m) in tiled.items()}
    kept = _select(best, some, what, target, scope, least, "blocks")
    return {n: live[n] & per_entry(m, live[n].shape, form) for n, m in kept.items()}


def rankable(name: str, scores: Array, mask: Array | None = None, matrix: bool = False) -> Array:
    """The scores of one parameter; matrix: whether a pattern needs (outputs, inputs, ...)

    Raises ArgumentError, ShapeError or NonFiniteError where they cannot be ranked.
    """
    scores = np.asarray(scores)
    if matrix and scores.ndim < 2:
        raise ShapeError(
            f"{name}: for a pattern, scores must have the shape (outputs, inputs, ...), not "
            f"{scores.shape}; score weights alone, entry by entry"
        )
    if scores.dtype not in (np.float32, np.float64):
        raise ArgumentError(
            f"{name}: scores must be float32 or float64, not {scores.dtype}; use astype(float)"
        )
    if mask is not None:
        shaped(f"{name}: scores", scores, mask.shape, "score the model that you prune")
    all_finite(name, "the scores", scores, "fix the criterion, or the model that it scores")
    return scores


def normalized(scores: Arrays, by: str | None) -> Arrays:
    """Each layer's scores over their l1, l2 or max norm in float64, 0/0 = 0; by=None: as they are

    Raises ArgumentError for another norm.
    """
    if choice("prune", "normalize", by, (None, "l1", "l2", "max")) is None:
        return scores
    found = {}
    for name, s in scores.items():
        top = np.abs(s).max(initial=0) or 1
        s = s.astype(np.float64) / top  # first, so that no square overflows or vanishes
        norm = np.abs(s).sum() if by == "l1" else np.sqrt((s * s).sum()) if by == "l2" else 1
        found[name] = s / (norm or 1)
    return found


def _select(
    scores: Arrays, live: Arrays, what: str, target: Any, scope: str, least: Least, things: str
) -> Arrays:
    """The masks of `choose`, over rankable scores of `things` that are counted one by one

    what: "sparsity" or "threshold", of that target; least: how many of each array stay.
    """
    if isinstance(target, Mapping):
        target = for_each(scores, target, what)
    elif what == "sparsity" and scope == "global":
        return _lowest(scores, live, target, least, "the net", things)
    else:
        target = dict.fromkeys(scores, target)
    chosen: Arrays = {}
    for name, value in target.items():
        s, m = scores[name], live[name]
        if what == "sparsity":
            chosen |= _lowest({name: s}, {name: m}, value, least, name, things)
        elif is_number(value):
            chosen[name] = m & ((s >= float(value)) | _forced(s, m, least[name]))
        else:
            raise ArgumentError(
                f"prune: threshold must be a number, not {value!r}; scores below it are pruned"
            )
    return chosen


def _forced(scores: Array, live: Array, minimum: int) -> Array:
    """The `minimum` best live entries, which are kept whatever the target."""
    n, ranked = min(minimum, int(np.count_nonzero(live))), np.where(live, scores, -np.inf)
    if n != 1:
        return keep_top(ranked, n)
    best = np.zeros(scores.shape, bool)  # the usual minimum, several times faster
    best.flat[ranked.argmax()] = True  # among equals the lower index, too
    return best


def _every(name: str, scores: Array, live: Array, form: Pattern, minimum: int) -> Array:
    """N of every M, which must leave the minimum."""
    mask = n_of_m(scores, live, form)
    kept = int(np.count_nonzero(mask))
    if kept < min(minimum, int(np.count_nonzero(live))):
        raise UnreachableError(
            f"prune: {form.kept}:{form.columns} leaves {kept} of {live.size} weights of {name}, "
            f"fewer than minimum={minimum}; lower minimum, or protect {name}"
        )
    return mask


def _lowest(
    scores: Arrays, live: Arrays, sparsity: float, least: Least, what: str, things: str
) -> Arrays:
    """Exactly round(sparsity n) entries masked over the given layers together."""
    n = sum(s.size for s in scores.values())
    alive = {name: int(np.count_nonzero(m)) for name, m in live.items()}
    gone = grown_count("prune", sparsity, n, n - sum(alive.values()), what, things)
    most = n - sum(min(least[name], a) for name, a in alive.items())
    if gone > most:
        raise UnreachableError(
            f"prune: sparsity={sparsity} leaves {n - gone} of {n} {things} of {what}, fewer "
            f"than minimum={max(least.values())} for each layer; "
            f"the largest reachable is {most / n!r}"
        )
    if not scores:
        return {}
    # scores are finite: masked entries are pruned before all others, forced ones after all others
    ranked, shapes = flat(scores, scores), {name: s.shape for name, s in scores.items()}
    for name, part in unflat(ranked, shapes).items():
        if part.size - gone < least[name]:  # else the layer keeps its minimum in any case
            part[_forced(part, live[name], least[name])] = np.inf
        if alive[name] < part.size:
            part[~live[name]] = -np.inf
    return unflat(~kernels.smallest(ranked, gone), shapes)
