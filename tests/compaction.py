"""Wrong compaction: one bug each, with the law that must reject it."""

from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np
import pytest

import minprune as mp
from minprune.nets import unit_labels
from minprune.nets.layer import Layer, Shape
from minprune.nets.model import Model
from minprune.structure import constants, cut
from minprune.structure.compact import compact
from minprune.structure.plan import plan
from minprune.verify.ours.compaction import Compact

# The package has functions of these names.
compaction: Any = import_module("minprune.structure.compact")
planning: Any = import_module("minprune.structure.plan")


def planted(where: Any, name: str, wrong: Any) -> Compact:
    """`compact` with one thing, which there must be, replaced."""
    assert hasattr(where, name), name

    def fn(model: Model) -> Model:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(where, name, wrong)
            return compact(model)

    return fn


def constants_dropped(model: Model, folds: Any) -> Model:
    """Constant units go, and what they put out is forgotten."""
    return compaction_fold(model, [replace(f, bias=np.zeros_like(f.bias)) for f in folds])


def folded_everywhere(self: Any, out: Any, w: Any, x: Any, groups: int, padded: bool) -> None:
    flow_mix(self, out, w, x, groups, False)


def statistics_from_the_front(model: Model, kept: Any) -> Model:
    """The running statistics are cut to length, whichever units went."""
    small = compaction_shrink(model, kept)
    front = {n: model.buffers[n][: len(b)] for n, b in small.buffers.items()}
    return replace(small, buffers=front)


def channels_last(self: Any, out: Any, x: Any, times: int) -> None:
    """A flattened channel is every c-th column, as in other layouts."""
    self.rows[out] = np.tile(self.of(x), times)


def single_columns(model: Model, groups: Any, gone: Any) -> Any:
    """A unit owns one entry of each axis."""
    few = [replace(g, members=tuple(replace(m, index=m.index[:, :1]) for m in g.members))
           for g in groups]  # fmt: skip
    return indices_left(model, few, gone)


def groups_left(layer: mp.Conv2d, shapes: Mapping[str, Shape]) -> Layer:
    """A depthwise layer keeps its number of groups."""
    found = resized(layer, shapes)
    assert isinstance(found, mp.Conv2d)
    return replace(found, groups=layer.groups, inputs=shapes["weight"][1] * layer.groups)


def without_constant(model: Model, add: Any, rest: Any, level: Any) -> Model | None:
    """A branch leaves its sum, and what it added is forgotten."""
    return cut_without(model, add, rest, np.zeros(len(level)))


def masks_forgotten(model: Model) -> Model:
    return replace(compact(model), masks={})


def masks_all_live(model: Model) -> Model:
    small = compact(model)
    return replace(small, masks={n: np.zeros_like(m) for n, m in small.masks.items()})


def one_round(model: Model) -> Model:
    """Without looking again at what has lost its last reader."""
    found = plan(model)
    return compaction_shrink(compaction_fold(model, found.sweeps.folds), found.kept)


def never(model: Model) -> Model:
    return model


def with_full_masks(model: Model) -> Model:
    small = compact(model)
    return replace(small, masks={n: np.ones(s, bool) for n, s in small.net.params.items()})


def noisier(model: Model) -> Model:
    """Something is left to do at the second time."""
    small = compact(model)
    return replace(small, params={n: w * 0.5 for n, w in small.params.items()})


compaction_fold, compaction_shrink = compaction.fold, compaction.shrink
indices_left, flow_mix = planning.indices_left, constants._Links.mix
resized, cut_without = mp.Conv2d.resized, cut._without
# name: the law, the net in which to search, the bug
WRONG: dict[str, tuple[str, str, Compact]] = {
    "constants not folded": (
        "same function", "sigmoid", planted(compaction, "fold", constants_dropped),
    ),
    "folded into padding": (
        "same function", "padded", planted(constants._Links, "mix", folded_everywhere),
    ),
    "statistics not sliced": (
        "same function", "batchnorm",
        planted(compaction, "shrink", statistics_from_the_front),
    ),
    "flatten, channels last": (
        "same function", "flatten", planted(unit_labels.Labels, "spread", channels_last),
    ),
    "flatten, single columns": (
        "same function", "flatten", planted(planning, "indices_left", single_columns),
    ),
    "depthwise groups stay": (
        "same function", "depthwise", planted(mp.Conv2d, "resized", groups_left),
    ),
    "branch cut without its constant": (
        "same function", "branch",
        planted(cut, "_without", without_constant),
    ),
    "one round": ("minimal", "padded", one_round),
    "a bias for every constant": (
        "no larger", "joined", planted(planning, "_grows", lambda *_: False),
    ),
    "nothing done": ("smaller", "chain", never),
    "masks of nothing": ("minimal", "chain", with_full_masks),
    "masks forgotten": ("masks", "sigmoid", masks_forgotten),
    "live weights masked": ("masks", "sigmoid", masks_all_live),
    "not done": ("done at once", "chain", noisier),
}  # fmt: skip
