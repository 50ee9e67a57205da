"""Every criterion by name: its definition, what it looks at, and which laws hold for it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import log
from typing import Any

import numpy as np

from minprune.core import Arrays, Evidence, Over, Row
from minprune.verify.definitions import (
    by_sample,
    fisher,
    geometric_median,
    grasp,
    layer_norm,
    magnitude,
    norm,
    obd,
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
    spread: Callable[[Evidence], Arrays] | None = None  # the size of the terms, if not the usual

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


def distance_size(ev: Evidence) -> Arrays:
    """sum_k norm(|w_j| + |w_k|): also what a distance from a Gram matrix cancels"""
    return {
        name: np.array([np.sqrt(((abs(w) + abs(u)) ** 2).sum(axis=1)).sum() for u in w])
        for name, w in ev.of("weights").items()
    }


def entropy_size(ev: Evidence) -> Arrays:
    return {name: np.full(len(w), 1 + log(max(w.size, 1))) for name, w in ev.of("weights").items()}


W, G = "weights", "grads"
SLOPE = ("twins", "rescaling", "direction")
DEFINITIONS: dict[str, Definition] = {
    "random": Definition(random, (W, "rng"), "incoming", ("uniform",)),
    "magnitude": Definition(magnitude, (W,), "incoming", ("rescaling changes", *SLOPE[::2])),
    "norm": Definition(norm, (W,), "incoming", ("rescaling changes", *SLOPE[::2])),
    "geometric_median": Definition(
        geometric_median, (W,), "incoming", ("rescaling changes", "twins", "outlier"),
        single=False, spread=distance_size,
    ),
    "weight_entropy": Definition(
        weight_entropy, (W,), "incoming", ("rescaling changes", "twins", "constant unit"),
        single=False, spread=entropy_size,
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
    "oracle": Definition(oracle, ("removal",), "whole", (*SLOPE[:2], "merge", "exact")),
}  # fmt: skip


def definition(name: str, options: dict[str, Any]) -> Definition:
    """The row of a criterion with these options; KeyError for a name that has none."""
    if name == "taylor" and options.get("order", 1) == 2:
        row = DEFINITIONS["taylor row" if options.get("hessian") == "row" else "taylor order 2"]
    elif name == "taylor_activation" and options.get("order", 1) == 2:
        row = DEFINITIONS["taylor_activation order 2"]
    else:
        row = DEFINITIONS[name]
    if name == "norm" and options.get("p", 2) == 0:
        row = replace(row, laws=SLOPE if not options.get("tol") else SLOPE[::2])
    if options.get("square"):  # the square of a change is no sum over samples
        row = replace(
            row, laws=("twins", "rescaling", "split matters", "exact squared"), over="all"
        )
    if options.get("clip"):  # nor is what is clipped
        row = replace(row, laws=(*SLOPE, "exact"), over="all")
    return row
