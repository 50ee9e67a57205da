"""The kinds of function that `minprune verify` knows. A new kind is one row of FUNCTION_KINDS.

The command reads this table for its help: NumPy is imported only where a kind's names are asked
for.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from minprune.verify import part

# the steps of Optimal Brain Surgeon, and how each is called
OBS_STEPS = {
    "update": ("w", "inverse", "q"), "score": ("w", "inverse", "q"), "downdate": ("inverse", "q"),
    "inverse": ("batches", "damp"), "sweep": ("w", "inverse"),
}  # fmt: skip
# the functions of learned gates, and how each is called
GATE_PARTS = {
    "sample": ("log_alpha", "u"), "expected": ("log_alpha",), "test": ("log_alpha",),
    "slope": ("log_alpha", "u"), "straight_through": ("scores", "grad"),
}  # fmt: skip
# what check_curvature knows; its own file cannot be read without hypothesis
CURVATURES = (
    "hvp", "ggn_product", "hessian", "ggn", "exact", "gauss_newton", "empirical_fisher",
    "becker_lecun", "levenberg_marquardt", "hutchinson",
)  # fmt: skip


# the penalties of proximal steps, and the sizes that each takes
PROXES = {
    "l1": ("t",), "l2": ("t",), "l0": ("t",), "elastic_net": ("t1", "t2"), "group_lasso": ("t",),
    "sparse_group_lasso": ("t1", "tg"),
}  # fmt: skip


class Kind(NamedTuple):
    """One kind of function.

    takes: what it takes and returns. check: its name in minprune.verify; fn: the parameter that is
    the function. fills: the parameters that --as, --against and --draw fill; names: what --as may
    be. given: examples of --given. needs: options that must be given, with the reason. read:
    --given as arguments of the check. open: --given may name options that only the function knows.
    again: the module whose `again` a new process calls.
    """

    takes: str
    check: str
    fn: str = "fn"
    fills: Mapping[str, str] = {}
    names: Callable[[], Iterable[str]] = tuple
    given: tuple[str, ...] = ()
    needs: Mapping[str, str] = {}
    defaults: Mapping[str, Any] = {}
    read: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    open: bool = False
    again: str = ""


def criterion_as(facts: dict[str, Any]) -> dict[str, Any]:
    """The arguments of check_criterion; what --given has besides them are options."""
    own = {what: facts[what] for what in ("needs", "unit", "chunk") if what in facts}
    if "needs" in own:
        own["needs"] = tuple(str(own["needs"]).split(","))
    return own | {"options": {what: facts[what] for what in facts if what not in own}}


def twins() -> Iterable[str]:
    """The criteria that have a definition to equal, found without hypothesis."""
    part("plain.units")  # its marks, and those of plain.weights, fill the table
    names: Iterable[str] = part("plain.twin").TWINS
    return names


def scorer_as(facts: dict[str, Any]) -> dict[str, Any]:
    """The arguments of check_scorer; what --given has besides unit are options."""
    own = {what: facts[what] for what in ("unit",) if what in facts}
    return own | {"options": {what: facts[what] for what in facts if what not in own}}


def format_as(facts: dict[str, Any]) -> dict[str, Any]:
    """The arguments of check_sparse_format: the product is a function, named as others are."""
    known = {"product": part("command").function(facts["product"])} if "product" in facts else {}
    return facts | known


LIKE = {"as": "like"}
CHOICE = ("form=array", "signed=no")
FUNCTION_KINDS: dict[str, Kind] = {
    "criterion": Kind(
        "fn(weights, grads, ...) -> {name: scores}, of the evidence that its arguments name",
        "check_criterion", fills=LIKE, names=twins,
        given=("needs=weights,grads", "unit=yes", "chunk=batch"), read=criterion_as,
        open=True, again="criterion.check",
    ),
    "selector": Kind(
        "fn(scores, sparsity) -> masks, True = kept; dicts of arrays, or one array; it may take "
        "masks, minimum, protect",
        "check_selector", fills={"as": "tie"}, names=lambda: ("lower", "any"),
        given=(*CHOICE, "scope=layer", "count=any"), again="selection.check",
    ),
    "pattern": Kind(
        "fn(scores) -> mask for N:M, fn(scores, sparsity) -> mask for blocks",
        "check_pattern", fills={"as": "pattern"}, names=lambda: ("N:M", "ROWSxCOLUMNS"),
        given=(*CHOICE, "reduce=mean"), needs={"as": "N:M or ROWSxCOLUMNS"},
    ),
    "schedule": Kind(
        "fn(step) -> sparsity", "check_schedule", fills=LIKE,
        names=lambda: part("plain.rules").SCHEDULES,
        given=("initial=0.0", "final=0.9", "start=0", "span=100", "every=10"),
        defaults={"final": 0.9, "span": 100},
    ),
    "steps": Kind("fn(weights, grads, masks) -> [weights after each step]", "check_steps"),
    "kernel": Kind(
        "fn(*arguments) -> arrays, with --against and --draw: sums of products, or with a share of "
        "the largest result by which any may be off",
        "check_kernel", given=("relative=1e-12",), fills={"against": "twin", "draw": "arguments"},
        needs={"against": "its slow twin", "draw": "a function of a numpy Generator"},
    ),
    "gradient": Kind(
        "fn(x) -> df/dx, with --against f", "check_gradient", "grad", given=("roundings=100",),
        fills={"against": "f", "draw": "x"}, needs={"against": "the function whose gradient it is"},
        again="numeric.gradient",
    ),
    "allocation": Kind(
        "fn({name: shape}, sparsity) -> {name: sparsity}", "check_allocation",
        fills=LIKE, names=lambda: part("plain.rules").ALLOCATIONS,
    ),
    "shuffle": Kind("fn(masks, rng) -> masks", "check_shuffle"),
    "obs": Kind(
        "fn(w, inverse, q) -> new w; score, the same -> the rise; downdate, (inverse, q); inverse, "
        "(batches, damp); sweep, (w, inverse)",
        "check_obs", fills=LIKE, names=lambda: OBS_STEPS,
    ),
    "prox": Kind(
        "fn(v, t) -> argmin_x |x - v|^2 / 2 + penalty(x); elastic_net, (v, t1, t2); "
        "sparse_group_lasso, (v, t1, tg)",
        "check_prox", fills=LIKE, names=lambda: PROXES,
    ),
    "gate": Kind(
        "fn(log_alpha, u) -> gates of hard concrete; expected, log_alpha -> P(z > 0); test, the "
        "same -> gates; slope, as gates; straight_through, (scores, grad) -> gradient",
        "check_gate", fills=LIKE, names=lambda: GATE_PARTS,
    ),
    "curvature": Kind(
        "fn(net) -> dense matrix or {name: diagonal}, fn(net, {name: v}) -> {name: H v}; net is an "
        "Mlp of minprune.verify.plain.net",
        "check_curvature", fills=LIKE, names=lambda: CURVATURES,
        needs={"as": "the matrix, product or diagonal that it gives"},
    ),
    "hvp": Kind(
        "fn(x, v) -> H v, with --against grad", "check_hvp", "hvp", given=("roundings=100",),
        fills={"against": "grad", "draw": "x"}, needs={"against": "the gradient"},
    ),
    "compaction": Kind("fn(model) -> smaller model, of minprune", "check_compaction"),
    "layer_compaction": Kind(
        "fn(layers) -> fewer units; a list of dicts of arrays, dense, conv, batchnorm, ...",
        "check_layer_compaction",
    ),
    "counter": Kind(
        "fn(layers, x) -> (parameters, macs), of one sample of the batch x", "check_counter",
        given=("live=yes",),
    ),
    "sparse_format": Kind(
        "fn(dense) or fn(dense, mask) -> parts, with --against decode; product: "
        "fn(parts, x) -> dense @ x",
        "check_sparse_format", "encode", fills={"as": "like", "against": "decode"},
        names=lambda: ("csr", "N:M", "ROWSxCOLUMNS"), given=("product=mypkg:product",),
        needs={"against": "the function that makes it dense again"}, read=format_as,
    ),
    "scorer": Kind(
        "fn(net, batch) -> {weight: scores}, net a torch module and batch (x, y)",
        "check_scorer", fills=LIKE, names=twins, given=("unit=yes",), read=scorer_as,
        open=True,
    ),
    "counted": Kind(
        "fn([weights of each step], sparsities) -> [masks after each step]", "check_counted",
        given=("scope=layer", "count=any"),
    ),
    "rounds": Kind(
        "fn(weights, sparsity, rounds) -> [masks after each round], of a chain of dense layers",
        "check_rounds", fills=LIKE, names=lambda: ("synflow", "magnitude"), given=("count=any",),
    ),
    "rewind": Kind(
        "fn(saved, now, masks) -> state: weights, optimizer, order, step", "check_rewind",
        fills=LIKE, names=lambda: ("weights", "learning_rate"),
    ),
    "drop_and_grow": Kind(
        "fn(weights, masks, fraction) -> (weights, masks); it may take grads, rng, state",
        "check_drop_and_grow", fills=LIKE, names=lambda: ("rigl", "set"),
        given=("regrow=may", "by=sign", "count=floor"),
    ),
    "kl": Kind(
        "fn(log_alpha) -> KL of N(theta, alpha theta^2), entry by entry; or fn(theta, log_sigma2)",
        "check_kl", fills=LIKE, names=lambda: ("sparse", "gaussian"),
    ),
}  # fmt: skip


def listing() -> str:
    """What each kind of function is, what --as takes for it, and --given for example."""
    from minprune.core import EVIDENCE_KINDS

    lines = []
    for name, kind in FUNCTION_KINDS.items():
        lines.append(f"{name}: {kind.takes}")
        lines += [f"    --as {', '.join(kind.names())}"] if "as" in kind.fills else []
        others = [f"--{option}, {why}" for option, why in kind.needs.items() if option != "as"]
        lines += [f"    needs {'; '.join(others)}"] if others else []
        lines += [f"    --given {' '.join(kind.given)}"] if kind.given else []
        lines += [f"    evidence: {', '.join(EVIDENCE_KINDS)}"] if kind.read is criterion_as else []
    return "\n".join(lines)
