"""Evidence from training steps, in which an update k steps ago counts decay^k as much.

Activations are those of the passes of training (training mode, weights as they were): their moments
move by Chan's merge of weighted moments, and so do the scores of criteria that read activations
themselves (apoz, activation). Gradients are those of the last update alone.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from minprune.core import Array, Arrays, Evidence, Split
from minprune.evidence.moments import Classes, Moments, class_counts, classes_of, moments_of

MOMENTS = {"act_mean", "act_gram"}
CLASSES = {"class_counts", "class_means", "within"}
SCORED = {"activations", "labels"}  # what a criterion that reads activations may read besides
MOVING = MOMENTS | CLASSES | {"activations"}
# {what a state holds: (the kinds of evidence that need it, its class, how it is made)}
KINDS: dict[str, tuple[set[str], Any, Any]] = {
    "moments": (MOMENTS, Moments, lambda a, _: moments_of(a)),
    "classes": (CLASSES, Classes, classes_of),
}

State = dict[str, Any]


def moved(old: State, seen: Arrays, batch: Split, asked: Mapping[str, Any], decay: float) -> State:
    """The state with one more batch; seen: {group: (n, units, positions)}; asked: of `check`"""
    y, needs, new = batch[1], set(asked["needs"]), State()
    if "activations" in needs:
        ev = Evidence(activations=seen, labels=y, unit=True)
        found = asked["raw"](ev, **asked["options"])
        new["weight"] = decay * old.get("weight", 0.0) + len(y)
        share = len(y) / new["weight"]
        wide = {name: np.asarray(s).astype(np.float64) for name, s in found.items()}
        new["scores"] = {
            name: old["scores"][name] + share * (s - old["scores"][name]) if old else s
            for name, s in wide.items()
        }
    if CLASSES & needs:
        class_counts(y)  # raises where they are none
    for what, (needed, kind, of) in KINDS.items():
        if needed & needs:
            known, parts = old.get(what, {}), {name: of(a, y) for name, a in seen.items()}
            new[what] = {  # vars: plain values, so that a checkpoint holds them
                name: dict(vars(kind(**known[name]).merged(part, decay) if known else part))
                for name, part in parts.items()
            }
    return new


def held(state: State) -> State:
    """The moving moments, for `ask(held=)`"""
    return {
        what: {name: kind(**m) for name, m in state[what].items()}
        for what, (_, kind, _) in KINDS.items()
        if what in state
    }


def units_of(a: Array, rows: Array) -> Array:
    """(n, c, ...) -> (n, units, positions) in float64; see `activations.laid_out`"""
    part = a.reshape(len(a), a.shape[1], -1)[:, rows].reshape(len(a), len(rows), -1)
    return np.ascontiguousarray(part, np.float64)
