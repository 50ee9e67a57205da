"""A law holds for all examples that were tried, or here is the smallest one that breaks it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Whether one law holds, with the smallest counterexample that was found.

    Parameters
    ----------
    law : str
        Its short name.
    holds : bool
        Whether no example broke it.
    sentence : str
        What it asks; where it is broken, also what was found.
    example : str
        The smallest counterexample as text; empty where the law holds.

    Examples
    --------
    >>> import minprune as mp
    >>> mp.verify.Verdict("even", True, "numbers are even").holds
    True
    """

    law: str
    holds: bool
    sentence: str
    example: str = ""


class Verdicts(tuple[Verdict, ...]):
    """The verdicts of one check: a tuple that prints as a table and its counterexamples.

    Parameters
    ----------
    iterable : iterable of Verdict
        The verdicts.

    Examples
    --------
    >>> import minprune as mp
    >>> found = mp.verify.Verdicts([mp.verify.Verdict("even", True, "numbers are even")])
    >>> found.ok, len(found.broken)
    (True, 0)
    >>> print(found)
    even  holds
    1 of 1 law holds
    """

    __slots__ = ()

    @property
    def ok(self) -> bool:
        """Whether every law holds."""
        return all(v.holds for v in self)

    @property
    def broken(self) -> Verdicts:
        """Those that do not hold."""
        return Verdicts(v for v in self if not v.holds)

    def __str__(self) -> str:
        wide = max((len(v.law) for v in self), default=0)
        lines = [f"{v.law:<{wide}}  {'holds' if v.holds else 'BROKEN'}" for v in self]
        for v in self.broken:
            lines += ["", f"{v.law}: {v.sentence}"]
            lines += [f"    {line}" for line in v.example.splitlines()]
        if self.broken:
            lines.append("")
        hold = "law holds" if len(self) == 1 else "laws hold"
        return "\n".join([*lines, f"{len(self) - len(self.broken)} of {len(self)} {hold}"])

    __repr__ = __str__


def verdict(law: str, sentence: str, clause: str, example: str) -> Verdict:
    """The verdict on a broken law."""
    return Verdict(law, False, f"{sentence}, but {clause}", example)


RAISED = ", but it raised "


def raised(error: BaseException) -> str:
    """ValueError: the first line of its text"""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"


def once(verdicts: Iterable[Verdict]) -> Iterator[Verdict]:
    """Of verdicts on one exception the first tells it, and the others name that law."""
    seen: dict[str, str] = {}
    for v in verdicts:
        sentence, raised, what = v.sentence.partition(RAISED)
        if raised and what in seen:
            yield Verdict(v.law, False, f"{sentence}{RAISED}the same as under {seen[what]!r}")
        else:
            yield v
        if raised:
            seen.setdefault(what, v.law)


def described(value: Any) -> str:
    """One line for each part of an example; arrays short, with their shape and dtype"""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        if type(value).__str__ is not object.__str__:
            return str(value)
        value = {f.name: getattr(value, f.name) for f in dataclasses.fields(value) if f.repr}
        value = {name: part for name, part in value.items() if part is not None}
    if isinstance(value, Mapping):
        return "\n".join(f"{name} = {short(part)}" for name, part in value.items())
    if isinstance(value, tuple):
        return "\n".join(short(part) for part in value)
    return short(value)


def short(value: Any) -> str:
    """A value on one line: [[0., 1.]] of shape (1, 2), float64"""
    if isinstance(value, np.ndarray):
        large = value.size > 12
        how: dict[str, Any] = {"precision": 4} if large else {"floatmode": "unique"}
        text = np.array2string(
            value, separator=", ", threshold=12, edgeitems=1 if value.ndim > 2 else 2, **how
        )
        return f"{' '.join(text.split())} of shape {value.shape}, {value.dtype}"
    if isinstance(value, Mapping):
        return "{" + "; ".join(f"{name}: {short(part)}" for name, part in value.items()) + "}"
    return repr(value)
