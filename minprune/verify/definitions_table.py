"""Every criterion by name: its definition, what it looks at, and which laws hold for it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from minprune.core import Arrays, Evidence, Over, Row
from minprune.verify import definitions_sizes as sizes
from minprune.verify import definitions_units as units
from minprune.verify.definitions import (
    by_sample,
    fisher,
    geometric_median,
    grasp,
    layer_norm,
    magnitude,
    norm,
    obd,
    obs,
    obs_rows,
    obs_set,
    oracle,
    random,
    snip,
    synflow,
    taylor_1,
    taylor_2,
    taylor_2_row,
    taylor_gate,
    weight_entropy,
)


@dataclass(frozen=True)
class Definition:
    """A criterion by name: its definition, what it looks at, and which laws hold for it.

    score: Evidence, **options -> scores of one chunk.    unit: see Mark.unit.    over: what a chunk
    is by the spec, and None where it does not matter (the score is linear in the samples).
    finish: what is done after the average over chunks.    minus: kinds whose terms are subtracted.
    laws: beside "definition", keys of NAMED."""

    score: Callable[..., Arrays]
    needs: tuple[str, ...]
    unit: Row
    laws: tuple[str, ...] = ()
    over: Over | None = None
    single: bool = True
    finish: Callable[[Arrays], Arrays] | None = None
    minus: tuple[str, ...] = ()
    floor: float = 2.0**-1000  # see Subject
    spread: sizes.Spread | None = None  # the size of the terms, if not the usual

    def takes(self, options: dict[str, Any]) -> dict[str, Any]:
        """Those of the options that the definition knows: code of one's own may have others."""
        known = inspect.signature(self.score).parameters
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
    "random": Definition(random, (W, "rng"), "incoming", ("uniform",)),
    "magnitude": Definition(magnitude, (W,), "incoming", ("rescaling changes", *SLOPE[::2])),
    "norm": Definition(norm, (W,), "incoming", ("rescaling changes", *SLOPE[::2])),
    "geometric_median": Definition(
        geometric_median, (W,), "incoming", ("rescaling changes", "twins", "outlier"),
        single=False, spread=sizes.distance_size,
    ),
    "weight_entropy": Definition(
        weight_entropy, (W,), "incoming", ("rescaling changes", "twins", "constant unit"),
        single=False, spread=sizes.entropy_size,
    ),
    "synflow": Definition(synflow, (W, "path_grads"), "incoming", (*SLOPE, "conservation")),
    "taylor": Definition(
        taylor_1, (W, G), "gate", (*SLOPE, "split matters"), over="batch"
    ),
    "taylor order 2": Definition(
        taylor_2, (W, G, "hess_diag"), "gate", (*SLOPE, "split matters", "exact squared"),
        over="all", minus=("hess_diag",),
    ),
    "taylor row": Definition(
        taylor_2_row, (W, G, "hess_weight"), "gate", (*SLOPE, "split matters", "exact sum"),
        over="all", minus=("hess_weight",),
    ),
    "taylor_activation": Definition(
        by_sample, ("activations", "act_grads"), "whole", (*SLOPE, "merge"),
        single=False, finish=layer_norm,
    ),
    "taylor_activation order 2": Definition(
        taylor_gate, ("gate_grads", "gate_hess"), "whole", (*SLOPE, "split matters"),
        over="all", single=False, minus=("gate_hess",),
    ),
    "fisher": Definition(fisher, (W, "squared_grads"), "gate", (*SLOPE, "merge")),
    "snip": Definition(snip, (W, G), "gate", (*SLOPE, "split matters", "shares"), over="all"),
    "grasp": Definition(
        grasp, (W, "hess_grad"), "outgoing",
        ("twins", "rescaling changes", "split matters", "slope of the gradient"), over="all",
    ),
    "obd": Definition(
        obd, (W, "hess_diag"), "incoming and bias", (*SLOPE, "merge", "exact", "exact set")
    ),
    "obs": Definition(
        obs, (W, "inverse_diag"), "incoming and bias",
        (*CHANGES, "split matters", "exact removal", "below zeroing"), over="all",
    ),
    "obs of units": Definition(
        obs_set, (W, "inverse_block"), "incoming and bias",
        (*CHANGES, "split matters", "exact removal", "below zeroing", "downdated singles"),
        over="all", single=False, spread=sizes.set_size,
    ),
    "obs rows": Definition(
        obs_rows, ("sweep_loss",), "incoming", ("rescaling changes", "direction"), over="all"
    ),
    "oracle": Definition(oracle, ("removal",), "whole", (*SLOPE[:2], "merge", "exact")),
    "apoz": Definition(units.apoz, ("activations",), "whole", (*SLOPE, "merge"), single=False),
    "activation": Definition(
        units.activation, ("activations",), "whole", (*CHANGES, "merge"), single=False
    ),
    "activation rms": Definition(
        units.mean_square, ("activations",), "whole", (*CHANGES, "merge"), single=False,
        finish=units.root,
    ),
    "activation_entropy": Definition(
        units.activation_entropy, ("act_hist",), "whole", (*SLOPE, "split matters"), over="all",
        single=False, spread=sizes.bins_size,
    ),
    "similarity": Definition(
        units.similarity, ("act_gram", "outgoing"), "whole",
        ("rescaling changes", "duplicates", "greedy"), over="all", single=False,
        spread=sizes.distance_2, floor=NEAR_0,
    ),
    "correlation": Definition(
        units.correlation, ("act_mean", "act_gram", "outgoing"), "whole",
        GREEDY, over="all", single=False, spread=sizes.distance_2, floor=NEAR_0,
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
        units.lda, CLASSES, "whole", SLOPE, over="all", single=False,
        spread=sizes.score_size(units.lda),
    ),
    "lda_joint": Definition(
        units.lda_joint, CLASSES, "whole", SLOPE[1:], over="all", single=False,
        spread=sizes.score_size(units.lda_joint, 2.0**27),
    ),
}  # fmt: skip


# (criterion, option, value): the row of that reading, where it has one of its own
READINGS: dict[tuple[str, str, Any], str] = {
    ("taylor_activation", "order", 2): "taylor_activation order 2",
    ("activation", "kind", "rms"): "activation rms",
    ("correlation", "source", "weights"): "correlation of weights",
    ("obs", "scale", "rows"): "obs rows",
}


def definition(name: str, options: dict[str, Any], unit: bool = False) -> Definition:
    """The row of a criterion with these options; KeyError for a name that has none."""
    if name == "taylor" and options.get("order", 1) == 2:
        name = "taylor row" if options.get("hessian") == "row" else "taylor order 2"
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
    if options.get("square"):  # the square of a change is no sum over samples
        row = replace(
            row, laws=("twins", "rescaling", "split matters", "exact squared"), over="all"
        )
    if options.get("clip"):  # nor is what is clipped
        row = replace(row, laws=(*SLOPE, "exact"), over="all")
    return row
