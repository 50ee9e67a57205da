"""sparsity_t = schedule(t): masks grow during training, by any criterion that the step can feed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minprune.core import Arrays, Criterion, Evidence
from minprune.errors import ArgumentError
from minprune.masking.apply import with_masks
from minprune.masking.arguments import Scope
from minprune.masking.choose import choose
from minprune.masking.count import pruned_count
from minprune.nets.model import Model, dense_only
from minprune.probe import find
from minprune.train.method import Change, Method, View

HAS = {"weights", "masks", "grads", "rng"}  # the evidence that a training step holds


@dataclass(frozen=True)
class Gradual(Method):
    """After update t, round(schedule(t) n) of the n weights are masked; masked ones stay so

    schedule: step -> sparsity, not falling, such as functools.partial(schedule.cubic, ...).
    criterion: a name or a function on weights, masks, grads (of the batch) and rng. Null setting:
    a schedule of 0. The masks of schedule(0) are made before the first update, or with it where
    the criterion needs gradients. Source: Zhu & Gupta (2017), magnitude and the cubic schedule.
    """

    schedule: Callable[[int], float]
    criterion: str | Criterion = "magnitude"
    scope: Scope = "global"

    def __post_init__(self) -> None:
        more = self._needs() - HAS
        if more:
            raise ArgumentError(
                f"Gradual: criterion needs {', '.join(sorted(more))}, and a training step has "
                f"{', '.join(sorted(HAS))}; choose a criterion on those"
            )

    def start(self, model: Model, rng: np.random.Generator) -> tuple[Model, Arrays, Any]:
        dense_only(model, "pruning")
        if self.schedule(0) > 0 and "grads" not in self._needs():
            weights = {k: model.params[k] for k in model.net.weights}
            masks = self._masks(weights, model.masks, None, rng, self.schedule(0))
            model = with_masks(model, masks) if masks else model
        return model, {}, None

    def after(self, view: View) -> Change | None:
        weights = {k: view.params[k] for k in view.net.weights}
        grads = {k: view.grads[k] for k in weights}
        masks = self._masks(weights, view.masks, grads, view.rng, self.schedule(view.step))
        return Change(masks=masks) if masks else None

    def _needs(self) -> set[str]:
        mark = getattr(find(self.criterion), "mark", None)
        return set(mark.asked({})[0]) if mark else {"weights"}

    def _masks(
        self, weights: Arrays, masks: Arrays, grads: Arrays | None, rng: np.random.Generator,
        share: float,
    ) -> Arrays | None:  # fmt: skip
        """New masks, or None where the count does not grow."""
        n = sum(w.size for w in weights.values())
        dead = sum(int(np.count_nonzero(~masks[k])) for k in weights if k in masks)
        if self.scope == "global" and pruned_count(share, n) == dead:
            return None
        fn = find(self.criterion)
        scores = fn(Evidence(weights=weights, masks=masks, grads=grads, rng=rng))
        return choose(scores, masks, sparsity=share, scope=self.scope)
