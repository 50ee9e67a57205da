"""The two ways in which loops are compiled; the only place that imports Numba.

All keep NaN and infinities as IEEE says. "contract" lets a*b + c round once; "reassoc", for sums
only, lets the partial sums be vectorised: both stay inside the bounds of contract.py.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])


def loops(fn: F) -> F:
    """Compile fn at its first call per dtype; cached on disk."""
    return cast(F, numba.njit(cache=True, error_model="numpy", fastmath={"contract"})(fn))


def sums(fn: F) -> F:
    """As loops, and the terms of a sum may be added in another order."""
    flags = {"contract", "reassoc"}
    return cast(F, numba.njit(cache=True, error_model="numpy", fastmath=flags)(fn))
