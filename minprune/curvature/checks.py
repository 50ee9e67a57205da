"""The argument checks that every function of this folder shares."""

from collections.abc import Iterable

import numpy as np

from minprune.arguments import choice
from minprune.core import Split
from minprune.errors import ArgumentError, ShapeError
from minprune.nets.model import Model, checked_input, dense_only, is_model, is_split


def names_of(model: Model, params: str) -> list[str]:
    """The parameters that "weights" or "all" means, in net order"""
    is_model(model, "curvature")
    choice("parameters", "params", params, ("weights", "all"))
    dense_only(model, "what looks at single weights")
    return list(model.net.params if params == "all" else model.net.weights)


def checked(model: Model, data: Split | None) -> Split:
    """(x, y) as arrays that fit the net and each other, at least one sample"""
    is_model(model, "curvature")
    if data is not None:
        is_split(data, "data")
    if data is None or not np.size(data[0]):
        raise ArgumentError(
            f"data must be a pair (x, y) of at least one sample, not "
            f"{'None' if data is None else 'empty'}; pass data.train, for example"
        )
    x, y = checked_input(model.net, data[0]), np.asarray(data[1])
    if y.shape[:1] != (len(x),):
        raise ShapeError(
            f"data: x has {len(x)} rows and y has {len(y) if y.ndim else 'none'}; "
            f"give one target to each input"
        )
    return x, y


def known(model: Model, names: Iterable[str]) -> list[str]:
    """The names, all of them parameters of the net"""
    found = list(names)
    for name in found:
        if name not in model.params:
            raise ArgumentError(f"{name}: no such parameter; there are {', '.join(model.params)}")
    return found


def guard(what: str, nbytes: int, limit: int, remedy: str) -> None:
    """Raises ArgumentError where an array of nbytes would be above the limit"""
    if nbytes > limit:
        raise ArgumentError(
            f"{what} would take {nbytes:,} bytes, more than the limit of {limit:,}; {remedy}"
        )
