"""H v and GGN v, exact, through the derivative rules; and the dense matrices of small nets.

Longer than most: half of it are the sections of public docstrings.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from minprune.arguments import filled, guard, instance, shaped
from minprune.autograd import Tensor, grad, mul, total
from minprune.core import Array, Arrays, Split, flat, unflat
from minprune.curvature.record import chunks, record
from minprune.curvature.samples import LIMIT, ggn_rows
from minprune.nets.model import Model, checked, known, names_of

SMALLER = "use a smaller net, or raise limit="


def hvp(model: Model, data: Split, v: Arrays) -> Arrays:
    """H v, H = d2L/dw2 over the parameters that v names

    Exact: the derivative of sum(g v), through the backward pass, in evaluation mode. Chunks of
    samples add up in float64.

    Parameters
    ----------
    model : Model
        Not sparse; masked weights are 0.
    data : pair of arrays
        Inputs (samples, ...) and targets.
    v : dict of arrays
        {name: shape}, for some parameters or all.

    Returns
    -------
    dict of arrays
        {name: shape}, in the dtype of the net.

    Raises
    ------
    ArgumentError, ShapeError
        For a sparse model, no samples, or arrays that do not fit the net, or a v of other
        names or shapes.

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.digits()
    >>> model = mp.zoo.mlp(data, hidden=(4,), seed=0)
    >>> batch = data.train[0][:8], data.train[1][:8]
    >>> hv = mp.curvature.hvp(model, batch, {"fc1.weight": model.params["fc1.weight"]})
    >>> hv["fc1.weight"].shape
    (4, 64)

    Source: Pearlmutter (1994), Fast Exact Multiplication by the Hessian.
    """
    data, (names, v) = checked(model, data), _vector(model, v)
    found = {name: np.zeros(model.params[name].shape) for name in names}
    for x, y in chunks(model, data):
        seen = record(model, x)
        leaves = [seen.leaves[name] for name in names]
        gs = grad(seen.loss(y), leaves, create_graph=True)
        dot = _dot(gs, v, names)
        parts = grad(dot, leaves, free=True) if isinstance(dot, Tensor) else ()
        for name, part in zip(names, parts, strict=bool(parts)):
            found[name] += part.astype(np.float64) * (len(x) / len(data[0]))
    return {name: f.astype(model.dtype) for name, f in found.items()}


def own_products(total: Arrays, model: Model, data: Split, names: Sequence[str]) -> None:
    """total += sum_p d2l_p/dw_k^2 of every entry of the named parameters, a product for each"""
    for x, y in chunks(model, data) if names else ():
        seen = record(model, x)
        leaves = [seen.leaves[name] for name in names]
        for name, leaf, g in zip(
            names, leaves, grad(seen.loss(y), leaves, create_graph=True), strict=True
        ):
            for k in np.ndindex(leaf.shape) if isinstance(g, Tensor) else ():
                unit = np.zeros(leaf.shape, leaf.dtype)
                unit[k] = len(x)  # the loss is the mean over them
                total[name][k] += grad(g, [leaf], unit)[0][k]


def ggn_product(model: Model, data: Split, v: Arrays) -> Arrays:
    """GGN v = (1/P) sum_p J_p^T B_p J_p v

    B: the Hessian of the loss in the net's output. J v is the derivative of u -> J^T u, dotted
    with v.

    Parameters
    ----------
    model : Model
        Not sparse; masked weights are 0.
    data : pair of arrays
        Inputs (samples, ...) and targets.
    v : dict of arrays
        {name: shape}, for some parameters or all.

    Returns
    -------
    dict of arrays
        {name: shape}, in the dtype of the net.

    Raises
    ------
    ArgumentError, ShapeError
        For a sparse model, no samples, or arrays that do not fit the net, or a v of other
        names or shapes.

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.digits()
    >>> model = mp.zoo.mlp(data, hidden=(4,), seed=0)
    >>> batch = data.train[0][:8], data.train[1][:8]
    >>> gv = mp.curvature.ggn_product(model, batch, {"fc2.bias": model.params["fc2.bias"]})
    >>> gv["fc2.bias"].shape
    (10,)

    Source: Schraudolph (2002), Fast Curvature Matrix-Vector Products.
    """
    data, (names, v) = checked(model, data), _vector(model, v)
    found = {name: np.zeros(model.params[name].shape) for name in names}
    for x, _ in chunks(model, data):
        seen = record(model, x)
        leaves = [seen.leaves[name] for name in names]
        u = Tensor(np.zeros_like(seen.out.value))
        pulled = grad(seen.out, leaves, u, create_graph=True)
        dot = _dot(pulled, v, names)
        jv = grad(dot, [u])[0] if isinstance(dot, Tensor) else np.zeros_like(u.value)
        bjv = np.zeros_like(jv)
        for seed, c in zip(*seen.factors(), strict=True):
            bjv += seed * (c * (seed * jv).sum(axis=0))
        for name, part in zip(names, grad(seen.out, leaves, bjv), strict=True):
            found[name] += part / len(data[0])
    return {name: f.astype(model.dtype) for name, f in found.items()}


def hessian(model: Model, data: Split, *, params: str = "weights", limit: int = LIMIT) -> Array:
    """H, the dense Hessian, column by column from products

    Parameters
    ----------
    model : Model
        Not sparse; masked weights are 0.
    data : pair of arrays
        Inputs (samples, ...) and targets.
    params : {"weights", "all"}
        Whether biases and normalisation are included.
    limit : int
        Bytes that the matrix may take.

    Returns
    -------
    array
        (N, N) in float64; N: all entries, in net order.

    Raises
    ------
    ArgumentError, ShapeError
        For a sparse model, no samples, or arrays that do not fit the net, or a matrix
        above the limit.

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.digits()
    >>> model = mp.zoo.mlp(data, hidden=(4,), seed=0)
    >>> batch = data.train[0][:8], data.train[1][:8]
    >>> mp.curvature.hessian(model, batch).shape
    (296, 296)
    """
    names = names_of(model, params)
    shapes = {name: model.net.params[name] for name in names}
    n = sum(int(np.prod(s)) for s in shapes.values())
    guard("the Hessian", 8 * n * n, limit, SMALLER)
    found = np.zeros((n, n))
    for column in range(n):
        unit = np.zeros(n, model.dtype)
        unit[column] = 1
        found[:, column] = flat(hvp(model, data, unflat(unit, shapes)), names)
    return found


def ggn(model: Model, data: Split, *, params: str = "weights", limit: int = LIMIT) -> Array:
    """GGN = (1/P) sum_p sum_o x_po x_po^T, the dense matrix of `ggn_rows`

    Parameters
    ----------
    model : Model
        Not sparse; masked weights are 0.
    data : pair of arrays
        Inputs (samples, ...) and targets.
    params : {"weights", "all"}
        Whether biases and normalisation are included.
    limit : int
        Bytes that the matrix may take.

    Returns
    -------
    array
        (N, N) in float64; N: all entries, in net order.

    Raises
    ------
    ArgumentError, ShapeError
        For a sparse model, no samples, or arrays that do not fit the net, an op without
        a rule for single samples, or a matrix above the limit.

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.digits()
    >>> model = mp.zoo.mlp(data, hidden=(4,), seed=0)
    >>> batch = data.train[0][:8], data.train[1][:8]
    >>> mp.curvature.ggn(model, batch).shape
    (296, 296)
    """
    names = names_of(model, params)
    n = sum(int(np.prod(model.net.params[name])) for name in names)
    guard("the GGN", 8 * n * n, limit, SMALLER)
    found = np.zeros((n, n))
    for rows in ggn_rows(model, data, names):
        found += rows.T @ rows
    found /= len(data[0])
    return found


def _dot(gs: Sequence[Tensor], v: Arrays, names: Sequence[str]) -> Tensor:
    parts = [total(mul(g, v[name])) for g, name in zip(gs, names, strict=True)]
    found: Tensor = sum(parts[1:], parts[0])
    return found


def _vector(model: Model, v: Arrays) -> tuple[list[str], Arrays]:
    instance("curvature", "v", v, Mapping, "{'fc1.weight': array, ...}")
    for name in known(model.params, v):
        remedy = f"pass an array like model.params[{name!r}]"
        shaped(f"{name}: v", v[name], model.net.params[name], remedy)
    names = [name for name in model.net.params if name in v]
    filled("curvature", "v", names, "pass {'fc1.weight': array, ...}")
    return names, {name: np.asarray(v[name], model.dtype) for name in names}
