"""What the criteria refuse: options outside their choices, evidence that does not fit together."""

from collections.abc import Sequence
from math import prod
from numbers import Real
from typing import NoReturn

import numpy as np

from minprune.core import Array, Arrays, Evidence
from minprune.errors import ArgumentError, ShapeError


def one_of(criterion: str, option: str, value: object, choices: Sequence[object]) -> None:
    """Raises ArgumentError unless value is one of the choices; a bool is no number."""
    if any(type(value) is type(c) or not isinstance(value, bool) for c in choices if c == value):
        return
    *most, last = map(repr, choices)
    raise ArgumentError(
        f"{criterion}: {option} is {value!r}, expected {', '.join(most)} or {last}; "
        f"choose one of them"
    )


def tolerance(criterion: str, tol: float, what: str) -> None:
    """Raises ArgumentError unless tol is a finite number of at least 0."""
    if isinstance(tol, bool) or not isinstance(tol, Real) or not 0 <= tol < np.inf:
        raise ArgumentError(
            f"{criterion}: tol is {tol!r}, expected a finite number of at least 0; {what}"
        )


def belongs(criterion: str, option: str, to: str, value: object) -> NoReturn:
    """Raises ArgumentError: an option that says nothing where another one is not as in `to`."""
    name = to.partition("=")[0]
    raise ArgumentError(
        f"{criterion}: {option} belongs to {to}, and {name} is {value!r}; leave {option} out"
    )


def of_units(criterion: str, ev: Evidence) -> None:
    """Raises ArgumentError for evidence of single weights."""
    if not ev.unit:
        raise ArgumentError(
            f"{criterion}: scores units, and the evidence is of single weights; "
            f"give Evidence(..., unit=True), or unit=True to mp.score"
        )


def together(criterion: str, ev: Evidence, *kinds: str) -> dict[str, tuple[Array, ...]]:
    """{name: its arrays of these kinds}; raises ShapeError for a name without one of them."""
    first, *others = (ev.of(kind) for kind in kinds)
    for kind, found in zip(kinds[1:], others, strict=True):
        for name in first.keys() - found.keys():
            raise ShapeError(
                f"{criterion}: {name} has {kinds[0]} and no {kind}; give both for every name"
            )
    return {name: (a, *(found[name] for found in others)) for name, a in first.items()}


def alike(criterion: str, ev: Evidence, *kinds: str) -> dict[str, tuple[Array, ...]]:
    """The same of arrays of one shape; raises ShapeError for others, which NumPy might stretch."""
    found = together(criterion, ev, *kinds)
    for name, (first, *others) in found.items():
        for kind, a in zip(kinds[1:], others, strict=True):
            fits(criterion, kind, name, a, first.shape)
    return found


def fits(criterion: str, kind: str, name: str, a: Array, shape: tuple[int, ...]) -> None:
    """Raises ShapeError unless a has that shape."""
    if a.shape != shape:
        raise ShapeError(
            f"{criterion}: {kind} of {name} is {a.shape}, expected {shape}; "
            f"give evidence of the same entries, in the same order"
        )


def rows(arrays: Arrays) -> Arrays:
    """(units, entries) each: what a unit owns in one row, whatever its axes"""
    return {name: a.reshape(len(a), prod(a.shape[1:])) for name, a in arrays.items()}
