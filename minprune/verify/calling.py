"""How a stranger's function is called: what it takes, and what it gives in a new process."""

import inspect
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from minprune.errors import ArgumentError
from minprune.verify.verdict import Verdict, verdict

PROBE = """
import sys
sys.path[:] = {path!r}
from minprune.verify.calling import fingerprint, located
from minprune.verify.{module} import {again}
print("fingerprint", fingerprint({again}(located({spec!r}))))
"""


def keywords(fn: Callable[..., Any], wanted: Sequence[str]) -> list[str]:
    """Those of the wanted names that are parameters of fn; none where it has no signature."""
    try:
        names = inspect.signature(fn).parameters
    except (TypeError, ValueError):  # a builtin
        return []
    return [name for name in wanted if name in names]


def located(spec: str) -> Any:
    """The object of "package.module:name"; raises ArgumentError, one sentence, where it is not."""
    module, _, name = spec.partition(":")
    if not module or not name:
        raise ArgumentError(f"{spec!r} is no function; write package.module:function")
    import importlib

    try:
        found: Any = importlib.import_module(module)
    except Exception as error:
        lines = str(error).strip().splitlines() or [""]
        raise ArgumentError(
            f"{module} cannot be imported: {type(error).__name__}: {lines[0]}; "
            f"run from the folder that holds it, or install it"
        ) from error
    for part in name.split("."):
        if not hasattr(found, part):
            names = ", ".join(n for n in dir(found) if not n.startswith("_")) or "nothing"
            raise ArgumentError(f"{module} has no {part}; it has {names}")
        found = getattr(found, part)
    return found


def fingerprint(value: Any) -> str:
    """A hash of arrays, numbers and dicts of them: equal for equal bits, dtypes and shapes."""
    import hashlib

    import numpy as np

    digest = hashlib.sha256()
    for name, part in value.items() if isinstance(value, dict) else [("", value)]:
        a = np.asarray(part)
        digest.update(f"{name} {a.dtype} {a.shape}".encode())
        digest.update(np.ascontiguousarray(a).tobytes())
    return digest.hexdigest()


def new_process(spec: str, module: str, again: str) -> Verdict:
    """Calls verify.{module}.{again}(function) in two processes that hash text differently."""
    law, sentence = "new process", "another process gives the same bits"
    code = PROBE.format(path=sys.path, module=module, again=again, spec=spec)
    found = []
    for hashing in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": hashing},
            capture_output=True,
            text=True,
            cwd=Path.cwd(),
        )
        lines = [x for x in done.stdout.splitlines() if x.startswith("fingerprint ")]
        last = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
        found.append(lines[-1] if lines else f"it fails: {last}")
    if found[0] == found[1] and found[0].startswith("fingerprint "):
        return Verdict(law, True, sentence)
    clause = "two processes differ" if found[0][:11] == found[1][:11] else "one fails"
    if found[0].startswith("it fails"):
        clause = found[0]
    return verdict(law, sentence, clause, f"{spec} with PYTHONHASHSEED=1 and =2")
