"""From a criterion's name, or a function of one's own, to a Request, with what is refused."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from minprune.arguments import meant
from minprune.core import EVIDENCE_KINDS, Arrays, Chunk, Criterion, CriterionSpec, Evidence, Marked
from minprune.criteria import CRITERIA
from minprune.errors import ArgumentError
from minprune.evidence.sources import OPTIONS, SOURCES, Fill, fill_of
from minprune.nets.model import Model, names_of
from minprune.nets.ties import Group, ties

Params = Literal["weights", "all"]


@dataclass(frozen=True)
class Request:
    """One criterion's scores of one model: everything that gathering its evidence takes.

    needs, chunk: as the spec says for these options. fills: how each kind is computed. names: the
    scored parameters, with unit those whose entries make the rows of units. groups: the units.
    shapes: of the scores, by parameter or by group. options: of the criterion, as given; settings:
    those with the defaults; how: options of gathering. own: evidence of one's own. held: what a
    training step has computed already: "grads" by parameter, "activations", "moments" and "classes"
    by group. fixed, made: what has been computed for all chunks, and for the present one.
    """

    model: Model
    fn: Marked[...]
    raw: Criterion
    needs: tuple[str, ...]
    chunk: Chunk
    fills: Mapping[str, Fill]
    options: Mapping[str, Any]
    settings: Mapping[str, Any]
    how: Mapping[str, Any]
    params: Params
    names: list[str]
    unit: bool
    groups: dict[str, Group]
    shapes: Mapping[str, tuple[int, ...]]
    rng: np.random.Generator
    held: Mapping[str, Any]
    own: Mapping[str, Any] = field(default_factory=dict)
    fixed: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)
    made: dict[str, tuple[Any, Any]] = field(default_factory=dict, repr=False, compare=False)


def ask(
    model: Model,
    criterion: str | Criterion,
    options: Mapping[str, Any],
    rng: np.random.Generator,
    *,
    params: Params = "weights",
    unit: bool = False,
    groups: dict[str, Group] | None = None,
    own: tuple[str, ...] = (),
    held: Mapping[str, Any] | None = None,
) -> Request:
    """The request; options: of the criterion and of gathering; groups: None means all free ones

    own: kinds of evidence of one's own; held: see Request. Raises as `check` does.
    """
    fn = find(criterion, *own)
    names = names_of(model, params)
    found = check(fn, options, unit, params, own)
    shapes = {name: model.net.params[name] for name in names}
    if unit:
        groups = free_groups(model) if groups is None else groups
        shapes = {name: (g.size,) for name, g in groups.items()}
        if fn.spec.unit == "incoming and bias":
            params, names = "all", list(model.net.params)
    return Request(
        model, fn, **found, params=params, names=names, unit=unit, groups=groups or {},
        shapes=shapes, rng=rng, held=held or {},
    )  # fmt: skip


def free_groups(model: Model) -> dict[str, Group]:
    """The groups of units that may be removed, by name"""
    return {g.name: g for g in ties(model) if g.free}


def check(
    fn: Marked[...],
    given: Mapping[str, Any],
    unit: bool = False,
    params: str = "weights",
    own: tuple[str, ...] = (),
) -> dict[str, Any]:
    """The fields of a Request that depend on the criterion and its options alone

    Raises ArgumentError unless the criterion takes them, scores units (or single weights), and all
    that it needs can be computed.
    """
    how = {k: v for k, v in given.items() if k in OPTIONS}
    options = {k: v for k, v in given.items() if k not in OPTIONS}
    who, spec, parameters = fn.__name__, fn.spec, _parameters(fn)
    more = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)][1:]
    for p in more:
        if p.default is p.empty and p.name not in options:
            raise ArgumentError(
                f"{who}: its argument {p.name!r} must be a kind of evidence (such as weights, "
                f"grads) or a given option; rename it, or pass {p.name}="
            )
    try:
        inspect.Signature(parameters).bind(None, **options)
    except TypeError as e:
        known = [p.name for p in more]
        unknown = next((name for name in options if name not in known), "")
        listed = f"its options are {', '.join(known) or 'none'}"
        raise ArgumentError(f"{who}: {e}; {meant(unknown, known, listed)}") from None
    needs, chunk = spec.asked(options, unit)
    if unit and spec.unit is None:
        raise ArgumentError(f"{who}: scores single weights, not units; leave out unit=True")
    if unit and params != "weights":
        raise ArgumentError(
            f"{who}: unit=True needs params='weights', not params={params!r}, since a unit is "
            f"removed with its biases; leave out params"
        )
    if not unit and not spec.single:
        raise ArgumentError(f"{who}: scores units, not single weights; pass unit=True")
    fills = {kind: fill for kind in SOURCES if (fill := fill_of(kind, unit, spec.unit))}
    for need in (k for k in needs if k not in fills and k not in own):
        raise ArgumentError(
            f"{who}: needs must be of {', '.join(sorted({*fills, *own}))}, not {need!r}; "
            f"declare evidence that exists, or pass needs={{{need!r}: function}}"
        )
    for name in (k for k in how if not set(OPTIONS[k]) & set(needs)):
        raise ArgumentError(
            f"{who}: {name} says how {OPTIONS[name][0]} is computed, which this criterion does not "
            f"need; leave {name} out"
        )
    return {
        "raw": spec.raw, "needs": needs, "chunk": chunk, "fills": fills, "options": options,
        "settings": {p.name: p.default for p in more if p.default is not p.empty} | options,
        "how": how,
    }  # fmt: skip


def find(criterion: str | Criterion, *own: str) -> Marked[...]:
    """The criterion of that name, or the function itself; own: more kinds of evidence

    A function without a spec gets the weights and `own`, or dicts, where its arguments, the first
    at least, are named as kinds of evidence.
    """
    if not callable(criterion):
        if not isinstance(criterion, str) or criterion not in CRITERIA:
            there, advice = sorted(CRITERIA), "pass criterion='magnitude', for example"
            near = meant(criterion, there, "")
            names = f"{len(there)} names" if near else ", ".join(there)
            raise ArgumentError(
                f"criterion must be one of {names}, or a function Evidence -> scores, not "
                f"{criterion!r}; {near or advice}"
            )
        return CRITERIA[criterion]
    if hasattr(criterion, "spec"):
        return criterion
    fn, known = criterion, {*EVIDENCE_KINDS, *own}
    parameters = _parameters(fn)
    if not parameters or parameters[0].name not in known:
        return CriterionSpec(("weights", *own))(fn)
    kinds = tuple(p.name for p in parameters if p.name in known and p.default is p.empty)

    def by_name(ev: Evidence, **options: Any) -> Arrays:
        return fn(**{kind: ev.of(kind) for kind in kinds}, **options)

    more = [p for p in parameters if p.name not in kinds and p.kind is not p.VAR_POSITIONAL]
    named = [p if p.kind is p.VAR_KEYWORD else p.replace(kind=p.KEYWORD_ONLY) for p in more]
    first = inspect.Parameter("ev", inspect.Parameter.POSITIONAL_ONLY)
    by_name.__name__ = getattr(fn, "__name__", "criterion")
    by_name.__signature__ = inspect.Signature([first, *named])  # type: ignore[attr-defined]
    return CriterionSpec(kinds, unit=None)(by_name)


def _parameters(fn: Criterion) -> list[inspect.Parameter]:
    """What fn takes; raises ArgumentError where it does not say."""
    try:
        return [*inspect.signature(fn).parameters.values()]
    except (TypeError, ValueError):
        raise ArgumentError(
            f"{getattr(fn, '__name__', 'criterion')} must be a Python function, not a callable "
            f"without a signature; wrap it in a function"
        ) from None
