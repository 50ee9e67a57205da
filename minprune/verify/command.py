"""`minprune verify`: the laws of one kind on the function that is named, as text.

Longer than most files: how a function is found and called again stands with its options.
"""

import inspect
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from minprune import verify
from minprune.arguments import function, meant, one_of
from minprune.errors import ArgumentError
from minprune.text import wrapped
from minprune.verify.kinds import FUNCTION_KINDS, Kind, listing
from minprune.verify.trees import fingerprint
from minprune.verify.verdict import RAISED, Verdict, Verdicts, raised, verdict

PROBE = """
import sys
from math import inf, nan
sys.path[:] = {path!r}
from minprune.verify.command import again
print("fingerprint", again({spec!r}, {module!r}, **{given!r}))
"""


def run(*, listed: bool, own: bool, export: str | None, name: str | None, kind: str | None,
        examples: int | None, seed: int, **asked: Any) -> tuple[str, bool]:  # fmt: skip
    """(what the command prints, whether all laws hold); raises ArgumentError for bad use."""
    if [name is not None, own, export is not None, listed].count(True) != 1:
        raise ArgumentError("verify: give one of MODULE:FUNCTION, --self, --export FILE and --list")
    if listed:
        return wrapped(listing()), True
    if export is not None:
        return verify.part("ours.export").export(export), True
    verify.part("law")  # raises MissingError without hypothesis
    from tempfile import TemporaryDirectory

    from hypothesis.configuration import set_hypothesis_home_dir

    with TemporaryDirectory() as folder:  # hypothesis would leave a folder of its own behind
        set_hypothesis_home_dir(folder)
        try:
            if own:
                return itself(kind, examples or 100, seed)
            found = check(str(name), kind, examples=examples, seed=seed, **asked)
            return str(found) + hint(found, bool(asked.get("torch"))), found.ok
        finally:
            set_hypothesis_home_dir(None)


def check(
    name: str, kind: str | None, *, like: str | None = None, against: str | None = None,
    draw: str | None = None, facts: Sequence[str] = (), examples: int | None = None, seed: int = 0,
    torch: bool = False,
) -> Verdicts:  # fmt: skip
    """The verdicts on the function "package.module:name"

    kind: one of FUNCTION_KINDS. like: what --as takes for it. against: of a kernel its slow twin;
    of a gradient the function whose gradient it is. draw: a function of a numpy Generator that
    makes the arguments (kernel) or a point (gradient). facts: "final=0.8" and so on. torch: the
    functions take and return tensors.

    The current folder is importable. Raises ArgumentError for what cannot be found or used.
    """
    if kind is None:
        raise ArgumentError(f"--kind is missing; it must be one of {', '.join(FUNCTION_KINDS)}")
    row = FUNCTION_KINDS[one_of("verify", "--kind", kind, FUNCTION_KINDS)]
    if "" not in sys.path:
        sys.path.insert(0, "")
    if torch:
        verify.part("tensors").torch_module()  # raises MissingError without it
    as_given = verify.on_tensors if torch else untorched
    given = options(kind, row, {"as": like, "against": against, "draw": draw}, as_given)
    fn, named = as_given(function(name)), settings(facts)
    known = [example.partition("=")[0] for example in row.given]
    for fact in named:
        if fact not in known and not row.open:
            listed = ", ".join(known) or "nothing"
            said = f"--given has {fact!r}, and this kind takes {listed}"
            near = meant(fact, known, "")
            raise ArgumentError(f"{said}; {near}" if near else said)
    read = row.read(named) if row.read else named
    ready = {what: as_given(v) if callable(v) else v for what, v in read.items()}
    test = getattr(verify, row.check)
    takes = inspect.signature(test).parameters
    many = {"seed": seed, "examples": examples}
    given |= {what: n for what, n in many.items() if what in takes and n is not None}
    verdicts: Verdicts = test(**{row.fn: fn}, **dict(row.defaults) | ready | given)
    if not row.again or any(RAISED in v.sentence for v in verdicts.broken):
        return verdicts
    return Verdicts(
        (*verdicts, new_process(name, row.again, like=like, draw=draw, torch=torch, **read))
    )


def hint(found: Verdicts, torch: bool) -> str:
    """What to add where a function of tensors was given arrays."""
    signs = ("Tensor", "'numpy.ndarray' object has no attribute")
    wants = any(RAISED in v.sentence and any(s in v.sentence for s in signs) for v in found.broken)
    return "\nwhere it takes tensors of torch, add --torch" if wants and not torch else ""


def itself(kind: str | None, examples: int, seed: int) -> tuple[str, bool]:
    """What --self prints, of one kind or of all."""
    own = verify.part("ours.checks")
    if kind is not None:
        one_of("verify", "--kind", kind, FUNCTION_KINDS)
        if kind not in own.kinds():
            raise ArgumentError(
                f"verify: --kind must be a kind that minprune has functions of, not {kind!r}; "
                f"leave it out to check them all"
            )
    return summary(own.ours(examples, seed, kind=kind))


def untorched(fn: Callable[..., Any]) -> Callable[..., Any]:
    """A function of arrays is called as it is."""
    return fn


def options(
    kind: str, row: Kind, words: Mapping[str, str | None],
    as_given: Callable[[Callable[..., Any]], Callable[..., Any]] = untorched,
) -> dict[str, Any]:  # fmt: skip
    """The arguments of the check that --as, --against and --draw fill."""
    given: dict[str, Any] = {}
    for option, word in words.items():
        if word is None:
            if option in row.needs:
                raise ArgumentError(f"a {kind} needs --{option}, {row.needs[option]}; give it")
            continue
        if option not in row.fills:
            raise ArgumentError(f"--{option} says nothing about a {kind}; leave it out")
        read = READ[option](word)
        given[row.fills[option]] = as_given(read) if option == "against" else read
    return given


def settings(facts: Sequence[str]) -> dict[str, Any]:
    """{"final": 0.8} of ["final=0.8"]: numbers, yes and no, or text."""
    found: dict[str, Any] = {}
    for word in facts:
        name, equals, text = word.partition("=")
        if not name or not equals:
            raise ArgumentError(f"--given must be NAME=VALUE, not {word!r}; write final=0.8")
        if "=" in text:
            apart = word.replace(",", " ")
            raise ArgumentError(f"--given must be NAME=VALUE, not {word!r}; write {apart}")
        if name in found:
            raise ArgumentError(f"--given has {name!r} twice; give it once")
        found[name] = number(text)
    return found


def number(text: str) -> Any:
    """An int, a float, a bool for yes and no, or the text."""
    if text in ("yes", "no"):
        return text == "yes"
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return text


def summary(found: Mapping[str, Verdicts]) -> tuple[str, bool]:
    """(one line for each check, then what is broken; whether all laws hold)"""
    wide = max((len(name) for name in found), default=0)
    lines = [
        f"{name:<{wide}}  {len(v) - len(v.broken)} of {len(v)} laws hold"
        for name, v in found.items()
    ]
    for name, v in found.items():
        lines += ["", f"{name}:", str(v)] if v.broken else []
    return "\n".join(lines), all(v.ok for v in found.values())


def maker(spec: str) -> Any:
    """The function of a numpy Generator "package.module:name", which must run."""
    make = function(spec)
    try:
        make(np.random.default_rng(0))
    except (Exception, SystemExit) as error:
        raise ArgumentError(
            f"{spec} must make arguments of a Generator, but raised {raised(error)}; fix it first"
        ) from error
    return make


READ: dict[str, Callable[[str], Any]] = {"as": str, "against": function, "draw": maker}


def again(
    spec: str, module: str, draw: str | None = None, torch: bool = False, **given: Any
) -> str:
    """The fingerprint of what verify.{module}.again gives for the function."""
    make = None if draw is None else function(draw)
    fn = verify.on_tensors(function(spec)) if torch else function(spec)
    return fingerprint(verify.part(module).again(fn, draw=make, **given))


def new_process(spec: str, module: str, **given: Any) -> Verdict:
    """Calls verify.{module}.again(function, **given) in two processes that hash text differently"""
    law, sentence = "new process", "another process gives the same bits"
    code = PROBE.format(path=sys.path, module=module, spec=spec, given=given)
    found = []
    for hashing in ("1", "2"):
        env = os.environ | {"PYTHONHASHSEED": hashing}
        done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
        lines = [x for x in done.stdout.splitlines() if x.startswith("fingerprint ")]
        last = (done.stderr.strip().splitlines() or ["it prints nothing"])[-1]
        found.append(lines[-1] if lines else f"it fails: {last}")
    if found[0] == found[1] and found[0].startswith("fingerprint "):
        return Verdict(law, True, sentence)
    clause = next((x for x in found if x.startswith("it fails")), "two processes differ")
    return verdict(law, sentence, clause, f"{spec} with PYTHONHASHSEED=1 and =2")
