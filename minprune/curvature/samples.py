"""g_p = dl_p/dw of each sample, and sums of their squares, by the rules beside the ops."""

from collections.abc import Iterator, Sequence

import numpy as np

from minprune.arguments import guard
from minprune.autograd import Tensor, grad
from minprune.core import Array, Arrays, Split
from minprune.curvature.record import Recorded, each_alone, outputs, passes
from minprune.nets.model import Model, checked, dense_only, known, names_of

LIMIT = 2**30


def sample_grads(
    model: Model, data: Split, *, params: str = "weights", limit: int = LIMIT
) -> Arrays:
    """g_p = dl_p/dw, the gradient of each sample's own loss

    Parameters
    ----------
    model : Model
        Not sparse; masked weights are 0.
    data : pair of arrays
        Inputs (samples, ...) and targets.
    params : {"weights", "all"}
        Whether biases and normalisation are included.
    limit : int
        Bytes that the result may take.

    Returns
    -------
    dict of arrays
        {name: (samples, *shape)}, in the dtype of the net.

    Raises
    ------
    ArgumentError, ShapeError
        For a sparse model, no samples, or arrays that do not fit the net, an op without
        a rule for single samples, or a result above the limit.

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.digits()
    >>> model = mp.zoo.mlp(data, hidden=(4,), seed=0)
    >>> batch = data.train[0][:8], data.train[1][:8]
    >>> mp.curvature.sample_grads(model, batch)["fc1.weight"].shape
    (8, 4, 64)
    """
    names, data = names_of(model, params), checked(model, data)
    entries = sum(model.params[n].size for n in names)
    nbytes = len(data[0]) * entries * model.dtype.itemsize
    guard("sample_grads", nbytes, limit, "use fewer samples, or raise limit=")
    found = {n: np.empty((len(data[0]), *model.params[n].shape), model.dtype) for n in names}
    start = 0
    for seen, y in passes("sample_grads", model, data, each_alone(names)):
        for name, g in each(seen, seen.out, seen.pull(y), names).items():
            found[name][start : start + len(y)] = g
        start += len(y)
    return found


def squared_grads(model: Model, data: Split, *, params: str = "weights") -> Arrays:
    """(1/P) sum_p g_p^2, the diagonal of the empirical Fisher matrix

    g_p: the gradient of sample p's own loss. Chunks of samples add up in float64.

    Parameters
    ----------
    model : Model
        Not sparse; masked weights are 0.
    data : pair of arrays
        Inputs (samples, ...) and targets.
    params : {"weights", "all"}
        Whether biases and normalisation are included.

    Returns
    -------
    dict of arrays
        {name: shape}, in the dtype of the net.

    Raises
    ------
    ArgumentError, ShapeError
        For a sparse model, no samples, or arrays that do not fit the net, or an op
        without a rule for single samples.

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.digits()
    >>> model = mp.zoo.mlp(data, hidden=(4,), seed=0)
    >>> batch = data.train[0][:8], data.train[1][:8]
    >>> mp.curvature.squared_grads(model, batch)["fc1.weight"].shape
    (4, 64)
    """
    names, data = names_of(model, params), checked(model, data)
    total = {name: np.zeros(model.params[name].shape) for name in names}
    for seen, y in passes("squared_grads", model, data, each_alone(names)):
        pull = seen.pull(y)
        squares(total, seen, seen.out, [pull], np.ones((1, pull.shape[1]), pull.dtype))
    return mean(model, total, len(data[0]))


def ggn_rows(model: Model, data: Split, names: Sequence[str]) -> Iterator[Array]:
    """Blocks of rows x_po with GGN = (1/P) sum_p sum_o x_po x_po^T

    mse: sqrt(2) J_po; softmax cross-entropy: sqrt(q_k) J_p^T (e_k - q), one for each class k.

    Parameters
    ----------
    model : Model
        Not sparse; masked weights are 0.
    data : pair of arrays
        Inputs (samples, ...) and targets.
    names : sequence of str
        Parameters; their entries one after another are the columns.

    Returns
    -------
    iterator of arrays
        (samples, N) in float64.

    Raises
    ------
    ArgumentError, ShapeError
        For a sparse model, no samples, or arrays that do not fit the net, other names, or
        an op without a rule for single samples.

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.digits()
    >>> model = mp.zoo.mlp(data, hidden=(4,), seed=0)
    >>> batch = data.train[0][:8], data.train[1][:8]
    >>> rows = mp.curvature.ggn_rows(model, batch, ["fc1.weight"])
    >>> next(iter(rows)).shape
    (8, 256)
    """
    data = checked(model, data)
    dense_only(model, "a gradient of each sample")
    names = known(model.params, names)
    for seen, y in passes("ggn_rows", model, data, each_alone(names), outputs(model.net)):
        seeds, weights = seen.factors()
        for seed, c in zip(seeds, weights, strict=True):
            found = each(seen, seen.out, seed, names)
            rows = [np.zeros((len(y), 0))]  # so that no names are no columns
            rows += [found[name].reshape(len(y), -1) for name in names]
            yield np.concatenate(rows, axis=1, dtype=np.float64) * np.sqrt(c)[:, None]


def each(seen: Recorded, end: Tensor, seed: Array, names: Sequence[str]) -> Arrays:
    """d(sum of seed * end)_p/dw for each sample p: {name: (n, *shape)}"""
    found: Arrays = {}
    uses = seen.before(end)
    for use, g in zip(uses, grad(end, [u.node for u in uses], seed), strict=True):
        made = use.by(use.op.each, use.need(names), g)
        for name, part in zip(use.names, made, strict=True):
            if name is not None and name in names and part is not None:
                found[name] = found[name] + part if name in found else part
    for name in found.keys() ^ names:  # those that no layer reads
        found[name] = np.zeros((seed.shape[-1], *seen.leaves[name].shape), seed.dtype)
    return {name: found[name] for name in names}


def squares(
    total: Arrays, seen: Recorded, end: Tensor, seeds: Sequence[Array], weights: Array
) -> None:
    """total[w] += sum_kp weights[k, p] (d(sum of seeds[k] * end)_p/dw)^2      weights: (k, n)

    A parameter that several ops take has the square of the sum, not the sum of squares.
    """
    uses = [u for u in seen.before(end) if not total.keys().isdisjoint(u.names)]
    taken = [name for u in uses for name in u.names]
    once = {name: t for name, t in total.items() if taken.count(name) < 2}
    pulled = [grad(end, [u.node for u in uses], seed) for seed in seeds]
    for use, *gs in zip(uses, *pulled, strict=True):
        made = use.by(use.op.squares, use.need(once), gs, weights)
        for name, part in zip(use.names, made, strict=True):
            if name in once and part is not None:
                once[name] += part
    for seed, c in zip(seeds, weights, strict=True) if len(once) < len(total) else ():
        for name, g in each(seen, end, seed, [n for n in total if n not in once]).items():
            total[name] += np.tensordot(c, np.square(g), 1)


def mean(model: Model, total: Arrays, count: int) -> Arrays:
    """total / count in the net's dtype"""
    return {name: (t / count).astype(model.dtype) for name, t in total.items()}
