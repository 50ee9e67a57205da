"""H v and GGN v, exact, through the derivative rules; and the dense matrices of small nets."""

from collections.abc import Mapping, Sequence

import numpy as np

from minprune.autograd import Tensor, grad, mul, total
from minprune.core import Array, Arrays, Split
from minprune.curvature.checks import checked, guard, names_of
from minprune.curvature.record import chunks, factors, record
from minprune.curvature.samples import LIMIT, ggn_rows
from minprune.errors import ArgumentError, ShapeError
from minprune.nets.model import Model, is_model

SMALLER = "use a smaller net, or raise limit="


def hvp(model: Model, data: Split, v: Arrays) -> Arrays:
    """H v, H = d2L/dw2 over the parameters that v names      {name: shape} -> {name: shape}

    Exact: the derivative of sum(g v), through the backward pass, in evaluation mode. Chunks of
    samples add up in float64. Raises ArgumentError or ShapeError where v has other names or shapes
    than the net. Source: Pearlmutter (1994), Fast Exact Multiplication by the Hessian.
    """
    names, v = _vector(model, v)
    data = checked(model, data)
    found = {name: np.zeros(model.params[name].shape) for name in names}
    for x, y in chunks(model, data):
        seen = record(model, x)
        leaves = [seen.leaves[name] for name in names]
        gs = grad(seen.loss(y), leaves, create_graph=True)
        _add(found, names, _dot(gs, v, names), leaves, len(x) / len(data[0]))
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
    """GGN v = (1/P) sum_p J_p^T B_p J_p v      {name: shape} -> {name: shape}

    B: the Hessian of the loss in the net's output. J v is the derivative of u -> J^T u, dotted
    with v. Source: Schraudolph (2002), Fast Curvature Matrix-Vector Products.
    """
    names, v = _vector(model, v)
    data = checked(model, data)
    found = {name: np.zeros(model.params[name].shape) for name in names}
    for x, _ in chunks(model, data):
        seen = record(model, x)
        leaves = [seen.leaves[name] for name in names]
        u = Tensor(np.zeros_like(seen.out.value))
        pulled = grad(seen.out, leaves, u, create_graph=True)
        dot = _dot(pulled, v, names)
        jv = grad(dot, [u])[0] if isinstance(dot, Tensor) else np.zeros_like(u.value)
        bjv = np.zeros_like(jv)
        for seed, c in zip(*factors(model.net, seen.out.value), strict=True):
            bjv += seed * (c * (seed * jv).sum(axis=0))
        parts = grad(seen.out, leaves, bjv)
        for name, part in zip(names, parts, strict=True):
            found[name] += part / len(data[0])
    return {name: f.astype(model.dtype) for name, f in found.items()}


def hessian(model: Model, data: Split, *, params: str = "weights", limit: int = LIMIT) -> Array:
    """H, (N, N) in float64, column by column from products; N: all entries, in net order

    Raises ArgumentError, naming the bytes, where it would take more than `limit`.
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
    """GGN = (1/P) sum_po x_po x_po^T, (N, N) in float64; see `ggn_rows`

    Raises ArgumentError, naming the bytes, where it would take more than `limit`.
    """
    names = names_of(model, params)
    n = sum(int(np.prod(model.net.params[name])) for name in names)
    guard("the GGN", 8 * n * n, limit, SMALLER)
    found = np.zeros((n, n))
    for rows in ggn_rows(model, data, names):
        found += rows.T @ rows
    found /= len(data[0])
    return found


def flat(arrays: Arrays, names: Sequence[str]) -> Array:
    """The named arrays one after another, (N,)"""
    return np.concatenate([arrays[name].ravel() for name in names])


def unflat(vector: Array, shapes: dict[str, tuple[int, ...]]) -> Arrays:
    """(N,) -> {name: shape}"""
    found, start = {}, 0
    for name, shape in shapes.items():
        size = int(np.prod(shape))
        found[name] = vector[start : start + size].reshape(shape)
        start += size
    return found


def _dot(gs: Sequence[Tensor], v: Arrays, names: Sequence[str]) -> Tensor:
    parts = [total(mul(g, v[name])) for g, name in zip(gs, names, strict=True)]
    found: Tensor = sum(parts[1:], parts[0])
    return found


def _add(
    found: Arrays, names: Sequence[str], dot: Tensor, leaves: Sequence[Tensor], share: float
) -> None:
    if isinstance(dot, Tensor):
        for name, part in zip(names, grad(dot, leaves, free=True), strict=True):
            found[name] += part.astype(np.float64) * share


def _vector(model: Model, v: Arrays) -> tuple[list[str], Arrays]:
    is_model(model, "curvature")
    if not isinstance(v, Mapping):
        raise ArgumentError(
            f"v is {type(v).__name__}, expected a dict of arrays by full name; "
            f"give {{'fc1.weight': array, ...}}"
        )
    for name, a in v.items():
        if name not in model.net.params:
            raise ArgumentError(
                f"v has {name!r}, which is no parameter of this net; it has "
                f"{', '.join(model.net.params)}"
            )
        if np.shape(a) != model.net.params[name]:
            raise ShapeError(
                f"{name}: v is {np.shape(a)}, the parameter is {model.net.params[name]}; "
                f"give v the shapes of the parameters"
            )
    names = [name for name in model.net.params if name in v]
    if not names:
        raise ArgumentError("v is empty, expected an array for a parameter; give one at least")
    return names, {name: np.asarray(v[name], model.dtype) for name in names}
