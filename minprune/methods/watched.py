"""Units pruned by activations that training itself shows: moving moments, scored on a schedule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from numbers import Real
from typing import Any

import numpy as np

from minprune.core import Array, Arrays, Criterion, CriterionSpec, Evidence, Split
from minprune.criteria import CRITERIA
from minprune.errors import ArgumentError
from minprune.evidence.activations import spots
from minprune.evidence.asked import Asked
from minprune.evidence.checks import option_names
from minprune.evidence.moments import Classes, Moments, class_counts, classes_of, moments_of
from minprune.evidence.units import unit_filler
from minprune.masking.checks import Scope
from minprune.masking.choose import choose
from minprune.masking.count import pruned_count
from minprune.masking.units import live_units, silenced
from minprune.methods.scheduled import Schedule, at_rest, checked, reachable
from minprune.nets.model import Model, is_model
from minprune.nets.ties import Group, ties
from minprune.train.method import Change, Context, Method, View

OVERALL = ("act_mean", "act_gram")
BY_CLASS = ("class_counts", "class_means", "within")
MOVING = {"activations", *OVERALL, *BY_CLASS}


@dataclass(frozen=True)
class Watched(Method):
    """After update t, round(schedule(t) n) of the n units are silenced, the lowest scores first

    Scores are of activations in the passes of training (training mode, weights as they were), by
    moments in which an update k steps ago counts decay^k as much: Chan's merge of weighted moments;
    for criteria of single chunks (apoz, activation) so do each batch's scores. decay=1: all updates
    alike. Silenced units stay so. Made by `watched`, which finds the layers to watch. Null setting:
    a schedule of 0. With patience the best epoch is one at the last sparsity. Raises ArgumentError
    for a criterion that needs more than moments, weights or rng, for options that it does not take,
    for a decay outside (0, 1] and a schedule that is none; UnreachableError at the first update for
    a last sparsity that leaves fewer units than the minimum.
    """

    schedule: Schedule
    criterion: str
    layers: tuple[str, ...]
    decay: float = 0.9
    scope: Scope = "global"
    minimum: int = 1
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.criterion not in CRITERIA:
            raise ArgumentError(
                f"Watched: criterion is {self.criterion!r}, expected one of "
                f"{', '.join(sorted(CRITERIA))}; choose one of them"
            )
        option_names(CRITERIA[self.criterion], self.options)
        if not isinstance(self.decay, Real) or not 0 < self.decay <= 1:
            raise ArgumentError(
                f"Watched: decay is {self.decay!r}, expected a number above 0, at most 1; "
                f"0.9 forgets nine tenths in 22 updates"
            )
        fill = unit_filler(self._mark.unit)
        still = {kind for kind, source in fill.items() if not source.looks} | {"rng"}
        more = set(self._needs) - MOVING - still
        if more:
            raise ArgumentError(
                f"Watched: {self.criterion} needs {', '.join(sorted(more))}, and training shows "
                f"{', '.join(sorted(MOVING))}; choose a criterion on those, or on weights"
            )
        checked("Watched", self.schedule)

    @property
    def activations(self) -> tuple[str, ...]:  # type: ignore[override]
        """The layers whose outputs `after` wants to see."""
        return self.layers

    @property
    def _mark(self) -> CriterionSpec:
        return CRITERIA[self.criterion].spec  # type: ignore[attr-defined, no-any-return]

    @property
    def _needs(self) -> tuple[str, ...]:
        return self._mark.asked(dict(self.options), True)[0]

    def start(self, model: Model, ctx: Context) -> tuple[Model, Arrays, Any]:
        groups = {g.name: g for g in ties(model) if g.free}
        places = spots(model, groups)
        for layer, _ in places.values():
            if layer not in self.layers:
                raise ArgumentError(
                    f"Watched: {layer} puts out units of this net and is not watched, expected "
                    f"layers {', '.join(dict.fromkeys(at for at, _ in places.values()))}; "
                    f"make it with mp.methods.watched(model, ...)"
                )
        return model, {}, {"places": places, "moving": {}}

    def after(self, view: View) -> Change | None:
        places = view.ctx.state["places"]
        seen = {name: _units(view.activations[at], rows) for name, (at, rows) in places.items()}
        moving = self._moved(view.ctx.state["moving"], seen, view.batch)
        state = {"places": places, "moving": moving}
        share = self.schedule(view.ctx.step)
        if view.ctx.step > 1 and share == self.schedule(view.ctx.step - 1):
            return Change(state=state)
        return Change(masks=self._masks(view, moving, share), state=state)

    def settled(self, step: int, total: int) -> bool:
        return at_rest(self.schedule, step, total)

    def _moved(self, old: dict[str, Any], seen: Arrays, batch: Split) -> dict[str, Any]:
        """The moving moments with one more batch, as plain values."""
        if "activations" in self._needs:
            ev = Evidence(activations=seen, labels=batch[1], unit=True)
            raw = self._mark.raw or CRITERIA[self.criterion]
            new = {n: s.astype(np.float64) for n, s in raw(ev, **self.options).items()}
            weight = self.decay * old.get("weight", 0.0)
            total = weight + len(batch[1])
            rise = len(batch[1]) / total
            scores = {n: old["scores"][n] + rise * (s - old["scores"][n]) if old else s
                      for n, s in new.items()}  # fmt: skip
            return {"weight": total, "scores": scores}
        made: dict[str, Any] = {}
        if set(BY_CLASS) & set(self._needs):
            class_counts(batch[1])  # raises where they are none
        for name, a in seen.items():
            if set(OVERALL) & set(self._needs):
                m = moments_of(a)
                if name in old:
                    then = Moments(**old[name])
                    m = replace(then, weight=self.decay * then.weight).merged(m)
                made[name] = dict(vars(m))
            elif set(BY_CLASS) & set(self._needs):
                c = classes_of(a, batch[1])
                if name in old:
                    was = Classes(**old[name])
                    c = replace(was, counts=self.decay * was.counts).merged(c)
                made[name] = dict(vars(c))
        return made

    def _masks(self, view: View, moving: dict[str, Any], share: float) -> Arrays | None:
        """New masks, or None where the count does not grow."""
        model = Model(view.ctx.net, dict(view.params), dict(view.buffers), dict(view.ctx.masks))
        groups = {g.name: g for g in ties(model) if g.free}
        live = {name: live_units(g, model.masks) for name, g in groups.items()}
        how: dict[str, Any] = {"scope": self.scope, "minimum": self.minimum, "things": "units"}
        if view.ctx.step == 1:
            reachable(live, self.schedule(view.ctx.total), **how)
        n = sum(m.size for m in live.values())
        dead = n - sum(int(np.count_nonzero(m)) for m in live.values())
        if self.scope == "global" and pruned_count(share, n) == dead:
            return None
        scores = self._scores(model, groups, moving, view.ctx.rng)
        masks = choose(scores, live, sparsity=share, **how)
        return silenced(model, {name: (groups[name], ~mask) for name, mask in masks.items()})

    def _scores(
        self, model: Model, groups: dict[str, Group], moving: dict[str, Any],
        rng: np.random.Generator,
    ) -> Arrays:  # fmt: skip
        """One score for each unit of each group, in the net's dtype."""
        fn: Criterion = CRITERIA[self.criterion]
        if "scores" in moving:
            scores, finish = moving["scores"], self._mark.finish
            scores = finish(scores, **self.options) if finish else scores
        else:
            fill = unit_filler(self._mark.unit)
            names = list(model.net.weights)
            asked = Asked(model, names, "weights", groups, rng, {}, self.options)
            held: dict[str, Any] = {
                k: fill[k](asked, None) for k in self._needs if k not in MOVING | {"rng"}
            }
            held |= _evidence(moving, self._needs, model)
            scores = fn(Evidence(rng=rng, unit=True, **held), **self.options)
        return {name: np.asarray(s).astype(model.dtype) for name, s in scores.items()}


def _evidence(moving: dict[str, Any], needs: tuple[str, ...], model: Model) -> dict[str, Any]:
    """The moving moments as evidence"""
    held: dict[str, Any] = {}
    if set(OVERALL) & set(needs):
        found = {name: Moments(**m) for name, m in moving.items()}
        held = {
            "act_mean": {n: m.mean for n, m in found.items()},
            "act_gram": {n: m.gram for n, m in found.items()},
        }
    elif set(BY_CLASS) & set(needs):
        counts = next(iter(moving.values()))["counts"]
        held = {"class_counts": counts.astype(model.dtype)}
        held |= {
            kind: {n: m[key] for n, m in moving.items()}
            for kind, key in (("class_means", "means"), ("within", "within"))
        }
    return held


def _units(a: Array, rows: Array) -> Array:
    """(n, c, ...) -> (n, units, positions); rows: (units, k), k rows being k times the positions"""
    found: Array = a.reshape(len(a), a.shape[1], -1)[:, rows].reshape(len(a), len(rows), -1)
    return found


def watched(
    model: Model,
    schedule: Schedule,
    criterion: str = "apoz",
    *,
    decay: float = 0.9,
    scope: Scope = "global",
    minimum: int = 1,
    **options: Any,
) -> Watched:
    """The method that silences this net's units by their activations during training

    schedule: step -> share of the units, such as functools.partial(schedule.cubic, ...); criterion:
    the name of one on activations or weights, with its options; see Watched, and mp.prune for
    scope and minimum. mp.fit(model, data, method=watched(model, ...)). Raises ArgumentError for a
    net without units that may be removed, and as Watched does.
    """
    is_model(model, "watched")
    groups = {g.name: g for g in ties(model) if g.free}
    if not groups:
        raise ArgumentError(
            "no units of this net may be removed, expected at least one hidden layer; "
            "print(mp.ties(model)) shows the groups"
        )
    layers = tuple(dict.fromkeys(layer for layer, _ in spots(model, groups).values()))
    return Watched(schedule, criterion, layers, decay, scope, minimum, dict(options))
