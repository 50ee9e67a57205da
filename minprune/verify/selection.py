"""Selection by definition, sorted() on Python tuples, and the cases that its laws run on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import numpy as np

from minprune.core import Array, Arrays

Select = Callable[..., Arrays]


def half_even(x: float) -> int:
    """round(x), half to even, by decimal arithmetic."""
    return int(Decimal(x).to_integral_value(ROUND_HALF_EVEN))


def slow(
    scores: Arrays,
    masks: Arrays,
    *,
    sparsity: float,
    minimum: int = 1,
    protect: tuple[str, ...] = (),
    count: Callable[[float], int] = half_even,
    first: Callable[[float, int], Any] = lambda score, place: (score, -place),
) -> Arrays:
    """The definition: of all entries the count(sparsity n) first go, masked ones before others.

    `first` orders what goes, `place` counts in net order; each layer keeps its `minimum` best.
    """
    entries, stays, place = [], set(), 0
    for name in (n for n in scores if n not in protect):
        live = masks[name].ravel().tolist()
        layer = []
        for index, score in enumerate(scores[name].ravel().tolist()):
            entries.append((live[index], first(score, place), name, index))
            layer += [(-score, index)] if live[index] else []
            place += 1
        stays |= {(name, index) for _, index in sorted(layer)[:minimum]}
    order = sorted(entries, key=lambda e: (e[0], (e[2], e[3]) in stays, e[1]))
    new = {n: m.copy() for n, m in masks.items() if n not in protect}
    for _, _, name, index in order[: count(sparsity * len(entries))]:
        new[name].flat[index] = False
    return new


@dataclass(frozen=True)
class Case:
    """Scores with many ties, what is masked already, and a target that can be reached."""

    scores: Arrays
    masks: Arrays
    sparsity: float
    less: float  # a lower target, also reachable
    minimum: int = 0
    protect: tuple[str, ...] = ()

    def run(self, select: Select, **changes: Any) -> Arrays:
        """The masks for this case, or for one that differs by the given fields."""
        c = replace(self, **changes)
        return select(c.scores, c.masks, sparsity=c.sparsity, minimum=c.minimum, protect=c.protect)

    @property
    def names(self) -> list[str]:
        """The layers that are not protected."""
        return [n for n in self.scores if n not in self.protect]

    def total(self, masks: Arrays) -> int:
        """How many unprotected entries are pruned."""
        return sum(int((~masks[n]).sum()) for n in self.names)

    def __str__(self) -> str:
        lines = [f"scores of {n} = {s.tolist()}, {s.dtype}" for n, s in self.scores.items()]
        for n, m in self.masks.items():
            lines += [] if m.all() else [f"mask of {n} = {m.astype(int).tolist()}"]
        lines.append(f"sparsity = {self.sparsity}")
        lines += [f"lower sparsity = {self.less}"] * (self.less != self.sparsity)
        lines += [f"minimum = {self.minimum}"] * (self.minimum != 0)
        lines += [f"protect = {self.protect}"] * (self.protect != ())
        return "\n".join(lines)


def same(a: Mapping[str, Array], b: Mapping[str, Array]) -> bool:
    """Equal names in equal order, dtypes and entries."""
    return list(a) == list(b) and all(
        a[n].dtype == b[n].dtype and np.array_equal(a[n], b[n]) for n in a
    )


def kept(masks: Mapping[str, Array]) -> str:
    """Masks in a clause: 1 = kept."""
    return "; ".join(f"{n} {np.asarray(m).astype(int).tolist()}" for n, m in masks.items())


def differ(got: Arrays, want: Arrays, how: str = "expected") -> str | None:
    """None where they are the same, or both of them."""
    return None if same(got, want) else f"the masks are {kept(got)}, {how} {kept(want)}"
