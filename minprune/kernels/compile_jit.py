"""The three ways in which loops are compiled; the only place that imports Numba.

All keep NaN and infinities as IEEE says. "contract" lets a*b + c round once; "reassoc", for sums
only, lets the partial sums be vectorised: both stay inside the bounds of contract.py.
"""

from collections.abc import Callable
from typing import Any, cast

import numba

Function = Callable[..., Any]


def loops(fn: Function) -> Function:
    """Compile fn at its first call per dtype; cached on disk."""
    return cast(Function, numba.njit(cache=True, error_model="numpy", fastmath={"contract"})(fn))


def sums(fn: Function) -> Function:
    """As loops, and the terms of a sum may be added in another order."""
    flags = {"contract", "reassoc"}
    return cast(Function, numba.njit(cache=True, error_model="numpy", fastmath=flags)(fn))


def shared(fn: Function) -> Function:
    """As loops, and other Python threads run meanwhile: each call owns its part of the output."""
    flags = {"contract"}
    return cast(
        Function, numba.njit(cache=True, error_model="numpy", fastmath=flags, nogil=True)(fn)
    )
