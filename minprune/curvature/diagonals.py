"""diag(H) of the mean loss, and its substitutes: one function each, by name.

Longer than most: half of it are the sections of public docstrings.
"""

from collections.abc import Callable, Iterator
from math import inf

import numpy as np

from minprune.arguments import choice, count
from minprune.autograd import ACTIVATIONS, Tensor, grad, value
from minprune.core import Array, Arrays, Seed, Split, flat, stream, unflat
from minprune.curvature.products import hvp, own_products
from minprune.curvature.record import (
    Keys,
    Recorded,
    chunks,
    each_alone,
    outputs,
    passes,
    record,
    straight,
    together,
    unruled,
)  # fmt: skip
from minprune.curvature.recursion import becker_lecun, curved
from minprune.curvature.samples import mean, squared_grads, squares
from minprune.errors import ArgumentError
from minprune.nets.model import Model, checked, names_of

Squares = Callable[[Arrays, Recorded, Tensor, list[Array], Array], None]


def gauss_newton(model: Model, data: Split, *, params: str = "weights") -> Arrays:
    """diag(GGN) = (1/P) sum_p sum_k c_kp (J_p^T s_kp)^2

    s, c: the factors of the Hessian of the loss in the net's output. A gradient for each output.

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
    >>> h = mp.curvature.gauss_newton(model, batch)["fc1.weight"]
    >>> h.shape, bool((h >= 0).all())
    ((4, 64), True)
    """
    names, data = names_of(model, params), checked(model, data)
    total = {name: np.zeros(model.params[name].shape) for name in names}
    for seen, _ in passes("gauss_newton", model, data, each_alone(names), outputs(model.net)):
        squares(total, seen, seen.out, *seen.factors())
    return mean(model, total, len(data[0]))


def exact(model: Model, data: Split, *, params: str = "weights", limit: int = 10_000) -> Arrays:
    """diag(H) = diag(GGN) + (1/P) sum_p sum_u (dl_p/da_u) f''(z_u) (dz_u/dw)^2

    u: the units of every curved activation a = f(z). A gradient for each output, and for each unit
    and position of such an activation. Parameters for which that is not exact (see record.py), as
    before a layer of one's own that cubes its input, take a Hessian-vector product for each entry.

    Parameters
    ----------
    model : Model
        Not sparse; masked weights are 0.
    data : pair of arrays
        Inputs (samples, ...) and targets.
    params : {"weights", "all"}
        Whether biases and normalisation are included.
    limit : int
        How many such products at most.

    Returns
    -------
    dict of arrays
        {name: shape}, in the dtype of the net.

    Raises
    ------
    ArgumentError, ShapeError
        For a sparse model, no samples, or arrays that do not fit the net, or more
        products than the limit.

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.digits()
    >>> model = mp.zoo.mlp(data, hidden=(4,), seed=0)
    >>> batch = data.train[0][:8], data.train[1][:8]
    >>> mp.curvature.exact(model, batch)["fc1.weight"].shape
    (4, 64)
    """
    names, data = names_of(model, params), checked(model, data)
    count("exact", "limit", limit, least=0)
    total = {name: np.zeros(model.params[name].shape) for name in names}
    apart = second(total, model, data, squares, each_alone(names), limit)
    own_products(total, model, data, list(apart))
    return mean(model, total, len(data[0]))


def second(
    total: Arrays, model: Model, data: Split, square: Squares, keys: Keys, limit: float = inf
) -> dict[str, str]:
    """total += sum_p diag of the second derivative, `square` being what squares and adds up

    keys: see `unruled`. Returns those whose rules are not exact, which are left out; raises
    ArgumentError where they have more entries than limit.
    """
    curved_inside = not all(straight(step.act) for step in model.net.steps)
    apart: dict[str, str] | None = None
    for x, y in chunks(model, data, outputs(model.net)):
        seen = record(model, x, curved_inside)
        if apart is None:
            apart = unruled(seen, keys, curved=True)
            if (entries := sum(total[key].size for key in apart)) > limit:
                name, op = next(iter(apart.items()))
                raise ArgumentError(
                    f"exact: {name} goes through the op {op}, which has no rule for the exact "
                    f"diagonal, and {entries:,} Hessian-vector products are more than "
                    f"limit={limit:,}; use 'hutchinson' or 'gauss_newton', or pass limit={entries}"
                )
            total = {key: t for key, t in total.items() if key not in apart}
        square(total, seen, seen.out, *seen.factors())
        for z, seeds, weights in bends(seen, y, together(model, len(x))):
            square(total, seen, z, seeds, weights)
    return apart or {}


def bends(seen: Recorded, y: Array, block: int) -> Iterator[tuple[Tensor, list[Array], Array]]:
    """(z, seeds, dl_p/da f''(z)) of every curved activation a = f(z), in blocks of its units

    A seed is 1 at one unit and position, for all samples.
    """
    ends = curved(seen.out)
    for t, g in zip(ends, grad(seen.out, ends, seen.pull(y)) if ends else (), strict=True):
        z, n = t.inputs[0], t.shape[-1]
        bend = (g * ACTIVATIONS[t.settings["kind"]].ddf(value(z), t.value)).reshape(-1, n)
        for start in range(0, len(bend), block):
            seeds = []
            for u in range(start, min(start + block, len(bend))):
                seeds.append(np.zeros(z.shape, z.dtype))
                seeds[-1].reshape(-1, n)[u] = 1
            yield z, seeds, bend[start : start + block]


def hutchinson(
    model: Model, data: Split, *, params: str = "weights", samples: int = 64, seed: Seed = 0
) -> tuple[Arrays, Arrays]:
    """(mean, standard error) of v * (H v) over v of -1 and 1, which is diag(H) in the mean

    Two gradients for each v. Right for any layer.

    Parameters
    ----------
    model : Model
        Not sparse; masked weights are 0.
    data : pair of arrays
        Inputs (samples, ...) and targets.
    params : {"weights", "all"}
        Whether biases and normalisation are included.
    samples : int
        How many v, at least 2.
    seed : int or numpy Generator
        Where they come from.

    Returns
    -------
    tuple of dicts
        ({name: shape}, {name: shape}), in the dtype of the net.

    Raises
    ------
    ArgumentError, ShapeError
        For a sparse model, no samples, or arrays that do not fit the net.

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.digits()
    >>> model = mp.zoo.mlp(data, hidden=(4,), seed=0)
    >>> batch = data.train[0][:8], data.train[1][:8]
    >>> mean, error = mp.curvature.hutchinson(model, batch, samples=8, seed=0)
    >>> mean["fc1.weight"].shape == error["fc1.weight"].shape
    True

    Source: Bekas et al. (2007), An estimator for the diagonal of a matrix.
    """
    count("hutchinson", "samples", samples, least=2)
    names, rng = names_of(model, params), stream(seed, "hutchinson")
    shapes = {name: model.params[name].shape for name in names}
    mean_ = spread = np.zeros(())
    signs = np.array([-1, 1], model.dtype)
    for k in range(1, samples + 1):
        v = {name: rng.choice(signs, shape) for name, shape in shapes.items()}
        one = (flat(v, names) * flat(hvp(model, data, v), names)).astype(np.float64)
        step = one - mean_
        mean_ = mean_ + step / k
        spread = spread + step * (one - mean_)
    error = np.sqrt(spread / (samples - 1) / samples)
    mean_, error = mean_.astype(model.dtype), error.astype(model.dtype)
    return unflat(mean_, shapes), unflat(error, shapes)


DIAGONALS: dict[str, Callable[..., Arrays]] = {
    "exact": exact,
    "gauss_newton": gauss_newton,
    "becker_lecun": becker_lecun,
    "empirical_fisher": squared_grads,
    "hutchinson": lambda *args, **how: hutchinson(*args, **how)[0],
}


def diagonal(model: Model, data: Split, kind: str = "exact", **how: object) -> Arrays:
    """The diagonal of the Hessian of the mean loss, in evaluation mode, by name

    Parameters
    ----------
    model : Model
        Not sparse; masked weights are 0.
    data : pair of arrays
        Inputs (samples, ...) and targets.
    kind : {"exact", "gauss_newton", "becker_lecun", "empirical_fisher", "hutchinson"}
        Which one; see the functions of those names, and squared_grads.
    **how
        Their options: params, limit of exact, levenberg_marquardt of becker_lecun, samples and
        seed of hutchinson.

    Returns
    -------
    dict of arrays
        {name: shape}, in the dtype of the net.

    Raises
    ------
    ArgumentError, ShapeError
        For a sparse model, no samples, or arrays that do not fit the net, or another kind.

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.digits()
    >>> model = mp.zoo.mlp(data, hidden=(4,), seed=0)
    >>> batch = data.train[0][:8], data.train[1][:8]
    >>> mp.curvature.diagonal(model, batch, "gauss_newton")["fc2.weight"].shape
    (10, 4)
    """
    choice("diagonal", "kind", kind, list(DIAGONALS))
    return DIAGONALS[kind](model, data, **how)
