"""g_p = dl_p/dw of each sample, and sums of their squares, by the rules beside the ops."""

from collections.abc import Iterator, Sequence

import numpy as np

from minprune.autograd import Tensor
from minprune.core import Array, Arrays, Split
from minprune.curvature.checks import checked, guard, names_of
from minprune.curvature.record import Recorded, Use, chunks, factors, outputs, record
from minprune.nets.model import Model, dense_only

LIMIT = 2**30


def sample_grads(
    model: Model, data: Split, *, params: str = "weights", limit: int = LIMIT
) -> Arrays:
    """g_p = dl_p/dw, {name: (samples, *shape)}, in the net's dtype

    Raises ArgumentError, naming the bytes, where they would take more than `limit`.
    """
    names, data = names_of(model, params), checked(model, data)
    entries = sum(model.params[n].size for n in names)
    guard("sample_grads", len(data[0]) * entries * model.dtype.itemsize, limit)
    parts: dict[str, list[Array]] = {name: [] for name in names}
    for x, y in chunks(model, data):
        seen = record(model, x)
        for name, g in each(seen, seen.out, seen.pull(y), names).items():
            parts[name].append(g)
    return {name: np.concatenate(parts[name]) for name in names}


def squared_grads(model: Model, data: Split, *, params: str = "weights") -> Arrays:
    """(1/P) sum_p g_p^2, {name: shape}: diagonal of the empirical Fisher; chunks add in float64"""
    names, data = names_of(model, params), checked(model, data)
    total = {name: np.zeros(model.params[name].shape) for name in names}
    for x, y in chunks(model, data):
        seen = record(model, x)
        pull = seen.pull(y)
        squares(total, seen, seen.out, [pull], np.ones((1, pull.shape[1]), pull.dtype))
    return mean(model, total, len(data[0]))


def ggn_rows(model: Model, data: Split, names: Sequence[str]) -> Iterator[Array]:
    """Blocks (m, N) of rows x_po in float64, with GGN = (1/P) sum_p sum_o x_po x_po^T

    mse: sqrt(2) J_po; softmax cross-entropy: sqrt(q_k) J_p^T (e_k - q), one for each class k. N:
    the entries of the named parameters, one after another.
    """
    dense_only(model, "what looks at single samples")
    data = checked(model, data)
    for x, _ in chunks(model, data, outputs(model.net)):
        seen = record(model, x)
        seeds, weights = factors(model.net, seen.out.value)
        for seed, c in zip(seeds, weights, strict=True):
            found = each(seen, seen.out, seed, names)
            rows = [found[name].reshape(len(x), -1) for name in names]
            yield np.concatenate(rows, axis=1, dtype=np.float64) * np.sqrt(c)[:, None]


def each(seen: Recorded, end: Tensor, seed: Array, names: Sequence[str]) -> Arrays:
    """d(sum of seed * end)_p/dw for each sample p: {name: (n, *shape)}"""
    found = {n: np.zeros((seed.shape[-1], *seen.leaves[n].shape), seed.dtype) for n in names}
    uses = seen.before(end)
    for use, g in zip(uses, seen.cotangents(end, uses, seed), strict=True):
        assert use.node.op is not None
        assert use.node.op.each is not None
        inputs = tuple(x.value if isinstance(x, Tensor) else x for x in use.node.inputs)
        made = use.node.op.each(g, use.node.value, inputs, use.need(names), **use.node.settings)
        for name, part in zip(use.names, made, strict=True):
            if name in found and part is not None:
                found[name] = part
    return found


def squares(
    total: Arrays, seen: Recorded, end: Tensor, seeds: Sequence[Array], weights: Array
) -> None:
    """total[w] += sum_kp weights[k, p] (d(sum of seeds[k] * end)_p/dw)^2      weights: (k, n)"""
    uses = [u for u in seen.before(end) if any(u.need(list(total)))]
    pulled = [seen.cotangents(end, uses, seed) for seed in seeds]
    for at, use in enumerate(uses):
        add(total, use, [gs[at] for gs in pulled], weights)


def add(total: Arrays, use: Use, gs: Sequence[Array], weights: Array) -> None:
    """The part of one op in `squares`."""
    assert use.node.op is not None
    assert use.node.op.squares is not None
    inputs = tuple(x.value if isinstance(x, Tensor) else x for x in use.node.inputs)
    made = use.node.op.squares(
        gs, weights, use.node.value, inputs, use.need(list(total)), **use.node.settings
    )
    for name, part in zip(use.names, made, strict=True):
        if name in total and part is not None:
            total[name] += part


def mean(model: Model, total: Arrays, count: int) -> Arrays:
    """total / count in the net's dtype"""
    return {name: (t / count).astype(model.dtype) for name, t in total.items()}
