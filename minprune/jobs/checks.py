"""Checks before any training; messages name the options of the command line."""

import warnings
from collections.abc import Sequence
from dataclasses import fields
from time import perf_counter
from typing import Any

import numpy as np

from minprune.arguments import count, number, one_of, share
from minprune.core import Array, Split
from minprune.curvature.removal import loss
from minprune.errors import ArgumentError, MinpruneError, MinpruneWarning
from minprune.evidence import score
from minprune.jobs.own import check_criterion, check_method, check_net, criterion, of_own
from minprune.jobs.own import spec as spec_of
from minprune.jobs.settings import ALL, FORMS, CompareSettings, Settings
from minprune.masking.apply import prune
from minprune.masking.choose import Scope
from minprune.measures.cost import size
from minprune.nets.model import Model
from minprune.nets.ties import ties

BOUND = 2e12  # multiply-adds of removing one by one: a minute or two; the oracle beyond is refused
FEWEST = 10  # samples that it makes sense to advise
FEW = 20  # samples of a rehearsal


def check_methods(owner: str, what: str, name: str) -> None:
    """Raises ArgumentError unless there is a method of that name, or it is "all"."""
    if name != ALL:
        check_method(owner, what, name)


def check_form(owner: str, what: str, name: str) -> None:
    """Raises ArgumentError unless it is a form that a run exports."""
    one_of(owner, what, name, FORMS)


def check(s: Settings) -> None:
    """Raises ArgumentError for a setting that no data makes possible."""
    checks: dict[str, Any] = {
        "share": share, "number": number,
        "net": check_net, "criterion": check_criterion,
        "method": check_method, "methods": check_methods, "form": check_form,
    }  # fmt: skip
    if s.out is not None and not s.out.strip():
        raise ArgumentError(
            f"{s.command}: --out must be the path of a folder, not {s.out!r}; leave it out for a "
            f"folder in runs/"
        )
    if isinstance(s, CompareSettings) and s.methods is None:
        for name in ("rounds", "last_rate"):
            if getattr(s, name) is not None:
                raise ArgumentError(
                    f"{s.command}: --{name.replace('_', '-')} must be given with --methods, which "
                    f"it is for; leave it out"
                )
    for f in fields(s):
        given, flag = getattr(s, f.name), f"--{f.name.replace('_', '-')}"
        if isinstance(given, list) and (not given or len(set(given)) < len(given)):
            raise ArgumentError(
                f"{s.command}: {flag} must list at least one value, and each once, not "
                f"{', '.join(map(str, given)) or 'nothing'}; separate them by commas"
            )
        for value in given if isinstance(given, list) else [given]:
            if value is not None and "least" in f.metadata:
                least = f.metadata.get("each") if isinstance(given, list) else None
                count(s.command, flag, value, f.metadata["least"] if least is None else least)
            elif value is not None and "check" in f.metadata:
                checks[f.metadata["check"]](s.command, flag, value)


def reachable(
    model: Model, unit: bool, sparsities: Sequence[float], scope: Scope = "global"
) -> None:
    """Raises ArgumentError for a sparsity that this net cannot have."""
    scores = score(model, None, "magnitude", unit=unit)
    for sparsity in sparsities:
        prune(model, scores, sparsity=sparsity, scope=scope)


def possible(name: str, model: Model, data: Split, unit: bool, *, samples: int | None) -> str:
    """What scoring this net's units, or weights, will cost, in words, if it is a pass for each

    Raises ArgumentError unless the criterion can. Time is estimated from counts and limited by
    BOUND; all else, memory included, is found by scoring the net before training on FEW of the
    samples. samples: how many --samples asks for; None where a job has no such option and scores
    from all of them.
    """
    own, spec = criterion(name), spec_of(name)
    if unit and spec.unit is None:
        raise ArgumentError(f"{name}: scores single weights only; leave out --unit")
    if not unit and not spec.single:
        raise ArgumentError(f"{name}: scores units only; pass --unit")
    cost = ""
    if "removal" in spec.asked(dict(spec.large), unit)[0]:
        cost = _in_time(name, model, data, unit, samples)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MinpruneWarning)  # it is of the net before training
        with of_own(name):
            try:
                score(model, few(data), own, unit=unit, **spec.large)
            except MinpruneError as e:
                said = str(e).rpartition("; ")[0] or str(e)  # its remedy is for Python
                raise ArgumentError(f"{said}; choose another criterion, --net or --data") from None
    return cost


def _in_time(name: str, model: Model, data: Split, unit: bool, most: int | None) -> str:
    """Passes, and about how long they take; raises ArgumentError where they are beyond BOUND

    most: samples at most; None: all.
    """
    samples = most or len(data[0])
    part, fixed = (data[0][:samples], data[1][:samples]), most is None
    free = sum(g.size for g in ties(model) if g.free)
    passes = free if unit else sum(model.params[n].size for n in model.net.weights)
    each = passes * size(model).macs
    if each * samples <= BOUND:
        loss(model, model.params, part)  # compiles
        begun = perf_counter()
        loss(model, model.params, part)
        seconds = passes * (perf_counter() - begun)
        return f"{name}: {passes:,} passes over {samples:,} samples for each net: {spent(seconds)}"
    most = int(BOUND / each)
    remedies = [] if unit else ["pass --unit"]
    remedies += ["choose a smaller --net"] if fixed or most < FEWEST else [f"--samples {most}"]
    raise ArgumentError(
        f"{name}: {passes:,} passes over {samples:,} samples take {each * samples:.1e} "
        f"multiply-adds, more than the bound of {BOUND:.0e}; {', or '.join(remedies)}"
    )


def at_init(names: Sequence[str]) -> list[str]:
    """A sentence about the criteria that are meant for nets before training, if there are any."""
    found = [name for name in names if spec_of(name).at_init]
    are = "are" if len(found) > 1 else "is"
    said = f"{', '.join(found)} {are} meant for nets before training; here the net is trained"
    return [said] if found else []


def spent(seconds: float) -> str:
    """0.3 -> about 1 second; 200 -> about 3 minutes"""
    if seconds < 100:
        n = max(1, round(seconds))
        return f"about {n} second{'s' * (n > 1)}"
    return f"about {round(seconds / 60)} minutes"


def few(data: Split) -> tuple[Array, Array]:
    """FEW samples from all over the data, and the first of each class, since they may be sorted"""
    x, y = data
    spread = np.linspace(0, len(x) - 1, min(FEW, len(x))).astype(int)
    at = np.union1d(spread, np.unique(y, return_index=True)[1])
    return x[at], y[at]
