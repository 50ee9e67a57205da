"""sparsity_t = schedule(t): masks grow during training, by any criterion that a step can feed."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from minprune.arguments import choice, share
from minprune.core import Arrays, Criterion, Split
from minprune.errors import ArgumentError, MinpruneWarning
from minprune.evidence import find
from minprune.evidence.activation_moments import MOVING, SCORED, held, moved
from minprune.evidence.activations import laid_out, spots
from minprune.evidence.options import ask, check, free_groups
from minprune.evidence.scoring import finished, fitting, gather
from minprune.evidence.sources import SOURCES
from minprune.masking.apply import with_masks
from minprune.masking.choose import Scope, choose
from minprune.masking.count import pruned_count
from minprune.masking.units import live_units, silenced
from minprune.nets.model import Model, dense_only, masks_of
from minprune.train.loop import called
from minprune.train.method import Change, Context, Method, View

Schedule = Callable[[int], float]
LATER = 1000  # trainings after which a schedule is taken to be at its end


@dataclass(frozen=True, init=False)
class Gradual(Method):
    """After update t, round(schedule(t) n) of the n weights, or units, are masked, and stay so.

    The lowest scores go first. Gradients are of the update's batch; activations are those of the
    passes of training, by moving moments (evidence/activation_moments.py). The masks of schedule(0)
    are made before the first update, or with it where the criterion needs gradients or activations.
    With patience the best epoch is one at the last sparsity. Null setting: a schedule of 0.

    Parameters
    ----------
    schedule
        step -> sparsity, not falling, such as functools.partial(mp.schedule.cubic, ...).
    criterion
        A name, or a function, that needs only what a training step has: weights, masks, grads, rng,
        activations and their moments, class moments. grads are those of the data loss, on the
        batch of the update, at the weights before it.
    scope, minimum
        As for `mp.prune`.
    unit
        Whether units are silenced, rather than single weights.
    decay
        The weight of the activations of the update before; 1: all updates count alike.
    **options
        Of the criterion, and nonlinearity.

    Raises
    ------
    ArgumentError
        For a criterion that needs more, options that it does not take, a decay outside (0, 1] and a
        schedule that is none; in training, for a net without units. UnreachableError, at the first
        update, where the last sparsity leaves a layer less than the minimum.

    Examples
    --------
    >>> import minprune as mp
    >>> from functools import partial
    >>> data = mp.data.digits()
    >>> model = mp.zoo.mlp(data, hidden=(16,), seed=0)
    >>> half = partial(mp.schedule.cubic, final=0.5, span=20)
    >>> method = mp.methods.Gradual(half, "apoz", unit=True)
    >>> model, _ = mp.fit(model, data, epochs=1, method=method, progress=False)
    >>> mp.compact(model).net.params["fc1.weight"]
    (8, 64)

    Zhu & Gupta (2017), To Prune, or Not to Prune: magnitude and the cubic schedule.
    """

    schedule: Schedule
    criterion: str | Criterion
    scope: Scope
    unit: bool
    minimum: int
    decay: float
    options: Mapping[str, Any]
    reads_total = False  # but for its warning, and `settled`

    def __init__(
        self, schedule: Schedule, criterion: str | Criterion = "magnitude",
        scope: Scope = "global", unit: bool = False, minimum: int = 1, decay: float = 0.9,
        **options: Any,
    ) -> None:  # fmt: skip
        given = (schedule, criterion, scope, unit, minimum, decay, options)
        for name, value in zip(self.__dataclass_fields__, given, strict=True):
            object.__setattr__(self, name, value)
        share("Gradual", "decay", decay, above=True)
        more = {k for k in self._needs if SOURCES[k].data and not SOURCES[k].step}
        if "activations" in self._needs:  # scored at every update, without the rest of the model
            more |= self._needs - SCORED
        if more:
            there = sorted(k for k, row in SOURCES.items() if row.step or not row.data)
            raise ArgumentError(
                f"Gradual: criterion must need what a training step has ({', '.join(there)}), not "
                f"{', '.join(sorted(more))}; choose another criterion"
            )
        found, said = called(schedule, 0)
        if found is None or not 0 <= found <= 1:
            raise ArgumentError(
                f"Gradual: schedule must give a share from 0 to 1 at step 0, not {said}; pass a "
                f"function of the step, such as functools.partial(mp.schedule.cubic, final=0.9, "
                f"span=1000)"
            )

    @property
    def _needs(self) -> set[str]:
        return set(check(find(self.criterion), self.options, self.unit)["needs"])

    def _places(self, model: Model) -> dict[str, tuple[str, Any]]:
        """{group: (layer, rows)} of the activations that the criterion reads"""
        given = self.options.get("nonlinearity", "after")
        where = choice("Gradual", "nonlinearity", given, ("after", "before"))
        return spots(model, free_groups(model), where == "before") if self._needs & MOVING else {}

    def watches(self, model: Model) -> tuple[str, ...]:
        return tuple(dict.fromkeys(layer for layer, _ in self._places(model).values()))

    def start(self, model: Model, ctx: Context) -> tuple[Model, Arrays, Any]:
        dense_only(model, "pruning")
        if self.unit and not free_groups(model):
            raise ArgumentError(
                "Gradual: the net must have units that may be removed, in a hidden layer, not "
                "none; print(mp.ties(model)) shows its groups"
            )
        reached = later = self.schedule(ctx.total)
        with suppress(Exception):  # a function of one's own may end with the training
            later = self.schedule(ctx.total * LATER)
        if ctx.total and later > reached:
            warnings.warn(
                f"Gradual: the schedule reaches {reached:.4g} in the {ctx.total} updates of this "
                f"training, and {later:.4g} later; train longer, or pass a shorter span",
                MinpruneWarning, stacklevel=3,
            )  # fmt: skip
        if self.schedule(0) > 0 and not any(SOURCES[k].data for k in self._needs):
            masks = self._masks(model, self.schedule(0), ctx, {}, {}, None)
            model = with_masks(model, masks) if masks else model
        places = self._places(model)
        return model, {}, {"places": places, "moving": {}} if places else None

    def after(self, view: View) -> Change | None:
        ctx, state = view.ctx, view.ctx.state
        if state is not None:
            seen = {
                name: laid_out(np.moveaxis(view.activations[at], 0, -1), rows)
                for name, (at, rows) in state["places"].items()
            }
            asked = check(find(self.criterion), self.options, self.unit)
            moving = moved(state["moving"], seen, view.batch, asked, self.decay)
            state = state | {"moving": moving}
        now = self.schedule(ctx.step)
        if ctx.step > 1 and now == self.schedule(ctx.step - 1):
            return Change(state=state)
        model = Model(ctx.net, dict(view.params), dict(view.buffers), dict(ctx.masks))
        moving = state["moving"] if state else {}
        masks = self._masks(model, now, ctx, view.grads, moving, view.batch)
        return Change(masks=masks, state=state)

    def settled(self, step: int, total: int) -> bool:
        return self.schedule(step) == self.schedule(total)

    def _masks(
        self, model: Model, sparsity: float, ctx: Context, grads: Arrays, moving: dict[str, Any],
        batch: Split | None,
    ) -> Arrays | None:  # fmt: skip
        """New masks, or None where no count grows"""
        groups = free_groups(model) if self.unit else {}
        live = {name: live_units(g, model.masks) for name, g in groups.items()}
        live = live or masks_of(model, model.net.weights)
        things = "units" if self.unit else "weights"
        how: dict[str, Any] = {"scope": self.scope, "minimum": self.minimum, "things": things}
        if ctx.step == 1:  # refused at the first update, not after hours
            nothing = {name: np.zeros(m.shape) for name, m in live.items()}
            choose(nothing, live, sparsity=self.schedule(ctx.total), **how)
        parts = [m.ravel() for m in live.values()]
        parts = [np.concatenate(parts)] if self.scope == "global" else parts
        if all(pruned_count(sparsity, m.size) == m.size - np.count_nonzero(m) for m in parts):
            return None
        known = held(moving) | {"grads": grads}
        asked = ask(
            model, self.criterion, self.options, ctx.rng, unit=self.unit, groups=groups, held=known
        )
        raw = moving.get("scores")
        if raw is None:
            raw = fitting(asked, asked.raw(gather(asked, batch), **asked.options))
        masks = choose(finished(asked, raw), live, sparsity=sparsity, **how)
        if not self.unit:
            return masks
        return silenced(model, {name: (groups[name], ~mask) for name, mask in masks.items()})
