"""How far two evaluations of a program may be apart by rounding, whatever their order of sums.

e' of each step from e of what it reads: |y - exact y| <= e, to first order in u, doubled.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from minprune.core import Array
from minprune.deploy import Program
from minprune.deploy import steps as kinds
from minprune.deploy.steps import Step

STEEPEST = 1.6  # the largest |f'| of the table of activations (Hardswish at 3)
ULPS = 16  # of an activation's value, and of what it takes


def bound(program: Program, x: Array, unit: float, folded: int = 4) -> Array:
    """e of the outputs      (n, outputs); unit: 2^-24 for float32, folded: roundings of a weight"""
    x = np.asarray(x, np.float64)
    values, errors = [x.reshape(len(x), *program.shapes[0])], []
    errors.append(unit * abs(values[0]))  # the input in the dtype of the program
    for step in program.steps:
        xs, es = ([known[r] for r in step.reads] for known in (values, errors))
        values.append(step.apply(*xs))
        errors.append(_error(step, xs, es, unit, folded))
    return 2 * errors[program.output]


def _error(step: Any, xs: list[Array], es: list[Array], u: float, folded: int) -> Array:
    linear: Step = replace(step, act="none") if isinstance(step, kinds.Acting) else step
    arrays = {k: a for k, a in vars(step).items() if isinstance(a, np.ndarray)}
    size: Any = replace(linear, **{k: abs(a) for k, a in arrays.items()})
    match step:
        case kinds.Mixing():
            spread = replace(size, bias=0 * step.bias).apply(es[0])
            terms = step.matrix.shape[1] + 1 + folded
            e = spread + terms * u * size.apply(abs(xs[0]))
        case kinds.Scale():
            spread = replace(size, shift=0 * step.shift).apply(es[0])
            e = spread + (2 + folded) * u * size.apply(abs(xs[0]))
        case kinds.Normalise():
            e = _normalised(step, xs[0], es[0], u)
        case kinds.Sum():
            e = sum(es) + len(xs) * u * sum(map(abs, xs))
        case kinds.Mean():
            e = step.apply(es[0]) + (1 + np.prod(step.kernel)) * u * step.apply(abs(xs[0]))
        case kinds.Activate():
            e = es[0]
        case _:
            e = step.apply(*es)
    if not isinstance(step, kinds.Acting) or step.act == "none":
        return np.asarray(e)
    z = linear.apply(*xs)
    return np.asarray(STEEPEST * e + ULPS * u * (abs(z) + abs(step.activated(z))))


def _normalised(step: Any, x: Array, e: Array, u: float) -> Array:
    runs, es = (a.reshape(len(a), step.groups, -1) for a in (x, e))
    terms = (runs.shape[2] + 3) * u
    centred = abs(runs - runs.mean(axis=2, keepdims=True))
    off = es + es.mean(axis=2, keepdims=True)
    off = off + terms * (abs(runs) + abs(runs).mean(axis=2, keepdims=True))
    var = np.mean(centred**2, axis=2, keepdims=True) + step.eps
    share = np.mean(centred * off + off * off, axis=2, keepdims=True) / var + terms
    xhat, least = (off + centred * share) / np.sqrt(var), centred / np.sqrt(var)
    g, shift = abs(kinds.rows(step.gamma, x)), abs(kinds.rows(step.beta, x))
    e = g * xhat.reshape(x.shape) + 4 * u * (g * least.reshape(x.shape) + shift)
    return np.asarray(e)
