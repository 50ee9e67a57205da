"""A criterion of ours or anybody's as a Subject: what it asks for, and how it is called."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args

from minprune.core import EVIDENCE_KINDS, Chunk, CriterionSpec, Evidence, UnitView
from minprune.errors import ArgumentError
from minprune.verify.criterion_subject import Options, Subject
from minprune.verify.definitions_table import OPTIONS, Definition
from minprune.verify.plain_evidence import SINGLE, UNITS


def subject(
    fn: Callable[..., Any],
    needs: Sequence[str] | None,
    unit: bool | str,
    options: Options,
    chunk: Chunk | None,
    row: Definition | None,
) -> Subject:
    """See check_criterion; raises ArgumentError for a function that cannot be called."""
    name = getattr(fn, "__name__", "criterion")
    if isinstance(unit, str) and unit not in get_args(UnitView):
        raise ArgumentError(
            f"unit is {unit!r}, expected True, False or one of {', '.join(get_args(UnitView))}; "
            f"say what the arrays of a unit hold"
        )
    if chunk is not None and chunk not in get_args(Chunk):
        raise ArgumentError(
            f"chunk is {chunk!r}, expected one of {', '.join(get_args(Chunk))}; "
            f"say what one call is given"
        )
    if isinstance(needs, str):
        raise ArgumentError(f"needs is {needs!r}, expected names; write needs=({needs!r},)")
    takes = _parameters(name, fn)
    own = _taken(name, takes, options, row)
    if hasattr(fn, "spec"):
        return _marked(name, fn, unit, own, chunk, row)
    return _unmarked(name, fn, takes, needs, unit, own, chunk, row)


def _marked(
    name: str, fn: Any, unit: bool | str, own: Options, chunk: Chunk | None, row: Definition | None
) -> Subject:
    """A criterion by its mark."""
    spec: CriterionSpec = fn.spec
    asked, size = spec.asked(own, bool(unit))
    reading: Any = unit if isinstance(unit, str) else spec.unit if unit else None
    if unit is True and reading == "incoming and bias" and own.get("bias") is False:
        reading = "incoming"  # as mp.score reads that option
    if (reading is None) == bool(unit) or (reading is None and not spec.single):
        kind, other = ("units", "False") if unit else ("single weights", "True")
        raise ArgumentError(f"{name}: its mark says it cannot score {kind}; say unit={other}")
    _known(name, asked, reading)
    raw, finish = spec.raw or fn, _bound(spec.finish, own)
    return Subject(
        name, lambda ev: raw(ev, **own), tuple(asked), chunk or size, reading, finish, True,
        *_loss(row),
    )  # fmt: skip


def _unmarked(
    name: str,
    fn: Callable[..., Any],
    takes: Mapping[str, inspect.Parameter],
    needs: Sequence[str] | None,
    unit: bool | str,
    own: Options,
    chunk: Chunk | None,
    row: Definition | None,
) -> Subject:
    """A function of evidence by name, or of Evidence with these needs."""
    reading: Any = unit if isinstance(unit, str) else None
    if unit is True:
        reading = row.unit if row else "incoming"
    by_name = [kind for kind in takes if kind in EVIDENCE_KINDS]
    if not by_name and needs is None:
        raise ArgumentError(
            f"{name}: takes {', '.join(takes) or 'nothing'}, expected evidence by name, such as "
            f"weights= and grads=; name its arguments so, or say needs=(...) if it takes Evidence"
        )
    asked = tuple(by_name or needs or ())
    _known(name, asked, reading)
    for other, p in takes.items():
        left = p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
        if by_name and left and other not in (*by_name, *own):
            raise ArgumentError(
                f"{name}: takes {other}, which is no evidence and no option that was given; "
                f"say options={{{other!r}: ...}}, or give it a default"
            )

    def by_keyword(ev: Evidence) -> Any:
        return fn(**{kind: getattr(ev, kind) for kind in asked}, **own)

    def by_evidence(ev: Evidence) -> Any:
        return fn(ev, **own)

    # such a function divides by the norm itself; a linear one may still be averaged chunk chunks
    size: Chunk = "all" if row and row.finish else chunk or (row.chunk if row else None) or "all"
    raw = by_keyword if by_name else by_evidence
    return Subject(name, raw, asked, size, reading, None, False, *_loss(row))


def _loss(row: Definition | None) -> tuple[float, float]:
    """(share, floor)"""
    return (row.share, row.floor) if row else (Subject.share, Subject.floor)


def _parameters(name: str, fn: Any) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(fn).parameters
    except (TypeError, ValueError) as error:  # no function, or a builtin
        raise ArgumentError(
            f"{name}: its parameters cannot be read, expected a function of evidence by name; "
            f"wrap it in one, such as def mine(weights, grads)"
        ) from error


def _taken(
    name: str, takes: Mapping[str, inspect.Parameter], options: Options, row: Definition | None
) -> Options:
    """Those of the options that the function takes; the rest is for the definition alone."""
    if any(p.kind is p.VAR_KEYWORD for p in takes.values()):
        return options
    for option in options:
        if option not in takes and (row is None or option not in OPTIONS):
            raise ArgumentError(
                f"options has {option!r}, which {name} does not take"
                + (", nor any definition" if row else "")
                + "; correct the name, or leave it out"
            )
    return {k: v for k, v in options.items() if k in takes}


def _bound(finish: Any, options: Options) -> Any:
    """The finish with those of the options that it takes."""
    if finish is None:
        return None
    known = {k: v for k, v in options.items() if k in inspect.signature(finish).parameters}
    return lambda scores: finish(scores, **known)


def _known(name: str, needs: Sequence[str], row: UnitView | None) -> None:
    known = [*SINGLE, *(UNITS if row else ()), "rng"]
    for kind in needs:
        if kind not in known:
            raise ArgumentError(
                f"{name}: needs {kind!r}, which verify/ has no arrays for, expected "
                f"{', '.join(dict.fromkeys(known))}; ask for one of them"
            )
