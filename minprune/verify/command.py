"""`minprune verify`: the laws of one kind on the function that is named, as text."""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from minprune import verify
from minprune.errors import ArgumentError
from minprune.verify.calling import function, keywords, maker, new_process
from minprune.verify.kinds import FUNCTION_KINDS, Kind, listing
from minprune.verify.verdict import RAISED, Verdicts

READ: dict[str, Callable[[str], Any]] = {"as": str, "against": function, "draw": maker}


def run(*, listed: bool, own: bool, export: str | None, name: str | None, kind: str | None,
        examples: int | None, seed: int, **asked: Any) -> tuple[str, bool]:  # fmt: skip
    """(what the command prints, whether all laws hold); raises ArgumentError for bad use."""
    if [name is not None, own, export is not None, listed].count(True) != 1:
        raise ArgumentError(
            "verify takes one of MODULE:FUNCTION, --self, --export FILE and --list; give one"
        )
    if listed:
        return listing(), True
    if export is not None:
        return verify.part("ours.export").export(export), True
    verify.part("law")  # raises MissingError without hypothesis
    from tempfile import TemporaryDirectory

    from hypothesis.configuration import set_hypothesis_home_dir

    with TemporaryDirectory() as folder:  # hypothesis would leave a folder of its own behind
        set_hypothesis_home_dir(folder)
        try:
            if own:
                return told(verify.part("ours.checks").ours(examples or 100, seed))
            found = check(str(name), kind, examples=examples, seed=seed, **asked)
            return str(found), found.ok
        finally:
            set_hypothesis_home_dir(None)


def check(
    name: str, kind: str | None, *, like: str | None = None, against: str | None = None,
    draw: str | None = None, facts: Sequence[str] = (), examples: int | None = None, seed: int = 0,
) -> Verdicts:  # fmt: skip
    """The verdicts on the function "package.module:name"

    kind: one of FUNCTION_KINDS. like: what --as takes for it. against: of a kernel its slow twin;
    of a gradient the function whose gradient it is. draw: a function of a numpy Generator that
    makes the arguments (kernel) or a point (gradient). facts: "final=0.8" and so on.

    The current folder is importable. Raises ArgumentError for what cannot be found or used.
    """
    if kind not in FUNCTION_KINDS:
        found = "is missing" if kind is None else f"is {kind!r}"
        raise ArgumentError(f"--kind {found}; it must be one of {', '.join(FUNCTION_KINDS)}")
    row = FUNCTION_KINDS[kind]
    if "" not in sys.path:
        sys.path.insert(0, "")
    given = options(kind, row, {"as": like, "against": against, "draw": draw})
    fn, named = function(name), settings(facts)
    names = [example.partition("=")[0] for example in row.given]
    for fact in named:
        if fact not in names and row.read is None:
            takes = ", ".join(names) or "nothing"
            raise ArgumentError(f"--given has {fact!r}, and this kind takes {takes}")
    read = row.read(named) if row.read else named
    test = getattr(verify, row.check)
    many: dict[str, Any] = {"seed": seed} | ({"examples": examples} if examples else {})
    many = {what: many[what] for what in keywords(test, list(many))}
    verdicts: Verdicts = test(**{row.fn: fn}, **dict(row.defaults) | read | given, **many)
    if not row.again or any(RAISED in v.sentence for v in verdicts.broken):
        return verdicts
    more = {what: word for what, word in (("like", like), ("draw", draw)) if word is not None}
    return Verdicts((*verdicts, new_process(name, row.again, **read, **more)))


def options(kind: str, row: Kind, words: Mapping[str, str | None]) -> dict[str, Any]:
    """The arguments of the check that --as, --against and --draw fill."""
    for option, what in row.needs.items():
        if words[option] is None:
            raise ArgumentError(f"a {kind} needs --{option}, {what}; give it")
    parameters = {"as": row.like if row.names else "", "against": row.against, "draw": row.draw}
    given: dict[str, Any] = {}
    for option, word in words.items():
        if word is None:
            continue
        if not parameters[option]:
            raise ArgumentError(f"--{option} says nothing about a {kind}; leave it out")
        names = row.names() if option == "as" and row.names else ()
        if names and "as" not in row.needs and word not in names:
            raise ArgumentError(
                f"--as is {word!r}; for a {kind} it must be one of {', '.join(names)}"
            )
        given[parameters[option]] = READ[option](word)
    return given


def settings(facts: Sequence[str]) -> dict[str, Any]:
    """{"final": 0.8} of ["final=0.8"]: numbers, yes and no, or text."""
    found: dict[str, Any] = {}
    for word in facts:
        name, equals, text = word.partition("=")
        if not name or not equals:
            raise ArgumentError(f"--given must be NAME=VALUE, not {word!r}; write final=0.8")
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


def told(found: Mapping[str, Verdicts]) -> tuple[str, bool]:
    """(one line for each check, then what is broken; whether all laws hold)"""
    wide = max((len(name) for name in found), default=0)
    lines = [
        f"{name:<{wide}}  {len(v) - len(v.broken)} of {len(v)} laws hold"
        for name, v in found.items()
    ]
    for name, v in found.items():
        lines += ["", f"{name}:", str(v)] if v.broken else []
    return "\n".join(lines), all(v.ok for v in found.values())
