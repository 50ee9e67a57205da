"""`minprune verify`: the laws of one kind on the function that is named, told in words."""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from minprune.core import KINDS as EVIDENCE
from minprune.errors import ArgumentError
from minprune.verify.calling import located, new_process
from minprune.verify.laws_schedule import LIKE
from minprune.verify.verdict import Verdicts

KINDS = ("criterion", "selector", "schedule", "kernel", "gradient", "allocation", "shuffle", "obs")
SCHEDULE = {"initial": 0.0, "final": 0.9, "start": 0, "span": 100, "every": 1}


def run(
    name: str | None,
    kind: str | None,
    own: bool,
    export: str | None,
    listed: bool,
    examples: int | None,
    seed: int,
    **asked: Any,
) -> tuple[str, bool]:
    """(what the command prints, whether all laws hold); raises ArgumentError for bad use."""
    from tempfile import TemporaryDirectory

    from hypothesis.configuration import set_hypothesis_home_dir

    with TemporaryDirectory() as folder:  # else hypothesis leaves one of its own behind
        set_hypothesis_home_dir(folder)
        try:
            return _run(name, kind, own, export, listed, examples, seed, **asked)
        finally:
            set_hypothesis_home_dir(None)


def _run(
    name: str | None,
    kind: str | None,
    own: bool,
    export: str | None,
    listed: bool,
    examples: int | None,
    seed: int,
    **asked: Any,
) -> tuple[str, bool]:
    if [name is not None, own, export is not None, listed].count(True) != 1:
        raise ArgumentError(
            "verify takes one of MODULE:FUNCTION, --self, --export FILE and --list; give one"
        )
    if listed:
        return listing(), True
    if export is not None:
        from minprune.verify.ours_export import export as write

        return write(export), True
    if own:
        from minprune.verify.ours import ours

        found = ours(examples or 100, seed)
        return told(found), all(v.ok for v in found.values())
    if kind is None:
        raise ArgumentError(f"--kind is missing, expected one of {', '.join(KINDS)}; choose one")
    verdicts = check(str(name), kind, examples=examples, seed=seed, **asked)
    return str(verdicts), verdicts.ok


def check(
    name: str,
    kind: str,
    *,
    like: str | None = None,
    against: str | None = None,
    draw: str | None = None,
    facts: Sequence[str] = (),
    examples: int | None = None,
    seed: int = 0,
) -> Verdicts:
    """The verdicts on the function "package.module:name"

    kind: one of KINDS. like: the criterion, schedule or step of Optimal Brain Surgeon to equal, or
    the tie rule "any" of a selector. against: of a kernel its slow twin; of a gradient the function
    that it derives. draw: a function of a numpy Generator that makes arguments (kernel), or a point
    (gradient). facts: "final=0.8" and the like, for a schedule; "needs=weights,grads", "unit=yes"
    and options, for a criterion.

    The current folder is importable. Raises ArgumentError for what cannot be found or used.
    """
    if kind not in KINDS:
        raise ArgumentError(f"--kind is {kind!r}, expected one of {', '.join(KINDS)}; choose one")
    if like is not None and like not in likes().get(kind, ()):
        names = ", ".join(likes().get(kind, ())) or "nothing"
        raise ArgumentError(f"--as is {like!r}, and a {kind} may be checked as {names}")
    if "" not in sys.path:
        sys.path.insert(0, "")
    fn = located(name)
    if not callable(fn):
        raise ArgumentError(f"{name} is of type {type(fn).__name__}, expected a function")
    run: dict[str, Any] = {"seed": seed} | ({"examples": examples} if examples else {})
    others = {"against": against, "draw": draw}
    found: Verdicts = CHECKS[kind](fn, like, others, settings(facts), run)
    if kind in ("selector", "gradient") and not any("raised" in v.sentence for v in found.broken):
        return Verdicts((*found, new_process(name, kind, "again")))
    return found


def settings(facts: Sequence[str]) -> dict[str, Any]:
    """{"final": 0.8} of ["final=0.8"]: numbers, yes and no, or text."""
    found: dict[str, Any] = {}
    for word in facts:
        name, equals, text = word.partition("=")
        if not name or not equals:
            raise ArgumentError(f"--given has {word!r}, expected NAME=VALUE; write final=0.8")
        found[name] = number(text)
    return found


def number(text: str) -> Any:
    """An int, a float, a bool for yes and no, or the text."""
    if text in ("yes", "no"):
        return text == "yes"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _selector(fn: Any, like: str | None, others: Any, given: Any, run: Any) -> Verdicts:
    from minprune.verify.selector import check_selector

    rest = _known(given, ("form", "scope"))
    return check_selector(fn, tie="any" if like == "any" else "lower", **rest, **run)


def _shuffle(fn: Any, like: str | None, others: Any, given: Any, run: Any) -> Verdicts:
    from minprune.verify.shuffle import check_shuffle

    return check_shuffle(fn, **_known(given, ()), **run)


def _obs(fn: Any, like: str | None, others: Any, given: Any, run: Any) -> Verdicts:
    from minprune.verify.obs import check_obs

    return check_obs(fn, like or "update", **_known(given, ()), **run)


def _allocation(fn: Any, like: str | None, others: Any, given: Any, run: Any) -> Verdicts:
    from minprune.verify.allocation import check_allocation

    return check_allocation(fn, **_known(given, ()), **run)


def _schedule(fn: Any, like: str | None, others: Any, given: Any, run: Any) -> Verdicts:
    from minprune.verify.schedule import check_schedule

    asked: dict[str, Any] = SCHEDULE | _known(given, tuple(SCHEDULE))
    if like in ("one_shot", "constant") and "span" not in given:
        asked["span"] = 0
    return check_schedule(fn, like=like, **asked)


def _gradient(fn: Any, like: str | None, others: Any, given: Any, run: Any) -> Verdicts:
    from minprune.verify.gradient import check_gradient

    f = located(_needed("gradient", "against", others["against"], "the function that it derives"))
    x = located(others["draw"]) if others["draw"] else None
    return check_gradient(f, fn, x, **_known(given, ("roundings",)), **run)


def _kernel(fn: Any, like: str | None, others: Any, given: Any, run: Any) -> Verdicts:
    from minprune.verify.kernel import check_kernel

    twin = located(_needed("kernel", "against", others["against"], "its slow twin"))
    make = located(_needed("kernel", "draw", others["draw"], "a function of a numpy Generator"))
    return check_kernel(fn, twin, make, **_known(given, ()), **run)


def _criterion(fn: Any, like: str | None, others: Any, given: Any, run: Any) -> Verdicts:
    from minprune.verify.criterion import check_criterion

    options = dict(given)
    needs, unit = options.pop("needs", None), options.pop("unit", False)
    over = options.pop("over", None)
    kinds = needs.split(",") if needs else None
    for kind in kinds or ():
        if kind not in EVIDENCE:
            raise ArgumentError(f"needs has {kind!r}; there are {', '.join(EVIDENCE)}")
    return check_criterion(fn, like, kinds, unit, options, over=over, **run)


CHECKS: dict[str, Callable[..., Verdicts]] = {
    "criterion": _criterion,
    "selector": _selector,
    "schedule": _schedule,
    "kernel": _kernel,
    "gradient": _gradient,
    "allocation": _allocation,
    "shuffle": _shuffle,
    "obs": _obs,
}


def _known(given: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    for name in given:
        if name not in names:
            known = ", ".join(names) or "nothing"
            raise ArgumentError(f"--given has {name!r}, and this kind takes {known}")
    return dict(given)


def _needed(kind: str, option: str, value: str | None, what: str) -> str:
    if value is None:
        raise ArgumentError(f"a {kind} needs --{option} package.module:name, {what}; give it")
    return value


def likes() -> dict[str, tuple[str, ...]]:
    """{kind: what --as takes}"""
    from minprune.verify.definitions_table import DEFINITIONS
    from minprune.verify.obs import KINDS as STEPS

    return {
        "criterion": tuple(DEFINITIONS), "schedule": LIKE, "selector": ("lower", "any"),
        "obs": tuple(STEPS),
    }  # fmt: skip


def listing() -> str:
    """What --kind and --as take, a line for each kind."""
    known = likes()
    wide = max(map(len, KINDS))
    return "\n".join(f"{kind:<{wide}}  {', '.join(known.get(kind, ('-',)))}" for kind in KINDS)


def told(found: Mapping[str, Verdicts]) -> str:
    """One line for each check, then what is broken, then how many laws hold."""
    wide = max((len(name) for name in found), default=0)
    lines = [
        f"{name:<{wide}}  {len(v) - len(v.broken)} of {len(v)} laws hold"
        for name, v in found.items()
    ]
    for name, v in found.items():
        lines += ["", f"{name}:", str(v)] if v.broken else []
    return "\n".join(lines)
