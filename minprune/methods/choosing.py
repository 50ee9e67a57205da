"""masks = all but the lowest scores, by what a step of training has: for methods that choose so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from minprune.arguments import choice, count, share
from minprune.core import Array, Arrays, Criterion, Split
from minprune.errors import ArgumentError
from minprune.evidence import find
from minprune.evidence.activation_moments import MOVING, SCORED, held, moved
from minprune.evidence.activations import laid_out, spots
from minprune.evidence.options import ask, check, free_groups
from minprune.evidence.scoring import finished, fitting, gather
from minprune.evidence.sources import SOURCES
from minprune.masking.choose import Scope, choose
from minprune.masking.count import Target, pruned_count
from minprune.masking.patterns import Given, Pattern, blocks, parse
from minprune.masking.units import live_units, silenced
from minprune.nets.model import Model, dense_only, masks_of
from minprune.train.method import Context, Method, View


class Choosing(Method):
    """What chooses by scores of a step has: a criterion, and what is masked: see `Gradual`."""

    criterion: str | Criterion
    scope: Scope
    unit: bool
    minimum: int
    decay: float
    pattern: Given
    options: Mapping[str, Any]

    def check_choosing(self) -> None:
        """Raises ArgumentError for a criterion that needs more than a step of training has."""
        owner = type(self).__name__
        choice(owner, "scope", self.scope, ("global", "layer"))
        choice(owner, "unit", self.unit, (False, True))
        count(owner, "minimum", self.minimum, 0)
        share(owner, "decay", self.decay, above=True)
        if parse(self.pattern) is not None and self.unit:
            raise ArgumentError(
                f"{owner}: pattern must be None where units are pruned, not {self.pattern!r}; "
                f"leave out unit or the pattern"
            )
        more = {k for k in self.needs if SOURCES[k].data and not SOURCES[k].step}
        if "activations" in self.needs:  # scored at every update, without the rest of the model
            more |= self.needs - SCORED
        if more:
            there = sorted(k for k, row in SOURCES.items() if row.step or not row.data)
            raise ArgumentError(
                f"{owner}: criterion must need what a training step has ({', '.join(there)}), not "
                f"{', '.join(sorted(more))}; choose another criterion"
            )

    @property
    def needs(self) -> set[str]:
        """The kinds of evidence that the criterion reads."""
        return set(check(find(self.criterion), self.options, self.unit)["needs"])

    @property
    def reads_data(self) -> bool:
        """Whether it needs samples, so that there are no scores before the first update."""
        return any(SOURCES[k].data for k in self.needs)

    @property
    def kept_of(self) -> Pattern | None:
        """The pattern N:M, if it is one."""
        form = parse(self.pattern)
        return form if form is not None and form.kept is not None else None

    @property
    def share_of_pattern(self) -> float:
        """1 - N/M of a pattern N:M; 0 of another."""
        form = self.kept_of
        return 0.0 if form is None else 1 - (form.kept or 0) / form.columns

    def places(self, model: Model) -> dict[str, tuple[str, Any]]:
        """{group: (layer, rows)} of the activations that the criterion reads"""
        given = self.options.get("nonlinearity", "after")
        where = choice(type(self).__name__, "nonlinearity", given, ("after", "before"))
        return spots(model, free_groups(model), where == "before") if self.needs & MOVING else {}

    def watches(self, model: Model) -> tuple[str, ...]:
        return tuple(dict.fromkeys(layer for layer, _ in self.places(model).values()))

    def check_model(self, model: Model) -> None:
        """Raises ArgumentError where nothing can be chosen."""
        dense_only(model, "pruning")
        if self.unit and not free_groups(model):
            raise ArgumentError(
                f"{type(self).__name__}: the net must have units that may be removed, in a hidden "
                f"layer, not none; print(mp.ties(model)) shows its groups"
            )

    def moved(self, view: View, state: dict[str, Any]) -> dict[str, Any]:
        """The moving moments of activations after this update      state: {"places", "moving"}"""
        seen = {
            name: laid_out(np.moveaxis(view.activations[at], 0, -1), rows)
            for name, (at, rows) in state["places"].items()
        }
        asked = check(find(self.criterion), self.options, self.unit)
        return moved(state["moving"], seen, view.batch, asked, self.decay)

    def chosen(
        self, model: Model, sparsity: Target, ctx: Context, grads: Arrays, moving: dict[str, Any],
        batch: Split | None,
    ) -> Arrays | None:  # fmt: skip
        """What is kept, by weight, or by group of units; None where no count grows

        sparsity: of weights, units or blocks, or of those of each array; of a pattern N:M, the
        share of every M that goes.
        """
        groups, live = self._live(model)
        if self.kept_of is None:
            each = isinstance(sparsity, Mapping)
            if all(
                pruned_count(sparsity[name] if each else sparsity, n) == dead  # type: ignore[index, arg-type]
                for name, (n, dead) in self.counted(model).items()
            ):
                return None
        elif pruned_count(cast(float, sparsity), self.kept_of.columns) == 0:
            return None
        known = held(moving) | {"grads": grads}
        asked = ask(
            model, self.criterion, self.options, ctx.rng, unit=self.unit, groups=groups, held=known
        )
        raw = moving.get("scores")
        if raw is None:
            raw = fitting(asked, asked.raw(gather(asked, batch), **asked.options))
        return choose(finished(asked, raw), live, **self.target(sparsity), **self._how)

    def counted(self, model: Model) -> dict[str, tuple[int, int]]:
        """{array, or "the net" of all together: (n, masked)} of weights, units or blocks"""
        _, live = self._live(model)
        found = {name: self._things(name, m) for name, m in live.items()}
        each = {name: (m.size, m.size - int(np.count_nonzero(m))) for name, m in found.items()}
        if self.scope == "layer":
            return each
        return {"the net": (sum(n for n, _ in each.values()), sum(d for _, d in each.values()))}

    def check_reachable(self, model: Model, sparsity: float) -> None:
        """Raises UnreachableError where the minimum prevents it: before hours of training."""
        _, live = self._live(model)
        nothing = {name: np.zeros(m.shape) for name, m in live.items()}
        choose(nothing, live, **self.target(sparsity), **self._how)

    @property
    def _how(self) -> dict[str, Any]:
        things = "units" if self.unit else "weights"
        return {"scope": self.scope, "minimum": self.minimum, "things": things}

    def _live(self, model: Model) -> tuple[dict[str, Any], Arrays]:
        """(the groups of units, what lives): by group, or by weight"""
        groups = free_groups(model) if self.unit else {}
        live = {name: live_units(g, model.masks) for name, g in groups.items()}
        return groups, live or masks_of(model, model.net.weights)

    def as_masks(self, model: Model, chosen: Arrays) -> Arrays:
        """The masks of what is kept: where units are pruned, of all that the others own."""
        if not self.unit:
            return chosen
        groups = free_groups(model)
        return silenced(model, {name: (groups[name], ~kept) for name, kept in chosen.items()})

    def target(self, sparsity: Target) -> dict[str, Any]:
        """What `choose` is told: of a pattern N:M, of every M as many as the share leaves"""
        form = self.kept_of
        if form is None:
            return {"sparsity": sparsity, "pattern": self.pattern}
        left = form.columns - pruned_count(cast(float, sparsity), form.columns)
        return {"pattern": f"{max(left, cast(int, form.kept))}:{form.columns}"}

    def _things(self, name: str, live: Array) -> Array:
        """What is counted: the entries, or which blocks have a live one"""
        form = None if self.unit else parse(self.pattern)
        return live if form is None else blocks(name, np.zeros(live.shape), live, form)[1]
