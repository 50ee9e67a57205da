"""A masked unit is silent: incoming weights, bias and normalisation, AND outgoing weights are 0.

So a sigmoid unit (0.5 at 0) is removed like a ReLU unit. Tied units are removed together and count
once.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from minprune.core import Array, Arrays
from minprune.errors import ArgumentError, ShapeError
from minprune.masking.choose import choose, keep_top, rankable
from minprune.masking.count import raised_count
from minprune.nets.model import Model, known
from minprune.nets.names import matched, values_of
from minprune.nets.net import layer_of
from minprune.nets.ties import Group, ties

OWNED = "prune: {} must make units that can be removed, and makes none"


def live_units(group: Group, masks: Mapping[str, Array]) -> Array:
    """bool (units,): whether any entry that a unit owns is not masked

    A unit without live incoming weights, which gives a constant, is live until it is silenced.
    """
    live = np.zeros(group.size, bool)
    for m in group.members:
        if m.param not in masks:
            return np.ones(group.size, bool)
        mask = np.moveaxis(masks[m.param], m.axis, 0)
        live |= mask[m.index].reshape(group.size, -1).any(axis=1)
    return live


def unit_sparsity(model: Model) -> float:
    """The share of the removable units that is silent; 0 if no unit can be removed"""
    live = [live_units(g, model.masks) for g in ties(model) if g.free]
    return 1 - float(np.mean(np.concatenate(live))) if live else 0.0


def scored_groups(
    model: Model, scores: Mapping[str, Array], protect: Iterable[str] = ()
) -> dict[str, Group]:
    """{name: group} of the removable units that have scores and are not protected"""
    groups = {g.name: g for g in ties(model) if g.free}
    left = matched(names_of(groups), protect, OWNED)
    scored = {n: g for n, g in groups.items() if any(m.param in scores for m in g.producers)}
    return {n: g for n, g in scored.items() if n not in left}


def unit_scores(group: Group, scores: Mapping[str, Array]) -> Array | None:
    """(units,) one score for each unit of the group; None where none of its weights is scored

    Raises ArgumentError where tied units have different scores.
    """
    found: Array | None = None
    for m in group.producers:
        if m.param not in scores:
            continue
        mine = np.asarray(scores[m.param])[m.index]
        first = mine[:, :1] if found is None else found[:, None]
        if not (mine == first).all():
            raise ArgumentError(
                f"{m.param}: units that are tied must have one score, and those tied to units of "
                f"{group.name} have another; take the scores of mp.score(unit=True)"
            )
        found = first[:, 0]
    return found


def choose_units(
    model: Model, scores: Arrays, *, protect: Iterable[str] = (), round_to: int = 1, **target: Any
) -> Arrays:
    """Masks that silence the lowest-scored units      scores: {"fc1.weight": (units,), ...}

    As `choose`, with units for entries: sparsity is the share of the scored, removable units, a
    tied unit counted once; threshold, scope, normalize and minimum (units that a group keeps) as
    there. protect: layers or parameters; a group is protected with any of its members. round_to:
    the count that a group keeps is rounded up to a multiple, so that less may be pruned than
    `sparsity`.

    Raises ArgumentError, ShapeError, NonFiniteError, UnreachableError as `choose` does.
    """
    if target.get("pattern") is not None:
        raise ArgumentError(
            f"prune: pattern must be None for scores of units, not {target['pattern']!r}; "
            f"score with unit=False, or leave the pattern out"
        )
    groups = {g.name: g for g in ties(model) if g.free}
    made = {m.param for g in groups.values() for m in g.producers}
    for name in scores:
        if name not in made:
            raise ArgumentError(
                f"prune: units of {name} must not be scored, since they are outputs of the net or "
                f"tied to its input and cannot be removed; leave {name} out of the scores"
            )
    scores = {name: rankable(name, s) for name, s in scores.items()}
    scored = {n: s for n, g in groups.items() if (s := unit_scores(g, scores)) is not None}
    goes_by = names_of(groups)
    left = [name for name in matched(goes_by, protect, OWNED) if name in scored]
    live = {name: live_units(groups[name], model.masks) for name in scored}
    for what in ("sparsity", "threshold"):
        given = target.get(what)
        if isinstance(given, Mapping) and given.keys() != scored.keys() - set(left):
            target[what] = values_of(goes_by, target[what], f"prune: {what}", OWNED)
    chosen = choose(scored, live, protect=left, things="units", **target)
    if round_to > 1:
        chosen = {n: rounded_up(scored[n], live[n], m, round_to) for n, m in chosen.items()}
    return silenced(model, {n: (groups[n], ~mask) for n, mask in chosen.items()})


def rounded_up(scores: Array, live: Array, mask: Array, round_to: int) -> Array:
    """The mask with its count raised to the next multiple, by the best live units it dropped."""
    wanted = raised_count(int(mask.sum()), round_to, int(live.sum()))
    order = np.where(mask, np.inf, np.where(live, scores, -np.inf))
    return keep_top(order, wanted)


def silenced(model: Model, gone: Mapping[str, tuple[Group, Array]]) -> Arrays:
    """The model's masks with everything that the given units own set to False."""
    masks: Arrays = {}
    for group, dead in gone.values():
        for m in group.members:
            shape = model.params[m.param].shape
            if m.param not in masks:
                masks[m.param] = model.masks.get(m.param, np.ones(shape, bool)).copy()
            masks[m.param][(slice(None),) * m.axis + (m.index[dead].ravel(),)] = False
    return masks


def is_unit_score(scores: Mapping[str, Array], shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Whether the scores are of units, (o,) for a weight (o, ...), rather than of entries

    Raises ArgumentError for a name without a shape, ShapeError where they are a mixture.
    """
    known(shapes, scores)
    units = [n for n, s in scores.items() if len(shapes[n]) > 1 and np.shape(s) == shapes[n][:1]]
    if units and len(units) < len(scores):
        other = next(n for n in scores if n not in units)
        raise ShapeError(
            f"prune: scores must be of units or of weights, not of units for {units[0]} and of "
            f"shape {np.shape(scores[other])} for {other}; score both with the same unit="
        )
    return bool(units)


def names_of(groups: Mapping[str, Group]) -> dict[str, list[str]]:
    """{group: the parameters that make its units, and their layers}"""
    made = {name: [m.param for m in g.members if m.axis == 0] for name, g in groups.items()}
    return {name: [*params, *map(layer_of, params)] for name, params in made.items()}
