"""What `choose` takes: arguments that go together, names of layers, scores that can be ranked."""

from collections.abc import Callable, Iterable, Mapping
from numbers import Real
from typing import Any, Literal

import numpy as np

from minprune.arguments import choice, count
from minprune.core import Array
from minprune.errors import ArgumentError, NonFiniteError, ShapeError
from minprune.masking.patterns import Pattern
from minprune.nets.net import layer_of
from minprune.nets.nonfinite import not_finite

Scope = Literal["global", "layer"]
Target = float | Mapping[str, float]


def check_targets(
    form: Pattern | None,
    sparsity: Target | None,
    threshold: Target | None,
    scope: str,
    minimum: object,
) -> None:
    """Raises ArgumentError unless the arguments of `choose` go together."""
    if form is not None and form.kept is not None:
        if sparsity is not None or threshold is not None:
            given = "sparsity" if threshold is None else "threshold"
            raise ArgumentError(
                f"prune: {given} must not be given with the pattern {form.kept}:{form.columns}, "
                f"which fixes how many weights stay; leave {given} out"
            )
    elif (sparsity is None) == (threshold is None):
        raise ArgumentError(
            f"prune: one of sparsity and threshold must be given, not "
            f"{'none' if sparsity is None else 'both'}; pass sparsity=0.9 alone, for example"
        )
    choice("prune", "scope", scope, ("global", "layer"))
    count("prune", "minimum", minimum, least=0)


def listed(wanted: Any) -> list[Any]:
    """One name, or several, as a list."""
    several = isinstance(wanted, Iterable) and not isinstance(wanted, str)
    return list(wanted) if several else [wanted]


def named(names: Iterable[str], wanted: Iterable[str]) -> list[str]:
    """The parameters that `wanted` means: full names, or layers, which mean all their parameters

    Raises ArgumentError for a name that means none.
    """
    names, found = list(names), []
    for w in listed(wanted):
        hits = [n for n in names if n == w or layer_of(n) == w]
        if not hits:
            raise ArgumentError(
                f"{w!r} is not a scored parameter, or a layer of one; "
                f"choose among {', '.join(names)}"
            )
        found += hits
    return found


def level(threshold: float) -> float:
    """The threshold; raises ArgumentError unless it is a number."""
    if not isinstance(threshold, Real) or np.isnan(float(threshold)):
        raise ArgumentError(
            f"prune: threshold must be a number, not {threshold!r}; scores below it are pruned"
        )
    return float(threshold)


def for_each(
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
                    f"prune: {what} of {name} must be one number, not {found[name]!r} and, "
                    f"by {wanted!r}, {value!r}; leave one of them out"
                )
            found[name] = value
    return found


def rankable(name: str, scores: Array, mask: Array | None = None, matrix: bool = False) -> Array:
    """The scores of one parameter; matrix: whether a pattern needs (outputs, inputs, ...)

    Raises ArgumentError, ShapeError or NonFiniteError where they cannot be ranked.
    """
    scores = np.asarray(scores)
    if matrix and scores.ndim < 2:
        raise ShapeError(
            f"{name}: for a pattern, scores must have the shape (outputs, inputs, ...), not "
            f"{scores.shape}; score weights alone, entry by entry"
        )
    if scores.dtype not in (np.float32, np.float64):
        raise ArgumentError(
            f"{name}: scores must be float32 or float64, not {scores.dtype}; use astype(float)"
        )
    if mask is not None and mask.shape != scores.shape:
        raise ShapeError(
            f"{name}: scores must have the shape of the mask, {mask.shape}, not {scores.shape}; "
            f"score the model that you prune"
        )
    bad = not_finite(scores)
    if bad:
        raise NonFiniteError(
            f"{name}: scores must be finite, not NaN or infinite as {bad} of {scores.size} are; "
            f"fix the criterion, or the model that it scores"
        )
    return scores
