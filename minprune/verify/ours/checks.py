"""The kit on minprune itself: its selector, schedules, kernels, gradients, compaction, criteria.

Longer than most files: one list of all that is checked.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from minprune import kernels, verify
from minprune.autograd import grad
from minprune.core import Array, Arrays, CriterionSpec, Split, flat, unflat
from minprune.criteria import CRITERIA
from minprune.curvature import hvp
from minprune.curvature.inverse import downdate, inverse_from_rows, remove
from minprune.curvature.record import record
from minprune.curvature.removal import loss
from minprune.masking.allocate import allocate
from minprune.masking.choose import choose
from minprune.methods import prox
from minprune.methods.kl import gaussian_kl, sparse_kl
from minprune.methods.sparse_variational_dropout import log_alpha
from minprune.nets.model import Model
from minprune.schedule import SCHEDULES
from minprune.train.optim import SGD, Adam, AdamW, Optimizer
from minprune.verify.ours import networks, procedures
from minprune.verify.ours.export import formula_nets
from minprune.verify.plain.rules import ALLOCATIONS, RAMPS, slow
from minprune.verify.plain.twin import TWINS
from minprune.verify.verdict import Verdicts, raised, verdict

Check = Callable[..., Verdicts]  # (examples=, seed=)


def _hessian_inverse(batches: list[Array], damp: float) -> Array:
    """H = (2/P) X X^T: rows sqrt(2) x"""
    count = sum(map(len, batches))
    return inverse_from_rows([np.sqrt(2) * x for x in batches], count, damp).inverse


# Optimal Brain Surgeon, step by step
OBS: dict[str, Callable[..., Any]] = {
    "update": lambda w, inverse, q: remove(w, inverse, q)[0],
    "score": lambda w, inverse, q: remove(w, inverse, q)[1],
    "downdate": downdate,
    "inverse": _hessian_inverse,
    "sweep": lambda w, inverse: tuple(a[0] for a in kernels.obs_sweep(w[None], inverse)[:2]),
}

# the KL terms of variational dropout, of log alpha, and as the method computes one
KL: dict[str, Callable[..., Any]] = {
    "sparse": sparse_kl, "gaussian": gaussian_kl,
    "of weights": lambda theta, log_sigma2: sparse_kl(log_alpha(theta, log_sigma2)),
}  # fmt: skip


PROXES: dict[str, Callable[..., Any]] = {
    "l1": prox.prox_l1, "l2": prox.prox_l2, "l0": prox.prox_l0,
    "elastic_net": prox.prox_elastic_net, "group_lasso": prox.prox_group_lasso,
    "sparse_group_lasso": prox.prox_sparse_group_lasso,
}  # fmt: skip


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
    "adam": Adam(weight_decay=0.01), "adamw": AdamW(),
}  # fmt: skip


def conv2d(x: Array, w: Array) -> Array:
    """The sum over windows, stride 1, no padding      (i, h, w, n), (o, i, y, x)"""
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape[2:], (1, 2))
    return np.asarray(np.einsum("ihwnyx,oiyx->ohwn", windows, w))


def smallest(scores: Array, k: int) -> Array:
    """The k that go first, by (score, higher index first)."""
    live = {"": np.ones(scores.shape, bool)}
    return ~slow({"": scores}, live, sparsity=0.0, minimum=0, count=lambda _: k)[""]


def drawing(*shapes: str) -> Callable[[np.random.Generator], tuple[Array, ...]]:
    """A function of a numpy Generator that makes arrays, one letter for each side, of 1 to 4."""

    def make(rng: np.random.Generator) -> tuple[Array, ...]:
        side = dict(zip("abcdefgh", map(int, rng.integers(1, 5, 8)), strict=True))
        # a capital is a side of an image, at least as large as the window
        side |= {n.upper(): k + int(rng.integers(0, 4)) for n, k in side.items()}
        return tuple(rng.standard_normal([side[n] for n in shape]) for shape in shapes)

    return make


def tied(rng: np.random.Generator) -> tuple[Array, int]:
    """Scores with ties, and how many go."""
    m, n = map(int, rng.integers(0, 7, 2))
    return rng.choice([-1.0, 0.0, 0.5], (m, n)), int(rng.integers(0, m * n + 1))


# name: fast, slow, arguments
KERNELS: dict[str, tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]] = {
    "matmul": (
        lambda a, b: kernels.matmul(a, b, False, False),
        lambda a, b: np.einsum("mn,np->mp", a, b), drawing("ab", "bc"),
    ),
    "conv2d": (
        lambda x, w: kernels.conv2d(x, w, None, (1, 1), (0, 0), 1, "none"),
        conv2d, drawing("aBCd", "eabc"),
    ),
    "row_dot": (
        kernels.row_dot, lambda a, b: np.einsum("cij,cij->c", a, b), drawing("abc", "abc"),
    ),
    "smallest": (kernels.smallest, smallest, tied),
}  # fmt: skip


def net_functions(model: Model, data: Split) -> tuple[Any, Any, Any, Array]:
    """(loss, gradient, Hessian product, point): of all parameters of a net as one vector"""
    x, y = data
    names, shapes = list(model.params), {n: w.shape for n, w in model.params.items()}

    def at(p: Array) -> Model:
        return replace(model, params=unflat(p, shapes))

    def value(p: Array) -> float:
        return loss(model, at(p).params, data)

    def gradient(p: Array) -> Array:
        seen = record(at(p), x)
        found = grad(seen.loss(y), [seen.leaves[n] for n in names])
        return np.concatenate([g.ravel() for g in found])

    def product(p: Array, v: Array) -> Array:
        return flat(hvp(at(p), data, unflat(v, shapes)), names)

    return value, gradient, product, flat(model.params, names)


RAMP: dict[str, Any] = {"initial": 0.1, "final": 0.8, "start": 3, "span": 20, "every": 3}
# name: what the schedule is given, what it should do
PLANS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    **dict.fromkeys(RAMPS, (RAMP, RAMP)),
    "one_shot": ({"final": 0.9, "at": 3}, {"final": 0.9, "start": 3}),
    "constant": ({"final": 0.9}, {"final": 0.9}),
    "iterative": ({"fraction": 0.2}, {"final": 1 - 0.8**9, "span": 9}),
}


def check_plan(name: str, examples: int = 0, seed: int = 0) -> Verdicts:
    """The laws of the schedule of that name, at every step."""
    given, asked = PLANS[name]
    found: Verdicts = verify.check_schedule(partial(SCHEDULES[name], **given), like=name, **asked)
    return found


def check_ours(name: str, unit: bool, examples: int, seed: int) -> Verdicts:
    """The laws of the criterion of that name; without a twin those of any criterion."""
    few = max(1, examples // 8)  # one example has a whole net
    like = name if name in TWINS else None
    found: Verdicts = verify.check_criterion(
        CRITERIA[name], like, unit=unit, examples=few, seed=seed
    )
    return found


def few(check: Check, *given: Any, **how: Any) -> Check:
    """A check whose examples are whole nets or runs: an eighth of them are tried."""

    def run(examples: int, seed: int) -> Verdicts:
        return check(*given, **how, examples=max(1, examples // 8), seed=seed)

    return run


def checks() -> Iterator[tuple[str, Check]]:
    """(name, check) of everything that --self runs."""
    yield "selector", partial(verify.check_selector, selector)
    yield "pattern 2:4", partial(verify.check_pattern, n_of_m, "2:4")
    yield "pattern 2x3", partial(verify.check_pattern, blocks, (2, 3))
    for name, rule in OPTIMIZERS.items():
        yield f"steps {name}", partial(verify.check_steps, stepping(rule))
    for name in ALLOCATIONS:
        how = partial(allocate, how=name)
        yield f"allocation {name}", partial(verify.check_allocation, how, like=name)
    for name in PLANS:
        yield f"schedule {name}", partial(check_plan, name)
    for name, row in KERNELS.items():
        yield f"kernel {name}", partial(verify.check_kernel, *row)
    for name, (model, data) in formula_nets().items():
        f, g, product, at = net_functions(model, data)
        yield f"gradient, {name}", partial(verify.check_gradient, f, g, at)
        yield f"hvp, {name}", partial(verify.check_hvp, product, g, at)
    yield "compaction", verify.check_compaction
    for name, curve in networks.CURVATURE.items():
        yield f"curvature {name}", few(verify.check_curvature, curve, name)
    yield "layer_compaction", few(verify.check_layer_compaction, networks.compacted)
    yield "counter", few(verify.check_counter, networks.counted)
    yield "counter of live weights", few(verify.check_counter, networks.counted_live, live=True)
    for name in networks.FORMATS:
        stored = networks.stored(name)
        yield f"sparse_format {name}", few(verify.check_sparse_format, *stored, name)
    host = networks.ModelHost()
    for name, unit in networks.SCORERS.items():
        fn = networks.scorer(name, unit=unit)
        of = few(verify.check_scorer, fn, name, host=host, unit=unit)
        yield f"scorer {name}" + " of units" * unit, of
    yield "counted", few(verify.check_counted, procedures.gradual)
    for name in ("synflow", "magnitude"):
        run = procedures.rounds_of(name)
        yield f"rounds {name}", few(verify.check_rounds, run, name)
    for name, like in (("weight_rewind", "weights"), ("lr_rewind", "learning_rate")):
        yield f"rewind {name}", few(verify.check_rewind, procedures.rewound_by(name), like)
    for name, move in (("rigl", procedures.rigl), ("set", procedures.set_)):
        of = few(verify.check_drop_and_grow, move, name, count="round")
        yield f"drop_and_grow {name}", of
    for name, of_gates in procedures.GATES.items():
        yield f"gate {name}", few(verify.check_gate, of_gates, name)
    for name, term in KL.items():
        like = "gaussian" if name == "gaussian" else "sparse"
        yield f"kl {name}", partial(verify.check_kl, term, like=like)
    for name, step in PROXES.items():
        yield f"prox {name}", few(verify.check_prox, step, name)
    for name, step in OBS.items():
        yield f"obs {name}", partial(verify.check_obs, step, name)
    for name, criterion in CRITERIA.items():
        spec: CriterionSpec = criterion.spec
        alone = "" if name in TWINS else " (it has no twin: general laws alone)"
        if spec.single:
            yield f"criterion {name}{alone}", partial(check_ours, name, False)
        if spec.unit:
            yield f"criterion {name} of units{alone}", partial(check_ours, name, True)


def attempted(check: Check, examples: int, seed: int) -> Verdicts:
    """The verdicts, or one that says how the check failed: no row loses the others."""
    try:
        return check(examples=examples, seed=seed)
    except Exception as error:  # of a criterion that is being written, anything
        return Verdicts([verdict("check", "the check runs", f"it raised {raised(error)}", "")])


def kinds() -> list[str]:
    """The kinds that some check of ours is of."""
    return list(dict.fromkeys(kind_of(name) for name, _ in checks()))


def kind_of(name: str) -> str:
    """The kind of a check, which its name begins with."""
    return name.replace(",", " ").split()[0]


def ours(
    examples: int = 100, seed: int = 0, only: str = "", kind: str | None = None
) -> dict[str, Verdicts]:
    """{name: verdicts} of every check whose name starts with `only`, on minprune's own functions

    kind: only checks of that kind.
    """
    return {
        name: attempted(check, examples, seed)
        for name, check in checks()
        if name.startswith(only) and kind in (None, kind_of(name))
    }
