"""masks = all but the lowest scores; one tie rule: among equals the lower flat index is kept."""

from collections.abc import Callable, Iterable, Mapping
from numbers import Real
from typing import Literal

import numpy as np

from minprune import kernels
from minprune.core import Array, Arrays
from minprune.errors import ArgumentError, NonFiniteError, ShapeError, UnreachableError
from minprune.masking.count import pruned_count
from minprune.nets.blame import not_finite

Scope = Literal["global", "layer"]
Target = float | Mapping[str, float]


def _over(norm: Callable[[Array], float]) -> Callable[[Array], Array]:
    def scaled(s: Array) -> Array:
        top = np.abs(s).max(initial=0)
        if top == 0:
            return np.zeros(s.shape)
        s = s.astype(np.float64) / top  # first, so that no square overflows or vanishes
        return s / norm(s)

    return scaled


NORMALIZE: dict[str, Callable[[Array], Array]] = {
    "l1": _over(lambda s: float(np.abs(s).sum())),
    "l2": _over(lambda s: float(np.sqrt((s * s).sum()))),
    "max": _over(lambda s: 1.0),
}


def keep_top(scores: Array, k: int) -> Array:
    """bool, the shape of scores: True at the k highest; among equals the lower flat index is kept

    Raises ArgumentError unless 0 <= k <= scores.size, and for NaN.
    """
    if not 0 <= k <= scores.size:
        raise ArgumentError(f"k is {k}, expected 0 to {scores.size}; keep at most what is there")
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
    normalize: str | None = None,
) -> Arrays:
    """New masks for the scored parameters: the lowest scores go, masked entries before all others

    sparsity: the share of all scored, unprotected entries that is pruned afterwards (what was
    masked counts); exactly round(sparsity n), over all of them together (scope "global") or in
    each layer ("layer"); a dict gives each layer its own. threshold: what scores below it goes.
    protect: layers or parameters left as they are and not counted. minimum: how many entries a
    layer keeps at least. normalize: None compares raw scores across layers; "l1", "l2", "max"
    divide each layer's scores by that norm first.

    The order of `scores` is the order of the layers; `prune` gives them in net order.

    Raises ArgumentError for a target below the present sparsity, NonFiniteError for scores that are
    not finite, and UnreachableError, naming the largest sparsity that can be reached, where
    `minimum` stands in the way.
    """
    if (sparsity is None) == (threshold is None):
        raise ArgumentError(
            "prune takes either sparsity or threshold; give one of them, sparsity=0.9 for example"
        )
    if scope not in ("global", "layer"):
        raise ArgumentError(f"scope is {scope!r}, expected 'global' or 'layer'; choose one of them")
    if isinstance(minimum, bool) or not isinstance(minimum, int | np.integer) or minimum < 0:
        raise ArgumentError(
            f"minimum is {minimum!r}, expected an integer of at least 0; "
            f"minimum=1 keeps one weight in each layer"
        )
    left = set(named(scores, protect))
    names = [name for name in scores if name not in left]
    checked = {name: _checked(name, scores[name], masks.get(name)) for name in names}
    if normalize is not None:
        if normalize not in NORMALIZE:
            raise ArgumentError(
                f"normalize is {normalize!r}, expected None or one of {', '.join(NORMALIZE)}; "
                f"choose one of them"
            )
        checked = {name: NORMALIZE[normalize](s) for name, s in checked.items()}
    live = {n: masks[n] if n in masks else np.ones(s.shape, bool) for n, s in checked.items()}
    if sparsity is None:
        levels = _each(names, threshold)  # type: ignore[arg-type]
        return {
            name: _above(checked[name], live[name], _level(levels[name]), minimum)
            for name in names
            if name in levels
        }
    if isinstance(sparsity, Mapping):
        shares = _each(names, sparsity)
    elif scope == "layer":
        shares = dict.fromkeys(names, sparsity)
    else:
        return _lowest(checked, live, sparsity, minimum, "the net")
    chosen: Arrays = {}
    for name, share in shares.items():
        chosen |= _lowest({name: checked[name]}, {name: live[name]}, share, minimum, name)
    return chosen


def named(names: Iterable[str], wanted: Iterable[str]) -> list[str]:
    """The parameters that `wanted` means: full names, or layers, which mean all their parameters

    Raises ArgumentError for a name that means none.
    """
    names, found = list(names), []
    for w in [wanted] if isinstance(wanted, str) else wanted:
        hits = [n for n in names if n == w or n.split(".")[0] == w]
        if not hits:
            raise ArgumentError(f"{w!r} is not scored; what is scored: {', '.join(names)}")
        found += hits
    return found


def _level(threshold: float) -> float:
    if not isinstance(threshold, Real) or np.isnan(float(threshold)):
        raise ArgumentError(
            f"threshold is {threshold!r}, expected a number; what scores below it is pruned"
        )
    return float(threshold)


def _each(names: list[str], given: Target) -> dict[str, float]:
    if not isinstance(given, Mapping):
        return dict.fromkeys(names, given)
    return {name: share for w, share in given.items() for name in named(names, [w])}


def _checked(name: str, scores: Array, mask: Array | None) -> Array:
    scores = np.asarray(scores)
    if scores.dtype not in (np.float32, np.float64):
        raise ArgumentError(
            f"{name}: scores are {scores.dtype}, expected float32 or float64; use astype(float)"
        )
    if mask is not None and mask.shape != scores.shape:
        raise ShapeError(
            f"{name}: score is {scores.shape}, mask is {mask.shape}; score the model that you prune"
        )
    bad = not_finite(scores)
    if bad:
        raise NonFiniteError(
            f"{name}: {bad} of {scores.size} scores are not finite, expected numbers; "
            f"mend the criterion"
        )
    return scores


def _forced(scores: Array, live: Array, minimum: int) -> Array:
    """The `minimum` best live entries, which stay whatever the target."""
    n = min(minimum, int(np.count_nonzero(live)))
    if n == 0:
        return np.zeros(live.shape, bool)
    return keep_top(np.where(live, scores, -np.inf), n) & live


def _above(scores: Array, live: Array, level: float, minimum: int) -> Array:
    return live & ((scores >= level) | _forced(scores, live, minimum))


def _lowest(scores: Arrays, live: Arrays, sparsity: float, minimum: int, what: str) -> Arrays:
    """Exactly round(sparsity n) entries masked over the given layers together."""
    n = sum(s.size for s in scores.values())
    count = pruned_count(sparsity, n)
    dead = n - sum(int(np.count_nonzero(m)) for m in live.values())
    if count < dead:
        raise ArgumentError(
            f"sparsity is {sparsity}, below the present {dead / n!r} of {what}; pruning does not "
            f"bring weights back: ask for at least what is pruned already"
        )
    keep = {name: _forced(s, live[name], minimum) for name, s in scores.items()}
    most = n - sum(int(np.count_nonzero(k)) for k in keep.values())
    if count > most:
        raise UnreachableError(
            f"sparsity is {sparsity}, which leaves {n - count} of {n} weights of {what}, fewer "
            f"than minimum={minimum} for each layer; the largest reachable is {most / n!r}"
        )
    if not scores:
        return {}
    kind = np.result_type(*scores.values())
    flat = np.concatenate([s.ravel() for s in scores.values()]).astype(kind, copy=False)
    open_ = np.concatenate([(live[x] & ~keep[x]).ravel() for x in scores])
    # among what may still go, the lowest; what is masked stays so, what is forced to stay does
    places = np.flatnonzero(open_) if not open_.all() else None
    gone = np.zeros(n, bool)
    if places is None:
        gone = kernels.smallest(flat, count)
    else:
        gone[places[kernels.smallest(flat[places], count - dead)]] = True
    masks, start = {}, 0
    for name, s in scores.items():
        masks[name] = live[name] & ~gone[start : start + s.size].reshape(s.shape)
        start += s.size
    return masks
