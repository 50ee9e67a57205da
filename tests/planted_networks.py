"""Compactions, counters, sparse formats and scorers of users, right and wrong, for the tests.

Longer than most files: right and wrong ones of three kinds side by side.
"""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from minprune.core import Array
from minprune.verify.plain.layers import (
    Layers,
    by_unit,
    forward,
    live,
    needed,
    outputs,
    through,
    weight,
    weighted,
)

# compaction: fn(layers) -> layers


def shrunk(
    layers: Layers, fold: str = "yes", norm: bool = True, columns: str = "channel",
    create: bool = True, act: bool = True, padded: bool = True, rounds: bool = True,
) -> Layers:  # fmt: skip
    """Units that are not needed go, their constants into the next biases; one choice each."""
    found = [dict(layer) for layer in layers]
    at = weighted(found)
    stays = needed(found)
    if not padded:  # constants go into padded convolutions too
        free = [layer | {"padding": 0} if layer["kind"] == "conv" else layer for layer in found]
        stays = needed(free)
    if not rounds:  # what only dead units have read stays
        masks = [live(found[k]) for k in at]
        for n in range(len(at) - 1):
            fed = masks[n].reshape(len(masks[n]), -1).any(axis=1)
            reads = by_unit(masks[n + 1], len(masks[n])).any(axis=0)
            stays[n] = stays[n] | (fed & reads)
    sent: Array | None = None
    for n, k in enumerate(at):
        layer = found[k]
        w, o = weight(layer), len(layer["weight"])
        b = np.zeros(o, w.dtype) if layer.get("bias") is None else layer["bias"]
        had = layer.get("bias") is not None
        mask = live(layer)
        if n:
            before = stays[n - 1]
            if sent is not None and fold != "no" and (had or create):
                extra = w.reshape(o, len(before), -1).sum(axis=2) @ sent
                b, had = (b + extra if fold == "yes" else b - extra), had or extra.any()
            if w.ndim == 4 or columns == "channel":
                w, mask = (a.reshape(o, len(before), -1)[:, before] for a in (w, mask))
            else:  # as if positions came before channels
                w, mask = (a.reshape(o, -1, len(before))[:, :, before] for a in (w, mask))
            sides = layer["weight"].shape[2:]
            w, mask = (a.reshape(o, -1, *sides) for a in (w, mask))
        end = at[n + 1] if n + 1 < len(at) else None
        s = stays[n]
        if end is not None:
            fed = mask.reshape(o, -1).any(axis=1) if mask.size else np.zeros(o, bool)
            c = through(found[k + 1 : end] if act else [], b)
            sent = np.where(~s & ~fed, c, 0).astype(w.dtype)
            for other in found[k + 1 : end]:
                for name in ("gamma", "beta", "mean", "var"):
                    if name in other and norm:
                        other[name] = other[name][s]
        found[k] = layer | {"weight": w[s], "mask": mask[s]}
        if had:
            found[k]["bias"] = b[s].astype(w.dtype)
        if mask[s].all():
            del found[k]["mask"]
            found[k] |= {} if "mask" not in layer else {"weight": w[s]}
    return found


def unfinished(layers: Layers) -> Layers:
    """Units without live input go; those that nothing reads stay."""
    full = [dict(layer) for layer in layers]
    at = weighted(full)
    for k, after in itertools.pairwise(at):
        units = len(full[k]["weight"])
        reads = by_unit(live(full[after]), units).any(axis=0)
        if not reads.all():
            return [dict(layer) for layer in layers]
    return shrunk(layers)


def in_place(layers: Layers) -> Layers:
    for k in weighted(layers):
        layers[k]["weight"] *= live(layers[k])
    return shrunk(layers)


def by_values(layers: Layers) -> Layers:
    """Units whose outputs on some samples are small go."""
    shape = (layers[0]["weight"].shape[1],)
    if layers[0]["kind"] == "conv":
        return shrunk(layers)
    found = shrunk(layers)
    made = outputs(found, np.ones((1, *shape)))
    k = weighted(found)[0]
    if len(found[k]["weight"]) > 1 and np.abs(made[k]).min() < 0.1:
        found[k]["weight"] = found[k]["weight"] * (np.abs(made[k][0]) >= 0.1)[:, None]
    return found


def masks_ignored(layers: Layers) -> Layers:
    """What masked places hold counts."""
    return shrunk([{k: v for k, v in layer.items() if k != "mask"} for layer in layers])


def widened(layers: Layers) -> Layers:
    return [{k: v.astype(float) if isinstance(v, np.ndarray) and v.dtype.kind == "f" else v
             for k, v in layer.items()} for layer in shrunk(layers)]  # fmt: skip


def zero_is_dead(layers: Layers) -> Layers:
    """Masks are dropped; what is masked is 0."""
    return [{k: v for k, v in layer.items() if k != "mask"}
            | ({"weight": weight(layer)} if "weight" in layer else {})
            for layer in shrunk(layers)]  # fmt: skip


COMPACT_RIGHT: list[tuple[str, Callable[[Layers], Layers]]] = [
    ("all of it", shrunk), ("without masks", zero_is_dead),
]  # fmt: skip


def noisy(fn: Callable[..., Any]) -> Callable[..., Any]:
    """What it gives depends on how often it was called."""
    calls = [0]

    def run(*args: Any) -> Any:
        calls[0] += 1
        return fn(calls[0], *args)

    return run


COMPACT_WRONG: list[tuple[str, Callable[[Layers], Layers]]] = [
    ("jitter", noisy(lambda call, layers: [
        {k: v * (1 + 1e-15 * call) if k == "weight" else v for k, v in layer.items()}
        for layer in shrunk(layers)])),

    ("NNI: constants dropped", lambda layers: shrunk(layers, fold="no")),
    ("constants subtracted", lambda layers: shrunk(layers, fold="minus")),
    ("normalisation not cut", lambda layers: shrunk(layers, norm=False)),
    ("flattened the wrong way", lambda layers: shrunk(layers, columns="position")),
    ("no bias made", lambda layers: shrunk(layers, create=False)),
    ("constants before the activation", lambda layers: shrunk(layers, act=False)),
    ("constants into padding", lambda layers: shrunk(layers, padded=False)),
    ("one pass", lambda layers: shrunk(layers, rounds=False)), ("unread stay", unfinished),
    ("in place", in_place), ("small ones too", by_values), ("masks ignored", masks_ignored),
    ("float64", widened), ("nothing", lambda layers: layers),
    ("last layer too", lambda layers: [
        *shrunk(layers)[:-1], {k: v[:1] if k in ("weight", "bias", "mask") else v
                               for k, v in shrunk(layers)[-1].items()}]),
]  # fmt: skip


# counters: fn(layers, x) -> (parameters, macs)


def counted(
    layers: Layers, x: Array, positions: Callable[[Any, Array, Array], int] | None = None,
    names: tuple[str, ...] = ("weight", "bias", "gamma", "beta"), grouped: bool = True,
    times: int = 1, norm: int = 0, living: bool = False, batch: bool = False, bias: bool = False,
    nonzero: bool = False,
) -> tuple[int, int]:  # fmt: skip
    """Parameters and multiply-adds, with one choice each."""
    params, macs, seen = 0, 0, x
    for layer in layers:
        made = forward([layer], seen)
        for name in names:
            if layer.get(name) is not None:
                masked = living and name == "weight"
                a = np.count_nonzero(layer[name]) if nonzero else np.size(layer[name])
                params += int(live(layer).sum()) if masked else int(a)
        if "weight" in layer:
            where = positions(layer, seen, made) if positions else int(np.prod(made.shape[2:]))
            entries = int(live(layer).sum()) if living else layer["weight"].size
            entries *= 1 if grouped else layer.get("groups", 1)
            entries += len(layer["weight"]) * bias
            macs += entries * where * (len(x) if batch else 1)
        elif layer["kind"] == "batchnorm":
            macs += norm * made[0].size
        seen = made
    return params, macs * times


def valid(layer: Any, seen: Array, made: Array) -> int:
    """Positions as if nothing were padded."""
    if seen.ndim == 2:
        return 1
    sides, s = layer["weight"].shape[2:], layer.get("stride", 1)
    return int(np.prod([(n - k) // s + 1 for n, k in zip(seen.shape[2:], sides, strict=True)]))


COUNTER_RIGHT: list[tuple[str, Callable[..., Any], dict[str, Any]]] = [
    ("all of it", counted, {}), ("as a dict", lambda layers, x: dict(
        zip(("parameters", "macs"), counted(layers, x), strict=True)), {}),
    ("live ones", lambda layers, x: counted(layers, x, living=True), {"live": True}),
]  # fmt: skip


def in_layers(layers: Layers, x: Array) -> tuple[int, int]:
    """Masked weights are zeroed in the net given."""
    for k in weighted(layers):
        layers[k]["weight"] *= 0
    return counted(layers, x)


COUNTER_WRONG: list[tuple[str, Callable[..., Any], dict[str, Any]]] = [
    ("zeroes the net", in_layers, {}),
    ("adds up", noisy(lambda call, layers, x: (call, counted(layers, x)[1])), {}),

    ("shrinkbench: padding ignored", lambda layers, x: counted(layers, x, valid), {}),
    ("Torch-Pruning: batch", lambda layers, x: counted(layers, x, batch=True), {}),
    ("operations", lambda layers, x: counted(layers, x, times=2), {}),
    ("groups ignored", lambda layers, x: counted(layers, x, grouped=False), {}),
    ("positions of the input", lambda layers, x: counted(
        layers, x, lambda layer, seen, made: int(np.prod(seen.shape[2:]))), {}),
    ("statistics", lambda layers, x: counted(
        layers, x, names=("weight", "bias", "gamma", "beta", "mean", "var")), {}),
    ("biases left out", lambda layers, x: counted(
        layers, x, names=("weight", "gamma", "beta")), {}),
    ("biases multiply", lambda layers, x: counted(layers, x, bias=True), {}),
    ("normalisation multiplies", lambda layers, x: counted(layers, x, norm=1), {}),
    ("zeros left out", lambda layers, x: counted(layers, x, nonzero=True), {}),
    ("masks ignored", counted, {"live": True}),
    ("parameters masked alone", lambda layers, x: (
        counted(layers, x, living=True)[0], counted(layers, x)[1]), {"live": True}),
]  # fmt: skip


# sparse formats: (encode, decode, product)


def csr(kind: Any = np.uint32, starts: Any = np.uint32, values: Any = None, start: int = 0) -> Any:
    """encode of CSR by the mask, with a dtype of columns and of row starts"""

    def encode(dense: Array, mask: Array) -> Any:
        rows, columns = np.nonzero(mask)
        ends = np.concatenate([[start], np.cumsum(mask.sum(axis=1)) + start]).astype(starts)
        kept = dense[rows, columns]
        return (
            kept if values is None else kept.astype(values),
            columns.astype(kind),
            ends,
            dense.shape,
        )

    return encode


def uncsr(parts: Any) -> Array:
    values, columns, ends, shape = parts
    dense = np.zeros(shape, values.dtype)
    for r in range(shape[0]):
        dense[r, columns[ends[r] : ends[r + 1]].astype(int)] = values[ends[r] : ends[r + 1]]
    return dense


def times(parts: Any, x: Array) -> Array:
    values, columns, ends, shape = parts
    y = np.zeros((shape[0], x.shape[1]))
    for r in range(shape[0]):
        for k in range(int(ends[r]), int(ends[r + 1])):
            y[r] += values[k] * x[int(columns[k])]
    return y


def by_value(dense: Array, mask: Array) -> Any:
    """SciPy: explicit zeros go."""
    return csr()(dense, dense != 0)


def of_values(dense: Array) -> Any:
    return csr()(dense, dense != 0)


def without_empty(dense: Array, mask: Array) -> Any:
    """Rows without entries have no start."""
    rows = [r for r in range(len(mask)) if mask[r].any()]
    values, columns, ends, _ = csr()(dense[rows], mask[rows])
    return values, columns, ends, dense.shape


def un_counted(parts: Any) -> Array:
    values, columns, ends, shape = parts
    ends = np.concatenate([ends, [ends[-1]] * (shape[0] + 1 - len(ends))])
    return uncsr((values, columns, ends, shape))


def by_reduceat(parts: Any, x: Array) -> Array:
    """np.add.reduceat gives an empty row the value after it."""
    values, columns, ends, shape = parts
    if not values.size:
        return np.zeros((shape[0], x.shape[1]))
    terms = np.concatenate([values[:, None] * x[columns.astype(int)], np.zeros((1, x.shape[1]))])
    return np.asarray(np.add.reduceat(terms, ends[:-1].astype(int), axis=0))


def views(dense: Array) -> Any:
    return (dense,)


def backwards(dense: Array, mask: Array) -> Any:
    """Columns of a row from last to first."""
    values, columns, ends, shape = csr()(dense[:, ::-1], mask[:, ::-1])
    return values, (shape[1] - 1 - columns.astype(int)).astype(np.uint32), ends, shape


def groups(dense: Array, mask: Array) -> Any:
    """2:4 by groups of four: what is left at the end is dropped."""
    n = dense.shape[1] // 4 * 4
    return *csr()(dense[:, :n], mask[:, :n])[:3], dense.shape


def single(parts: Any, x: Array) -> Array:
    return times(parts, x.astype(np.float32)).astype(np.float32)


def zeroing(dense: Array, mask: Array) -> Any:
    found = csr()(dense, mask)
    dense[mask] = 0
    return found


def padded(dense: Array, mask: Array) -> Any:
    """ELL: every row as long as the longest, padded with column 0 and value 0."""
    wide = int(mask.sum(axis=1).max(initial=0))
    values = np.zeros((len(mask), wide), dense.dtype)
    columns = np.zeros((len(mask), wide), np.int64)
    for r, row in enumerate(mask):
        at = np.flatnonzero(row)
        values[r, : at.size], columns[r, : at.size] = dense[r, at], at
    return values, columns, dense.shape


def unpadded(parts: Any, add: bool = True) -> Array:
    values, columns, shape = parts
    dense = np.zeros(shape, values.dtype)
    for r in range(shape[0]):
        for v, c in zip(values[r], columns[r], strict=True):
            dense[r, c] = dense[r, c] + v if add else v
    return dense


SPARSE_RIGHT: list[tuple[str, tuple[Any, ...], str | None]] = [
    ("csr", (csr(), uncsr, times), "csr"), ("csr by values", (of_values, uncsr), "csr"),
    ("csr, int64", (csr(np.int64, np.int64), uncsr), "csr"),
    ("csr, 2:4", (csr(), uncsr, times), "2:4"), ("csr, blocks", (csr(), uncsr, times), "2x3"),
    ("padded rows", (padded, unpadded), None),
]  # fmt: skip
SPARSE_WRONG: list[tuple[str, tuple[Any, ...], str | None]] = [
    ("jitter", (csr(), noisy(lambda call, parts: uncsr(parts) * (1 + 1e-15 * call))), None),
    ("a vector for one column", (csr(), uncsr, lambda p, x: (
        times(p, x)[:, 0] if x.shape[1] == 1 else times(p, x))), None),

    ("8-bit columns", (csr(np.uint8), uncsr), None),
    ("16-bit columns", (csr(np.uint16), uncsr), "csr"),
    ("16-bit starts", (csr(starts=np.uint16), uncsr), None),
    ("zeros go", (by_value, uncsr), "csr"), ("empty rows go", (without_empty, un_counted), None),
    ("float columns", (csr(np.float64), uncsr), "csr"),
    ("float32 values", (csr(values=np.float32), uncsr), None),
    ("float64 values", (csr(values=np.float64), uncsr), None),
    ("starts from 1", (csr(start=1), lambda parts: uncsr(
        (parts[0], parts[1], parts[2].astype(int) - 1, parts[3]))), "csr"),
    ("reduceat", (csr(), uncsr, by_reduceat), "csr"), ("views", (views, lambda p: p[0]), None),
    ("columns fall", (backwards, uncsr), "csr"), ("no tail", (groups, uncsr), "2:4"),
    ("float32 product", (csr(), uncsr, single), None), ("zeroes its input", (zeroing, uncsr), None),
    ("transposed", (csr(), lambda p: uncsr(p).T), None),
    ("padding overwrites", (padded, lambda p: unpadded(p, False)), None),
    ("product of rows", (csr(), uncsr, lambda p, x: times(p, x)[:, :1]), None),
]  # fmt: skip
