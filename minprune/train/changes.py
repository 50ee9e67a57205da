"""The loop's arrays <- a method's: replaced by name, each checked against what was there."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from minprune.arguments import number
from minprune.core import Array, Arrays
from minprune.errors import ArgumentError, ShapeError


def replace(arrays: Arrays, new: Arrays, kind: str) -> None:
    """arrays[name] = a copy of new[name], in the dtype that was there

    Raises ArgumentError for a name that arrays does not have, ShapeError for another shape.
    """
    for name, a in new.items():
        if name not in arrays:
            raise ArgumentError(
                f"{name}: Change.{kind} must name arrays of View.{kind}, and this is none of them; "
                f"leave it out"
            )
        _same_shape(name, kind, arrays[name], a)
        arrays[name] = np.array(a, arrays[name].dtype, order="C")


def relocate(buffers: Arrays, new: Arrays, indices: Mapping[str, str]) -> None:
    """buffers[name] = a read-only copy of new[name]      indices: {name: dtype} of what may change

    Raises ArgumentError for a buffer that holds no indices or another dtype, ShapeError for another
    shape.
    """
    for name, a in new.items():
        if name not in indices:
            raise ArgumentError(
                f"{name}: Change.buffers must name indices of sparse layers "
                f"({', '.join(indices) or 'this net has none'}); leave it out"
            )
        _same_shape(name, "buffers", buffers[name], a)
        if np.asarray(a).dtype != indices[name]:
            raise ArgumentError(
                f"{name}: Change.buffers must keep its dtype {indices[name]}, not "
                f"{np.asarray(a).dtype}; convert it with astype"
            )
        buffers[name] = locked(a)


def refill(own: Arrays, found: Arrays, kind: str) -> None:
    """own[name] = found[name] for every name; raises ShapeError unless names and shapes agree."""
    for name in sorted(own.keys() | found.keys()):
        a, b = own.get(name), found.get(name)
        if a is None or b is None or (a.shape, a.dtype) != (b.shape, b.dtype):
            raise ShapeError(
                f"{name}: its array in {kind} must fit this training, and does not; start again"
            )
        own[name] = b


def locked(a: Array) -> Array:
    """A read-only copy, which kernels check once."""
    a = np.array(a, order="C")
    a.flags.writeable = False
    return a


def rates(owner: str, given: Mapping[str, float], extra: Mapping[str, Any]) -> dict[str, float]:
    """The factor on the learning rate of each extra array, 1 unless given; see Method.extra_lr"""
    for name, factor in given.items():
        number(owner, f"extra_lr[{name!r}]", factor)
        if name not in extra:
            raise ArgumentError(
                f"{owner}: extra_lr must name extra arrays ({', '.join(extra) or 'there are none'})"
                f", not {name!r}; rename it"
            )
    return {name: float(given.get(name, 1.0)) for name in extra}


def _same_shape(name: str, kind: str, old: Array, new: Array) -> None:
    if np.shape(new) != old.shape:
        raise ShapeError(
            f"{name}: Change.{kind} must keep its shape {old.shape}, not {np.shape(new)}; "
            f"reshape it"
        )
