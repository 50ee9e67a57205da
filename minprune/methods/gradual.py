"""sparsity_t = schedule(t): masks grow during training, by any criterion that a step can feed.

Longer than most files: a third is the docstring of `Gradual`.
"""

from __future__ import annotations

import warnings
from bisect import bisect_left
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from minprune import schedule as schedules
from minprune.arguments import choice, count, only_with, share
from minprune.core import Arrays, Criterion, Split
from minprune.errors import ArgumentError, MinpruneWarning
from minprune.masking.apply import apply
from minprune.masking.choose import Scope
from minprune.masking.count import Target, grown_count, pruned_count
from minprune.masking.patterns import Given
from minprune.methods.choosing import Choosing
from minprune.methods.during import one_call
from minprune.nets.model import Model
from minprune.train.method import Change, Context, View
from minprune.train.ready import called

Schedule = Callable[[int], float]
LATER = 1000  # trainings after which a schedule is taken to be at its end
SPAN = 0.75  # the share of the training over which sparsity= grows
PRUNINGS = 100  # of sparsity=, at most


def growth(final: float, span: int, initial: float = 0.0) -> Schedule:
    """The cubic schedule over `span` updates, in at most PRUNINGS prunings"""
    every = -(-span // PRUNINGS)
    return partial(schedules.cubic, final=final, span=span, initial=initial, every=every)


@dataclass(frozen=True, init=False)
class Gradual(Choosing):
    """After update t, round(schedule(t) n) of the n weights, units or blocks are masked.

    The lowest scores go first. Gradients are of the update's batch; activations are those of the
    passes of training, by moving moments (evidence/activation_moments.py). The masks of schedule(0)
    are made before the first update, or with it where the criterion needs gradients or activations.
    With patience the best epoch is one at the last sparsity. Null setting: a sparsity of 0, or a
    schedule of 0; until a schedule is above 0 it changes nothing.

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
    sparsity
        Instead of a schedule: the cubic one to this sparsity over the first three quarters of the
        training, in at most 100 prunings, from the share that the model has masked: of each layer
        with scope="layer".
    regrow
        "none": masked weights get no updates, and stay masked. "dense": they keep their values and
        get the dense gradient (straight-through masks), and wherever the schedule rises the masks
        are chosen anew among all weights, so that they may come back; those that the model masked
        from the start stay masked.
    every
        With regrow="dense": masks are also chosen anew at every so many updates.
    pattern
        (4, 4): sparsity counts blocks. "2:4": of every 4 consecutive inputs the schedule leaves 3,
        then 2: the share that goes of each, up to 1 - 2/4, which needs no sparsity.
    **options
        Of the criterion, and nonlinearity.

    Raises
    ------
    ArgumentError
        For a criterion that needs more, options that it does not take, settings out of their range
        or that do not go together; in training, for a net without units, and a sparsity, or a first
        share of a schedule, below the present one. UnreachableError, at the
        first update, where the last sparsity leaves a layer less than the minimum.

    Examples
    --------
    >>> import minprune as mp
    >>> from functools import partial
    >>> data = mp.data.digits()
    >>> model = mp.zoo.mlp(data, hidden=(16,), seed=0)
    >>> half = partial(mp.schedule.cubic, final=0.5, span=20)
    >>> method = mp.methods.Gradual(half, "apoz", unit=True)
    >>> small, _ = mp.fit(model, data, epochs=1, method=method, progress=False)
    >>> mp.compact(small).net.params["fc1.weight"]
    (8, 64)
    >>> method = mp.methods.Gradual(sparsity=0.9, regrow="dense")
    >>> sparse, history = mp.fit(model, data, epochs=2, method=method, progress=False)
    >>> round(history.steps["sparsity"][-1], 2)
    0.9

    Zhu & Gupta (2017), To Prune, or Not to Prune: magnitude and the cubic schedule. Masks that the
    gradient passes straight through: Guo et al. (2016); with N:M, Zhou et al. (2021), without the
    decay of masked weights that they add.
    """

    schedule: Schedule | None
    criterion: str | Criterion
    scope: Scope
    unit: bool
    minimum: int
    decay: float
    sparsity: float | None
    regrow: Literal["none", "dense"]
    every: int | None
    pattern: Given
    options: Mapping[str, Any]

    def __init__(
        self, schedule: Schedule | None = None, criterion: str | Criterion = "magnitude",
        scope: Scope = "global", unit: bool = False, minimum: int = 1, decay: float = 0.9,
        *, sparsity: float | None = None, regrow: Literal["none", "dense"] = "none",
        every: int | None = None, pattern: Given = None, **options: Any,
    ) -> None:  # fmt: skip
        given = (
            schedule, criterion, scope, unit, minimum, decay, sparsity, regrow, every, pattern,
            options,
        )  # fmt: skip
        for name, value in zip(self.__dataclass_fields__, given, strict=True):
            object.__setattr__(self, name, value)
        self.check_choosing()
        choice("Gradual", "regrow", regrow, ("none", "dense"))
        if regrow == "dense" and unit:
            raise ArgumentError(
                "Gradual: regrow must be 'none' where units are pruned, not 'dense', since no "
                "gradient reaches a silent unit; use mp.methods.Soft, which keeps its outputs"
            )
        if every is not None:
            count("Gradual", "every", every)
            if regrow == "none":
                only_with("Gradual", "every", "regrow='dense'", regrow)
        self._check_target()

    def _check_target(self) -> None:
        if self.schedule is not None and self.sparsity is not None:
            raise ArgumentError(
                "Gradual: one of schedule and sparsity must be given, not both; leave one out"
            )
        if self.sparsity is not None and self.kept_of is not None:
            raise ArgumentError(
                f"Gradual: sparsity must not be given with the pattern {self.pattern}, which fixes "
                f"how many weights stay; leave sparsity out"
            )
        if self.schedule is not None:
            found, said = called(self.schedule, 0)
            if found is None or not 0 <= found <= 1:
                raise ArgumentError(
                    f"Gradual: schedule must give a share from 0 to 1 at step 0, not {said}; pass "
                    f"a function of the step, such as functools.partial(mp.schedule.cubic, "
                    f"final=0.9, span=1000)"
                )
        elif self.kept_of is None:
            share("Gradual", "sparsity", self.sparsity)

    @property
    def dense(self) -> bool:  # type: ignore[override]
        return self.regrow == "dense"

    @property
    def reads_total(self) -> bool:  # type: ignore[override]
        return self.schedule is None  # with one, but for its warning, and `settled`

    def at(self, step: int, total: int, before: float = 0.0) -> float:
        """The sparsity after that many updates of a training of `total`

        before: what was masked before it; a schedule of one's own does not depend on it.
        """
        if self.schedule is not None:
            return self.schedule(step)
        span = max(1, round(SPAN * total))
        final = self.share_of_pattern if self.sparsity is None else self.sparsity
        return growth(final, span, before)(step)

    def start(self, model: Model, ctx: Context) -> tuple[Model, Arrays, Any]:
        self.check_model(model)
        reached = later = self.at(ctx.total, ctx.total)
        with suppress(Exception):  # a function of one's own may end with the training
            later = self.at(ctx.total * LATER, ctx.total)
        if self.kept_of is not None and (asked := self.share_of_pattern) > later:
            raise ArgumentError(
                f"Gradual: schedule must reach {asked:g}, the share that the pattern "
                f"{self.pattern} masks, not {later:.4g}; leave the schedule out"
            )
        if ctx.total and later > reached:
            warnings.warn(
                f"Gradual: the schedule reaches {reached:.4g} in the {ctx.total} updates of this "
                f"training, and {later:.4g} later; train longer, or pass a shorter span",
                MinpruneWarning, stacklevel=3,
            )  # fmt: skip
        self._check_present(model, ctx)
        state: dict[str, Any] = {"held": model.masks} if self.dense else {}
        before = {name: dead / (n or 1) for name, (n, dead) in self.counted(model).items()}
        if self.sparsity and any(before.values()):
            state["before"] = before
        if self.at(0, ctx.total) > 0 and not self.reads_data:
            masks = model.masks | (
                self._masks(model, self.at(0, ctx.total), ctx, {}, {}, None) or {}
            )
            values = model.params if self.dense else apply(model.params, masks)
            model = Model(model.net, values, model.buffers, masks)
        if places := self.places(model):
            state |= {"places": places, "moving": {}}
        return model, {}, state or None

    def after(self, view: View) -> Change | None:
        ctx, state = view.ctx, view.ctx.state
        if state is not None and "places" in state:
            state = state | {"moving": self.moved(view, state)}
        now, last = (self._now(max(0, step), ctx) for step in (ctx.step, ctx.step - 1))
        again = self.every is not None and ctx.step % self.every == 0
        if ctx.step > 1 and now == last and not again:
            return Change(state=state)
        held = state["held"] if self.dense else ctx.masks
        model = Model(ctx.net, dict(view.params), dict(view.buffers), dict(held))
        if ctx.step == 1 and (end := self.at(ctx.total, ctx.total)):
            self.check_reachable(model, end)
        if now == last == 0:
            return Change(state=state)
        moving = state.get("moving", {}) if state else {}
        masks = self._masks(model, now, ctx, view.grads, moving, view.batch)
        return Change(masks=masks, state=state)

    def settled(self, step: int, total: int) -> bool:
        return self.at(step, total) == self.at(total, total)

    def _now(self, step: int, ctx: Context) -> Target:
        """The sparsity after that update, of all or of each layer, from what was masked before."""
        before = (ctx.state or {}).get("before")
        if before is None:
            return self.at(step, ctx.total)
        each = {name: self.at(step, ctx.total, s) for name, s in before.items()}
        return each if self.scope == "layer" else each["the net"]

    def _check_present(self, model: Model, ctx: Context) -> None:
        """Raises ArgumentError where more is masked than the first share above 0 is, or sparsity=

        Not of a training that goes on from an update, whose first share is behind it.
        """
        things = "units" if self.unit else "weights" if self.pattern is None else "blocks"
        if self.kept_of is not None or ctx.step:
            return
        if self.schedule is None:
            for what, (n, dead) in self.counted(model).items() if self.sparsity else ():
                grown_count("Gradual", float(self.sparsity or 0), n, dead, what, things)
            return
        steps = range(self.reads_data, ctx.total + 1)
        at = bisect_left(steps, True, key=lambda t: self.at(t, ctx.total) > 0)
        if at == len(steps):
            return
        first = float(self.at(steps[at], ctx.total))
        for what, (n, dead) in self.counted(model).items():
            if pruned_count(first, n) < dead:
                raise ArgumentError(
                    f"Gradual: schedule must begin at {dead / n!r} or above, the present sparsity "
                    f"of {what}, not at {first!r}, since pruned {things} are not restored; pass "
                    f"initial={dead / n!r} to it, or sparsity in its place"
                )

    def _masks(
        self, model: Model, sparsity: Target, ctx: Context, grads: Arrays, moving: dict[str, Any],
        batch: Split | None,
    ) -> Arrays | None:  # fmt: skip
        chosen = self.chosen(model, sparsity, ctx, grads, moving, batch)
        return None if chosen is None else self.as_masks(model, chosen)


gradual = one_call(Gradual, "gradual", "sparsity=0.5")
