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


class Kind(NamedTuple):
    """One kind of function.

    takes: what it takes and returns. check: its name in minprune.verify; fn: the parameter that is
    the function. fills: the parameters that --as, --against and --draw fill; names: what --as may
    be. given: examples of --given. needs: options that must be given, with the reason. read:
    --given as arguments of the check. again: the module whose `again` a new process calls.
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


LIKE = {"as": "like"}
CHOICE = ("form=array", "signed=no")
FUNCTION_KINDS: dict[str, Kind] = {
    "criterion": Kind(
        "fn(weights, grads, ...) -> {name: scores}, of the evidence that its arguments name",
        "check_criterion", fills=LIKE, names=twins,
        given=("needs=weights,grads", "unit=yes", "chunk=batch"), read=criterion_as,
        again="criterion.check",
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
}  # fmt: skip


def listing() -> str:
    """What each kind of function is, what --as takes for it, and --given for example."""
    from minprune.core import EVIDENCE_KINDS

    lines = []
    for name, kind in FUNCTION_KINDS.items():
        lines.append(f"{name}: {kind.takes}")
        lines += [f"    --as {', '.join(kind.names())}"] if "as" in kind.fills else []
        lines += [f"    --given {' '.join(kind.given)}"] if kind.given else []
        lines += [f"    evidence: {', '.join(EVIDENCE_KINDS)}"] if kind.read is criterion_as else []
    return "\n".join(lines)
