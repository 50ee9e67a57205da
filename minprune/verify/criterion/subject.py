"""A criterion of any origin, called the one way that the laws know: a plain problem in, scores out.

A marked criterion says by its spec what it needs; other functions say it by the names of their
arguments, or are given `needs`.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, get_args

import numpy as np

from minprune.arguments import choice
from minprune.core import EVIDENCE_KINDS, Array, Arrays, Chunk, CriterionSpec, Evidence, UnitView
from minprune.errors import ArgumentError
from minprune.verify.plain import units, weights  # noqa: F401  (their marks fill TWINS)
from minprune.verify.plain.evidence import SINGLE, UNITS, plain_evidence
from minprune.verify.plain.twin import READINGS, TWINS, Twin, known

CHECK = "check_criterion"
SYMMETRIC = ("act_gram", "act_cov", "within", "inverse_block")
OF_WEIGHTS = {"weights", "outgoing", "scales", "rng"}  # what needs no derivative and no data
BATCH = 2  # samples of a minibatch, where a chunk is one
Options = dict[str, Any]


NO_TWIN = Twin(lambda ev: {}, (), "incoming")


@dataclass(frozen=True)
class Subject:
    """raw: Evidence of one chunk -> scores; finish: what is done once chunks are averaged.

    view: what the arrays of a unit hold, None for single weights. twin: the definition that it
    should equal, with these options.
    """

    name: str
    raw: Callable[[Evidence], Any]
    needs: tuple[str, ...]
    chunk: Chunk = "all"
    view: UnitView | None = None
    finish: Callable[[Arrays], Arrays] | None = None
    marked: bool = False
    twin: Twin = NO_TWIN
    options: Options = field(default_factory=dict)

    def __call__(self, ev: Evidence) -> Any:
        """The scores of one chunk, finished, as arrays of NumPy; as they are if they are no dict"""
        scores = self.raw(ev)
        scores = scores if self.finish is None else self.finish(scores)
        if hasattr(scores, "items"):
            return {name: np.asarray(score) for name, score in scores.items()}
        return scores

    def of(self, p: Any) -> Evidence:
        """The evidence of a problem that the criterion asks for."""
        return plain_evidence(p, self.needs, self.view)


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

    chunks: which samples go together; None: as s.chunk says. (One by one, if that is "sample".)
    """
    n = len(p.x) if hasattr(p, "x") else 1
    if chunks is None:
        size = {"all": n, "batch": BATCH, "sample": 1}[s.chunk]
        chunks = [range(n)[i : i + size] for i in range(0, n, size)]
    if s.chunk == "sample":
        chunks = [[k] for chunk in chunks for k in chunk]
    mean: Arrays = {}
    for chunk in chunks:
        for name, score in s.raw(s.of(p.rows(list(chunk)))).items():
            mean[name] = mean.get(name, 0) + np.asarray(score, np.float64) * (len(chunk) / n)
    return mean if s.finish is None else s.finish(mean)


def reference(s: Subject) -> Subject:
    """The definition as a subject that scores what s scores."""
    row = s.twin
    unit = None if s.view is None else row.unit
    if s.view is not None and set(row.needs) <= OF_WEIGHTS and s.view not in ("gate", "whole"):
        unit = s.view  # whose norm or distance is meant, s says; a derivative has one right view
    score, options = row.score, known(row.score, s.options)
    return Subject("definition", lambda ev: score(ev, **options), row.needs, row.chunk or s.chunk,
                   unit, row.finish, False, row, s.options)  # fmt: skip


def subject(
    fn: Callable[..., Any], like: str | None = None, needs: Sequence[str] | None = None,
    unit: bool | str = False, options: Mapping[str, Any] | None = None, chunk: Chunk | None = None,
) -> Subject:  # fmt: skip
    """See check_criterion; raises ArgumentError for a function that cannot be called."""
    options = dict(options or {})
    name = getattr(fn, "__name__", "criterion")
    twin = twin_of(like, options, bool(unit)) if like else NO_TWIN
    if not isinstance(unit, bool):
        choice(CHECK, "unit", unit, (True, False, *get_args(UnitView)))
    if chunk is not None:
        choice(CHECK, "chunk", chunk, get_args(Chunk))
    if isinstance(needs, str):
        raise ArgumentError(f"{CHECK}: needs must be a tuple of names; write needs=({needs!r},)")
    try:
        takes = inspect.signature(fn).parameters
    except (TypeError, ValueError) as error:  # no function, or a builtin
        raise ArgumentError(
            f"{name}: its parameters cannot be read; wrap it, as in def mine(weights, grads)"
        ) from error
    own = _taken(name, takes, options, twin)
    if hasattr(fn, "spec"):
        made = _marked(name, fn, unit, own, chunk)
    else:
        made = _unmarked(name, fn, takes, needs, unit, own, chunk, twin)
    views = [*SINGLE, *(UNITS if made.view else ()), "rng"]
    for kind in (*made.needs, *(needs or ())):
        if kind not in views:
            raise ArgumentError(
                f"{name}: needs {kind!r}, of which verify/ makes no arrays; it must be one of "
                f"{', '.join(dict.fromkeys(views))}"
            )
    return replace(made, twin=twin, options=options)


def _marked(name: str, fn: Any, unit: bool | str, own: Options, chunk: Chunk | None) -> Subject:
    """A criterion by its spec."""
    spec: CriterionSpec = fn.spec
    asked, size = spec.asked(own, bool(unit))
    view: Any = unit if isinstance(unit, str) else spec.unit if unit else None
    if unit is True and view == "incoming and bias" and own.get("bias") is False:
        view = "incoming"  # as mp.score reads that option
    if (view is None) == bool(unit) or (view is None and not spec.single):
        kind, other = ("units", "False") if unit else ("single weights", "True")
        raise ArgumentError(f"{name}: its spec says it cannot score {kind}; say unit={other}")
    raw = partial(spec.raw or fn, **own)
    finish = partial(spec.finish, **known(spec.finish, own)) if spec.finish else None
    return Subject(name, raw, tuple(asked), chunk or size, view, finish, True)


def _unmarked(
    name: str, fn: Callable[..., Any], takes: Mapping[str, inspect.Parameter],
    needs: Sequence[str] | None, unit: bool | str, own: Options, chunk: Chunk | None,
    twin: Twin,
) -> Subject:  # fmt: skip
    """A function of evidence by name, or of Evidence with these needs."""
    view: Any = unit if isinstance(unit, str) else twin.unit if unit else None
    by_name = [kind for kind in takes if kind in EVIDENCE_KINDS]
    if not by_name and needs is None:
        raise ArgumentError(
            f"{name}: takes {', '.join(takes) or 'nothing'}, and its arguments must be kinds of "
            f"evidence, such as weights and grads; rename them, or say needs=(...) if it takes "
            f"Evidence"
        )
    asked = tuple(by_name or needs or ())
    for other, p in takes.items():
        left = p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
        if by_name and left and other not in (*by_name, *own):
            raise ArgumentError(
                f"{name}: takes {other}, which is no evidence and no option that was given; "
                f"say options={{{other!r}: ...}}, or give it a default"
            )

    def named(ev: Evidence) -> Any:
        return fn(**{kind: getattr(ev, kind) for kind in asked}, **own)

    # such a function divides by the norm itself; a linear one may still be averaged over chunks
    size: Chunk = "all" if twin.finish else chunk or twin.chunk or "all"
    return Subject(name, named if by_name else partial(fn, **own), asked, size, view)


def _taken(
    name: str, takes: Mapping[str, inspect.Parameter], options: Options, twin: Twin
) -> Options:
    """Those of the options that the function takes; the rest is for the definition alone."""
    if any(p.kind is p.VAR_KEYWORD for p in takes.values()):
        return options
    for option in options:
        if option not in takes and (twin is NO_TWIN or option not in every_option()):
            raise ArgumentError(
                f"{CHECK}: options has {option!r}, which {name} does not take"
                + (", nor any definition" if twin is not NO_TWIN else "")
                + "; correct the name, or leave it out"
            )
    return {k: v for k, v in options.items() if k in takes}


def twin_of(name: str, options: dict[str, Any], unit: bool = False) -> Twin:
    """The twin of a criterion with these options; KeyError for a name that has none."""
    asked = options | {"unit": unit}
    for (owner, option, value), reading in READINGS.items():
        if name == owner and asked.get(option) == value:
            name = reading
    row = TWINS[name]
    given = known(row.score, options)
    made = {what: getattr(row, what) for what in ("laws", "unit", "chunk")}
    return replace(row, **{k: v(**given) if callable(v) else v for k, v in made.items()})


def every_option() -> set[str]:
    """The options that some twin takes or is chosen by."""
    takes = (inspect.signature(row.score).parameters.values() for row in TWINS.values())
    optional = {p.name for many in takes for p in many if p.default is not p.empty}
    return optional | {option for _, option, _ in READINGS}
