"""What is asked for: one criterion's scores of the weights or units of one model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import numpy as np

from minprune.core import Chunk, Criterion, CriterionSpec
from minprune.nets.model import Model
from minprune.nets.ties import Group

Params = Literal["weights", "all"]
T = TypeVar("T")


@dataclass(frozen=True)
class Request:
    """A criterion with its options, resolved for a model; `gather` finds its evidence.

    needs, chunk: as the spec says for these options. names: the scored parameters, with unit the
    ones whose entries make the rows of units. groups: the units. options: of the criterion, as
    given; settings: those with the defaults; how: options of gathering. own: kinds of evidence of
    one's own. held: what a training step knows already and nothing computes again: "grads" by
    parameter, "activations", "moments" and "classes" by group.
    """

    model: Model
    fn: Criterion
    spec: CriterionSpec
    needs: tuple[str, ...]
    chunk: Chunk
    params: Params
    names: list[str]
    unit: bool
    groups: dict[str, Group]
    rng: np.random.Generator
    options: Mapping[str, Any]
    settings: Mapping[str, Any]
    how: Mapping[str, Any]
    own: Mapping[str, Any] = field(default_factory=dict)
    held: Mapping[str, Any] = field(default_factory=dict)
    made: dict[str, tuple[Any, Any]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """{name: the shape of its scores}: of each parameter, or of each group of units"""
        if self.unit:
            return {name: (g.size,) for name, g in self.groups.items()}
        return {name: self.model.net.params[name] for name in self.names}

    def once(self, what: str, chunk: Any, make: Callable[[], T]) -> T:
        """What is held, or make(), once for all kinds of evidence from one pass over a chunk"""
        if what in self.held:
            held: T = self.held[what]
            return held
        if what not in self.made or self.made[what][0] is not chunk:
            self.made[what] = chunk, make()
        found: T = self.made[what][1]
        return found
