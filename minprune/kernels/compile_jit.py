"""Four ways to compile loops; the only file that calls Numba's compiler.

All keep NaN and infinities as IEEE says. "contract" lets a*b + c round once; "reassoc", for sums
only, lets the partial sums be vectorised: both stay inside the derived bounds that the tests check.
"""

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any, cast

import numba
from numba.core import event

from minprune.text import tell_once

Function = Callable[..., Any]
COMPILING = (
    "compiling kernels, about half a second each, once on this machine; MINPRUNE_KERNELS=numpy "
    "runs without compiling, slower"
)


class Telling(event.Listener):  # type: ignore[misc]
    """Tells that loops are compiled, when the first one is; those on disk are not compiled."""

    def on_start(self, event: Any) -> None:
        """A compilation begins."""
        tell_once("compiling", COMPILING)

    def on_end(self, event: Any) -> None:
        """A compilation is done."""


event.register("numba:compile", Telling())


@cache
def sources() -> str:
    """A digest of the code of all loops"""
    import hashlib

    found = hashlib.sha256()
    for file in sorted(Path(__file__).parent.rglob("*_jit.py")):
        found.update(file.read_bytes())
    return found.hexdigest()


def stamped(made: Any) -> Any:
    """made, whose code on disk is valid as long as no loop of ours changes

    It holds copies of the loops of other files that it calls; Numba checks its own file alone.
    """
    file: Any = getattr(getattr(made, "_cache", None), "_cache_file", None)
    if hasattr(file, "_source_stamp"):
        file._source_stamp = file._source_stamp, sources()
    return made


def compiled(fn: Function, more: frozenset[str] = frozenset(), **options: bool) -> Function:
    """fn, compiled at its first call per dtype; cached on disk where there is a place for it"""
    how = {"error_model": "numpy", "fastmath": {"contract"} | more, **options}
    try:
        return cast(Function, stamped(numba.njit(cache=True, **how)(fn)))
    except RuntimeError:  # neither the package's folder nor the user's cache can be written to
        return cast(Function, numba.njit(**how)(fn))


loops = compiled  # over arrays
# As loops, and the terms of a sum may be added in another order.
sums = partial(compiled, more=frozenset({"reassoc"}))
# As loops, and other Python threads run meanwhile: each call owns its part of the output.
shared = partial(compiled, nogil=True)
# As loops, and copied into each loop that calls it: for what costs less than a call.
inside = partial(compiled, forceinline=True)
