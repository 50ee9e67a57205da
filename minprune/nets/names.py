"""What a name or a pattern means: "fc1", "fc1.weight", "fc*"; one rule for every argument.

A name is exact. A text with *, ? or [...] is a pattern (as of fnmatch, upper and lower case apart),
which is held against the same names. In a dict a name counts before every pattern, whatever their
order: {"fc*": 0.5, "fc3": 0.2} gives fc3 0.2. Two names, or two patterns, that give one thing
different values are refused; so is what means nothing.
"""

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any, TypeVar

from minprune.arguments import meant
from minprune.errors import ArgumentError
from minprune.nets.net import layer_of

T = TypeVar("T")
Known = Mapping[str, Iterable[str]]  # {thing: the names that it goes by}


def of_parameters(names: Iterable[str]) -> dict[str, tuple[str, str]]:
    """{"fc1.weight": ("fc1.weight", "fc1")}: a parameter goes by its full name and its layer's"""
    return {name: (name, layer_of(name)) for name in names}


def listed(wanted: Any) -> list[Any]:
    """One name, or several, as a list."""
    several = isinstance(wanted, Iterable) and not isinstance(wanted, str)
    return list(wanted) if several else [wanted]


def is_pattern(wanted: Any) -> bool:
    """Whether it is a text with *, ? or [."""
    return isinstance(wanted, str) and any(c in wanted for c in "*?[")


def matched(known: Known, wanted: Any, needs: str) -> list[str]:
    """The things that these names and patterns mean, in the order in which they are wanted

    wanted: one text, or several. needs: "{} must be ..., or ...", for a text that means nothing.
    Raises ArgumentError for one.
    """
    found: dict[str, None] = {}
    for one in listed(wanted):
        found |= dict.fromkeys(_hits(known, one, needs))
    return list(found)


def values_of(
    known: Known, given: Mapping[Any, T], what: str, needs: str, kind: str = "number"
) -> dict[str, T]:
    """{thing: its value} for all that the keys of `given` mean      what: "prune: sparsity"

    kind: the word for a value. Raises ArgumentError as `matched` does, and where two names, or two
    patterns, disagree.
    """
    found: dict[str, T] = {}
    for loose in (False, True):
        mine: dict[str, T] = {}
        for wanted, value in given.items():
            if is_pattern(wanted) is not loose:
                continue
            for thing in _hits(known, wanted, needs):
                if thing in mine and mine[thing] != value:
                    raise ArgumentError(
                        f"{what} of {thing} must be one {kind}, not {mine[thing]!r} and, "
                        f"by {wanted!r}, {value!r}; leave one of them out"
                    )
                mine[thing] = value
        found = mine | found
    return {thing: found[thing] for thing in known if thing in found}


def _hits(known: Known, wanted: Any, needs: str) -> list[str]:
    if is_pattern(wanted):
        hits = [k for k, names in known.items() if any(fnmatchcase(n, wanted) for n in names)]
    else:
        hits = [k for k, names in known.items() if wanted in names]
    if not hits:
        raise ArgumentError(
            f"{needs.format(repr(wanted))}{closest(known, wanted)}"
            + (f"; choose among {', '.join(known)}" if known else ", and there is none")
        )
    return hits


def closest(known: Known, wanted: Any) -> str:
    """ " (did you mean fc1?)", or "" where nothing is close"""
    there = [name for names in known.values() for name in names]
    if not isinstance(wanted, str) and str(wanted) in there:  # --set layers=0
        return f' (a name is text: "{wanted}", with its quotes)'
    if is_pattern(wanted):
        there += [re.sub(r"\d+", "*", name) for name in there]
    near = meant(wanted, there, "")
    return f" ({near})" if near else ""
