"""All criteria as a table: what each computes, what it needs, what that costs, its source."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from minprune.core import EVIDENCE_KINDS, Criterion, spec_of


@dataclass(frozen=True)
class Entry:
    """One criterion, with its default options."""

    name: str
    equation: str  # higher = kept longer
    needs: str
    cost: str
    scores: str  # "weights", "units", or both
    source: str


class Listing(tuple[Entry, ...]):
    """The entries in the order of the table; printed, one line for each."""

    __slots__ = ()

    def __str__(self) -> str:
        titles = [field.name for field in fields(Entry)]
        lines = [titles, *([str(getattr(entry, t)) for t in titles] for entry in self)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        lines.insert(1, ["-" * width for width in widths])
        return "\n".join(
            "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
            for line in lines
        )

    __repr__ = __str__  # so that a prompt shows the table


def listing(criteria: Mapping[str, Criterion]) -> Listing:
    """The entry of each marked criterion"""
    return Listing(_entry(name, fn) for name, fn in criteria.items())


def _entry(name: str, fn: Criterion) -> Entry:
    spec = spec_of(fn)
    needs, _ = spec.asked({})
    costs = dict.fromkeys(EVIDENCE_KINDS[need].cost for need in needs if need in EVIDENCE_KINDS)
    costs.pop("nothing", None)
    scored = ["weights"] * spec.single + ["units"] * (spec.unit is not None)
    return Entry(
        name=name,
        equation=(fn.__doc__ or "").strip().partition("\n")[0].partition("  ")[0],
        needs=", ".join(needs),
        cost=", ".join(costs) or "nothing",
        scores=", ".join(scored),
        source=spec.cite,
    )
