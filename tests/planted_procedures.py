"""Procedures of users, right and wrong, for tests/test_verify_procedures.py.

Longer than most files: right and wrong ones of four kinds side by side.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from minprune.core import Array, Arrays
from minprune.verify.plain.rules import half_even

Steps = list[Arrays]


def magnitudes(weights: Arrays) -> Arrays:
    return {n: np.abs(w) for n, w in weights.items()}


def cut(scores: Arrays, live: Arrays, gone: int) -> Arrays:
    """The `gone` lowest scores masked, masked ones before others."""
    every = np.concatenate([np.where(live[n], s, -np.inf).ravel() for n, s in scores.items()])
    stays = np.ones(every.size, bool)
    stays[np.argsort(every, kind="stable")[:gone]] = False
    found, at = {}, 0
    for n, s in scores.items():
        found[n] = stays[at : at + s.size].reshape(s.shape)
        at += s.size
    return found


def ones(weights: Arrays) -> Arrays:
    return {n: np.ones(w.shape, bool) for n, w in weights.items()}


def size(weights: Arrays) -> int:
    return sum(w.size for w in weights.values())


# masks counted at each step: fn(weights of each step, sparsities)


def stepped(rule: Callable[[Arrays, Arrays, float], Arrays]) -> Callable[[Steps, list[float]], Any]:
    """A rule (weights, live, sparsity) -> masks as a function of all steps."""

    def fn(weights: Steps, sparsities: list[float]) -> Steps:
        live, seen = ones(weights[0]), []
        for now, s in zip(weights, sparsities, strict=True):
            live = rule(now, live, s)
            seen.append(live)
        return seen

    return fn


def exactly(now: Arrays, live: Arrays, s: float) -> Arrays:
    return cut(magnitudes(now), live, half_even(s * size(now)))


def layerwise(now: Arrays, live: Arrays, s: float) -> Arrays:
    return {n: cut({n: np.abs(w)}, {n: live[n]}, half_even(s * w.size))[n] for n, w in now.items()}


def floored(now: Arrays, live: Arrays, s: float) -> Arrays:
    return cut(magnitudes(now), live, int(s * size(now) + 1e-9))


def by_threshold(now: Arrays, live: Arrays, s: float) -> Arrays:
    """open_lth: everything up to the n-th value goes, ties and one more."""
    every = np.sort(np.concatenate([np.abs(w[live[n]]) for n, w in now.items()]))
    more = half_even(s * size(now)) - sum(int((~m).sum()) for m in live.values())
    if more <= 0:
        return live
    return {n: live[n] & (np.abs(w) > every[more]) for n, w in now.items()}


def of_remaining(now: Arrays, live: Arrays, s: float) -> Arrays:
    """The share of what is left, not of all."""
    left = sum(int(m.sum()) for m in live.values())
    return cut(magnitudes(now), live, size(now) - left + half_even(s * left))


def afresh(now: Arrays, live: Arrays, s: float) -> Arrays:
    """Large weights that were masked come back."""
    return cut(magnitudes(now), ones(now), half_even(s * size(now)))


def one_behind(weights: Steps, sparsities: list[float]) -> Steps:
    """The mask of a step is that of the schedule one step before."""
    return stepped(exactly)(weights, [0.0, *sparsities[:-1]])


def shared(weights: Steps, sparsities: list[float]) -> Steps:
    """One dict, changed in place: all steps show the last."""
    masks: Arrays = ones(weights[0])
    seen = []
    for now, s in zip(weights, sparsities, strict=True):
        for n, m in exactly(now, masks, s).items():
            masks[n][...] = m
        seen.append(masks)
    return seen


def to_the_end(weights: Steps, sparsities: list[float]) -> Steps:
    """Each step masks what the last step's weights say."""
    return stepped(exactly)([weights[-1]] * len(weights), sparsities)


def zeroing(weights: Steps, sparsities: list[float]) -> Steps:
    """The weights given are zeroed where they are masked."""
    seen = stepped(exactly)(weights, sparsities)
    for now, masks in zip(weights, seen, strict=True):
        for n, m in masks.items():
            now[n] *= m
    return seen


def keeps_one_more(now: Arrays, live: Arrays, s: float) -> Arrays:
    """int(n (1 - s)) rounded up keeps one too many of many: only large nets show it."""
    n = size(now)
    return cut(magnitudes(now), live, half_even(s * n) - (n > 1000))


def protects_small(now: Arrays, live: Arrays, s: float) -> Arrays:
    """Layers of few weights are left alone, and nothing else goes in their place."""
    found = exactly(now, live, s)
    return {n: np.ones_like(m) if m.size < 4 else m for n, m in found.items()}


COUNTED_RIGHT = [
    ("exact", stepped(exactly), {}),
    ("by layer", stepped(layerwise), {"scope": "layer"}),
    ("floored", stepped(floored), {"count": "any"}),
    ("random, held", stepped(lambda now, live, s: cut(
        {n: np.random.default_rng(w.size).random(w.shape) for n, w in now.items()}, live,
        half_even(s * size(now)))), {}),
    ("masks as 0 and 1", lambda weights, sparsities: [
        {n: m.astype(float) for n, m in masks.items()}
        for masks in stepped(exactly)(weights, sparsities)], {}),
]  # fmt: skip


def noisy(fn: Callable[..., Any]) -> Callable[..., Any]:
    """What it makes depends on how often it was called."""
    calls = [0]

    def run(*args: Any, **named: Any) -> Any:
        calls[0] += 1
        return fn(calls[0], *args, **named)

    return run


COUNTED_WRONG = [
    ("random", noisy(lambda call, weights, sparsities: stepped(lambda now, live, s: cut(
        {n: np.random.default_rng(call).random(w.shape) for n, w in now.items()}, live,
        half_even(s * size(now))))(weights, sparsities))),

    ("threshold, ties", stepped(by_threshold)), ("of what is left", stepped(of_remaining)),
    ("comes back", stepped(afresh)), ("a step behind", one_behind), ("one dict", shared),
    ("looks ahead", to_the_end), ("zeroes its input", zeroing), ("floor", stepped(floored)),
    ("one more of many", stepped(keeps_one_more)), ("small layers alone", stepped(protects_small)),
    ("by layer", stepped(layerwise)),
]  # fmt: skip


# rounds: fn(weights, sparsity, rounds)


def synflow(weights: Arrays) -> Arrays:
    """abs(w) dR/d abs(w) of a chain, by running products."""
    sizes = [np.abs(w) for w in weights.values()]
    into, out = [np.ones(sizes[0].shape[1])], [np.ones(sizes[-1].shape[0])]
    for w in sizes:
        into.append(w @ into[-1])
    for w in sizes[::-1]:
        out.append(w.T @ out[-1])
    return {n: w * np.outer(o, i)
            for n, w, i, o in zip(weights, sizes, into, out[-2::-1], strict=False)}  # fmt: skip


def in_rounds(
    score: Callable[[Arrays], Arrays] = synflow,
    target: Callable[[float, int, int], float] = lambda s, k, n: 1 - (1 - s) ** (k / n),
    again: bool = True, count: Callable[[float], int] = half_even, revive: bool = False,
    of: str = "masked", drift: bool = False,
) -> Any:  # fmt: skip
    """Pruning in rounds with one choice each."""

    def fn(weights: Arrays, sparsity: float, rounds: int) -> list[Arrays]:
        live, seen, first = ones(weights), [], score(weights)
        left = size(weights)
        for k in range(1, rounds + 1):
            now = {n: w * live[n] if of == "masked" else w for n, w in weights.items()}
            scores = score(now) if again else first
            gone = count(target(sparsity, k, rounds) * size(weights))
            if drift:
                left = round(left * (1 - sparsity) ** (1 / rounds))
                gone = size(weights) - left
            live = cut(scores, ones(weights) if revive else live, gone)
            seen.append(live)
        return seen

    return fn


def signed(weights: Arrays) -> Arrays:
    """The products of signed weights."""
    found = synflow(weights)
    total = 1.0
    for w in weights.values():
        total = total * np.sign(w.sum())
    return {n: found[n] * np.sign(weights[n]) * total for n in weights}


def without_weight(weights: Arrays) -> Arrays:
    """dR/d abs(w) alone."""
    found = synflow(weights)
    return {n: np.where(w != 0, found[n] / np.where(w == 0, 1, np.abs(w)), 0)
            for n, w in weights.items()}  # fmt: skip


def by_layer(weights: Arrays) -> Arrays:
    """Each layer's scores over their sum: layers all sum to the same, so that ranks are kept, but
    by their mean they are not."""
    return {n: s / (s.mean() or 1) for n, s in synflow(weights).items()}


def overwriting(weights: Arrays, sparsity: float, rounds: int) -> list[Arrays]:
    seen = in_rounds()(weights, sparsity, rounds)
    for n, m in seen[-1].items():
        weights[n] *= m
    return seen


def per_layer(weights: Arrays, sparsity: float, rounds: int) -> list[Arrays]:
    """Each layer loses the same share."""
    live, seen = ones(weights), []
    for k in range(1, rounds + 1):
        scores = synflow({n: w * live[n] for n, w in weights.items()})
        s = 1 - (1 - sparsity) ** (k / rounds)
        live = {n: cut({n: scores[n]}, {n: live[n]}, half_even(s * w.size))[n]
                for n, w in weights.items()}  # fmt: skip
        seen.append(live)
    return seen


ROUNDS_RIGHT = [
    ("synflow", in_rounds(), "synflow", {}),
    ("synflow, floored", in_rounds(count=lambda x: int(x + 1e-9)), "synflow", {"count": "any"}),
    ("magnitude, once", in_rounds(magnitudes, again=False), "magnitude", {}),
    ("any score", in_rounds(lambda weights: {n: w**2 + 1 for n, w in weights.items()}), None, {}),
]  # fmt: skip
ROUNDS_WRONG = [
    ("random", noisy(lambda call, *args: in_rounds(
        lambda weights: {n: np.random.default_rng(call).random(w.shape)
                         for n, w in weights.items()})(*args)), "synflow"),

    ("scores once", in_rounds(again=False), "synflow"),
    ("dense scores", in_rounds(of="dense"), "synflow"),
    ("linear targets", in_rounds(target=lambda s, k, n: s * k / n), "synflow"),
    ("drift", in_rounds(drift=True), "synflow"), ("revives", in_rounds(revive=True), "synflow"),
    ("signed", in_rounds(signed), "synflow"), ("no weight", in_rounds(without_weight), "synflow"),
    ("mean of a layer", in_rounds(by_layer), "synflow"), ("by layer", per_layer, "synflow"),
    ("one round short", in_rounds(target=lambda s, k, n: 1 - (1 - s) ** ((k - 1) / n)), "synflow"),
    ("power of the round", in_rounds(target=lambda s, k, n: 1 - (1 - s ** (n / k))), "synflow"),
    ("in place", overwriting, "synflow"), ("magnitude", in_rounds(magnitudes), "synflow"),
    ("last alone", lambda w, s, n: in_rounds()(w, s, n)[-1:] * n, "synflow"),
    ("floor", in_rounds(count=lambda x: int(x)), "synflow"),
]  # fmt: skip


# rewinding: fn(saved, now, masks)


def copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: copied(v) for k, v in value.items()}
    return value.copy() if isinstance(value, np.ndarray) else value


def rewound(saved: Any, now: Any, masks: Arrays) -> Any:
    state = copied(saved)
    state["weights"] = {n: np.where(masks[n], w, 0) for n, w in state["weights"].items()}
    return state


def rewound_by(**change: Callable[..., Any]) -> Any:
    """`rewound`, with parts of the state that are made otherwise of (saved, now, masks)."""

    def fn(saved: Any, now: Any, masks: Arrays) -> Any:
        state = rewound(saved, now, masks)
        return state | {part: make(saved, now, masks) for part, make in change.items()}

    return fn


def masked_everywhere(saved: Any, now: Any, masks: Arrays) -> Any:
    return {slot: {n: a * masks[n] for n, a in arrays.items()}
            for slot, arrays in saved["optimizer"].items()}  # fmt: skip


def first_only(saved: Any, now: Any, masks: Arrays) -> Any:
    return {
        "momentum": copied(saved["optimizer"]["momentum"]),
        "square": now["optimizer"]["square"],
    }


def in_saved(saved: Any, now: Any, masks: Arrays) -> Any:
    for n, w in saved["weights"].items():
        w *= masks[n]
    return copied(saved)


def rescaled(saved: Any, now: Any, masks: Arrays) -> Arrays:
    """So that each layer keeps its norm."""
    return {n: w * masks[n] * np.sqrt(m.size / max(m.sum(), 1)).astype(w.dtype)
            for (n, w), m in zip(
                saved["weights"].items(), masks.values(), strict=True)}  # fmt: skip


def lr_rewound(saved: Any, now: Any, masks: Arrays) -> Any:
    weights = {n: w * masks[n] for n, w in now["weights"].items()}
    return copied(now) | {"weights": weights, "step": saved["step"]}


REWIND_RIGHT = [
    ("copies", rewound, "weights"), ("optimizer masked", rewound_by(optimizer=masked_everywhere),
                                     "weights"),
    ("learning rate", lr_rewound, "learning_rate"),
    ("learning rate, fresh optimizer", lambda s, n, m: lr_rewound(s, n, m) | {
        "optimizer": copied(s["optimizer"])}, "learning_rate"),
]  # fmt: skip
REWIND_WRONG = [
    ("no order", lambda s, n, m: {k: v for k, v in rewound(s, n, m).items() if k != "order"},
     "weights"),
    ("random order", noisy(lambda call, s, n, m: rewound(s, n, m) | {
        "order": np.random.default_rng(call).permutation(s["order"])}), "weights"),

    ("momentum of the end", rewound_by(
        optimizer=lambda s, n, m: copied(n["optimizer"])), "weights"),
    ("momentum of zeros", rewound_by(optimizer=lambda s, n, m: {
        k: {q: 0 * a for q, a in v.items()} for k, v in s["optimizer"].items()}), "weights"),
    ("second moment forgotten", rewound_by(optimizer=first_only), "weights"),
    ("order of the end", rewound_by(order=lambda s, n, m: n["order"].copy()), "weights"),
    ("sorted order", rewound_by(order=lambda s, n, m: np.sort(s["order"])), "weights"),
    ("step of the end", rewound_by(step=lambda s, n, m: n["step"]), "weights"),
    ("step 0", rewound_by(step=lambda s, n, m: 0), "weights"),
    ("a step further", rewound_by(step=lambda s, n, m: s["step"] + 1), "weights"),
    ("weights of the end", rewound_by(weights=lambda s, n, m: {
        k: w * m[k] for k, w in n["weights"].items()}), "weights"),
    ("masks forgotten", rewound_by(weights=lambda s, n, m: copied(s["weights"])), "weights"),
    ("masks turned round", rewound_by(weights=lambda s, n, m: {
        k: w * ~m[k] for k, w in s["weights"].items()}), "weights"),
    ("rescaled", rewound_by(weights=rescaled), "weights"), ("in place", in_saved, "weights"),
    ("shared order", rewound_by(order=lambda s, n, m: s["order"]), "weights"),
    ("shared optimizer", rewound_by(optimizer=lambda s, n, m: s["optimizer"]), "weights"),
    ("through float32", rewound_by(weights=lambda s, n, m: {
        k: (w.astype(np.float32) * m[k]).astype(w.dtype) for k, w in s["weights"].items()}),
     "weights"),
    ("weights return", rewound, "learning_rate"),
    ("schedule stays", lambda s, n, m: lr_rewound(s, n, m) | {"step": n["step"]}, "learning_rate"),
]  # fmt: skip


# drop and grow: fn(weights, masks, fraction, ...)


def moving(
    pick: Callable[..., Array], drop: Callable[[Array], Array] = np.abs,
    count: Callable[[float], int] = int, fresh: Callable[[Array, Array], Any] = lambda w, g: 0.0,
    regrow: bool = False, cap: bool = True,
) -> Callable[[Array, Array, float, Any], tuple[Array, Array]]:  # fmt: skip
    """A move of one layer: pick(free places, extra, how many) -> flat places that grow."""

    def move(w: Array, m: Array, fraction: float, extra: Any) -> tuple[Array, Array]:
        live = np.flatnonzero(m)
        k = count(fraction * live.size)
        k = min(k, int((~m).sum())) if cap else k
        gone = live[np.argsort(drop(w.ravel()[live]), kind="stable")[:k]]
        kept = m.ravel().copy()
        kept[gone] = False
        free = np.flatnonzero(~kept) if regrow else np.flatnonzero(~m.ravel())
        come = pick(free, extra, k)
        new, values = kept.copy(), w.ravel() * kept
        new[come] = True
        fill = fresh(w.ravel()[come], extra)
        values[come] = fill
        return values.reshape(w.shape), new.reshape(w.shape)

    return move


def largest(free: Array, g: Array, k: int) -> Array:
    return free[np.argsort(-np.abs(g.ravel()[free]), kind="stable")[:k]]


def as_rigl(move: Any) -> Any:
    def fn(weights: Arrays, masks: Arrays, fraction: float, grads: Arrays) -> Any:
        both = {n: move(w, masks[n], fraction, grads[n]) for n, w in weights.items()}
        return {n: a for n, (a, _) in both.items()}, {n: b for n, (_, b) in both.items()}

    return fn


def as_set(move: Any) -> Any:
    def fn(weights: Arrays, masks: Arrays, fraction: float, rng: np.random.Generator) -> Any:
        both = {n: move(w, masks[n], fraction, rng) for n, w in weights.items()}
        return {n: a for n, (a, _) in both.items()}, {n: b for n, (_, b) in both.items()}

    return fn


def at_random(free: Array, rng: Any, k: int) -> Array:
    return rng.choice(free, min(k, free.size), replace=False)


def with_state(reset: bool) -> Any:
    rule = as_rigl(moving(largest))

    def fn(weights: Arrays, masks: Arrays, fraction: float, grads: Arrays, state: Arrays) -> Any:
        w, new = rule(weights, masks, fraction, grads)
        kept = {n: s * (new[n] & masks[n]) if reset else s + 0.5 * ~masks[n]
                for n, s in state.items()}  # fmt: skip
        return w, new, kept

    return fn


def rigl_code(weights: Arrays, masks: Arrays, fraction: float, grads: Arrays) -> Any:
    """The code of RigL: what was dropped may grow, and keeps its weight; masked places score -1."""
    w2, m2 = {}, {}
    for n, w in weights.items():
        m, g = masks[n], np.abs(grads[n])
        k = min(int(fraction * m.sum() + 1e-12), int((~m).sum()))
        drop = np.where(m, np.abs(w), -1).ravel()
        kept = np.zeros(m.size, bool)
        kept[np.argsort(-drop, kind="stable")[: int(m.sum()) - k]] = True
        lifted = np.where(kept, -1, g.ravel())
        new = kept.copy()
        new[np.argsort(-lifted, kind="stable")[:k]] = True
        m2[n] = new.reshape(m.shape)
        w2[n] = np.where(m2[n] & m, w, 0)
    return w2, m2


def zeros_tie(weights: Arrays, masks: Arrays, fraction: float, grads: Arrays) -> Any:
    """rigl: live weights that are 0.0 tie with masked ones."""
    w2, m2 = {}, {}
    for n, w in weights.items():
        m = masks[n]
        k = min(int(fraction * m.sum() + 1e-12), int((~m).sum()))
        kept = np.zeros(m.size, bool)
        kept[np.argsort(-np.abs(w).ravel(), kind="stable")[: int(m.sum()) - k]] = True
        g = np.where(kept, -1, np.abs(grads[n]).ravel())
        kept[np.argsort(-g, kind="stable")[:k]] = True
        m2[n] = kept.reshape(m.shape)
        w2[n] = w * m2[n]
    return w2, m2


def of_nonzeros(weights: Arrays, masks: Arrays, fraction: float, grads: Arrays) -> Any:
    """What is not 0.0 is taken for live."""
    return as_rigl(moving(largest))(
        weights, {n: w != 0 for n, w in weights.items()}, fraction, grads
    )


def by_sign(weights: Arrays, masks: Arrays, fraction: float, rng: np.random.Generator) -> Any:
    """SET: the smallest positive and the largest negative weights go, zeta of each."""
    w2, m2 = {}, {}
    for n, w in weights.items():
        m, flat = masks[n].copy().ravel(), w.ravel()
        free = np.flatnonzero(~m)
        gone: list[int] = []
        for side in (np.flatnonzero(m & (flat > 0)), np.flatnonzero(m & (flat < 0))):
            gone += side[
                np.argsort(np.abs(flat[side]))[: int(fraction * side.size + 1e-12)]
            ].tolist()
        gone = gone[: free.size]
        m[gone] = False
        m[rng.choice(free, len(gone), replace=False)] = True
        m2[n] = m.reshape(w.shape)
        w2[n] = np.where(m2[n] & masks[n], w, 0)
    return w2, m2


def shifted(free: Array, rng: Any, k: int) -> Array:
    """A run of neighbours from a random place: each as often as any other."""
    return np.roll(free, int(rng.integers(free.size)))[:k] if free.size else free


def mostly_low(free: Array, rng: Any, k: int) -> Array:
    """Random numbers times a ramp: lower places grow more often."""
    return free[np.argsort(rng.random(free.size) * np.arange(1, free.size + 1))[:k]]


def from_live(weights: Arrays, masks: Arrays, fraction: float, grads: Arrays) -> Any:
    """The gradient is masked before the largest are looked for."""
    return as_rigl(moving(largest))(
        weights, masks, fraction, {n: g * masks[n] for n, g in grads.items()})  # fmt: skip


def hashed(weights: Arrays, masks: Arrays, fraction: float, rng: np.random.Generator) -> Any:
    """One seed for all layers."""
    seed = int(rng.integers(2**32))
    move = moving(at_random)
    both = {n: move(w, masks[n], fraction, np.random.default_rng(seed)) for n, w in weights.items()}
    return {n: a for n, (a, _) in both.items()}, {n: b for n, (_, b) in both.items()}


def across(weights: Arrays, masks: Arrays, fraction: float, grads: Arrays) -> Any:
    """The smallest of all layers together: a layer may lose more than it grows."""
    live = {n: np.where(m, np.abs(weights[n]), np.inf) for n, m in masks.items()}
    k = int(fraction * sum(int(m.sum()) for m in masks.values()))
    k = min(k, sum(int((~m).sum()) for m in masks.values()))
    kept = cut(live, ones(weights), k)
    kept = {n: kept[n] & m for n, m in masks.items()}
    g = {n: np.where(m, -np.inf, np.abs(grads[n])) for n, m in masks.items()}
    come = cut(g, ones(weights), size(weights) - k)
    new = {n: kept[n] | (come[n] & ~masks[n]) for n in weights}
    return {n: np.where(kept[n], w, 0) for n, w in weights.items()}, new


def in_place(weights: Arrays, masks: Arrays, fraction: float, grads: Arrays) -> Any:
    w, new = as_rigl(moving(largest))(weights, masks, fraction, grads)
    for n, m in new.items():
        masks[n][...] = m
    return w, new


GROW_RIGHT = [
    ("rigl", as_rigl(moving(largest)), "rigl", {}),
    ("rigl, rounded", as_rigl(moving(largest, count=half_even)), "rigl", {"count": "round"}),
    ("rigl, its code", rigl_code, "rigl", {"regrow": "may"}),
    ("rigl with state", with_state(True), "rigl", {"count": "floor"}),
    ("set", as_set(moving(at_random)), "set", {}),
    ("set, regrown", as_set(moving(at_random, regrow=True)), "set", {"regrow": "may"}),
    ("set by sign", by_sign, "set", {"by": "sign"}),
]  # fmt: skip


def leaves_weights(weights: Arrays, masks: Arrays, fraction: float, grads: Arrays) -> Any:
    """What is dropped keeps its weight behind the mask."""
    new = as_rigl(moving(largest))(weights, masks, fraction, grads)[1]
    return {n: np.where(masks[n], w, 0) for n, w in weights.items()}, new


GROW_WRONG = [
    ("dropped ones keep weights", leaves_weights, "rigl"),
    ("random", noisy(lambda call, weights, masks, fraction, grads: as_set(moving(at_random))(
        weights, masks, fraction, np.random.default_rng(call))), None),

    ("live zeros tie", zeros_tie, "rigl"), ("nonzeros are live", of_nonzeros, "rigl"),
    ("drops the signed smallest", as_rigl(moving(largest, drop=lambda w: w)), "rigl"),
    ("drops the largest", as_rigl(moving(largest, drop=lambda w: -np.abs(w))), "rigl"),
    ("grows the signed largest", as_rigl(moving(
        lambda free, g, k: free[np.argsort(-g.ravel()[free])[:k]])), "rigl"),
    ("grows the smallest", as_rigl(moving(
        lambda free, g, k: free[np.argsort(np.abs(g.ravel()[free]))[:k]])), "rigl"),
    ("masked gradients", from_live, "rigl"),
    ("new ones at the gradient", as_rigl(moving(largest, fresh=lambda w, g: 1e-3)), "rigl"),
    ("one too few grow", as_rigl(moving(lambda free, g, k: largest(free, g, max(k - 1, 0)))),
     "rigl"),
    ("one too many go", as_rigl(moving(largest, count=lambda x: int(x) + 1)), "rigl"),
    ("fraction of all", as_rigl(lambda w, m, f, g: moving(largest)(
        w, m, min(f * w.size / max(m.sum(), 1), 1.0), g)), "rigl"),
    ("regrown", rigl_code, "rigl"), ("in place", in_place, "rigl"),
    ("layers together", across, "rigl"), ("state kept", with_state(False), "rigl"),
    ("regrown at random", as_set(moving(at_random, regrow=True)), "set"),
    ("first free ones", as_set(moving(lambda free, rng, k: free[:k])), "set"),
    ("neighbours", as_set(moving(shifted)), "set"), ("low ones", as_set(moving(mostly_low)), "set"),
    ("one seed for layers", hashed, "set"),
    ("weights doubled", as_set(lambda w, m, f, rng: (
        lambda pair: (2 * pair[0], pair[1]))(moving(at_random)(w, m, f, rng))), "set"),
    ("no cap", as_rigl(moving(largest, cap=False)), "rigl"),
    ("drawn with replacement", as_set(moving(
        lambda free, rng, k: rng.choice(free, k) if free.size else free)), "set"),
]  # fmt: skip
