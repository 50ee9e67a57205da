"""How a function of the user is found and called: its parameters, and a call in a new process."""

import importlib
import inspect
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from minprune.errors import ArgumentError
from minprune.verify import part
from minprune.verify.trees import fingerprint
from minprune.verify.verdict import Verdict, verdict

MOST = 20  # names that an error lists
PROBE = """
import sys
from math import inf, nan
sys.path[:] = {path!r}
from minprune.verify.calling import again
print("fingerprint", again({spec!r}, {module!r}, **{given!r}))
"""


def keywords(fn: Callable[..., Any], wanted: Sequence[str]) -> list[str]:
    """Those of the wanted names that are parameters of fn; none where it has no signature."""
    try:
        names = inspect.signature(fn).parameters
    except (TypeError, ValueError):  # a builtin
        return []
    return [name for name in wanted if name in names]


def callable_as(fn: Any, *names: str, given: Sequence[str] = ()) -> None:
    """Raises ArgumentError unless fn can be called with so many arguments, and these by name."""
    if not callable(fn):
        raise ArgumentError(f"{fn!r} must be a function, not of type {type(fn).__name__}")
    try:
        signature = inspect.signature(fn)
    except (TypeError, ValueError):  # a builtin: the laws will show
        return
    try:
        signature.bind(*names, **dict.fromkeys(given))
    except TypeError as error:
        name = getattr(fn, "__name__", "the function")
        raise ArgumentError(
            f"{name}({', '.join(signature.parameters)}) is called as {name}({', '.join(names)}): "
            f"{error}; wrap it in a function that takes these"
        ) from error


def function(spec: str) -> Any:
    """The function "package.module:name"; raises ArgumentError, one sentence, if there is none."""
    module, _, name = spec.partition(":")
    if not module or not name:
        raise ArgumentError(f"{spec!r} names no function; write package.module:function")
    if module.endswith(".py"):
        dotted = module.removesuffix(".py").replace("\\", "/").strip("./").replace("/", ".")
        raise ArgumentError(f"{module} is a file; write it as one imports it, {dotted}:{name}")
    found = _imported(module)
    for part_of in name.split("."):
        if not hasattr(found, part_of):
            raise ArgumentError(f"{module} has no {part_of}; it has {_functions(found)}")
        found = getattr(found, part_of)
    if not callable(found):
        raise ArgumentError(f"{spec} must be a function, not of type {type(found).__name__}")
    return found


def _imported(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except (Exception, SystemExit) as error:  # user code may raise anything
        absent = isinstance(error, ModuleNotFoundError) and module.startswith(str(error.name))
        advice = "run from the folder that holds it, or install it" if absent else "fix it first"
        raise ArgumentError(f"{module} cannot be imported: {raised(error)}; {advice}") from error


def raised(error: BaseException) -> str:
    """ValueError: the first line of its text"""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"


def _functions(found: Any) -> str:
    """The public names that can be called."""
    names = [n for n in dir(found) if not n.startswith("_") and callable(getattr(found, n, None))]
    if isinstance(found, ModuleType):  # its own ones, if it has any
        module = found.__name__
        own = [n for n in names if getattr(getattr(found, n), "__module__", "") == module]
        names = own or names
    more = f" and {len(names) - MOST} more" if len(names) > MOST else ""
    return (", ".join(names[:MOST]) or "none") + more


def maker(spec: str) -> Any:
    """The function of a numpy Generator "package.module:name", which must run."""
    make = function(spec)
    callable_as(make, "rng")
    try:
        make(np.random.default_rng(0))
    except (Exception, SystemExit) as error:
        raise ArgumentError(
            f"{spec} must make arguments with the numpy Generator that it is given, and it raised "
            f"{raised(error)}; fix it first"
        ) from error
    return make


def again(spec: str, module: str, **given: Any) -> str:
    """The fingerprint of what verify.{module}.again gives for the function."""
    return fingerprint(part(module).again(function(spec), **given))


def new_process(spec: str, module: str, **given: Any) -> Verdict:
    """Calls verify.{module}.again(function, **given) in two processes that hash text differently"""
    law, sentence = "new process", "another process gives the same bits"
    code = PROBE.format(path=sys.path, module=module, spec=spec, given=given)
    found = []
    for hashing in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": hashing},
            capture_output=True,
            text=True,
        )
        lines = [x for x in done.stdout.splitlines() if x.startswith("fingerprint ")]
        last = (done.stderr.strip().splitlines() or ["it prints nothing"])[-1]
        found.append(lines[-1] if lines else f"it fails: {last}")
    if found[0] == found[1] and found[0].startswith("fingerprint "):
        return Verdict(law, True, sentence)
    clause = next((x for x in found if x.startswith("it fails")), "two processes differ")
    return verdict(law, sentence, clause, f"{spec} with PYTHONHASHSEED=1 and =2")
