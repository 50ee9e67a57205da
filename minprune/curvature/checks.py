"""What every function of this folder asks of its arguments."""

import numpy as np

from minprune.core import Split
from minprune.errors import ArgumentError, ShapeError
from minprune.nets.model import Model, checked_input, dense_only, is_split


def names_of(model: Model, params: str) -> list[str]:
    """The parameters that "weights" or "all" means, in net order."""
    if params not in ("weights", "all"):
        raise ArgumentError(
            f"params is {params!r}, expected 'weights' or 'all'; choose one of them"
        )
    dense_only(model, "what looks at single weights")
    return list(model.net.params if params == "all" else model.net.weights)


def checked(model: Model, data: Split | None) -> Split:
    """(x, y) as arrays that fit the net and each other, at least one sample."""
    if data is not None:
        is_split(data, "data")
    if data is None or len(data[0]) == 0:
        raise ArgumentError(
            f"data is {'None' if data is None else 'empty'}, and this criterion looks at samples; "
            f"give a pair (x, y), such as data.train"
        )
    x, y = checked_input(model.net, data[0]), np.asarray(data[1])
    if len(x) != len(y):
        raise ShapeError(
            f"data: x has {len(x)} rows and y has {len(y)}; give one target to each input"
        )
    return x, y


def guard(what: str, nbytes: int, limit: int) -> None:
    """Raises ArgumentError where an array of nbytes would be above the limit."""
    if nbytes > limit:
        raise ArgumentError(
            f"{what} would take {nbytes:,} bytes, more than the limit of {limit:,}; use a smaller "
            f"net or less data, or raise limit="
        )
