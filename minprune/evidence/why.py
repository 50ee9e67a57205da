"""Why a weight or a unit was removed or kept: its score and rank, the threshold, ties, the loss.

rank = 1 + how many come before it: with a higher score, or with the same one and a lower index
"""

import re
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from minprune import arguments
from minprune.core import Array, Arrays, Criterion, Dataset, Split
from minprune.criteria import CRITERIA
from minprune.curvature.removal import loss
from minprune.errors import ArgumentError, MinpruneError, MinpruneWarning
from minprune.evidence.scoring import score
from minprune.masking.apply import apply
from minprune.masking.units import live_units, silenced, unit_scores
from minprune.nets.model import Model, checked, dense_only, is_model, known
from minprune.nets.net import layer_of
from minprune.nets.ties import Group, ties
from minprune.text import table, wrapped

SAMPLES, FEW, SECONDS = 1000, 100, 5.0  # of the loss, of other criteria, and their time
SCOPES = {"global": "the whole net", "layer": "its layer"}
PLACE = re.compile(r"(?P<name>[^\[\]:]+)(\[(?P<at>\d+(,\s*\d+)*)\]|:(?P<unit>\d+))")


@dataclass(frozen=True)
class Standing:
    """Where one criterion puts it: its score, its rank of `count`, and whether the rank is kept

    why: why there is none of these.
    """

    criterion: str
    score: float = np.nan
    rank: int = 0
    kept: bool = False
    why: str = ""


@dataclass(frozen=True)
class Why:
    """What `mp.why` found; print it to read it

    Attributes
    ----------
    place : what was asked for
    value : the weight before pruning, None for a unit
    kept : whether it is live in the model
    scope : "global" or "layer": among what it is ranked
    count, live : how many are ranked, and how many of them are kept
    threshold : the score of the last one that is kept by rank, NaN where none is
    agree : the share of those ranked for which the mask is what the rank says
    equal, equal_kept : how many have exactly its score, and how many of them are kept
    loss, change : the loss before, and its change when this alone is removed; NaN without data
    tied : what goes when it goes, of a unit
    standing : of the criterion that decided
    others : of the other criteria
    """

    place: str
    value: float | None
    kept: bool
    scope: str
    count: int
    live: int
    threshold: float
    agree: float
    equal: int
    equal_kept: int
    loss: float
    change: float
    tied: tuple[str, ...]
    standing: Standing
    others: tuple[Standing, ...]

    def __str__(self) -> str:
        by, one = self.standing, "unit" if self.value is None else "weight"
        value = "" if self.value is None else f" = {self.value:.4g}"
        where = SCOPES[self.scope]
        lines = [
            f"{self.place}{value}: {'kept' if self.kept else 'removed'}",
            f"score by {by.criterion}: {by.score:.6g}, rank {by.rank:,} of {self.count:,} in "
            f"{where}; {self.live:,} are kept, and rank {self.live:,} has {self.threshold:.6g}",
        ]
        if self.equal > 1:
            lines.append(
                f"{self.equal:,} have exactly this score, and {self.equal_kept:,} of them are "
                f"kept: among equals those of the lower index, and of the earlier layer"
            )
        if self.kept != by.kept:
            lines.append(
                f"by its rank it would be {'kept' if by.kept else 'removed'}: the masks were "
                f"chosen otherwise (another criterion or data, several steps, or as a layer keeps "
                f"at least one)"
            )
        lines.append(
            f"{100 * self.agree:.4g} % of the {one}s in {where} are as {by.criterion} ranks them"
        )
        lines += [f"with it go {', '.join(self.tied)}"] if self.tied else []
        if not np.isnan(self.change):
            lines.append(
                f"removed alone it changes the loss by {self.change:+.4g}, from {self.loss:.4g}"
            )
        header = ["criterion", "score", "rank", "by rank", "of"]
        rows = [
            [s.criterion, f"{s.score:.6g}", s.rank, "kept" if s.kept else "removed", self.count]
            for s in (by, *self.others)
            if not s.why
        ]
        absent = [f"no {s.criterion}: {s.why}" for s in self.others if s.why]
        parts = ["\n".join(map(wrapped, lines)), table(header, rows)]
        return "\n\n".join([*parts, *(["\n".join(map(wrapped, absent))] if absent else [])])


def why(
    model: Model,
    data: Dataset | Split | None,
    place: str,
    criterion: str | Criterion = "magnitude",
    *,
    before: Model | None = None,
    scope: str | None = None,
    others: bool = True,
    **options: Any,
) -> Why:
    """Why a weight or a unit of a pruned model was removed, or kept

    rank = 1 + how many come before it: with a higher score, or the same and a lower index

    Parameters
    ----------
    model : Model
        Pruned, or not yet.
    data : Dataset, pair (x, y) or None
        What criteria score from, the training samples of a Dataset, and the loss is of its first
        1000. None: for criteria of weights alone, and no loss.
    place : str
        "fc1.weight[3,5]", a weight by its name and indices, or "conv1:7", a unit by its layer.
    criterion : str or function
        The one that the masks were chosen by.
    before : Model, optional
        The model that was scored, without which a removed weight is 0: its value is not known.
    scope : {None, "global", "layer"}
        Among what it is ranked; None: that which explains more of the masks.
    others : bool
        Whether other criteria score it too, from 100 samples, as long as that takes 5 seconds.
    options
        Of the criterion, as for `mp.score`.

    Returns
    -------
    Why

    Raises
    ------
    ArgumentError
        For a place that the net does not have, a unit that cannot be removed, a removed weight
        without `before`, models of two nets, or a criterion that cannot score it.

    Examples
    --------
    >>> import minprune as mp
    >>> model = mp.zoo.mlp(((3,), 2), hidden=(4,))
    >>> small = mp.prune(model, mp.score(model, None, "magnitude"), sparsity=0.5)
    >>> found = mp.why(small, None, "fc2.weight[1,2]", before=model, others=False)
    >>> found.standing.rank <= found.live, found.kept, found.agree
    (True, True, 1.0)
    """
    is_model(model, "why")
    dense_only(model, "why")
    at = PLACE.fullmatch(place)
    if at is None:
        raise ArgumentError(
            f"why: the place must be a weight such as fc1.weight[3,5], or a unit such as conv1:7, "
            f"not {place!r}; minprune info lists the layers"
        )
    if scope is not None:
        arguments.choice("why", "scope", scope, ("global", "layer"))
    scored = model if before is None else before
    is_model(scored, "why")
    if scored.net.params != model.net.params:
        raise ArgumentError(
            "why: before must be of the same shapes as the model, as it was before pruning; pass "
            "one that was not compacted"
        )
    group, name, k = _unit(model, at) if at["unit"] else (None, *_entry(model, at))
    if group is None and before is None and not model.masks.get(name, _all(model, name)).flat[k]:
        raise ArgumentError(
            f"why: {place} is removed, so its value is not in the model; pass before=, the model "
            f"that was scored"
        )
    split = data.train if isinstance(data, Dataset) else data
    field = _Field.of(model, scored, group is not None)
    scores = score(scored, split, criterion, unit=group is not None, **options)
    by = criterion if isinstance(criterion, str) else getattr(criterion, "__name__", "own")
    chosen = _best(field, field.flat(scores), name, k, by, scope)
    found = replace(chosen, place=place, tied=_tied(group, int(k)))
    if group is None:
        found = replace(found, value=float(scored.params[name].flat[k]))
    if split is not None:
        x, y = checked(scored, split, "why")
        part = x[:SAMPLES], y[:SAMPLES]
        start = loss(scored, scored.params, part)
        gone = apply(scored.params, _without(scored, group, name, k))
        found = replace(found, loss=start, change=loss(scored, gone, part) - start)
    if not others:
        return found
    few = None if split is None else (split[0][:FEW], split[1][:FEW])
    more = _others(by, scored, few, field, name, k, found)
    return replace(found, others=tuple(more))


@dataclass(frozen=True)
class _Field:
    """Those that are ranked together: of each array which were live, and which are kept

    groups: of units, by name.
    """

    there: Arrays
    kept: Arrays
    groups: Mapping[str, Group]

    @classmethod
    def of(cls, model: Model, scored: Model, unit: bool) -> "_Field":
        if unit:
            groups = {g.name: g for g in ties(model) if g.free}
            there, kept = (
                {n: live_units(g, m.masks) for n, g in groups.items()} for m in (scored, model)
            )
            return cls(there, kept, groups)
        there, kept = (
            {n: m.masks.get(n, _all(m, n)).ravel() for n in m.net.weights} for m in (scored, model)
        )
        return cls(there, kept, {})

    def flat(self, scores: Arrays) -> Arrays:
        """The scores of each array in one axis, of those that have scores"""
        if not self.groups:
            return {n: s.ravel() for n, s in scores.items() if n in self.there}
        found = {n: unit_scores(g, scores) for n, g in self.groups.items()}
        return {n: s for n, s in found.items() if s is not None}


def _best(
    field: _Field, scores: Arrays, name: str, k: int, criterion: str, scope: str | None
) -> Why:
    """What the ranks say, in the scope that explains more of the masks"""
    if name not in scores:
        raise ArgumentError(f"why: {criterion} gives no score of {name}; pass another criterion")
    found = []
    for among in SCOPES if scope is None else (scope,):
        names = list(scores) if among == "global" else [name]
        found.append(_ranked(field, scores, names, name, k, criterion, among))
    return max(found, key=lambda w: w.agree)  # of equals the first, global


def _ranked(
    field: _Field, scores: Arrays, names: Sequence[str], name: str, k: int, criterion: str,
    among: str,
) -> Why:  # fmt: skip
    s, there, kept = (
        np.concatenate([a[n] for n in names]) for a in (scores, field.there, field.kept)
    )
    at = sum(scores[n].size for n in names[: names.index(name)]) + int(k)
    s = np.where(there, s, -np.inf)
    order = np.argsort(-s, kind="stable")
    rank = np.empty(len(s), np.int64)
    rank[order] = np.arange(1, len(s) + 1)
    live, count = int(np.count_nonzero(kept & there)), int(np.count_nonzero(there))
    same = there & (s == s[at])
    return Why(
        place="", value=None, kept=bool(kept[at]), scope=among, count=count, live=live,
        threshold=float(s[order[live - 1]]) if live else np.nan,
        agree=float(np.mean((rank <= live) == kept)),
        equal=int(np.count_nonzero(same)), equal_kept=int(np.count_nonzero(same & kept)),
        loss=np.nan, change=np.nan, tied=(), others=(),
        standing=Standing(criterion, float(s[at]), int(rank[at]), bool(rank[at] <= live)),
    )  # fmt: skip


def _others(
    criterion: str, model: Model, data: Split | None, field: _Field, name: str, k: int, found: Why
) -> list[Standing]:
    """Where the other criteria put it, as long as there is time"""
    rows, spent = [], 0.0
    for other, marked in CRITERIA.items():
        how = marked.spec
        if other == criterion or not (how.unit if field.groups else how.single):
            continue
        needs = how.asked(dict(how.large), bool(field.groups))[0]
        if "removal" in needs:
            why_not = "its score is the change of the loss itself"
        elif spent > SECONDS or any("inverse" in need for need in needs):
            why_not = "it takes too long; pass it as the criterion"
        else:
            begin, why_not = time.perf_counter(), ""
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", MinpruneWarning)
                    scores = score(model, data, other, unit=bool(field.groups), **how.large)
                ranked = _best(field, field.flat(scores), name, k, other, found.scope)
                rows.append(ranked.standing)
            except MinpruneError as error:
                why_not = str(error).partition("; ")[0]
            spent += time.perf_counter() - begin
        if why_not:
            rows.append(Standing(other, why=why_not))
    return rows


def _all(model: Model, name: str) -> Array:
    return np.ones(model.net.params[name], bool)


def _entry(model: Model, at: Any) -> tuple[str, int]:
    """(name, flat index) of a weight"""
    (name,) = known(model.net.params, [at["name"]])
    shape, index = model.net.params[name], tuple(map(int, at["at"].split(",")))
    if name not in model.net.weights:
        raise ArgumentError(
            f"why: {name} must be a weight, as biases and normalisation are not ranked; weights "
            f"are {', '.join(model.net.weights)}"
        )
    if len(index) != len(shape) or any(i >= n for i, n in zip(index, shape, strict=True)):
        raise ArgumentError(
            f"why: {name}[{at['at']}] must have {len(shape)} indices below {shape}; count from 0"
        )
    return name, int(np.ravel_multi_index(index, shape))


def _unit(model: Model, at: Any) -> tuple[Group, str, int]:
    """(group, its name, which of its units) of row `unit` of a layer's weight"""
    node, row = model.net.node(at["name"]), int(at["unit"])
    for group in ties(model):
        for m in group.producers:
            owns = (m.index == row).any(axis=1)
            if layer_of(m.param) == node.name and owns.any():
                if not group.free:
                    raise ArgumentError(
                        f"why: {node.name}:{row} must be a unit that can be removed, and it is "
                        f"{group.why}; mp.ties lists those that can"
                    )
                return group, group.name, int(owns.argmax())
    raise ArgumentError(
        f"why: {node.name} must have a unit {row}, and has none; mp.ties lists them, from 0"
    )


def _tied(group: Group | None, k: int) -> tuple[str, ...]:
    """What goes with a unit: rows and columns of parameters"""
    if group is None:
        return ()
    found = []
    for m in group.members:
        at = ", ".join(map(str, m.index[k].ravel()[:3])) + (", ..." if m.index[k].size > 3 else "")
        found.append(f"{m.param}[{':, ' * m.axis}{at}]")
    return tuple(found)


def _without(model: Model, group: Group | None, name: str, k: int) -> Arrays:
    """Masks with this alone removed besides what is masked"""
    if group is not None:
        return silenced(model, {group.name: (group, np.arange(group.size) == k)})
    mask = model.masks.get(name, _all(model, name)).copy()
    mask.flat[k] = False
    return {name: mask}
