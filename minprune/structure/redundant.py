"""a_dropped ~ slope a_kept + intercept: what `merge` needs, for the units that others replace."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from minprune.arguments import choice
from minprune.core import Split, stream
from minprune.criteria.redundancy import APART, FLAT, Apart
from minprune.errors import ArgumentError
from minprune.evidence import score
from minprune.evidence.activation_moments import Moments, moments
from minprune.evidence.activations import spots
from minprune.evidence.options import ask
from minprune.evidence.scoring import gather
from minprune.masking.apply import prune
from minprune.masking.units import live_units
from minprune.nets.model import Model, checked
from minprune.nets.net import layer_of
from minprune.nets.ties import Group, ties
from minprune.structure.merge import Pair, Unit, after, refusal

ROUNDING = 2.0**-40  # of a unit's root mean square: a smaller intercept is none


class Freedom(NamedTuple):
    """What a merge may use and stay exact: an intercept, a slope below 0."""

    intercept: bool
    negative: bool


def regressions(
    model: Model,
    data: Split,
    criterion: str = "correlation",
    *,
    sparsity: float | Mapping[str, float] | None = None,
    threshold: float | None = None,
    scope: Any = "global",
    protect: Iterable[str] = (),
    minimum: int = 1,
    **options: Any,
) -> list[Pair]:
    """The pairs that `merge` takes: each dropped unit regressed on its closest kept one.

    a_dropped ~ slope a_kept + intercept, by least squares over all samples and positions

    The activations are those of evaluation mode. Where an intercept is not exact (zero-padded
    convolutions, and layers that are not linear on the way to the readers) the line goes through 0;
    where a negative slope is not (max pooling) it is at least 0. So duplicates keep the function,
    and affine copies where the layers permit it. Units that cannot be merged stay: those that a
    grouped convolution reads, or that BatchNorm scales behind a branch. Units that are read at
    several places are judged by the last.

    Parameters
    ----------
    model : Model
        Any, of dense layers.
    data : (x, y)
        The samples of the regression.
    criterion : {"correlation", "similarity", "cosine"}
        Which distance between units chooses the dropped ones.
    sparsity, threshold, scope, protect, minimum
        As in `mp.prune`; sparsity is the share of the units that can be merged, threshold a
        distance.
    **options
        Those of the criterion.

    Returns
    -------
    list of (dropped, kept, slope, intercept)
        A unit is (layer, index).

    Raises
    ------
    ArgumentError
        If the criterion is another, no units of the net can be merged, or an argument is not as
        `mp.score` and `mp.prune` take it.

    References
    ----------
    Srinivas & Babu (2015), Data-free parameter pruning for deep neural networks; here with data.

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.digits()
    >>> model = mp.zoo.mlp(data, (8,), seed=0)
    >>> pairs = mp.structure.regressions(model, data.train, sparsity=0.25)
    >>> mp.structure.merge(model, pairs).params["fc1.weight"].shape
    (6, 64)
    """
    choice("regressions", "criterion", criterion, tuple(APART))
    data = checked(model, data, "regressions")
    groups, freedom = _mergeable(model)
    made = {m.param for g in groups.values() for m in g.producers}
    scores = score(model, data, criterion, unit=True, **options)
    pruned = prune(
        model, {n: s for n, s in scores.items() if n in made}, sparsity=sparsity,
        threshold=threshold, scope=scope, protect=protect, minimum=minimum,
    )  # fmt: skip
    rng = stream(0, "criterion")
    asked = ask(model, criterion, options, rng, unit=True, groups=groups)
    apart: Apart = APART[criterion](gather(asked, data), **asked.options)
    found = moments(model, data, groups)
    pairs = []
    for name, g in groups.items():
        kept = live_units(g, pruned.masks)
        if not kept.any():
            raise ArgumentError(
                f"{name}: at least one unit must be kept, to merge the others into, not none; "
                f"leave minimum at 1, or protect it"
            )
        for d in np.flatnonzero(live_units(g, model.masks) & ~kept).tolist():
            k = int(np.argmin(np.where(kept, apart[name][0][d], np.inf)))
            pairs.append((_unit(g, d), _unit(g, k), *line(found[name], d, k, freedom[name])))
    return pairs


def line(m: Moments, dropped: int, kept: int, may: Freedom) -> tuple[float, float]:
    """(slope, intercept) of least squares: cov / var and what is left of the mean, or through 0"""
    gram = m.gram
    over, under = (m.cov, m.cov[kept, kept]) if may.intercept else (gram, gram[kept, kept])
    constant = under <= FLAT * gram[kept, kept]
    slope = 0.0 if constant else float(over[dropped, kept] / under)
    if slope < 0 and not may.negative:
        slope = 0.0
    level = float(m.mean[dropped] - slope * m.mean[kept]) if may.intercept else 0.0
    return slope, level if abs(level) > ROUNDING * np.sqrt(gram[dropped, dropped]) else 0.0


def _mergeable(model: Model) -> tuple[dict[str, Group], dict[str, Freedom]]:
    """The groups whose units can be merged, and how; raises ArgumentError where there is none."""
    groups = {g.name: g for g in ties(model) if g.free and g.readers}
    freedom = {
        name: found
        for name, (layer, _) in spots(model, groups).items()
        if (found := _freedom(model, groups[name], layer)) is not None
    }
    out = {name for name in groups if name not in freedom}
    while True:  # a weight may make units of two groups, and is scored as a whole
        stuck = {m.param for name in out for m in groups[name].producers}
        more = {n for n, g in groups.items() if any(m.param in stuck for m in g.producers)}
        if more == out:
            break
        out = more
    if out == groups.keys():
        raise ArgumentError(
            "regressions: the net must have units that dense layers or ungrouped convolutions read "
            "alone, not none; print(mp.ties(model)) shows them"
        )
    return {n: g for n, g in groups.items() if n not in out}, freedom


def _freedom(model: Model, group: Group, spot: str) -> Freedom | None:
    """What is exact for units that are regressed at `spot`; None where nothing is."""
    behind, between = after(model.net, {spot})
    bends = any(layer.bent() for layer in between)
    reads = [model.net.node(layer_of(m.param)).inputs[0] for m in group.readers]
    elsewhere = not behind.issuperset(reads)
    if any(layer.normalises for layer in between) or refusal(model, group, 1, 0):
        return None
    if bends or elsewhere:
        return Freedom(False, False)
    return Freedom(not refusal(model, group, 1, 1), not refusal(model, group, -1, 0))


def _unit(group: Group, unit: int) -> Unit:
    maker = group.producers[0]
    return layer_of(maker.param), int(maker.index[unit, 0])
