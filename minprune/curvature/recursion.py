"""h_x = (W^2)^T h_z: diagonal second derivatives, sent back layer by layer as gradients are.

It neglects what couples the units of a layer. Source: LeCun (1989), Becker & LeCun (1989).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from minprune.autograd import ACTIVATIONS, Tensor, add, grad, sub, sum_to, value
from minprune.autograd.tape import ancestors
from minprune.core import Array, Arrays, Split
from minprune.curvature.record import Recorded, chunks, record
from minprune.curvature.samples import mean
from minprune.errors import ArgumentError
from minprune.nets.model import Model, checked, names_of


def becker_lecun(
    model: Model, data: Split, *, params: str = "weights", levenberg_marquardt: bool = False
) -> Arrays:
    """h_W = (1/P) sum_p h_z x^2, h_x = (W^2)^T h_z, h_z = f'^2 h_a + f'' dl/da

    A convolution adds up the positions of a shared weight. Exact for the output layer, and for one
    hidden dense layer under mse; elsewhere it neglects what couples the units of a layer.

    Parameters
    ----------
    model : Model
        Not sparse; masked weights are 0.
    data : pair of arrays
        Inputs (samples, ...) and targets.
    params : {"weights", "all"}
        Whether biases and normalisation are included.
    levenberg_marquardt : bool
        Whether f'' is dropped.

    Returns
    -------
    dict of arrays
        {name: shape}, in the dtype of the net.

    Raises
    ------
    ArgumentError, ShapeError
        For a sparse model, no samples, or arrays that do not fit the net, or an op without
        a rule for squared coefficients.

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.digits()
    >>> model = mp.zoo.mlp(data, hidden=(4,), seed=0)
    >>> batch = data.train[0][:8], data.train[1][:8]
    >>> mp.curvature.becker_lecun(model, batch)["fc1.weight"].shape
    (4, 64)

    Source: LeCun, Denker, Solla (1990), Optimal Brain Damage, eqs. 6 to 9.
    """
    names, data = names_of(model, params), checked(model, data)
    total = {name: np.zeros(model.params[name].shape) for name in names}
    for x, y in chunks(model, data):
        seen = record(model, x, apart=True)
        bent = [] if levenberg_marquardt else curved(seen.out)
        pulled = grad(seen.out, bent, seen.pull(y))
        back(total, seen, dict(zip(bent, pulled, strict=True)))
    return mean(model, total, len(data[0]))


def curved(out: Tensor) -> list[Tensor]:
    """The outputs of every activation on the way to out that has a second derivative."""
    return [
        t
        for t in ancestors(out)
        if t.op and t.op.second == "activation" and not ACTIVATIONS[t.settings["kind"]].linear
    ]


def back(total: Arrays, seen: Recorded, pulled: dict[Tensor, Array]) -> None:
    """total += the h of the parameters, walking back from diag(B) at the output"""
    names = seen.names
    seeds, weights = seen.factors()
    h = {seen.out: sum(c * np.square(s) for s, c in zip(seeds, weights, strict=True))}
    for t in reversed(ancestors(seen.out)):
        if t.op is None or t not in h:
            continue
        here = h.pop(t)
        moved = [x for x in t.inputs if isinstance(x, Tensor) and x not in names]
        if t.op.second == "product" and len(moved) > 1:
            raise ArgumentError(
                f"becker_lecun: the op {t.op.name} must have one factor at most that depends on "
                f"parameters before it, not two; use the diagonal 'exact' or 'gauss_newton'"
            )
        if t.op in (add, sub):
            parts = [(x, sum_to(c * c * here, shape=x.shape)) for x, c in terms(t).items()]
        else:
            need = tuple(isinstance(x, Tensor) for x in t.inputs)
            parts = list(zip(t.inputs, through(here, t, need, pulled.get(t)), strict=True))
        for x, part in parts:
            if not isinstance(x, Tensor) or part is None:
                continue
            if names.get(x) in total:
                total[names[x]] += part
            elif x not in names:
                h[x] = h[x] + part if x in h else part


def terms(t: Tensor) -> dict[Tensor, int]:
    """{x: c} with t = sum of c x, through all sums and differences: y + y - z is {y: 2, z: -1}"""
    found = {t: 1}
    for a in reversed(ancestors(t)):
        if a in found and a.op in (add, sub):
            c = found.pop(a)
            for x, sign in zip(a.inputs, (1, -1 if a.op is sub else 1), strict=True):
                if isinstance(x, Tensor):
                    found[x] = found.get(x, 0) + sign * c
    return found


def through(h: Array, t: Tensor, need: Sequence[bool], g: Array | None) -> Sequence[Any]:
    """h of the inputs of one op, from h of its output; g: the gradient at a curved activation"""
    assert t.op is not None
    inputs = tuple(map(value, t.inputs))
    if t.op.second == "activation":
        (slope,) = t.op.rule(np.ones_like(t.value), t.value, inputs, need, **t.settings)
        bend = 0 if g is None else ACTIVATIONS[t.settings["kind"]].ddf(inputs[0], t.value) * g
        return [slope * slope * h + bend]
    rule = t.op.squared or (t.op.rule if t.op.second in ("copy", "product") else None)
    if rule is None or t.settings.get("act", "none") != "none":
        raise ArgumentError(
            f"becker_lecun: the op {t.op.name} must have a rule for squared coefficients, not "
            f"none; use the diagonal 'exact', 'gauss_newton' or 'hutchinson'"
        )
    if t.op.second == "product":
        inputs = tuple(None if x is None else np.square(x) for x in inputs)
    return rule(h, t.value, inputs, need, **t.settings)
