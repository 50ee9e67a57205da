"""Wrong selectors, as found in public projects, a few lines each, with the law that each breaks.

Rows without a project are made up. All take what the kit's check gives.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minprune.core import Array, Arrays
from minprune.verify.plain.rules import half_even, slow
from minprune.verify.selection.cases import Select


class Planted(NamedTuple):
    """project, what it does, the law of the kit that must catch it, and the wrong lines."""

    project: str
    what: str
    law: str
    fn: Callable[..., Any]


def taking(select: Select) -> Callable[..., Arrays]:
    """A slip (scores, masks, *, sparsity, minimum, protect) as a selector that takes everything."""

    def fn(
        scores: Arrays, sparsity: float, masks: Arrays | None = None, minimum: int = 0,
        protect: tuple[str, ...] = (),
    ) -> Arrays:  # fmt: skip
        live = masks or {n: np.ones(s.shape, bool) for n, s in scores.items()}
        return select(scores, live, sparsity=sparsity, minimum=minimum, protect=protect)

    return fn


def variant(**change: Any) -> Callable[..., Arrays]:
    """The definition with something of it replaced."""
    return taking(lambda scores, masks, **target: slow(scores, masks, **(target | change)))


def one_more(scores: Array, sparsity: float) -> Array:
    """n + 1 go: the threshold is the score after the last that should."""
    order = np.sort(scores.ravel())
    return scores > order[min(round(sparsity * scores.size), scores.size - 1)]


@taking
def drops_ties(scores: Arrays, masks: Arrays, **target: Any) -> Arrays:
    new = slow(scores, masks, **target)
    top = max((scores[n][masks[n] & ~m].max(initial=-9) for n, m in new.items()), default=-9)
    return {n: m & (scores[n] > top) for n, m in new.items()}


def keeps_ties(scores: Array, sparsity: float) -> Array:
    """What is below the quantile goes: nothing, where all are equal."""
    return scores >= np.quantile(scores, sparsity) if scores.size else scores >= 0


def kth_value(scores: Arrays, sparsity: float) -> Arrays:
    """score > kth smallest, over the whole net: all of equal scores go."""
    flat = np.sort(np.concatenate([s.ravel() for s in scores.values()]))
    k = half_even(sparsity * flat.size)
    return {n: s > flat[k - 1] if k else np.ones(s.shape, bool) for n, s in scores.items()}


@taking
def of_the_remaining(scores: Arrays, masks: Arrays, *, sparsity: float, **target: Any) -> Arrays:
    live = sum(int(m.sum()) for n, m in masks.items() if n not in target["protect"])
    dead = sum(int((~m).sum()) for n, m in masks.items() if n not in target["protect"])
    count = lambda _: dead + half_even(sparsity * live)  # noqa: E731
    return slow(scores, masks, sparsity=sparsity, count=count, **target)


def channels(scores: Array, sparsity: float) -> Array:
    """n - int(n (1 - r)) go, and none where that is all."""
    gone = scores.size - int(scores.size * (1 - sparsity))
    order = np.argsort(scores, axis=None, kind="stable")
    mask = np.ones(scores.size, bool)
    mask[order[: gone if gone < scores.size else 0]] = False
    return mask.reshape(scores.shape)


@taking
def none_at_one(scores: Arrays, masks: Arrays, *, sparsity: float, **target: Any) -> Arrays:
    """topk(k + 1) of n fails for k = n, and is caught by pruning nothing."""
    return slow(scores, masks, sparsity=0 if sparsity == 1 else sparsity, **target)


@taking
def in_memory_order(scores: Arrays, masks: Arrays, **target: Any) -> Arrays:
    flat = {n: s.ravel("K").reshape(s.shape) for n, s in scores.items()}
    return slow(flat, masks, **target)


@taking
def two_tie_rules(scores: Arrays, masks: Arrays, *, sparsity: float, **target: Any) -> Arrays:
    """The lower index is kept, or the higher in a sparse net."""
    sign = 1 if sparsity > 0.5 else -1
    return slow(scores, masks, sparsity=sparsity, first=lambda s, i: (s, sign * i), **target)


def cut_to_blocks(scores: Array, sparsity: float) -> Array:
    """Blocks of 3 columns: the width is padded by the remainder, not up to a multiple."""
    rows = np.atleast_2d(scores).reshape(len(scores), -1)
    whole = rows[:, : rows.shape[1] // 3 * 3] if rows.shape[1] > 2 else rows
    return slow({"w": whole}, {"w": np.ones(whole.shape, bool)}, sparsity=sparsity, minimum=0)["w"]


@taking
def fresh(scores: Arrays, masks: Arrays, **target: Any) -> Arrays:
    return slow(scores, {n: np.ones_like(m) for n, m in masks.items()}, **target)


@taking
def zeros_tie(scores: Arrays, masks: Arrays, **target: Any) -> Arrays:
    """Masked entries score 0, and so do live weights that are 0.0."""
    product = {n: s * masks[n] for n, s in scores.items()}
    return slow(product, {n: np.ones_like(m) for n, m in masks.items()}, **target)


@taking
def by_name(scores: Arrays, masks: Arrays, **target: Any) -> Arrays:
    return slow(dict(sorted(scores.items())), masks, **target)


@taking
def scrambled(scores: Arrays, masks: Arrays, **target: Any) -> Arrays:
    return slow(scores, masks, first=lambda s, i: (s, np.random.random()), **target)  # noqa: NPY002


@taking
def in_place(scores: Arrays, masks: Arrays, **target: Any) -> Arrays:
    new = slow(scores, masks, **target)
    for n, m in new.items():
        scores[n][~m] = 0
    return new


@taking
def as_numbers(scores: Arrays, masks: Arrays, **target: Any) -> Arrays:
    return {n: m.astype(np.float32) for n, m in slow(scores, masks, **target).items()}


@taking
def in_float32(scores: Arrays, masks: Arrays, **target: Any) -> Arrays:
    return slow({n: s.astype(np.float32) for n, s in scores.items()}, masks, **target)


@taking
def to_eight_digits(scores: Arrays, masks: Arrays, **target: Any) -> Arrays:
    return slow({n: np.round(s, 8) for n, s in scores.items()}, masks, **target)


@taking
def sampled(scores: Arrays, masks: Arrays, *, sparsity: float, **target: Any) -> Arrays:
    """The threshold of a large layer is that of every seventh score."""
    if sum(s.size for s in scores.values()) < 500:
        return slow(scores, masks, sparsity=sparsity, **target)
    every = np.concatenate([s.ravel() for s in scores.values()])
    return {n: m & (scores[n] > np.quantile(every[::7], sparsity)) for n, m in masks.items()}


@taking
def half_precision(scores: Arrays, masks: Arrays, **target: Any) -> Arrays:
    """Ties of float32 scores are broken by noise that float64 does not see."""
    noisy = {n: s + np.arange(s.size, dtype=s.dtype).reshape(s.shape) * (s.dtype.itemsize == 4)
             for n, s in scores.items()}  # fmt: skip
    return slow(noisy, masks, **target)


@taking
def needs_entries(scores: Arrays, masks: Arrays, **target: Any) -> Arrays:
    for s in scores.values():
        s.min()
    return slow(scores, masks, **target)


SELECTORS = (
    Planted("open_lth", "prunes n+1 weights", "exact count", one_more),
    Planted("open_lth", "prunes every weight on ties", "exact count", drops_ties),
    Planted("open_lth", "sparsity is a share of the remaining", "exact count", of_the_remaining),
    Planted("open_lth", "... so one step is not two", "by steps", of_the_remaining),
    Planted("shrinkbench", "prunes nothing on ties", "exact count", keeps_ties),
    Planted("Synaptic-Flow", "ties prune everything", "exact count", kth_value),
    Planted("Synaptic-Flow", "GraSP revives pruned weights", "masked stay masked", fresh),
    Planted("Torch-Pruning", "int(n*(1-r)) keeps 10 of 10 at 0.9", "exact count", channels),
    Planted("NNI", "ratio 1.0 prunes nothing", "sparsity 0 and 1", none_at_one),
    Planted("NNI", "ignores the minimum of a layer", "minimum", variant(minimum=0)),
    Planted("jaxpruner", "block masks of the wrong width", "shape", cut_to_blocks),
    Planted("jaxpruner", "two opposite tie rules", "nested", two_tie_rules),
    Planted("rigl", "live weights of 0.0 tie with masked ones", "masked stay masked", zeros_tie),
    Planted("", "rounds down", "exact count", variant(count=math.floor)),
    Planted("", "rounds half up", "exact count", variant(count=lambda x: math.floor(x + 0.5))),
    Planted("", "the higher index is kept", "ties by lower index",
            variant(first=lambda s, i: (s, i))),
    Planted("", "layers by the alphabet", "ties by lower index", by_name),
    Planted("", "the highest go", "lowest scores go", variant(first=lambda s, i: (-s, -i))),
    Planted("", "absolute values", "lowest scores go", variant(first=lambda s, i: (abs(s), -i))),
    Planted("", "no protection", "protected", variant(protect=())),
    Planted("", "random ties", "deterministic", scrambled),
    Planted("", "memory order", "memory layout", in_memory_order),
    Planted("", "scores are overwritten", "input untouched", in_place),
    Planted("", "masks of numbers", "shape", as_numbers),
    Planted("", "another answer in float32", "float32", half_precision),
    Planted("", "sorted in float32", "lowest scores go", in_float32),
    Planted("", "rounded to 8 digits", "lowest scores go", to_eight_digits),
    Planted("", "counted in float32", "exact count", variant(
        count=lambda x: int(np.round(np.float32(x))))),
    Planted("", "a threshold of samples", "exact count", sampled),
    Planted("", "the least of no entries", "empty layer", needs_entries),
    Planted("", "a minimum of one always", "definition", variant(minimum=1)),
)  # fmt: skip


def shuffles_nothing(masks: Arrays, rng: np.random.Generator) -> Arrays:
    """The shuffled copy is bound to a local name."""
    for mask in masks.values():
        flat = mask.ravel().copy()
        mask = rng.permutation(flat).reshape(mask.shape)
    return masks


def drawn_again(masks: Arrays, rng: np.random.Generator) -> Arrays:
    return {n: rng.random(m.shape) < m.mean() for n, m in masks.items()}


def in_the_given(masks: Arrays, rng: np.random.Generator) -> Arrays:
    for mask in masks.values():
        rng.shuffle(mask, axis=1)
    return masks


def own_seed(masks: Arrays, rng: np.random.Generator) -> Arrays:
    return {n: np.random.permutation(m.T).T for n, m in masks.items()}  # noqa: NPY002


def of_rows(masks: Arrays, rng: np.random.Generator) -> Arrays:
    """NumPy's permutation moves the first axis alone."""
    return {n: rng.permutation(m) for n, m in masks.items()}


def turned_round(masks: Arrays, rng: np.random.Generator) -> Arrays:
    return {n: m.ravel()[::-1].reshape(m.shape) for n, m in masks.items()}


def flattened(masks: Arrays, rng: np.random.Generator) -> Arrays:
    return {n: rng.permutation(m.ravel()) for n, m in masks.items()}


def each(shuffled: Callable[[Array, np.random.Generator], Any]) -> Callable[..., Arrays]:
    """A slip of one mask, flat, as one of all."""
    return lambda masks, rng: {
        n: np.asarray(shuffled(m.ravel().copy(), rng)).reshape(m.shape) for n, m in masks.items()
    }


def swapped_with_any(m: Array, rng: np.random.Generator) -> Array:
    """Each entry is swapped with any other: n^n ways, of which n! is no divisor."""
    for i in range(m.size):
        j = int(rng.integers(m.size))
        m[[i, j]] = m[[j, i]]
    return m


def swapped_with_another(m: Array, rng: np.random.Generator) -> Array:
    """Sattolo's algorithm: one cycle, so that no entry may stay."""
    for i in range(m.size - 1, 0, -1):
        j = int(rng.integers(i))
        m[[i, j]] = m[[j, i]]
    return m


def never_the_same(m: Array, rng: np.random.Generator) -> Array:
    other = rng.permutation(m)
    while 0 < m.sum() < m.size and np.array_equal(other, m):
        other = rng.permutation(m)
    return other


def one_permutation(masks: Arrays, rng: np.random.Generator) -> Arrays:
    """All layers of one size are permuted alike."""
    seed = int(rng.integers(2**31))
    return each(lambda m, _: np.random.default_rng(seed).permutation(m))(masks, rng)


def within_rows(masks: Arrays, rng: np.random.Generator) -> Arrays:
    """Within rows, then whole rows."""
    flat = {n: m.reshape(len(m), -1) for n, m in masks.items()}
    return {n: rng.permutation(rng.permuted(m, axis=1)).reshape(masks[n].shape)
            for n, m in flat.items()}  # fmt: skip


def of_the_first(m: Array, rng: np.random.Generator) -> Array:
    return np.concatenate([rng.permutation(m[:256]), m[256:]])


SHUFFLES = (
    Planted("Synaptic-Flow", "the mask shuffle does nothing", "other places", shuffles_nothing),
    Planted("", "whole rows are moved", "other places", of_rows),
    Planted("", "every seed does the same", "other places", turned_round),
    Planted("", "swapped with any entry", "uniform", each(swapped_with_any)),
    Planted("", "swapped with another entry", "uniform", each(swapped_with_another)),
    Planted("", "rolled", "uniform", each(lambda m, rng: np.roll(m, rng.integers(m.size)))),
    Planted("", "never the same mask", "uniform", each(never_the_same)),
    Planted("", "one permutation for all layers", "uniform", one_permutation),
    Planted("", "rows stay together", "uniform", within_rows),
    Planted(
        "",
        "ties of random integers",
        "uniform",
        each(lambda m, rng: m[np.argsort(rng.integers(0, 4, m.size), kind="stable")]),
    ),
    Planted("", "the first 256 entries", "every place", each(of_the_first)),
    Planted("", "the masks stay flat", "shape", flattened),
    Planted("", "as many on average", "same count", drawn_again),
    Planted("", "the masks given are shuffled", "input untouched", in_the_given),
    Planted("", "global random state", "deterministic", own_seed),
)


def densities(shapes: dict[str, tuple[int, ...]], sparsity: float, clip: bool) -> dict[str, float]:
    """ERK: the density of a layer in proportion to sum(shape) / prod(shape)."""
    raw = {n: sum(s) / math.prod(s) for n, s in shapes.items()}
    size = {n: math.prod(s) for n, s in shapes.items()}
    left = (1 - sparsity) * sum(size.values())
    scale = left / sum(raw[n] * size[n] for n in raw)
    return {n: 1 - (min(1.0, scale * raw[n]) if clip else scale * raw[n]) for n in raw}


def uniform(shapes: dict[str, tuple[int, ...]], sparsity: float) -> dict[str, float]:
    return dict.fromkeys(shapes, sparsity)


def first_eight(shapes: dict[str, tuple[int, ...]], sparsity: float) -> dict[str, float]:
    """A layer beyond the eighth is forgotten."""
    return {n: sparsity * (k < 8) for k, n in enumerate(shapes)}


ALLOCATIONS = (
    Planted("", "a net has at most eight layers", "exact total", first_eight),
    Planted("SparseML", "clipped ERK misses the total", "exact total",
            lambda shapes, s: densities(shapes, s, True)),
    Planted("", "densities above 1", "in [0, 1]", lambda shapes, s: densities(shapes, s, False)),
    Planted("", "the last layer is left out", "names",
            lambda shapes, s: uniform(dict(list(shapes.items())[:-1]), s)),
    Planted("", "random shares", "deterministic",
            lambda shapes, s: {n: np.random.random() for n in shapes}),  # noqa: NPY002
)  # fmt: skip
