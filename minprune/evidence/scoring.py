"""score(model, data, criterion): the criterion's scores, averaged over chunks of the data."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Set
from typing import Any, Literal

import numpy as np

from minprune.core import (
    EVIDENCE_KINDS,
    Arrays,
    Criterion,
    CriterionSpec,
    Evidence,
    Seed,
    Split,
    stream,
)
from minprune.core import criterion as make_criterion
from minprune.criteria import CRITERIA
from minprune.curvature.checks import checked, names_of
from minprune.errors import ArgumentError, MinpruneWarning
from minprune.evidence.asked import Asked
from minprune.evidence.checks import finite, fitting, label, option_names, signature
from minprune.evidence.fill import FILL, OPTIONS
from minprune.evidence.units import unit_filler
from minprune.nets.model import Model, is_model
from minprune.nets.ties import Group, ties

Params = Literal["weights", "all"]
Need = Callable[[Model, Split | None, np.random.Generator], Arrays]


def score(
    model: Model,
    data: Split | None,
    criterion: str | Criterion,
    *,
    params: Params = "weights",
    unit: bool = False,
    batch_size: int = 64,
    seed: Seed = 0,
    needs: Mapping[str, Need] | None = None,
    **options: Any,
) -> Arrays:
    """{name: scores of the parameter's shape}, higher = kept longer

    criterion: a name of `mp.criteria.CRITERIA`, or a function of one's own: Evidence -> scores
    (without a mark it gets the weights and `needs`), or of dicts of arrays whose arguments, the
    first at least, are named like kinds of evidence, such as f(weights, grads). data: (x, y), or
    None for criteria that need none. Scores of chunks ("batch": `batch_size` samples, "sample":
    one) are averaged in float64, weighted by their number of samples, and come back in the net's
    dtype. Evaluation mode: the model, its statistics and the global random state stay as they are;
    the criterion sees arrays that it cannot write to.

    options go to the criterion, but for these, which say how evidence is gathered: diagonal
    ("exact", "gauss_newton", "becker_lecun", "empirical_fisher" or "hutchinson"), samples (of
    hutchinson), levenberg_marquardt; of inverses: damp (1e-6: alpha = damp mean(diag H)), block
    (128 entries of the Fisher, with scale="blocks"); of activations: nonlinearity ("after", or
    "before": read in front of the activation function).
    A criterion's own bins, bias and scale say how histograms, rows with biases and inverses are.
    needs: evidence of one's own, {kind: function of (model, data, rng) -> arrays}, which
    `ev.of(kind)`, or an argument of that name, gives.

    unit=True: one score for each unit that may be removed, {name: (o,)} for every weight that makes
    such units; tied units share one value. (A weight of which only some units may be removed has
    0 for the others, and `prune` does not look at them.)

    Warns (MinpruneWarning) of what a criterion notes, such as negative second derivatives. Raises
    ArgumentError for an unknown name, option or kind of evidence, or absent data; ShapeError
    for scores of other names or shapes than the weights; NonFiniteError, naming the parameter and
    counting the entries, for weights, gradients or scores that are not finite.
    """
    is_model(model, "score")
    custom = needs or {}
    if not isinstance(custom, Mapping) or not all(map(callable, custom.values())):
        raise ArgumentError(
            f"needs is {needs!r}, expected functions of (model, data, rng) by kind of evidence; "
            f"give needs={{'mine': function}}"
        )
    fn = find(criterion, tuple(custom))
    spec: CriterionSpec = getattr(fn, "spec", CriterionSpec(("weights", *custom)))
    names = names_of(model, params)
    finite("weights", model.params)
    gather = {k: options.pop(k) for k in list(options) if k in OPTIONS}
    whole = option_names(fn, options)
    wanted, size = spec.asked(options, unit)
    compatible(fn, unit, params)
    _known(fn, wanted, custom, gather, unit_filler(spec.unit) if unit else FILL)
    rng = stream(seed, "criterion")
    groups = {g.name: g for g in ties(model) if g.free} if unit else {}
    asked = Asked(model, names, params, groups, rng, gather, whole)
    fill = unit_filler(spec.unit) if unit else FILL
    fixed: dict[str, Any] = {"rng": rng}
    fixed |= {k: _locked(custom[k](model, data, rng)) for k in custom if k in wanted}
    for kind in wanted:
        if kind in fill and kind not in fixed and not fill[kind].looks:
            fixed[kind] = _guarded(fill[kind](asked, None), kind)
    shapes = _shapes(model, names, groups if unit else None)
    raw = spec.raw or fn
    mean: Arrays = {}
    seen = 0
    looks = any(fill[k].looks for k in wanted if k not in fixed)
    for chunk in _chunks(model, data, looks, size, batch_size):
        held = {k: fixed[k] for k in wanted if k in fixed}
        held |= {k: _guarded(fill[k](asked, chunk), k) for k in wanted if k not in fixed}
        more = {k: held.pop(k) for k in list(held) if k in custom}
        ev = Evidence(**held, more=more, unit=unit)
        if spec.note and (text := spec.note(ev, **options)):
            warnings.warn(text, MinpruneWarning, stacklevel=2)
        scores = fitting(fn, raw(ev, **options), shapes)
        n = len(chunk[0]) if chunk else 1
        seen += n
        for name, s in scores.items():
            # a running mean in float64: the scores of a single chunk come back bit for bit
            if name in mean:
                s = mean[name] + (s.astype(np.float64) - mean[name]) * (n / seen)
            mean[name] = s
    if spec.finish:
        mean = fitting(fn, spec.finish(mean, **options), shapes)
    with np.errstate(over="ignore"):  # a copy: what a criterion hands on may be the model's own
        found = {name: mean[name].astype(model.dtype) for name in shapes}
    finite("score", found)
    return _handed_out(model, groups, found) if unit else found


def find(criterion: str | Criterion, own: tuple[str, ...] = ()) -> Criterion:
    """The criterion of that name, or the function itself; own: more kinds of evidence."""
    if callable(criterion):
        return (
            criterion
            if hasattr(criterion, "spec")
            else _adopted(criterion, {*EVIDENCE_KINDS, *own})
        )
    if not isinstance(criterion, str) or criterion not in CRITERIA:
        raise ArgumentError(
            f"criterion is {criterion!r}, expected one of {', '.join(sorted(CRITERIA))}, or a "
            f"function Evidence -> scores"
        )
    return CRITERIA[criterion]


def _adopted(fn: Criterion, known: Set[str]) -> Criterion:
    """fn itself, or what calls it with dicts, where its arguments are kinds of evidence"""
    import inspect

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


def compatible(criterion: str | Criterion, unit: bool, params: str = "weights") -> None:
    """Raises ArgumentError unless the criterion can score units, or single weights."""
    fn = find(criterion)
    spec: CriterionSpec = getattr(fn, "spec", CriterionSpec(("weights",)))
    if unit and spec.unit is None:
        raise ArgumentError(f"{label(fn)}: scores single weights alone; leave out unit=True")
    if unit and params != "weights":
        raise ArgumentError(
            f"{label(fn)}: unit=True with params={params!r} is not to be had, since a unit goes "
            f"with its biases; leave out params"
        )
    if not unit and not spec.single:
        raise ArgumentError(f"{label(fn)}: scores units alone; pass unit=True")


def _known(
    fn: Criterion,
    wanted: tuple[str, ...],
    custom: Mapping[str, Need],
    gather: Mapping[str, Any],
    there: Mapping[str, Any],
) -> None:
    """Raises ArgumentError unless all that the criterion needs can be had, and options fit."""
    for need in wanted:
        if need not in custom and need not in there and need != "rng":
            raise ArgumentError(
                f"{label(fn)}: needs {need!r}, expected {', '.join(sorted({*there, *custom}))} or "
                f"rng; ask for evidence that there is"
            )
    for name in gather:
        if not set(OPTIONS[name]) & set(wanted):
            raise ArgumentError(
                f"{label(fn)}: {name} says how {OPTIONS[name][0]} is gathered, which this "
                f"criterion does not need; leave {name} out"
            )


def _shapes(model: Model, names: list[str], groups: Mapping[str, Group] | None) -> dict[str, Any]:
    if groups is not None:
        return {name: (g.size,) for name, g in groups.items()}
    return {name: model.net.params[name] for name in names}


def _handed_out(model: Model, groups: Mapping[str, Group], scores: Arrays) -> Arrays:
    """Each group's scores, for all of its producers."""
    found: Arrays = {}
    for name, g in groups.items():
        for m in g.producers:
            if m.param not in found:
                found[m.param] = np.zeros(model.params[m.param].shape[0], model.dtype)
            found[m.param][m.index] = scores[name][:, None]
    return {name: found[name] for name in model.net.params if name in found}


def _chunks(
    model: Model, data: Split | None, looks: bool, chunk: str, batch_size: int
) -> Iterator[Any]:
    if not looks:
        yield None
        return
    x, y = checked(model, data)
    whole = isinstance(batch_size, int | np.integer) and not isinstance(batch_size, bool)
    if not whole or batch_size < 1:
        raise ArgumentError(
            f"batch_size is {batch_size!r}, expected an integer of at least 1; "
            f"give batch_size=64, for example"
        )
    size = {"all": len(x), "batch": batch_size, "sample": 1}[chunk]
    for i in range(0, len(x), size):
        yield x[i : i + size], y[i : i + size]


def _guarded(found: Any, kind: str) -> Any:
    """Evidence that cannot be written to, all of it finite."""
    if isinstance(found, Mapping):
        finite(kind, dict(found))
    return _locked(found)


def _locked(found: Any) -> Any:
    """The same arrays, read-only: they may be the model's, or the caller's."""
    if isinstance(found, Mapping):
        return {name: _locked(a) for name, a in found.items()}
    if not isinstance(found, np.ndarray):
        return found
    view = found.view()
    view.flags.writeable = False
    return view
