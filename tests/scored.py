"""Criteria with their options, as functions (model, data, unit) -> scores, for laws on nets."""

from typing import Any

import numpy as np
from curving import Fn
from hypothesis import settings

import minprune as mp
from minprune.core import Arrays, Split
from minprune.nets.model import Model
from minprune.nets.ties import Group

few = settings(max_examples=max(8, settings.default.max_examples // 6))
Options = dict[str, Any]
Scored = tuple[str, Options]
GATHERED: list[Scored] = [
    ("obd", {"diagonal": kind}) for kind in ("exact", "gauss_newton", "becker_lecun",
                                             "empirical_fisher")
]  # fmt: skip
ALL: list[Scored] = [
    ("magnitude", {}), ("norm", {"p": 0}), ("norm", {"p": 1}), ("geometric_median", {}),
    ("weight_entropy", {}), ("synflow", {}), ("taylor", {}), ("taylor", {"order": 2}),
    ("taylor", {"order": 2, "hessian": "row"}), ("taylor_activation", {}),
    ("taylor_activation", {"order": 2}), ("fisher", {}), ("snip", {}), ("grasp", {}),
    ("oracle", {}), *GATHERED,
]  # fmt: skip


def kinds(name: str) -> list[bool]:
    """Whether units, weights or both have such scores."""
    spec = mp.criteria.CRITERIA[name].spec
    return [False] * spec.single + [True] * (spec.unit is not None)


def free(model: Model) -> list[Group]:
    return [g for g in mp.ties(model) if g.free]


def scored(fn: Any, model: Model, data: Split, unit: bool, **options: Any) -> Arrays:
    with np.errstate(divide="raise", over="raise", invalid="raise"):
        return mp.score(model, data, fn, unit=unit, **options)


def by(name: str, **options: Any) -> Fn:
    return lambda m, d, unit: scored(name, m, d, unit, **options)
