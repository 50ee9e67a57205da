"""What methods that prune by a schedule ask of it: step -> share, which never falls."""

from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np

from minprune.core import Arrays
from minprune.errors import ArgumentError
from minprune.masking.choose import choose

Schedule = Callable[[int], float]


def checked(owner: str, schedule: object) -> None:
    """Raises ArgumentError unless schedule(0) is a share."""
    try:
        found = schedule(0)  # type: ignore[operator]
        said = repr(found)
    except TypeError as e:
        found, said = None, f"an error ({e})"
    if isinstance(found, bool) or not isinstance(found, Real) or not 0 <= float(found) <= 1:
        raise ArgumentError(
            f"{owner}: schedule(0) is {said}, expected a share from 0 to 1; give a function of "
            f"the step, such as functools.partial(mp.schedule.cubic, final=0.9, span=1000)"
        )


def at_rest(schedule: Schedule, step: int, total: int) -> bool:
    """Whether the share after this update is that of the last one already."""
    return schedule(step) == schedule(total)


def reachable(live: Arrays, share: float, **how: Any) -> None:
    """Raises as `choose` does where these masks cannot be pruned to the share, whatever the scores

    So that it is said at the first update and not after hours, at the last.
    """
    choose({name: np.zeros(m.shape) for name, m in live.items()}, live, sparsity=share, **how)
