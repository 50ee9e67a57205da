"""g_p = dl_p/dw of each sample, and sums of their squares, by the rules beside the ops."""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from minprune.autograd import Tensor
from minprune.core import Array, Arrays, Split
from minprune.curvature.checks import checked, guard, names_of
from minprune.curvature.record import Recorded, Use, chunks, factors, outputs, record
from minprune.curvature.rules import need_rules
from minprune.errors import ArgumentError
from minprune.nets.model import Model, dense_only

LIMIT = 2**30


def sample_grads(
    model: Model, data: Split, *, params: str = "weights", limit: int = LIMIT
) -> Arrays:
    """g_p = dl_p/dw, {name: (samples, *shape)}, in the net's dtype

    Raises ArgumentError, naming the bytes, where they would take more than `limit`.
    """
    names, data = names_of(model, params), checked(model, data)
    need_rules("sample_grads", model, data[0], {name: [name] for name in names})
    entries = sum(model.params[n].size for n in names)
    nbytes = len(data[0]) * entries * model.dtype.itemsize
    guard("sample_grads", nbytes, limit, "use fewer samples, or raise limit=")
    found = {n: np.empty((len(data[0]), *model.params[n].shape), model.dtype) for n in names}
    start = 0
    for x, y in chunks(model, data):
        seen = record(model, x)
        for name, g in each(seen, seen.out, seen.pull(y), names).items():
            found[name][start : start + len(x)] = g
        start += len(x)
    return found


def squared_grads(model: Model, data: Split, *, params: str = "weights") -> Arrays:
    """(1/P) sum_p g_p^2, {name: shape}: diagonal of the empirical Fisher; chunks add in float64"""
    names, data = names_of(model, params), checked(model, data)
    need_rules("squared_grads", model, data[0], {name: [name] for name in names})
    total = {name: np.zeros(model.params[name].shape) for name in names}
    for x, y in chunks(model, data):
        seen = record(model, x)
        pull = seen.pull(y)
        squares(total, seen, seen.out, [pull], np.ones((1, pull.shape[1]), pull.dtype))
    return mean(model, total, len(data[0]))


def ggn_rows(model: Model, data: Split, names: Sequence[str]) -> Iterator[Array]:
    """Blocks (m, N) of rows x_po in float64, with GGN = (1/P) sum_p sum_o x_po x_po^T

    mse: sqrt(2) J_po; softmax cross-entropy: sqrt(q_k) J_p^T (e_k - q), one for each class k. N:
    the entries of the named parameters, one after another. Raises ArgumentError for other names.
    """
    data = checked(model, data)
    dense_only(model, "what looks at single samples")
    for name in names:
        if name not in model.params:
            raise ArgumentError(f"{name}: no such parameter; there are {', '.join(model.params)}")
    need_rules("ggn_rows", model, data[0], {name: [name] for name in names})
    for x, _ in chunks(model, data, outputs(model.net)):
        seen = record(model, x)
        seeds, weights = factors(model.net, seen.out.value)
        for seed, c in zip(seeds, weights, strict=True):
            found = each(seen, seen.out, seed, names)
            rows = [np.zeros((len(x), 0))]  # so that no names are no columns
            rows += [found[name].reshape(len(x), -1) for name in names]
            yield np.concatenate(rows, axis=1, dtype=np.float64) * np.sqrt(c)[:, None]


def each(seen: Recorded, end: Tensor, seed: Array, names: Sequence[str]) -> Arrays:
    """d(sum of seed * end)_p/dw for each sample p: {name: (n, *shape)}"""
    found = {n: np.zeros((seed.shape[-1], *seen.leaves[n].shape), seed.dtype) for n in names}
    uses = seen.before(end)
    for use, g in zip(uses, seen.cotangents(end, uses, seed), strict=True):
        assert use.node.op is not None
        assert use.node.op.each is not None
        need = use.need(names)
        made = use.node.op.each(g, use.node.value, use.inputs, need, **use.node.settings)
        for name, part in zip(use.names, made, strict=True):
            if name in found and part is not None:
                found[name] += part
    return found


def squares(
    total: Arrays, seen: Recorded, end: Tensor, seeds: Sequence[Array], weights: Array
) -> None:
    """total[w] += sum_kp weights[k, p] (d(sum of seeds[k] * end)_p/dw)^2      weights: (k, n)

    A parameter that several ops take has the square of the sum, not the sum of squares.
    """
    uses = [u for u in seen.before(end) if any(u.need(list(total)))]
    taken = Counter(name for u in uses for name in u.names)
    once = {name: t for name, t in total.items() if taken[name] < 2}
    pulled = [seen.cotangents(end, uses, seed) for seed in seeds]
    for at, use in enumerate(uses):
        add(once, use, [gs[at] for gs in pulled], weights)
    for seed, c in zip(seeds, weights, strict=True) if len(once) < len(total) else ():
        for name, g in each(seen, end, seed, [n for n in total if n not in once]).items():
            total[name] += np.tensordot(c, np.square(g), 1)


def add(total: Arrays, use: Use, gs: Sequence[Array], weights: Array) -> None:
    """The part of one op in `squares`."""
    assert use.node.op is not None
    assert use.node.op.squares is not None
    made = use.node.op.squares(
        gs, weights, use.node.value, use.inputs, use.need(list(total)), **use.node.settings
    )
    for name, part in zip(use.names, made, strict=True):
        if name in total and part is not None:
            total[name] += part


def mean(model: Model, total: Arrays, count: int) -> Arrays:
    """total / count in the net's dtype"""
    return {name: (t / count).astype(model.dtype) for name, t in total.items()}
