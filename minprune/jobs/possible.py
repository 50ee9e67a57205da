"""What can be said of a job before anything is trained, in the words of the command line."""

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from minprune.core import Array, CriterionSpec, Split
from minprune.criteria import CRITERIA
from minprune.errors import ArgumentError, MinpruneError, MinpruneWarning
from minprune.evidence import score
from minprune.jobs.compare_settings import CompareSettings
from minprune.jobs.settings import Settings
from minprune.masking.apply import prune
from minprune.masking.checks import Scope
from minprune.nets.counts import counts
from minprune.nets.model import Model
from minprune.nets.ties import ties
from minprune.nets.zoo import ZOO

BOUND = 2e12  # multiply-adds of removing one by one: a minute or two; the oracle beyond is refused
FEWEST = 10  # samples that it makes sense to advise
FEW = 20  # samples of a rehearsal
LEAST = {"seeds": 1, "seed": 0, "epochs": 0, "fine_tune": 0, "samples": 1, "batch_size": 1}
OPTIONS: dict[tuple[str, bool], dict[str, Any]] = {  # (criterion, unit): where not the defaults
    ("obs", False): {"scale": "blocks"},  # the inverse of a whole net is for small nets
    ("obs", True): {"scale": "blocks"},  # equals fisher for ReLU units; layers have no common scale
}


def flag(name: str) -> str:
    """fine_tune -> --fine-tune"""
    return f"--{name.replace('_', '-')}"


def check(s: Settings | CompareSettings) -> None:
    """Raises ArgumentError for a setting that no data makes possible."""
    if isinstance(s, CompareSettings):
        asked: dict[str, Any] = {"--criteria": s.criteria, "--sparsities": s.sparsities}
        _once(asked)
    else:
        asked = {"--criterion": [s.criterion], "--sparsity": [s.sparsity]}
    (names, criteria), (numbers, shares) = asked.items()
    if s.net is not None and s.net not in ZOO:
        raise ArgumentError(f"--net is {s.net!r}, expected one of {', '.join(ZOO)}; choose one")
    for name in criteria or ():
        if name not in CRITERIA:
            raise ArgumentError(
                f"{names}: {name!r} is none of {', '.join(sorted(CRITERIA))}; choose one of those"
            )
    for share in shares or ():
        if not 0 <= share <= 1:
            raise ArgumentError(f"{numbers}: {share} is no share in [0, 1]; give 0.9, for example")
    for name, least in LEAST.items():
        given = getattr(s, name, None)
        if given is not None and given < least:
            raise ArgumentError(f"{flag(name)} is {given}, expected at least {least}; give a count")
    if not 0 <= s.lr < math.inf:
        raise ArgumentError(f"--lr is {s.lr}, expected a number of at least 0; give {Settings.lr}")


def _once(asked: Mapping[str, Sequence[Any] | None]) -> None:
    """Raises ArgumentError for a list without entries, or with one of them twice."""
    for name, given in asked.items():
        if given is not None and (not given or len(set(given)) < len(given)):
            raise ArgumentError(
                f"{name} has {', '.join(map(str, given)) or 'nothing'}, expected at least one, and "
                f"each of them once; list them"
            )


def reachable(
    model: Model, unit: bool, sparsities: Sequence[float], scope: Scope = "global"
) -> None:
    """Raises ArgumentError for a sparsity that this net cannot have."""
    scores = score(model, None, "magnitude", unit=unit)
    for sparsity in sparsities:
        prune(model, scores, sparsity=sparsity, scope=scope)


def possible(name: str, model: Model, data: Split, unit: bool, *, samples: int | None) -> None:
    """Raises ArgumentError unless the criterion can score this net's units, or weights

    What takes too long is told from counts, within BOUND; all else, the memory it takes too, from
    scoring the net before training on FEW of the samples. samples: how many --samples asks for;
    None where a job has no such option and looks at all of them.
    """
    spec: CriterionSpec = CRITERIA[name].spec  # type: ignore[attr-defined]
    if unit and spec.unit is None:
        raise ArgumentError(f"{name}: scores single weights alone; leave out --unit")
    if not unit and not spec.single:
        raise ArgumentError(f"{name}: scores units alone; pass --unit")
    how = OPTIONS.get((name, unit), {})
    if "removal" in spec.asked(how, unit)[0]:
        _in_time(name, model, unit, len(data[0]) if samples is None else samples, samples is None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MinpruneWarning)  # it is of the net before training
        try:
            score(model, few(data), name, unit=unit, **how)
        except MinpruneError as e:
            said = str(e).rpartition("; ")[0] or str(e)  # its remedy is for those who write Python
            raise ArgumentError(
                f"{said}; choose another criterion, or another --net or --data"
            ) from None


def _in_time(name: str, model: Model, unit: bool, samples: int, fixed: bool) -> None:
    """Raises ArgumentError where removing one by one takes more than BOUND."""
    free = sum(g.size for g in ties(model) if g.free)
    passes = free if unit else sum(model.params[n].size for n in model.net.weights)
    each = passes * macs(model)
    if each * samples <= BOUND:
        return
    most = int(BOUND / each)
    remedies = [] if unit else ["pass --unit"]
    remedies += ["choose a smaller --net"] if fixed or most < FEWEST else [f"--samples {most}"]
    raise ArgumentError(
        f"{name}: {passes:,} passes over {samples:,} samples take {each * samples:.1e} "
        f"multiply-adds, more than the bound of {BOUND:.0e}; {', or '.join(remedies)}"
    )


def few(data: Split) -> tuple[Array, Array]:
    """FEW samples from all over the data, and the first of each class, since they may be sorted"""
    x, y = data
    spread = np.linspace(0, len(x) - 1, min(FEW, len(x))).astype(int)
    at = np.union1d(spread, np.unique(y, return_index=True)[1])
    return x[at], y[at]


def macs(model: Model) -> int:
    """Multiply-adds of one sample."""
    return sum(c.macs for c in counts(model.net, {}))
