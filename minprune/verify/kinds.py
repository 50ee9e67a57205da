"""The kinds of function that `minprune verify` knows: what each takes, and the check of it.

A new kind is one row of FUNCTION_KINDS and the few lines that call its check.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from minprune.core import EVIDENCE_KINDS as EVIDENCE
from minprune.errors import ArgumentError
from minprune.verify.calling import callable_as, function
from minprune.verify.laws_schedule import LIKE
from minprune.verify.verdict import Verdicts


def _selector(fn: Any, like: str | None, others: Any, given: Any, run: Any) -> Verdicts:
    from minprune.verify.selector import check_selector

    return check_selector(fn, tie="any" if like == "any" else "lower", **given, **run)


def _pattern(fn: Any, like: str | None, others: Any, given: Any, run: Any) -> Verdicts:
    from minprune.verify.pattern import check_pattern

    if like is None:
        raise ArgumentError("a pattern needs --as N:M or ROWSxCOLUMNS; give --as 2:4, for example")
    sides = like.split("x")
    blocks = len(sides) == 2 and all(side.isdecimal() for side in sides)
    asked: Any = (int(sides[0]), int(sides[1])) if blocks else like
    return check_pattern(fn, asked, **given, **run)


def _steps(fn: Any, like: str | None, others: Any, given: Any, run: Any) -> Verdicts:
    from minprune.verify.steps import check_steps

    return check_steps(fn, **run)


def _shuffle(fn: Any, like: str | None, others: Any, given: Any, run: Any) -> Verdicts:
    from minprune.verify.shuffle import check_shuffle

    return check_shuffle(fn, **run)


def _obs(fn: Any, like: str | None, others: Any, given: Any, run: Any) -> Verdicts:
    from minprune.verify.obs import check_obs

    return check_obs(fn, like or "update", **run)


def _allocation(fn: Any, like: str | None, others: Any, given: Any, run: Any) -> Verdicts:
    from minprune.verify.allocation import check_allocation

    return check_allocation(fn, like=like, **run)


def _schedule(fn: Any, like: str | None, others: Any, given: Any, run: Any) -> Verdicts:
    from minprune.verify.schedule import check_schedule

    span = 0 if like in ("one_shot", "constant") else 100
    return check_schedule(fn, like=like, **{"final": 0.9, "span": span} | given)


def _gradient(fn: Any, like: str | None, others: Any, given: Any, run: Any) -> Verdicts:
    from minprune.verify.gradient import check_gradient

    f = function(_needed("gradient", "against", others["against"], "the function that it derives"))
    x = _maker(others["draw"]) if others["draw"] else None
    found = check_gradient(f, fn, x, **given, **run)
    if x is None and all("it raised" in v.sentence for v in found):
        raise ArgumentError(
            f"f and df/dx were called with an array: {found[0].sentence.partition('but ')[2]}; "
            f"where x is something else, give --draw package.module:function, which makes one"
        )
    return found


def _kernel(fn: Any, like: str | None, others: Any, given: Any, run: Any) -> Verdicts:
    from minprune.verify.kernel import check_kernel, of_results

    twin = function(_needed("kernel", "against", others["against"], "its slow twin"))
    make = _maker(_needed("kernel", "draw", others["draw"], "a function of a numpy Generator"))
    share = given.get("relative")
    if not isinstance(share, float | None):
        raise ArgumentError(f"relative is {share!r}, expected a share; write relative=1e-12")
    bound = None if share is None else of_results(twin, share)
    return check_kernel(fn, twin, make, bound, **run)


def criterion_as(given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of check_criterion; what --given has beside them are options."""
    options = dict(given)
    needs, unit = options.pop("needs", None), options.pop("unit", False)
    chunk = options.pop("chunk", None)
    kinds = needs.split(",") if needs else None
    for kind in kinds or ():
        if kind not in EVIDENCE:
            raise ArgumentError(f"needs has {kind!r}; there are {', '.join(EVIDENCE)}")
    return {"needs": kinds, "unit": unit, "chunk": chunk, "options": options}


def _criterion(fn: Any, like: str | None, others: Any, given: Any, run: Any) -> Verdicts:
    from minprune.verify.criterion import check_criterion

    return check_criterion(fn, like, **criterion_as(given), **run)


class Kind(NamedTuple):
    """What the function is, examples of what --given takes, and its check."""

    takes: str
    given: tuple[str, ...]
    check: Callable[..., Verdicts]

    @property
    def names(self) -> list[str]:
        """Those that --given takes."""
        return [example.partition("=")[0] for example in self.given]


CHOICE = ("form=array", "signed=no")
FUNCTION_KINDS: dict[str, Kind] = {
    "criterion": Kind(
        "fn(weights, grads, ...) -> {name: scores}, of the evidence that its arguments name",
        ("needs=weights,grads", "unit=yes", "chunk=batch"), _criterion,
    ),
    "selector": Kind(
        "fn(scores, sparsity) -> masks, True = kept; dicts of arrays, or one array; it may take "
        "masks, minimum, protect", (*CHOICE, "scope=layer", "count=any"), _selector,
    ),
    "pattern": Kind(
        "fn(scores) -> mask for N:M, fn(scores, sparsity) -> mask for blocks", CHOICE, _pattern,
    ),
    "schedule": Kind(
        "fn(step) -> sparsity",
        ("initial=0.0", "final=0.9", "start=0", "span=100", "every=10"), _schedule,
    ),
    "steps": Kind("fn(weights, grads, masks) -> [weights after each step]", (), _steps),
    "kernel": Kind(
        "fn(*arguments) -> arrays, with --against and --draw: sums of products, or with a share of "
        "the largest result by which any may be off", ("relative=1e-12",), _kernel,
    ),
    "gradient": Kind("fn(x) -> df/dx, with --against f", ("roundings=100",), _gradient),
    "allocation": Kind("fn({name: shape}, sparsity) -> {name: sparsity}", (), _allocation),
    "shuffle": Kind("fn(masks, rng) -> masks", (), _shuffle),
    "obs": Kind(
        "fn(w, inverse, q) -> new w; score, the same -> the rise; downdate, (inverse, q); inverse, "
        "(batches, damp); sweep, (w, inverse)", (), _obs,
    ),
}  # fmt: skip


def _maker(spec: str) -> Any:
    """The function of a numpy Generator, which must run."""
    import numpy as np

    make = function(spec)
    callable_as(make, "rng")
    try:
        make(np.random.default_rng(0))
    except (Exception, SystemExit) as error:
        lines = str(error).strip().splitlines() or [""]
        raise ArgumentError(
            f"{spec} raised {type(error).__name__}: {lines[0]}, expected arguments made with the "
            f"numpy Generator that it is given; mend it first"
        ) from error
    return make


def _needed(kind: str, option: str, value: str | None, what: str) -> str:
    if value is None:
        raise ArgumentError(f"a {kind} needs --{option} package.module:name, {what}; give it")
    return value


def likes() -> dict[str, tuple[str, ...]]:
    """{kind: what --as takes}"""
    from minprune.verify.allocation import LIKE as RULES
    from minprune.verify.definitions_table import DEFINITIONS
    from minprune.verify.obs import STEP_LAWS

    return {
        "criterion": tuple(DEFINITIONS), "schedule": LIKE, "selector": ("lower", "any"),
        "obs": tuple(STEP_LAWS), "allocation": tuple(RULES), "pattern": ("N:M", "ROWSxCOLUMNS"),
    }  # fmt: skip


def listing() -> str:
    """What each kind of function is, what --as takes for it, and --given for example."""
    known, lines = likes(), []
    for name, kind in FUNCTION_KINDS.items():
        lines.append(f"{name}: {kind.takes}")
        lines += [f"    --as {', '.join(known[name])}"] if name in known else []
        lines += [f"    --given {' '.join(kind.given)}"] if kind.given else []
        lines += [f"    evidence: {', '.join(EVIDENCE)}"] if name == "criterion" else []
    return "\n".join(lines)
