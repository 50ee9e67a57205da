"""What the probe asks of criteria and of what they return."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from minprune.core import Array, Arrays, Criterion
from minprune.errors import ArgumentError, NonFiniteError, ShapeError
from minprune.nets.nonfinite import not_finite

if TYPE_CHECKING:
    import inspect


def label(fn: Criterion) -> str:
    """What to call a criterion."""
    return getattr(fn, "__name__", "criterion")


def signature(fn: Criterion) -> inspect.Signature:
    """What fn takes; raises ArgumentError where it does not say."""
    import inspect

    try:
        return inspect.signature(fn)
    except (TypeError, ValueError):
        raise ArgumentError(
            f"{label(fn)}: does not say what it takes, expected a Python function; wrap it in one"
        ) from None


def option_names(fn: Criterion, options: Mapping[str, Any]) -> dict[str, Any]:
    """All options, those not given by their defaults

    Raises ArgumentError for options that the criterion does not take, or goes without.
    """
    takes = signature(fn)
    more = [
        p for p in takes.parameters.values() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ][1:]
    for p in more:
        if p.default is p.empty and p.name not in options:
            raise ArgumentError(
                f"{label(fn)}: nothing is given for its argument {p.name!r}, expected kinds of "
                f"evidence (such as weights, grads) and options; name it so, or pass {p.name}="
            )
    try:
        takes.bind(None, **options)
    except TypeError as e:
        known = ", ".join(p.name for p in more) or "none"
        raise ArgumentError(f"{label(fn)}: {e}; of options it takes {known}") from None
    return {p.name: p.default for p in more if p.default is not p.empty} | dict(options)


def finite(kind: str, arrays: Arrays) -> None:
    """Raises NonFiniteError, naming the array and counting the entries, unless all are numbers."""
    remedy = "train with a lower learning rate, or mend the data"
    if kind == "score":
        remedy = "mend the criterion, or scale it to the dtype of the net"
    for name, a in arrays.items():
        bad = not_finite(a)
        if bad:
            what = kind.replace("_", " ")
            what = what if what.endswith("ss") else what.removesuffix("s")
            raise NonFiniteError(
                f"{name}: {bad} of {a.size} entries of the {what} are not finite, "
                f"expected numbers; {remedy}"
            )


def fitting(
    fn: Criterion, scores: Arrays, shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, Array]:
    """The scores as arrays; raises unless they have these names and shapes and are finite."""
    who = label(fn)
    if not isinstance(scores, Mapping):
        raise ArgumentError(
            f"{who}: returned {type(scores).__name__}, expected a dict of arrays; "
            f"return one array for each weight it is given"
        )
    for name in sorted(shapes.keys() ^ scores.keys(), key=str):
        state = "gave no scores for" if name in shapes else "scored the unknown"
        raise ShapeError(f"{who}: {state} {name}; return one array for each weight it is given")
    for name, s in scores.items():
        if np.shape(s) != shapes[name]:
            what = "weight is" if len(shapes[name]) != 1 else "expected shape is"
            raise ShapeError(
                f"{who}: score of {name} is {np.shape(s)}, the {what} {shapes[name]}; "
                f"return one score for each entry"
            )
    scores = {name: np.asarray(s) for name, s in scores.items()}
    for name, s in scores.items():
        if s.dtype.kind not in "fiub":
            raise ArgumentError(
                f"{who}: score of {name} is {s.dtype}, expected real numbers; return those"
            )
    finite("score", scores)
    return scores
