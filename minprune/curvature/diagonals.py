"""Diagonals of the Hessian and of what stands in for it: one function each, by name."""

from collections.abc import Callable, Iterator

import numpy as np

from minprune.autograd import ACTIVATIONS, Tensor, grad, value
from minprune.core import Array, Arrays, Seed, Split, stream
from minprune.curvature.checks import checked, names_of
from minprune.curvature.products import hvp, own_products
from minprune.curvature.record import Recorded, chunks, factors, outputs, record, together
from minprune.curvature.recursion import becker_lecun, curved
from minprune.curvature.rules import bent, need_rules, unruled
from minprune.curvature.samples import mean, squared_grads, squares
from minprune.errors import ArgumentError
from minprune.nets.model import Model

Squares = Callable[[Arrays, Recorded, Tensor, list[Array], Array], None]


def gauss_newton(model: Model, data: Split, *, params: str = "weights") -> Arrays:
    """diag(GGN) = (1/P) sum_p sum_k c_kp (J_p^T s_kp)^2      {name: shape}

    s, c: the factors of the Hessian of the loss in the net's output. One gradient for each output.
    """
    names, data = names_of(model, params), checked(model, data)
    need_rules("gauss_newton", model, data[0], {name: [name] for name in names})
    total = {name: np.zeros(model.params[name].shape) for name in names}
    for x, _ in chunks(model, data, outputs(model.net)):
        seen = record(model, x)
        squares(total, seen, seen.out, *factors(model.net, seen.out.value))
    return mean(model, total, len(data[0]))


def exact(model: Model, data: Split, *, params: str = "weights", limit: int = 10_000) -> Arrays:
    """diag(H) = diag(GGN) + (1/P) sum_p sum_u (dl_p/da_u) f''(z_u) (dz_u/dw)^2

    u: the units of every curved activation f. A gradient for each output, and for each unit and
    position of such an activation. Where that is not exact (see rules.py), as for a layer of one's
    own that is no polynomial of degree one in a weight, a Hessian-vector product for each entry.
    """
    names, data = names_of(model, params), checked(model, data)
    total = {name: np.zeros(model.params[name].shape) for name in names}
    apart = unruled(model, data[0], {name: [name] for name in names}, curved=True)
    entries = sum(total[name].size for name in apart)
    if entries > limit:
        name, op = next(iter(apart.items()))
        raise ArgumentError(
            f"exact: {name} goes through the op {op}, which has no rule for the exact diagonal, "
            f"and {entries:,} Hessian-vector products are more than limit={limit:,}; "
            f"use 'hutchinson' or 'gauss_newton', or pass limit={entries}"
        )
    ruled = {name: t for name, t in total.items() if name not in apart}
    if ruled:
        second(ruled, model, data, squares)
    own_products(total, model, data, list(apart))
    return mean(model, total, len(data[0]))


def second(total: Arrays, model: Model, data: Split, square: Squares) -> None:
    """total += sum_p diag of the second derivative, `square` being what squares and adds up"""
    apart = bent(model)
    for x, y in chunks(model, data, outputs(model.net)):
        seen = record(model, x, apart)
        square(total, seen, seen.out, *factors(model.net, seen.out.value))
        for z, weights in bends(seen, y):
            for seeds, part in units(z, weights, together(model, len(x))):
                square(total, seen, z, seeds, part)


def bends(seen: Recorded, y: Array) -> Iterator[tuple[Tensor, Array]]:
    """(z, dl_p/da f''(z)) of every curved activation a = f(z)"""
    ends = curved(seen.out)
    for t, g in zip(ends, grad(seen.out, ends, seen.pull(y)) if ends else (), strict=True):
        z = t.inputs[0]
        yield z, g * ACTIVATIONS[t.settings["kind"]].ddf(value(z), t.value)


def units(z: Tensor, weights: Array, block: int) -> Iterator[tuple[list[Array], Array]]:
    """Seeds that are 1 at one unit and position, for all samples, with its weights: in blocks"""
    n, size = z.shape[-1], int(np.prod(z.shape[:-1]))
    flat = weights.reshape(size, n)
    for start in range(0, size, block):
        seeds = []
        for u in range(start, min(start + block, size)):
            seed = np.zeros((size, n), z.dtype)
            seed[u] = 1
            seeds.append(seed.reshape(z.shape))
        yield seeds, flat[start : start + block]


def hutchinson(
    model: Model, data: Split, *, params: str = "weights", samples: int = 64, seed: Seed = 0
) -> tuple[Arrays, Arrays]:
    """(mean, standard error) of v * (H v) over Rademacher v, which is diag(H) in the mean

    samples: how many v, at least 2. Two gradients each. Source: Bekas et al. (2007), An estimator
    for the diagonal of a matrix, with v of -1 and 1.
    """
    if isinstance(samples, bool) or not isinstance(samples, int | np.integer) or samples < 2:
        raise ArgumentError(
            f"samples is {samples!r}, expected an integer of at least 2; give samples=64"
        )
    names, rng = names_of(model, params), stream(seed, "hutchinson")
    mean_: Arrays = {name: np.zeros(model.params[name].shape) for name in names}
    spread: Arrays = {name: np.zeros(model.params[name].shape) for name in names}
    for count in range(1, samples + 1):
        v = {
            name: rng.choice(np.array([-1, 1], model.dtype), model.params[name].shape)
            for name in names
        }
        for name, hv in hvp(model, data, v).items():
            one = (v[name] * hv).astype(np.float64)
            step = one - mean_[name]
            mean_[name] = mean_[name] + step / count
            spread[name] = spread[name] + step * (one - mean_[name])
    error = {n: np.sqrt(s / (samples - 1) / samples).astype(model.dtype) for n, s in spread.items()}
    return {n: m.astype(model.dtype) for n, m in mean_.items()}, error


DIAGONALS: dict[str, Callable[..., Arrays]] = {
    "exact": exact,
    "gauss_newton": gauss_newton,
    "becker_lecun": becker_lecun,
    "empirical_fisher": squared_grads,
    "hutchinson": lambda *args, **how: hutchinson(*args, **how)[0],
}


def diagonal(model: Model, data: Split, kind: str = "exact", **how: object) -> Arrays:
    """The diagonal called `kind`: exact, gauss_newton, becker_lecun, empirical_fisher, hutchinson

    {name: shape}, of the mean loss over the data, in evaluation mode. how: params="weights" |
    "all"; levenberg_marquardt of becker_lecun; samples and seed of hutchinson.
    """
    if kind not in DIAGONALS:
        raise ArgumentError(
            f"diagonal is {kind!r}, expected one of {', '.join(DIAGONALS)}; choose one of them"
        )
    return DIAGONALS[kind](model, data, **how)
