"""masks = all but the lowest scores; one tie rule: among equals the lower flat index is kept."""

from collections.abc import Iterable, Mapping

import numpy as np

from minprune import kernels
from minprune.core import Array, Arrays
from minprune.errors import ArgumentError, UnreachableError
from minprune.masking.checks import (
    Scope,
    Target,
    check_targets,
    for_each,
    level,
    named,
    rankable,
)
from minprune.masking.count import pruned_count
from minprune.masking.normalize import Norm, normalized
from minprune.masking.patterns import Given, Pattern, blocks, n_of_m, parse, per_entry
from minprune.nets.net import layer_of


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
    check_targets(form, sparsity, threshold, scope, minimum)
    left = set(named(scores, protect))
    names = [name for name in scores if name not in left]
    matrix = form is not None
    ready = {name: rankable(name, scores[name], masks.get(name), matrix) for name in names}
    ready = normalized(ready, normalize)
    live = {n: masks[n] if n in masks else np.ones(s.shape, bool) for n, s in ready.items()}
    least = {name: 0 if _beside(name, ready) else minimum for name in names}
    if form is None:
        return select(ready, live, sparsity, threshold, scope, least, things)
    if form.kept is not None:
        return {n: _every(n, ready[n], live[n], form, minimum) for n in names}
    tiled = {n: blocks(n, s, live[n], form, block_reduce) for n, s in ready.items()}
    kept = select(
        {n: s for n, (s, _) in tiled.items()}, {n: m for n, (_, m) in tiled.items()},
        sparsity, threshold, scope, least, "blocks",
    )  # fmt: skip
    return {n: live[n] & per_entry(m, live[n].shape, form) for n, m in kept.items()}


def select(
    scores: Arrays,
    live: Arrays,
    sparsity: Target | None,
    threshold: Target | None,
    scope: Scope,
    minimum: Mapping[str, int],
    things: str = "weights",
) -> Arrays:
    """The masks of `choose`, over rankable scores of `things` that are counted one by one

    minimum: of each array. Exactly one of sparsity and threshold is None. Raises as `choose` does.
    """
    names = list(scores)
    what, target = ("threshold", threshold) if sparsity is None else ("sparsity", sparsity)
    assert target is not None
    if isinstance(target, Mapping):
        wanted = for_each(target, what, lambda w: named(names, [w]))
    else:
        wanted = dict.fromkeys(names, target)
    if sparsity is None:
        return {
            name: _above(scores[name], live[name], level(wanted[name]), minimum[name])
            for name in names
            if name in wanted
        }
    if scope == "global" and not isinstance(sparsity, Mapping):
        return _lowest(scores, live, sparsity, minimum, "the net", things)
    chosen: Arrays = {}
    for name, share in wanted.items():
        chosen |= _lowest({name: scores[name]}, {name: live[name]}, share, minimum, name, things)
    return chosen


def _beside(name: str, scores: Arrays) -> bool:
    """Whether it is a vector (a bias) of a layer whose weight matrix is scored too."""
    layer = layer_of(name)
    return scores[name].ndim == 1 and any(
        layer_of(other) == layer and s.ndim > 1 for other, s in scores.items()
    )


def _forced(scores: Array, live: Array, minimum: int) -> Array:
    """The `minimum` best live entries, which are kept whatever the target."""
    n = min(minimum, int(np.count_nonzero(live)))
    if n == 0:
        return np.zeros(live.shape, bool)
    return keep_top(np.where(live, scores, -np.inf), n) & live


def _above(scores: Array, live: Array, level: float, minimum: int) -> Array:
    return live & ((scores >= level) | _forced(scores, live, minimum))


def _every(name: str, scores: Array, live: Array, form: Pattern, minimum: int) -> Array:
    """N of every M, which must leave the minimum."""
    mask = n_of_m(scores, live, form)
    kept, least = int(np.count_nonzero(mask)), min(minimum, int(np.count_nonzero(live)))
    if kept < least:
        raise UnreachableError(
            f"prune: {form.kept}:{form.columns} leaves {kept} of {live.size} weights of {name}, "
            f"fewer than minimum={minimum}; lower minimum, or protect {name}"
        )
    return mask


def _lowest(
    scores: Arrays,
    live: Arrays,
    sparsity: float,
    minimum: Mapping[str, int],
    what: str,
    things: str,
) -> Arrays:
    """Exactly round(sparsity n) entries masked over the given layers together."""
    n = sum(s.size for s in scores.values())
    count = pruned_count(sparsity, n)
    alive = {name: int(np.count_nonzero(m)) for name, m in live.items()}
    dead = n - sum(alive.values())
    if count < dead:
        raise ArgumentError(
            f"prune: sparsity={sparsity} is below the present {dead / n!r} of {what}, and pruned "
            f"{things} are not restored; pass at least the present sparsity"
        )
    most = n - sum(min(minimum[name], a) for name, a in alive.items())
    if count > most:
        raise UnreachableError(
            f"prune: sparsity={sparsity} leaves {n - count} of {n} {things} of {what}, fewer "
            f"than minimum={max(minimum.values())} for each layer; "
            f"the largest reachable is {most / n!r}"
        )
    if not scores:
        return {}
    kind = np.result_type(*scores.values())
    # scores are finite: masked entries are pruned before all others, forced ones after all others
    flat = np.concatenate([s.ravel() for s in scores.values()]).astype(kind, copy=False)
    masks, start = {}, 0
    for name, s in scores.items():
        part = flat[start : start + s.size].reshape(s.shape)
        if s.size - count < minimum[name]:  # else the layer keeps its minimum in any case
            part[_forced(s, live[name], minimum[name])] = np.inf
        if alive[name] < s.size:
            part[~live[name]] = -np.inf
        start += s.size
    kept, start = ~kernels.smallest(flat, count), 0
    for name, s in scores.items():
        masks[name] = kept[start : start + s.size].reshape(s.shape)
        start += s.size
    return masks
