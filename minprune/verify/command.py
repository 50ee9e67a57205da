"""`minprune verify`: the laws of one kind on the function that is named, told in words."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from minprune.errors import ArgumentError
from minprune.verify.calling import function, new_process
from minprune.verify.kinds import FUNCTION_KINDS, criterion_as, likes, listing
from minprune.verify.verdict import Verdicts


def run(*, seed: int = 0, **asked: Any) -> tuple[str, bool]:
    """(what the command prints, whether all laws hold); raises ArgumentError for bad use."""
    from tempfile import TemporaryDirectory

    from hypothesis.configuration import set_hypothesis_home_dir

    with TemporaryDirectory() as folder:  # else hypothesis leaves one of its own behind
        set_hypothesis_home_dir(folder)
        try:
            return _run(seed=seed, **asked)
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
        raise ArgumentError(
            f"--kind is missing, expected one of {', '.join(FUNCTION_KINDS)}; choose one"
        )
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

    kind: one of FUNCTION_KINDS. like: the criterion, schedule, allocation or step of OBS to equal,
    the tie rule "any" of a selector, or the pattern. against: of a kernel its slow twin;
    of a gradient the function that it derives. draw: a function of a numpy Generator that makes
    arguments (kernel), or a point (gradient). facts: "final=0.8" and the like, see FUNCTION_KINDS.

    The current folder is importable. Raises ArgumentError for what cannot be found or used.
    """
    if kind not in FUNCTION_KINDS:
        raise ArgumentError(
            f"--kind is {kind!r}, expected one of {', '.join(FUNCTION_KINDS)}; choose one"
        )
    known = likes().get(kind, ())
    if like is not None and kind != "pattern" and like not in known:
        raise ArgumentError(
            f"--as is {like!r}, and a {kind} may be checked as {', '.join(known) or 'nothing'}"
        )
    if kind not in ("kernel", "gradient") and (against or draw):
        raise ArgumentError(f"--against and --draw are for a kernel or gradient, not a {kind}")
    if "" not in sys.path:
        sys.path.insert(0, "")
    fn, given = function(name), settings(facts)
    for fact in given:
        if (
            fact not in FUNCTION_KINDS[kind].names and kind != "criterion"
        ):  # which has options of its own
            takes = ", ".join(FUNCTION_KINDS[kind].names) or "nothing"
            raise ArgumentError(f"--given has {fact!r}, and this kind takes {takes}")
    run: dict[str, Any] = {"seed": seed} | ({"examples": examples} if examples else {})
    found = FUNCTION_KINDS[kind].check(fn, like, {"against": against, "draw": draw}, given, run)
    if any("raised" in v.sentence for v in found.broken):
        return found
    if kind == "criterion":
        return Verdicts((*found, new_process(name, kind, like=like, **criterion_as(given))))
    if kind == "selector":
        return Verdicts((*found, new_process(name, kind, form=given.get("form"))))
    if kind == "gradient":
        return Verdicts((*found, new_process(name, kind, draw=draw)))
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
