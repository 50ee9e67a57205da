"""Somebody's criterion, called the one way that the laws know: a plain problem in, scores out."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np

from minprune.core import KINDS, Array, Arrays, Evidence, Over, Row
from minprune.errors import ArgumentError
from minprune.verify.definitions_table import Definition
from minprune.verify.plain_evidence import SINGLE, UNITS, evidence

Options = dict[str, Any]
LEAST = 2.0**-1000  # what is below is no score but the next float above 0, or the one above that
SYMMETRIC = ("act_gram", "within", "inverse_block")
BATCH = 2  # samples of a minibatch, where a chunk is one


@dataclass(frozen=True)
class Subject:
    """raw: Evidence of one chunk -> scores; finish: what is done once chunks are averaged.

    row: what the arrays of a unit hold, None for single weights.
    """

    name: str
    raw: Callable[[Evidence], Any]
    needs: tuple[str, ...]
    over: Over = "all"
    row: Row | None = None
    finish: Callable[[Arrays], Arrays] | None = None
    marked: bool = False
    floor: float = LEAST  # what two runs may differ by however small the scores are

    def __call__(self, ev: Evidence) -> Arrays:
        """The scores of one chunk, finished."""
        scores: Arrays = self.raw(ev)
        return scores if self.finish is None else self.finish(scores)


@dataclass(frozen=True)
class Law:
    """sentence: what is asked    examples: a strategy    broken: example -> None or a clause"""

    sentence: str
    examples: Any
    broken: Callable[[Any], str | None]


def changed(ev: Evidence, how: Callable[[Array], Array]) -> Evidence:
    """The evidence with each array of a dict replaced."""
    filled: dict[str, Any] = {k: v for k, v in vars(ev).items() if isinstance(v, dict)}
    new: dict[str, Any] = {k: {n: how(a) for n, a in v.items()} for k, v in filled.items()}
    return replace(ev, **new)


def jittered(ev: Evidence, seed: int) -> Evidence:
    """The evidence with each number off by some 2^-44 of it; matrices stay symmetric."""
    rng = np.random.default_rng(seed)

    def off(kind: str, a: Array) -> Array:
        factor = 1 + 2.0**-44 * rng.standard_normal(np.shape(a))
        if kind in SYMMETRIC:
            factor = (factor + np.swapaxes(factor, -1, -2)) / 2
        return a * factor if np.asarray(a).dtype.kind == "f" else a

    filled: dict[str, Any] = {k: v for k, v in vars(ev).items() if isinstance(v, dict)}
    new: dict[str, Any] = {k: {n: off(k, a) for n, a in v.items()} for k, v in filled.items()}
    return replace(ev, **new)


def total(s: Subject, p: Any, chunks: Sequence[Sequence[int]] | None = None) -> Arrays:
    """Scores of all samples: each chunk's, averaged in float64 by its count of samples, finished.

    chunks: which samples go together; None: as s.over says. (One by one, if that is "sample".)
    """
    n = len(p.x) if hasattr(p, "x") else 1
    whole = chunks is None
    if chunks is None:
        size = {"all": n, "batch": BATCH, "sample": 1}[s.over]
        chunks = [range(n)[i : i + size] for i in range(0, n, size)]
    if s.over == "sample":
        chunks = [[k] for chunk in chunks for k in chunk]
    mean: Arrays = {}
    for chunk in chunks:
        part = p if whole and len(chunk) == n else p.rows(list(chunk))
        for name, score in s.raw(evidence(part, s.needs, s.row)).items():
            mean[name] = mean.get(name, 0) + np.asarray(score, np.float64) * (len(chunk) / n)
    return mean if s.finish is None else s.finish(mean)


def reference(row: Definition, options: dict[str, Any], s: Subject) -> Subject:
    """The definition as a subject that scores what s scores."""
    unit = None if s.row is None else row.unit
    if s.row is not None and set(row.needs) == set(s.needs) and not s.marked:
        unit = s.row  # code of one's own may read a unit by its weights where ours has its gate
    over = row.over or s.over
    score, options = row.score, row.takes(options)
    return Subject("definition", lambda ev: score(ev, **options), row.needs, over, unit, row.finish)


def subject(
    fn: Callable[..., Any],
    needs: Sequence[str] | None,
    unit: bool | str,
    options: dict[str, Any],
    over: Over | None,
    row: Definition | None,
) -> Subject:
    """See check_criterion; raises ArgumentError for a function that cannot be called."""
    name = getattr(fn, "__name__", "criterion")
    mark = getattr(fn, "mark", None)
    reading: Any = unit if isinstance(unit, str) else None
    if reading is not None and reading not in get_args(Row):
        raise ArgumentError(
            f"unit is {unit!r}, expected True, False or one of {', '.join(get_args(Row))}; "
            f"say what the arrays of a unit hold"
        )
    if mark is not None:
        asked, chunk = mark.asked(options, bool(unit))
        raw, finish = mark.raw or fn, _bound(mark.finish, options)
        if unit and reading is None:
            reading = mark.unit
            if reading == "incoming and bias" and options.get("bias") is False:
                reading = "incoming"  # as mp.score reads that option
        if (reading is None) == bool(unit) or (reading is None and not mark.single):
            kind, other = ("units", "False") if unit else ("single weights", "True")
            raise ArgumentError(f"{name}: its mark says it cannot score {kind}; say unit={other}")
        _known(name, asked, reading)
        return Subject(
            name, lambda ev: raw(ev, **options), tuple(asked), over or chunk, reading, finish, True,
            row.floor if row else LEAST,
        )  # fmt: skip
    if unit and reading is None:
        reading = row.unit if row else "incoming"
    chunk = over or (row.over if row else None) or "all"
    takes = inspect.signature(fn).parameters
    by_name = [kind for kind in takes if kind in KINDS]
    finish = row.finish if row else None
    if not by_name and needs is None:
        raise ArgumentError(
            f"{name}: takes {', '.join(takes) or 'nothing'}, expected evidence by name, such as "
            f"weights= and grads=; name its arguments so, or say needs=(...) if it takes Evidence"
        )
    asked = tuple(by_name or needs or ())
    _known(name, asked, reading)

    def by_keyword(ev: Evidence) -> Any:
        return fn(**{kind: getattr(ev, kind) for kind in asked}, **options)

    def by_evidence(ev: Evidence) -> Any:
        return fn(ev, **options)

    # such a function divides by the norm itself; a linear one may still be averaged over chunks
    raw = by_keyword if by_name else by_evidence
    over, floor = "all" if finish else chunk, row.floor if row else LEAST
    return Subject(name, raw, asked, over, reading, floor=floor)


def _bound(finish: Any, options: dict[str, Any]) -> Any:
    """The finish with those of the options that it takes."""
    if finish is None:
        return None
    known = {k: v for k, v in options.items() if k in inspect.signature(finish).parameters}
    return lambda scores: finish(scores, **known)


def _known(name: str, needs: Sequence[str], row: Row | None) -> None:
    known = [*SINGLE, *(UNITS if row else ()), "rng"]
    for kind in needs:
        if kind not in known:
            raise ArgumentError(
                f"{name}: needs {kind!r}, which verify/ has no arrays for, expected "
                f"{', '.join(dict.fromkeys(known))}; ask for one of them"
            )
