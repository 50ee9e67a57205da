"""What `choose` takes: arguments that go together, names of layers, scores that have a rank."""

from collections.abc import Callable, Iterable, Mapping
from numbers import Real
from typing import Any, Literal

import numpy as np

from minprune.core import Array
from minprune.errors import ArgumentError, NonFiniteError, ShapeError
from minprune.masking.patterns import Pattern
from minprune.nets.net import layer_of
from minprune.nets.nonfinite import not_finite

Scope = Literal["global", "layer"]
Target = float | Mapping[str, float]


def agree(
    form: Pattern | None,
    sparsity: Target | None,
    threshold: Target | None,
    scope: str,
    minimum: object,
) -> None:
    """Raises ArgumentError unless the arguments of `choose` go together."""
    if form is not None and form.kept is not None:
        if sparsity is not None or threshold is not None:
            raise ArgumentError(
                f"pattern {form.kept}:{form.columns} says how many weights stay, and prune was "
                f"given {'sparsity' if threshold is None else 'threshold'} too; leave that out"
            )
    elif (sparsity is None) == (threshold is None):
        raise ArgumentError(
            "prune takes either sparsity or threshold; give one of them, sparsity=0.9 for example"
        )
    if scope not in ("global", "layer"):
        raise ArgumentError(f"scope is {scope!r}, expected 'global' or 'layer'; choose one of them")
    if isinstance(minimum, bool) or not isinstance(minimum, int | np.integer) or minimum < 0:
        raise ArgumentError(
            f"minimum is {minimum!r}, expected an integer of at least 0; "
            f"minimum=1 keeps one weight in each layer"
        )


def listed(wanted: Any) -> list[Any]:
    """One name, or some, as a list."""
    some = isinstance(wanted, Iterable) and not isinstance(wanted, str)
    return list(wanted) if some else [wanted]


def named(names: Iterable[str], wanted: Iterable[str]) -> list[str]:
    """The parameters that `wanted` means: full names, or layers, which mean all their parameters

    Raises ArgumentError for a name that means none.
    """
    names, found = list(names), []
    for w in listed(wanted):
        hits = [n for n in names if n == w or layer_of(n) == w]
        if not hits:
            raise ArgumentError(f"{w!r} is not scored; what is scored: {', '.join(names)}")
        found += hits
    return found


def level(threshold: float) -> float:
    """The threshold; raises ArgumentError unless it is a number."""
    if not isinstance(threshold, Real) or np.isnan(float(threshold)):
        raise ArgumentError(
            f"threshold is {threshold!r}, expected a number; what scores below it is pruned"
        )
    return float(threshold)


def each(
    given: Mapping[str, float], what: str, means: Callable[[str], Iterable[str]]
) -> dict[str, float]:
    """{entry: its number} for all that the keys of `given` mean

    Raises ArgumentError where two keys mean one entry and ask different numbers of it.
    """
    found: dict[str, float] = {}
    for wanted, value in given.items():
        for name in means(wanted):
            if name in found and found[name] != value:
                raise ArgumentError(
                    f"{what} of {name} is given twice, as {found[name]!r} and, by {wanted!r}, as "
                    f"{value!r}; give what goes together one {what}"
                )
            found[name] = value
    return found


def checked(name: str, scores: Array, mask: Array | None, form: Pattern | None) -> Array:
    """The scores; raises ArgumentError, ShapeError or NonFiniteError where they have no rank."""
    scores = np.asarray(scores)
    if form is not None and scores.ndim < 2:
        raise ShapeError(
            f"{name}: scores are {scores.shape}, a pattern needs (outputs, inputs, ...); "
            f"score weights alone, entry by entry"
        )
    if scores.dtype not in (np.float32, np.float64):
        raise ArgumentError(
            f"{name}: scores are {scores.dtype}, expected float32 or float64; use astype(float)"
        )
    if mask is not None and mask.shape != scores.shape:
        raise ShapeError(
            f"{name}: score is {scores.shape}, mask is {mask.shape}; score the model that you prune"
        )
    bad = not_finite(scores)
    if bad:
        raise NonFiniteError(
            f"{name}: {bad} of {scores.size} scores are not finite, expected numbers; "
            f"mend the criterion"
        )
    return scores
