"""From a criterion's name, or a function of one's own, to a Request, with what is refused."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

from minprune.core import EVIDENCE_KINDS, Arrays, Chunk, Criterion, Evidence, spec_of
from minprune.core import criterion as make_criterion
from minprune.criteria import CRITERIA
from minprune.curvature.checks import names_of
from minprune.errors import ArgumentError
from minprune.evidence.request import Params, Request
from minprune.evidence.sources import OPTIONS, SOURCES, fill_of
from minprune.nets.model import Model
from minprune.nets.ties import Group, ties


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

    own: kinds of evidence of one's own; held: see Request. Raises ArgumentError for what the
    criterion does not take, or what cannot be computed for it.
    """
    fn = find(criterion, *own)
    names = names_of(model, params)
    how, options, settings, (needs, chunk) = check(fn, options, unit, params, own)
    if unit and groups is None:
        groups = {g.name: g for g in ties(model) if g.free}
    spec = spec_of(fn, *own)
    if unit and spec.unit == "incoming and bias":
        params, names = "all", list(model.net.params)
    return Request(
        model, fn, spec, needs, chunk, params, names, unit, groups or {}, rng, options, settings,
        how, held=held or {},
    )  # fmt: skip


def check(
    fn: Criterion,
    given: Mapping[str, Any],
    unit: bool = False,
    params: str = "weights",
    own: tuple[str, ...] = (),
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any], tuple[tuple[str, ...], Chunk]]:
    """(options of gathering, the criterion's own, all of its settings, (needs, chunk))

    Raises ArgumentError unless the criterion takes them and all that it needs can be computed.
    """
    how = {k: v for k, v in given.items() if k in OPTIONS}
    options = {k: v for k, v in given.items() if k not in OPTIONS}
    spec = spec_of(fn, *own)
    settings = all_options(fn, options)
    needs, chunk = spec.asked(options, unit)
    compatible(fn, unit, params)
    there = {k for k in SOURCES if fill_of(k, unit, spec.unit)} | {*own}
    for need in (k for k in needs if k not in there):
        raise ArgumentError(
            f"{label(fn)}: needs must be of {', '.join(sorted(there))}, not {need!r}; "
            f"declare evidence that exists, or pass needs={{{need!r}: function}}"
        )
    for name in (k for k in how if not set(OPTIONS[k]) & set(needs)):
        raise ArgumentError(
            f"{label(fn)}: {name} says how {OPTIONS[name][0]} is computed, which this criterion "
            f"does not need; leave {name} out"
        )
    return how, options, settings, (needs, chunk)


def find(criterion: str | Criterion, *own: str) -> Criterion:
    """The criterion of that name, or the function itself; own: more kinds of evidence."""
    if callable(criterion):
        return criterion if hasattr(criterion, "spec") else _adopted(criterion, own)
    if not isinstance(criterion, str) or criterion not in CRITERIA:
        raise ArgumentError(
            f"criterion must be one of {', '.join(sorted(CRITERIA))}, or a function Evidence -> "
            f"scores, not {criterion!r}; pass criterion='magnitude', for example"
        )
    return CRITERIA[criterion]


def _adopted(fn: Criterion, own: tuple[str, ...]) -> Criterion:
    """fn itself, or what calls it with dicts, where its arguments are kinds of evidence"""
    known = {*EVIDENCE_KINDS, *own}
    parameters = [*signature(fn).parameters.values()]
    if not parameters or parameters[0].name not in known:
        return fn
    kinds = tuple(p.name for p in parameters if p.name in known and p.default is p.empty)

    def by_name(ev: Evidence, **options: Any) -> Arrays:
        return fn(**{kind: ev.of(kind) for kind in kinds}, **options)

    more = [p for p in parameters if p.name not in kinds and p.kind is not p.VAR_POSITIONAL]
    named = [p if p.kind is p.VAR_KEYWORD else p.replace(kind=p.KEYWORD_ONLY) for p in more]
    first = inspect.Parameter("ev", inspect.Parameter.POSITIONAL_ONLY)
    by_name.__name__ = label(fn)
    by_name.__signature__ = inspect.Signature([first, *named])  # type: ignore[attr-defined]
    return make_criterion(needs=kinds, unit=None)(by_name)


def label(fn: Criterion) -> str:
    """What to call a criterion."""
    return getattr(fn, "__name__", "criterion")


def signature(fn: Criterion) -> inspect.Signature:
    """What fn takes; raises ArgumentError where it does not say."""
    try:
        return inspect.signature(fn)
    except (TypeError, ValueError):
        raise ArgumentError(
            f"{label(fn)} must be a Python function, not a callable without a signature; "
            f"wrap it in a function"
        ) from None


def all_options(fn: Criterion, options: Mapping[str, Any]) -> dict[str, Any]:
    """All options, those not given by their defaults

    Raises ArgumentError for options that the criterion does not take, or requires.
    """
    takes = signature(fn)
    more = [p for p in takes.parameters.values() if p.kind not in (2, 4)][1:]  # no *, no **
    for p in more:
        if p.default is p.empty and p.name not in options:
            raise ArgumentError(
                f"{label(fn)}: its argument {p.name!r} must be a kind of evidence (such as "
                f"weights, grads) or a given option; rename it, or pass {p.name}="
            )
    try:
        takes.bind(None, **options)
    except TypeError as e:
        known = ", ".join(p.name for p in more) or "none"
        raise ArgumentError(f"{label(fn)}: {e}; its options are {known}") from None
    return {p.name: p.default for p in more if p.default is not p.empty} | dict(options)


def compatible(criterion: str | Criterion, unit: bool, params: str = "weights") -> None:
    """Raises ArgumentError unless the criterion can score units, or single weights."""
    fn = find(criterion)
    spec = spec_of(fn)
    if unit and spec.unit is None:
        raise ArgumentError(f"{label(fn)}: scores single weights, not units; leave out unit=True")
    if unit and params != "weights":
        raise ArgumentError(
            f"{label(fn)}: unit=True needs params='weights', not params={params!r}, since a unit "
            f"is removed with its biases; leave out params"
        )
    if not unit and not spec.single:
        raise ArgumentError(f"{label(fn)}: scores units, not single weights; pass unit=True")
