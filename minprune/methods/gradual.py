"""sparsity_t = schedule(t): masks grow during training, by any criterion that the step can feed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from minprune.core import Arrays, Criterion, CriterionSpec, Evidence
from minprune.errors import ArgumentError
from minprune.evidence import find
from minprune.evidence.checks import fitting, label
from minprune.masking.apply import with_masks
from minprune.masking.checks import Scope
from minprune.masking.choose import choose
from minprune.masking.count import pruned_count
from minprune.methods.scheduled import Schedule, at_rest, checked, reachable
from minprune.nets.model import Model, dense_only
from minprune.train.method import Change, Context, Method, View

HAS = {"weights", "masks", "grads", "rng"}  # the evidence that a training step holds


@dataclass(frozen=True)
class Gradual(Method):
    """After update t, round(schedule(t) n) of the n weights are masked; masked ones stay so

    schedule: step -> sparsity, not falling, such as functools.partial(schedule.cubic, ...).
    criterion: a name or a function on weights, masks, grads (of the batch) and rng. Null setting:
    a schedule of 0. The masks of schedule(0) are made before the first update, or with it where
    the criterion needs gradients. With patience the best epoch is one at the last sparsity.

    Raises ArgumentError for a criterion that needs more or is of units, and for a schedule that is
    none; UnreachableError at the first update for a last sparsity that leaves a layer nothing.
    Source: Zhu & Gupta (2017), magnitude and the cubic schedule.
    """

    schedule: Schedule
    criterion: str | Criterion = "magnitude"
    scope: Scope = "global"

    def __post_init__(self) -> None:
        more = self._needs() - HAS
        if more:
            raise ArgumentError(
                f"Gradual: criterion needs {', '.join(sorted(more))}, and a training step has "
                f"{', '.join(sorted(HAS))}; choose a criterion on those"
            )
        if not self._mark.single:
            raise ArgumentError(
                f"Gradual: {label(find(self.criterion))} scores units, and Gradual prunes single "
                f"weights; choose another criterion, or mp.methods.watched, which prunes units"
            )
        checked("Gradual", self.schedule)

    def start(self, model: Model, ctx: Context) -> tuple[Model, Arrays, Any]:
        dense_only(model, "pruning")
        if self.schedule(0) > 0 and "grads" not in self._needs():
            weights = {k: model.params[k] for k in model.net.weights}
            masks = self._masks(weights, model.masks, None, ctx.rng, self.schedule(0))
            model = with_masks(model, masks) if masks else model
        return model, {}, None

    def after(self, view: View) -> Change | None:
        ctx = view.ctx
        weights = {k: view.params[k] for k in ctx.net.weights}
        grads = {k: view.grads[k] for k in weights}
        if ctx.step == 1:
            live = {k: ctx.masks.get(k, np.ones(w.shape, bool)) for k, w in weights.items()}
            reachable(live, self.schedule(ctx.total), scope=self.scope)
        masks = self._masks(weights, ctx.masks, grads, ctx.rng, self.schedule(ctx.step))
        return Change(masks=masks) if masks else None

    def settled(self, step: int, total: int) -> bool:
        return at_rest(self.schedule, step, total)

    @property
    def _mark(self) -> CriterionSpec:
        spec: CriterionSpec = getattr(find(self.criterion), "spec", CriterionSpec(("weights",)))
        return spec

    def _needs(self) -> set[str]:
        return set(self._mark.asked({})[0])

    def _masks(
        self, weights: Arrays, masks: Arrays, grads: Arrays | None, rng: np.random.Generator,
        share: float,
    ) -> Arrays | None:  # fmt: skip
        """New masks, or None where no count grows."""
        counts = [
            (w.size, w.size - int(np.count_nonzero(masks[k])) if k in masks else 0)
            for k, w in weights.items()
        ]
        if self.scope == "global":
            counts = [(sum(n for n, _ in counts), sum(dead for _, dead in counts))]
        if all(pruned_count(share, n) == dead for n, dead in counts):
            return None
        fn, shapes = find(self.criterion), {k: w.shape for k, w in weights.items()}
        seen = {"weights": weights, "masks": masks, "grads": grads}
        held: dict[str, Any] = {
            kind: _read_only(arrays) for kind, arrays in seen.items() if arrays is not None
        }
        found = fn(Evidence(rng=rng, **held))
        scores = fitting(fn, found, shapes)
        return choose(scores, masks, sparsity=share, scope=self.scope)


def _read_only(arrays: Arrays) -> Arrays:
    """The same arrays; a criterion that writes to them would change the training."""
    views = {k: a.view() for k, a in arrays.items()}
    for a in views.values():
        a.flags.writeable = False
    return views
