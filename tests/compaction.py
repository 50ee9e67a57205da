"""Laws of compaction, the cases they run on, and planted bugs that each must reject."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st
from randomnets import filled, models
from structures import LARGE, NETS, apart, structured, thinned

import minprune as mp
from minprune.errors import MinpruneError
from minprune.nets import ties
from minprune.nets.layer import Layer
from minprune.nets.model import Model
from minprune.structure import cut, flow
from minprune.structure.compact import compact, plan
from minprune.structure.resize import resized

Compact = Callable[[Model], Model]
compaction: Any = import_module("minprune.structure.compact")  # the package has the function


@dataclass(frozen=True)
class Case:
    """A masked model, and how it came about."""

    model: Model
    how: str


@st.composite
def cases(draw: st.DrawFn, name: str = "") -> Case:
    """Units or single weights pruned at random, biases too, up to everything; of one net or any."""
    how = draw(st.sampled_from(["units", "units", "units to 0", "weights", "all", "both"]))
    if name:
        model = filled(NETS[name], draw(st.integers(0, 99)))
    else:
        model = draw(structured() if "units" in how else structured() | models(most=8))
    share = draw(st.floats(0, 1) | st.sampled_from([0.0, 0.5, 0.9, 1.0]))
    seed = draw(st.integers(0, 999))
    if how != "both":
        least = 1 if how == "units" else 0
        params = "all" if how == "all" else "weights"
        return Case(thinned(model, share, seed, least, "units" in how, params=params), how)
    if any(g.free for g in mp.ties(model)):
        model = thinned(model, share / 2, seed)
    scores = mp.score(model, None, "random", seed=seed)
    dead = sum(int((~m).sum()) for n, m in model.masks.items() if n in scores)
    n = sum(s.size for s in scores.values())
    share = max(share, (dead + 1) / n)
    return Case(mp.prune(model, scores, sparsity=min(share, 1), minimum=0), how)


def keeps_the_function(fn: Compact, c: Case) -> bool:
    return apart(c.model, fn(c.model)) <= LARGE


def is_done_at_once(fn: Compact, c: Case) -> bool:
    """A second time changes nothing."""
    once = fn(c.model)
    twice = fn(once)
    return once.net == twice.net and all(
        np.array_equal(w, twice.params[n]) for n, w in once.params.items()
    )


def is_minimal(fn: Compact, c: Case) -> bool:
    """No unit of the result could go, and no mask masks nothing."""
    small = fn(c.model)
    return plan(small).empty and not any(m.all() for m in small.masks.values())


def holds_the_masks(fn: Compact, c: Case) -> bool:
    """What was masked is masked where it is left: 0.0, and as many live weights at most."""
    small = fn(c.model)
    zero = all(not small.params[n][~m].any() for n, m in small.masks.items())
    live = all(
        np.count_nonzero(small.masks.get(n, np.ones(small.net.params[n], bool)))
        <= np.count_nonzero(c.model.masks.get(n, np.ones(c.model.net.params[n], bool)))
        for n in small.net.weights
        if n in c.model.net.weights
    )
    return zero and live


def shrinks(fn: Compact, c: Case) -> bool:
    """No parameter grows, and they are fewer where the plan lets units go.

    But for a constant net, which is written anew, and parameters that take up constants.
    """
    small, big = fn(c.model).net.params, c.model.net.params
    sweeps = plan(c.model)
    if c.model.net.nodes[-1].name in sweeps.flow.whole:
        return True
    grown = any(np.prod(shape) > np.prod(big[n]) for n, shape in small.items() if n in big)
    sizes = [sum(int(np.prod(net.get(n, 0))) for n in big) for net in (small, big)]
    return not grown and (sizes[0] < sizes[1] or sweeps.empty)


LAWS: dict[str, Callable[[Compact, Case], bool]] = {
    law.__name__: law
    for law in (keeps_the_function, is_done_at_once, is_minimal, holds_the_masks, shrinks)
}


def breaks(law: str, fn: Compact, c: Case) -> bool:
    """Whether fn breaks the law; a net that does not fit together any more does."""
    try:
        return not LAWS[law](fn, c)
    except MinpruneError:
        return True


# --- planted bugs


def planted(where: Any, name: str, wrong: Any) -> Compact:
    """`compact` with one thing replaced."""

    def fn(model: Model) -> Model:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(where, name, wrong)
            return compact(model)

    return fn


def constants_dropped(model: Model, sweeps: flow.Flow) -> Model:
    """Constant units go, and what they put out is forgotten."""
    folds = tuple(replace(f, bias=np.zeros_like(f.bias)) for f in sweeps.folds)
    return compaction_fold(model, replace(sweeps, folds=folds))


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


def groups_left(layer: Layer, shape: tuple[int, ...], bias: bool) -> Layer:
    """A depthwise layer keeps its number of groups."""
    found = resized(layer, shape, bias)
    if not isinstance(found, mp.Conv2d) or not isinstance(layer, mp.Conv2d):
        return found
    return replace(found, groups=layer.groups, inputs=shape[1] * layer.groups)


def masks_forgotten(model: Model) -> Model:
    return replace(compact(model), masks={})


def masks_all_live(model: Model) -> Model:
    small = compact(model)
    return replace(small, masks={n: np.zeros_like(m) for n, m in small.masks.items()})


def one_round(model: Model) -> Model:
    """Without looking again at what has lost its last reader."""
    found = plan(model)
    return compaction_shrink(compaction_fold(model, found.flow), found.kept)


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
indices_left, flow_mix = compaction.indices_left, flow._Links.mix
# name: the law, the net in which to search, the bug
WRONG: dict[str, tuple[str, str, Compact]] = {
    "constants not folded": (
        "keeps_the_function", "sigmoid", planted(compaction, "fold", constants_dropped),
    ),
    "folded into padding": (
        "keeps_the_function", "padded", planted(flow._Links, "mix", folded_everywhere),
    ),
    "statistics not sliced": (
        "keeps_the_function", "batchnorm",
        planted(compaction, "shrink", statistics_from_the_front),
    ),
    "flatten, channels last": (
        "keeps_the_function", "flatten", planted(ties._Links, "spread", channels_last),
    ),
    "flatten, single columns": (
        "keeps_the_function", "flatten", planted(compaction, "indices_left", single_columns),
    ),
    "depthwise groups stay": (
        "keeps_the_function", "depthwise", planted(compaction, "resized", groups_left),
    ),
    "branch cut without its constant": (
        "keeps_the_function", "branch",
        planted(cut, "_per_row", lambda level: np.zeros(len(level))),
    ),
    "one round": ("is_minimal", "padded", one_round),
    "nothing done": ("shrinks", "chain", never),
    "masks of nothing": ("is_minimal", "chain", with_full_masks),
    "masks forgotten": ("holds_the_masks", "sigmoid", masks_forgotten),
    "live weights masked": ("holds_the_masks", "sigmoid", masks_all_live),
    "not done": ("is_done_at_once", "chain", noisier),
}  # fmt: skip
