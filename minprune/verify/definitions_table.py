"""Every criterion by name: its definition, what it looks at, and which laws hold for it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from minprune.core import Arrays, Chunk, Evidence, UnitView
from minprune.verify import definitions as of
from minprune.verify import definitions_sizes as sizes
from minprune.verify import definitions_units as units


def options_of(score: Callable[..., Arrays]) -> list[str]:
    """The parameters that may be left out."""
    takes = inspect.signature(score).parameters.values()
    return [p.name for p in takes if p.default is not p.empty]


@dataclass(frozen=True)
class Definition:
    """A criterion by name: its definition, what it looks at, and which laws hold for it.

    score: Evidence, **options -> scores of one chunk.    unit: see CriterionSpec.unit.
    chunk: what a chunk is by the spec, and None where it does not matter (the score
    is linear in the samples).
    finish: what is done after the average over chunks.    minus: kinds whose terms are subtracted.
    laws: beside "definition", keys of NAMED."""

    score: Callable[..., Arrays]
    needs: tuple[str, ...]
    unit: UnitView
    laws: tuple[str, ...] = ()
    chunk: Chunk | None = None
    single: bool = True
    finish: Callable[[Arrays], Arrays] | None = None
    minus: tuple[str, ...] = ()
    share: float = 2.0**-26  # see Subject
    floor: float = 2.0**-1000
    spread: sizes.Spread | None = None  # the size of the terms, if not the usual

    def takes(self, options: dict[str, Any]) -> dict[str, Any]:
        """Those of the options that the definition knows: code of one's own may have others."""
        known = options_of(self.score)
        return {k: v for k, v in options.items() if k in known}

    def size(self, ev: Evidence, options: dict[str, Any]) -> Arrays:
        """The same sum with every term positive: what its rounding errors are in proportion to."""
        if self.spread is not None:
            return self.spread(ev)
        filled = {k: getattr(ev, k) for k in self.needs if isinstance(getattr(ev, k), dict)}
        positive: dict[str, Any] = {
            kind: {n: (-1 if kind in self.minus else 1) * np.abs(a) for n, a in arrays.items()}
            for kind, arrays in filled.items()
        }
        scores = self.score(replace(ev, **positive), **self.takes(options))
        return {n: np.abs(s) for n, s in scores.items()}


W, G = "weights", "grads"
SLOPE = ("twins", "rescaling", "direction")
CHANGES = ("twins", "rescaling changes", "direction")
GREEDY = ("same pairs", "duplicates", "constant first", "greedy")
NEAR_0 = 2.0**-40  # of distances up to 2: rounding of what is at none
CLASSES = ("class_counts", "class_means", "within")
DEFINITIONS: dict[str, Definition] = {
    "random": Definition(of.random, (W, "rng"), "incoming", ("uniform",)),
    "magnitude": Definition(of.magnitude, (W,), "incoming", ("rescaling changes", *SLOPE[::2])),
    "norm": Definition(of.norm, (W,), "incoming", ("rescaling changes", *SLOPE[::2])),
    "geometric_median": Definition(
        of.geometric_median, (W,), "incoming", ("rescaling changes", "twins", "outlier"),
        single=False, spread=sizes.distance_size,
    ),
    "weight_entropy": Definition(
        of.weight_entropy, (W,), "incoming", ("rescaling changes", "twins", "constant unit"),
        single=False, spread=sizes.entropy_size,
    ),
    "synflow": Definition(of.synflow, (W, "path_grads"), "incoming", (*SLOPE, "conservation")),
    "taylor": Definition(
        of.taylor_1, (W, G), "gate", (*SLOPE, "split matters"), chunk="batch"
    ),
    "taylor order 2": Definition(
        of.taylor_2, (W, G, "hess_diag"), "gate", (*SLOPE, "split matters", "exact squared"),
        chunk="all", minus=("hess_diag",),
    ),
    "taylor row": Definition(
        of.taylor_2_row, (W, G, "hess_weight"), "gate", (*SLOPE, "split matters", "exact sum"),
        chunk="all", minus=("hess_weight",),
    ),
    "taylor_activation": Definition(
        of.by_sample, ("activations", "act_grads"), "whole", (*SLOPE, "merge"),
        single=False, finish=of.layer_norm,
    ),
    "taylor_activation order 2": Definition(
        of.taylor_gate, ("gate_grads", "gate_hess"), "whole", (*SLOPE, "split matters"),
        chunk="all", single=False, minus=("gate_hess",),
    ),
    "fisher": Definition(of.fisher, (W, "squared_grads"), "gate", (*SLOPE, "merge")),
    "snip": Definition(of.snip, (W, G), "gate", (*SLOPE, "split matters", "shares"), chunk="all"),
    "grasp": Definition(
        of.grasp, (W, "hess_grad"), "outgoing",
        ("twins", "rescaling changes", "split matters", "slope of the gradient"), chunk="all",
    ),
    "obd": Definition(
        of.obd, (W, "hess_diag"), "incoming and bias", (*SLOPE, "merge", "exact", "exact set")
    ),
    "obs": Definition(
        of.obs, (W, "inverse_diag"), "incoming and bias",
        (*CHANGES, "split matters", "exact removal", "below zeroing"), chunk="all",
    ),
    "obs of units": Definition(
        of.obs_set, (W, "inverse_block"), "incoming and bias",
        (*CHANGES, "split matters", "exact removal", "below zeroing", "downdated singles"),
        chunk="all", single=False, spread=sizes.set_size,
    ),
    "obs rows": Definition(
        of.obs_rows, ("sweep_loss",), "incoming", ("rescaling changes", "direction"), chunk="all"
    ),
    "oracle": Definition(of.oracle, ("removal",), "whole", (*SLOPE[:2], "merge", "exact")),
    "apoz": Definition(units.apoz, ("activations",), "whole", (*SLOPE, "merge"), single=False),
    "activation": Definition(
        units.activation, ("activations",), "whole", (*CHANGES, "merge"), single=False
    ),
    "activation rms": Definition(
        units.mean_square, ("activations",), "whole", (*CHANGES, "merge"), single=False,
        finish=units.root,
    ),
    "activation_entropy": Definition(
        units.activation_entropy, ("act_hist",), "whole", (*SLOPE, "split matters"), chunk="all",
        single=False, spread=sizes.bins_size,
    ),
    "similarity": Definition(
        units.similarity, ("act_gram", "outgoing"), "whole",
        ("rescaling changes", "duplicates", "greedy"), chunk="all", single=False,
        spread=sizes.distance_2, floor=NEAR_0,
    ),
    "correlation": Definition(
        units.correlation, ("act_mean", "act_gram", "outgoing"), "whole",
        GREEDY, chunk="all", single=False, spread=sizes.distance_2, floor=NEAR_0,
    ),
    "correlation of weights": Definition(
        units.correlation_of_weights, (W, "outgoing"), "incoming",
        GREEDY, single=False, spread=sizes.distance_2, floor=NEAR_0,
    ),
    "cosine": Definition(
        units.cosine, (W, "outgoing"), "incoming and bias",
        GREEDY, single=False, spread=sizes.distance_2, floor=NEAR_0,
    ),
    "lda": Definition(
        units.lda, CLASSES, "whole", SLOPE, chunk="all", single=False,
        spread=units.lda_size,
    ),
    "lda_joint": Definition(
        units.lda_joint, CLASSES, "whole", SLOPE[1:], chunk="all", single=False,
        spread=units.joint_size, share=2.0**-20,  # a ridge of 2^-26, inverted twice
    ),
}  # fmt: skip


# (criterion, option, value): the row of that reading, where it has one of its own
READINGS: dict[tuple[str, str, Any], str] = {
    ("taylor", "order", 2): "taylor order 2",
    ("taylor order 2", "hessian", "row"): "taylor row",
    ("taylor_activation", "order", 2): "taylor_activation order 2",
    ("activation", "kind", "rms"): "activation rms",
    ("correlation", "source", "weights"): "correlation of weights",
    ("obs", "scale", "rows"): "obs rows",
}
# every option that some definition knows, whatever it does with it
OPTIONS = {"bias"}.union(
    (option for _, option, _ in READINGS), *(options_of(row.score) for row in DEFINITIONS.values())
)


def definition(name: str, options: dict[str, Any], unit: bool = False) -> Definition:
    """The row of a criterion with these options; KeyError for a name that has none."""
    for (owner, option, value), reading in READINGS.items():
        if name == owner and options.get(option) == value:
            name = reading
    row = DEFINITIONS["obs of units" if name == "obs" and unit else name]
    if name == "norm" and options.get("p", 2) == 0:
        row = replace(row, laws=SLOPE if not options.get("tol") else SLOPE[::2])
    if name == "apoz" and options.get("tol"):
        row = replace(row, laws=("twins", "direction", "merge"))
    if name == "activation_entropy" and options.get("prune") == "high":
        row = replace(row, laws=("twins", "rescaling", "split matters"))
    if name == "cosine" and options.get("bias") is False:
        row = replace(row, unit="incoming")
    known = row.takes(options)  # code of one's own may have an option of that name
    if known.get("square"):  # the square of a change is no sum over samples
        row = replace(
            row, laws=("twins", "rescaling", "split matters", "exact squared"), chunk="all"
        )
    if known.get("clip"):  # nor is what is clipped
        row = replace(row, laws=(*SLOPE, "exact"), chunk="all")
    return row
