"""The kit on minprune itself: its selector, schedules, kernels, gradients, compaction, criteria."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from minprune import kernels
from minprune.autograd import grad
from minprune.core import Array, Arrays, CriterionSpec, Split
from minprune.criteria import CRITERIA
from minprune.curvature import hvp
from minprune.curvature.inverse import downdate_set, inverse_from_rows, remove_set
from minprune.curvature.products import flat, unflat
from minprune.curvature.record import record
from minprune.curvature.removal import loss
from minprune.masking.allocate import allocate
from minprune.masking.choose import choose
from minprune.nets.model import Model
from minprune.schedule import SCHEDULES
from minprune.train.optim import SGD, Adam, AdamW, Optimizer
from minprune.verify import (
    Verdicts,
    check_allocation,
    check_compaction,
    check_criterion,
    check_gradient,
    check_hvp,
    check_kernel,
    check_obs,
    check_pattern,
    check_schedule,
    check_selector,
    check_steps,
)
from minprune.verify.ours.formula import formula_nets
from minprune.verify.plain.rules import ALLOCATIONS

Check = Callable[[int, int], Verdicts]  # (examples, seed)


def _hessian_inverse(batches: list[Array], damp: float) -> Array:
    """H = (2/P) X X^T: rows sqrt(2) x"""
    count = sum(map(len, batches))
    return inverse_from_rows([np.sqrt(2) * x for x in batches], count, damp).inverse


def _swept(w: Array, inverse: Array) -> tuple[Array, Array]:
    """(order, losses) of the one row w"""
    order, losses, _ = kernels.obs_sweep(w[None], inverse)
    return order[0], losses[0]


# Optimal Brain Surgeon, step by step
OBS: dict[str, Callable[..., Any]] = {
    "update": lambda w, inverse, q: remove_set(w, inverse, q)[0],
    "score": lambda w, inverse, q: remove_set(w, inverse, q)[1],
    "downdate": downdate_set,
    "inverse": _hessian_inverse,
    "sweep": _swept,
}


def selector(
    scores: Arrays, sparsity: float, masks: Arrays | None = None, minimum: int = 0,
    protect: tuple[str, ...] = (),
) -> Arrays:  # fmt: skip
    """`choose` with the parameters that the kit asks for."""
    return choose(scores, masks or {}, sparsity=sparsity, minimum=minimum, protect=protect)


def n_of_m(scores: Arrays, masks: Arrays | None = None) -> Arrays:
    """2:4"""
    return choose(scores, masks or {}, pattern="2:4", minimum=0)


def blocks(scores: Arrays, sparsity: float, masks: Arrays | None = None) -> Arrays:
    """Blocks of 2 outputs by 3 inputs."""
    return choose(scores, masks or {}, sparsity=sparsity, pattern=(2, 3), minimum=0)


def stepping(rule: Optimizer) -> Callable[..., list[Arrays]]:
    """The steps of an optimizer under masks, as `fit` takes them."""

    def run(weights: Arrays, grads: list[Arrays], masks: list[Arrays]) -> list[Arrays]:
        w, seen = {n: a.copy() for n, a in weights.items()}, []
        state = rule.start(w)
        for t, (g, m) in enumerate(zip(grads, masks, strict=True), 1):
            for n in w:
                rule.update(n, w[n], g[n], state, m[n], rule.lr, t)
            seen.append({n: a.copy() for n, a in w.items()})
        return seen

    return run


OPTIMIZERS: dict[str, Optimizer] = {
    "sgd": SGD(0.1, momentum=0.9, weight_decay=0.01),
    "adam": Adam(weight_decay=0.01),
    "adamw": AdamW(),
}


def conv2d(x: Array, w: Array) -> Array:
    """The definition by loops, stride 1, no padding      (i, h, w, n), (o, i, y, x)"""
    o, _, ky, kx = w.shape
    oh, ow = x.shape[1] - ky + 1, x.shape[2] - kx + 1
    out = np.zeros((o, oh, ow, x.shape[3]), x.dtype)
    for r in range(oh):
        for c in range(ow):
            for j in range(o):
                window = x[:, r : r + ky, c : c + kx, :]
                out[j, r, c] = (window * w[j][..., None]).sum((0, 1, 2))
    return out


def smallest(scores: Array, k: int) -> Array:
    """The definition: sorted by (score, higher index first)."""
    flat = scores.ravel()
    order = sorted(range(flat.size), key=lambda j: (flat[j], -j))
    out = np.zeros(flat.size, bool)
    out[order[:k]] = True
    return out.reshape(scores.shape)


def _shape(rng: np.random.Generator, *shape: int, tied: bool = False) -> Array:
    if tied:
        return rng.choice([-1.0, 0.0, 0.5], shape)
    return rng.standard_normal(shape)


def _images(rng: np.random.Generator) -> tuple[Array, Array]:
    i, o, h, n = map(int, rng.integers(1, 5, 4))
    y, x = map(int, rng.integers(1, 4, 2))
    return _shape(rng, i, h + y, h + x, n), _shape(rng, o, i, y, x)


def _pair(rng: np.random.Generator) -> tuple[Array, Array]:
    m, n, p = map(int, rng.integers(1, 9, 3))
    return _shape(rng, m, n), _shape(rng, n, p)


def _rows(rng: np.random.Generator) -> tuple[Array, Array]:
    c, n = map(int, rng.integers(1, 9, 2))
    return _shape(rng, c, n, 2), _shape(rng, c, n, 2)


def _scores(rng: np.random.Generator) -> tuple[Array, int]:
    m, n = map(int, rng.integers(0, 7, 2))
    return _shape(rng, m, n, tied=True), int(rng.integers(0, m * n + 1))


# name: fast, slow, arguments
KERNELS: dict[str, tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]] = {
    "matmul": (
        lambda a, b: kernels.matmul(a, b, False, False),
        lambda a, b: np.einsum("mn,np->mp", a, b),
        _pair,
    ),
    "conv2d": (
        lambda x, w: kernels.conv2d(x, w, None, (1, 1), (0, 0), 1, "none"), conv2d, _images,
    ),
    "row_dot": (kernels.row_dot, lambda a, b: np.einsum("cij,cij->c", a, b), _rows),
    "smallest": (kernels.smallest, smallest, _scores),
}  # fmt: skip


def net_functions(model: Model, data: Split) -> tuple[Any, Any, Any, Array]:
    """(loss, gradient, Hessian product, point): of all parameters of a net as one vector"""
    x, y = data
    names, shapes = list(model.params), {n: w.shape for n, w in model.params.items()}

    def value(p: Array) -> float:
        return loss(model, unflat(p, shapes), data)

    def gradient(p: Array) -> Array:
        seen = record(replace(model, params=unflat(p, shapes)), x)
        found = grad(seen.loss(y), [seen.leaves[n] for n in names])
        return np.concatenate([g.ravel() for g in found])

    def product(p: Array, v: Array) -> Array:
        at = replace(model, params=unflat(p, shapes))
        return flat(hvp(at, data, unflat(v, shapes)), names)

    return value, gradient, product, flat(model.params, names)


RAMP: dict[str, Any] = {"initial": 0.1, "final": 0.8, "start": 3, "span": 20, "every": 3}
# name: what the schedule is given, what it should do
PLANS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "linear": (RAMP, RAMP),
    "cubic": (RAMP, RAMP),
    "exponential": (RAMP, RAMP),
    "one_shot": ({"final": 0.9, "at": 3}, {"final": 0.9, "start": 3}),
    "constant": ({"final": 0.9}, {"final": 0.9}),
    "iterative": ({"fraction": 0.2}, {"final": 1 - 0.8**9, "span": 9}),
}


def check_plan(name: str, examples: int, seed: int) -> Verdicts:
    """The laws of the schedule of that name, at every step."""
    given, asked = PLANS[name]
    return check_schedule(partial(SCHEDULES[name], **given), like=name, **asked)


def check_ours(name: str, unit: bool, examples: int, seed: int) -> Verdicts:
    """The laws of the criterion of that name."""
    few = max(1, examples // 8)  # one example has a whole net
    return check_criterion(CRITERIA[name], name, unit=unit, examples=few, seed=seed)


def checks() -> Iterator[tuple[str, Check]]:
    """(name, check) of everything that --self runs."""

    def found(check: Callable[..., Verdicts], *args: Any) -> Check:
        return lambda examples, seed: check(*args, examples=examples, seed=seed)

    yield "selector", found(check_selector, selector)
    yield "pattern 2:4", found(check_pattern, n_of_m, "2:4")
    yield "pattern 2x3", found(check_pattern, blocks, (2, 3))
    for name, rule in OPTIMIZERS.items():
        yield f"steps {name}", found(check_steps, stepping(rule))
    for name in ALLOCATIONS:
        how = partial(allocate, how=name)
        yield f"allocation {name}", found(partial(check_allocation, like=name), how)
    for name in PLANS:
        yield f"schedule {name}", partial(check_plan, name)
    for name, row in KERNELS.items():
        yield f"kernel {name}", found(check_kernel, *row)
    for name, (model, data) in formula_nets().items():
        f, g, product, at = net_functions(model, data)
        yield f"gradient, {name}", found(check_gradient, f, g, at)
        yield f"hvp, {name}", found(check_hvp, product, g, at)
    yield "compaction", found(check_compaction)
    for name, step in OBS.items():
        yield f"obs {name}", found(check_obs, step, name)
    for name, criterion in CRITERIA.items():
        spec: CriterionSpec = criterion.spec
        if spec.single:
            yield f"criterion {name}", partial(check_ours, name, False)
        if spec.unit:
            yield f"criterion {name} of units", partial(check_ours, name, True)


def ours(examples: int = 100, seed: int = 0, only: str = "") -> dict[str, Verdicts]:
    """{name: verdicts} of every check whose name starts with `only`, on minprune's own functions"""
    return {name: check(examples, seed) for name, check in checks() if name.startswith(only)}
