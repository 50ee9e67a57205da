"""h_x = (W^2)^T h_z: diagonal second derivatives, sent back layer by layer as gradients are.

It neglects what couples the units of a layer. Source: LeCun (1989), Becker & LeCun (1989).
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minprune import autograd as ag
from minprune.autograd import Op, Tensor, value
from minprune.autograd.tape import ancestors
from minprune.core import Array, Arrays, Split
from minprune.curvature.checks import checked, names_of
from minprune.curvature.record import Recorded, chunks, factors, record
from minprune.curvature.samples import mean
from minprune.errors import ArgumentError
from minprune.nets.model import Model

# act'' in terms of the output y
CURVED: dict[str, Callable[[Array], Array]] = {
    "tanh": lambda y: -2 * y * (1 - y * y),
    "sigmoid": lambda y: y * (1 - y) * (1 - 2 * y),
}


def becker_lecun(
    model: Model, data: Split, *, params: str = "weights", levenberg_marquardt: bool = False
) -> Arrays:
    """h_W = (1/P) sum_p h_z x^2, h_x = (W^2)^T h_z, h_z = f'^2 h_a + f'' dl/da      {name: shape}

    A convolution adds up the positions of a shared weight. levenberg_marquardt=True drops f''.
    Exact for the output layer, and for one hidden dense layer under mse. Source: LeCun, Denker,
    Solla (1990), Optimal Brain Damage, eqs. 6 to 9.
    """
    names, data = names_of(model, params), checked(model, data)
    total = {name: np.zeros(model.params[name].shape) for name in names}
    for x, y in chunks(model, data):
        seen = record(model, x, apart=True)
        bent = [] if levenberg_marquardt else curved(seen.out)
        pulled = ag.grad(seen.out, bent, seen.pull(y))
        back(total, seen, dict(zip(bent, pulled, strict=True)))
    return mean(model, total, len(data[0]))


def curved(out: Tensor) -> list[Tensor]:
    """The outputs of every activation on the way to out that has a second derivative."""
    return [t for t in ancestors(out) if t.op is ag.act and t.settings["kind"] in CURVED]


def back(total: Arrays, seen: Recorded, pulled: dict[Tensor, Array]) -> None:
    """total += the h of the parameters, walking back from diag(B) at the output"""
    names = {t: name for name, t in seen.leaves.items()}
    seeds, weights = factors(seen.net, seen.out.value)
    h = {seen.out: sum(c * np.square(s) for s, c in zip(seeds, weights, strict=True))}
    for t in reversed(ancestors(seen.out)):
        if t.op is None or t not in h:
            continue
        here = h.pop(t)
        need = tuple(isinstance(x, Tensor) for x in t.inputs)
        for x, part in zip(t.inputs, through(here, t, need, pulled.get(t)), strict=True):
            if not isinstance(x, Tensor) or part is None:
                continue
            if names.get(x) in total:
                total[names[x]] += part
            elif x not in names:
                h[x] = h[x] + part if x in h else part


def through(h: Array, t: Tensor, need: Sequence[bool], g: Array | None) -> Sequence[Any]:
    """h of the inputs of one op, from h of its output; g: the gradient at the output of an act"""
    if t.op is ag.act:
        kind, y = t.settings["kind"], t.value
        slope = ag.act_grad(np.ones_like(y), y, kind=kind)
        return [slope * slope * h + (0 if g is None else CURVED[kind](y) * g)]
    if t.op in LINEAR:
        inputs = tuple(None if x is None else np.square(value(x)) for x in t.inputs)
    elif t.op in SAME:
        inputs = tuple(map(value, t.inputs))
    elif t.op is ag.avg_pool:
        inputs = tuple(map(value, t.inputs))
        ky, kx = t.settings["kernel"]
        h = h / (ky * kx)  # with the 1/k of the op itself: 1/k^2
    else:
        raise ArgumentError(
            f"the op {t.op.name if t.op else ''} has no second-order rule, expected one of those "
            f"that layers are made of; use another diagonal, such as 'exact'"
        )
    assert t.op is not None
    return t.op.rule(h, t.value, inputs, need, **t.settings)


LINEAR: tuple[Op, ...] = (ag.affine, ag.conv2d, ag.scale_shift)  # the rule with squared inputs
SAME: tuple[Op, ...] = (ag.pick, ag.reshape, ag.concat, ag.add)  # factors 0 and 1: the rule itself
