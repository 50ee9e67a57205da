"""w = w where mask else 0: the one place, beside optimizer kernels, where a mask meets a weight."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from minprune.core import Array, Arrays
from minprune.errors import ArgumentError, ShapeError
from minprune.masking.choose import choose
from minprune.masking.units import choose_units, is_unit_score
from minprune.nets.counts import counts
from minprune.nets.masks import check_masks
from minprune.nets.model import Model, dense_only, hold_arrays, is_model
from minprune.nets.ties import ties


def apply(params: Mapping[str, Array], masks: Mapping[str, Array]) -> Arrays:
    """The params with 0.0 wherever a mask is False; what has no mask is the same array

    Raises ArgumentError for a mask of an unknown name or not of bool, ShapeError for another shape.
    """
    check_masks(masks, {name: w.shape for name, w in params.items()})
    return {
        name: np.where(masks[name], w, w.dtype.type(0)) if name in masks else w
        for name, w in params.items()
    }


def with_masks(model: Model, masks: Mapping[str, Array]) -> Model:
    """The model with these masks in place of its own of the same names, and 0.0 where they say

    Raises as `apply` does, and ArgumentError for a weight of which only live entries are stored.
    """
    is_model(model, "with_masks")
    hold_arrays("masks", masks)
    dense_only(model, "a mask", masks)
    merged = model.masks | dict(masks)
    return replace(model, params=apply(model.params, merged), masks=merged)


def collapsed(model: Model) -> list[str]:
    """The weights of which no entry is left, so that nothing passes: layer collapse, in net order

    Empty where all weights of the net are gone, since then none could give.
    """
    is_model(model, "collapsed")
    weights = model.net.every_weight
    gone = [c.name for c in counts(model.net, model.masks) if c.name in weights and not c.live]
    return gone if len(gone) < len(weights) else []


TARGETS = (
    "sparsity", "threshold", "scope", "protect", "minimum", "normalize", "pattern", "block_reduce",
    "round_to",
)  # fmt: skip


def _arguments(scores: object, target: Mapping[str, Any]) -> None:
    for name in target:
        if name not in TARGETS:
            raise ArgumentError(f"prune: {name} is not among its arguments: {', '.join(TARGETS)}")
    if not isinstance(scores, Mapping):
        raise ArgumentError(
            f"prune: scores is {type(scores).__name__}, expected a dict of arrays; "
            f"give what mp.score returns"
        )


def prune(model: Model, scores: Mapping[str, Array], **target: Any) -> Model:
    """The model without its lowest-scored entries, or units: masked, 0.0, and held so by `fit`

    scores: {"fc1.weight": array of the weight's shape, ...}, higher = kept longer, from `mp.score`
    or from anywhere; or one score a unit, (o,) for a weight (o, ...): then units are silenced, with
    all that is tied to them, and sparsity counts units (see masking.units, which adds round_to=).
    target: sparsity= (a share, or one for each layer in a dict) or threshold=,
    scope="global" | "layer", protect=("fc3", ...), minimum=1, normalize=None | "l1" | "l2" | "max",
    pattern=None | "2:4" | (4, 4), block_reduce="mean" | "sum" | "max"; see masking.choose for what
    they mean. Raises ArgumentError, ShapeError, UnreachableError.
    """
    is_model(model, "prune")
    dense_only(model, "pruning")
    _arguments(scores, target)
    units = is_unit_score(scores, model.net.params)
    ordered = {name: scores[name] for name in model.net.params if name in scores}
    if not ordered:
        raise ArgumentError(
            "prune: scores is empty, expected an array for at least one weight; "
            "score first, and print(mp.ties(model)) to see which units may go"
        )
    if units:
        return with_masks(model, choose_units(model, ties(model), ordered, **target))
    if "round_to" in target:
        raise ArgumentError(
            "prune: round_to counts units, and the scores are of single weights; "
            "score with unit=True, or leave it out"
        )
    for name, s in ordered.items():
        if np.shape(s) != model.params[name].shape:
            raise ShapeError(
                f"{name}: score is {np.shape(s)}, weight is {model.params[name].shape}; "
                f"give one score to each entry"
            )
    return with_masks(model, choose(ordered, model.masks, **target))
