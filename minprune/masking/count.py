"""pruned = round(sparsity n), half to even: how many entries are pruned, and of which layers."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from minprune.arguments import meant, share
from minprune.errors import ArgumentError
from minprune.nets.net import layer_of

Value = TypeVar("Value")
Target = float | Mapping[str, float]  # one number, or layers and parameters with their own


def pruned_count(sparsity: float, n: int, owner: str = "prune") -> int:
    """round(sparsity n), half to even, of the float product: how many of n entries are pruned

    The one place where a share becomes a count. Raises ArgumentError, which begins with `owner`,
    unless 0 <= sparsity <= 1.
    """
    return round(share(owner, "sparsity", sparsity) * n)


def grown_count(
    owner: str, sparsity: float, n: int, dead: int, what: str, things: str = "weights"
) -> int:
    """pruned_count of n, dead of which are pruned; raises ArgumentError where it is fewer"""
    gone = pruned_count(sparsity, n)
    if gone < dead:
        raise ArgumentError(
            f"{owner}: sparsity={sparsity} is below the present {dead / n!r} of {what}, and pruned "
            f"{things} are not restored; pass at least the present sparsity"
        )
    return gone


def raised_count(kept: int, round_to: int, most: int) -> int:
    """The next multiple of round_to from `kept` on, at most `most`: how many units are kept"""
    return min(-(-kept // round_to) * round_to, most)


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
        hits = [n for n in names if w in (n, layer_of(n))]
        if not hits:
            raise ArgumentError(
                f"{w!r} must be a scored parameter, or a layer of one; "
                + meant(w, [*names, *map(layer_of, names)], f"choose among {', '.join(names)}")
            )
        found += hits
    return found


def for_each(
    given: Mapping[str, Value],
    what: str,
    means: Callable[[str], Iterable[str]],
    owner: str = "prune",
    kind: str = "number",
) -> dict[str, Value]:
    """{entry: its value} for all that the keys of `given` mean

    Raises ArgumentError, which begins with `owner`, where two keys mean one entry and give it
    different values.
    """
    found: dict[str, Value] = {}
    for wanted, value in given.items():
        for name in means(wanted):
            if name in found and found[name] != value:
                raise ArgumentError(
                    f"{owner}: {what} of {name} must be one {kind}, not {found[name]!r} and, "
                    f"by {wanted!r}, {value!r}; leave one of them out"
                )
            found[name] = value
    return found
