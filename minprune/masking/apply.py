"""w = w where mask else 0: the one place, besides optimizer kernels, where masks meet weights.

A mask that does not fit (`check_masks`) is refused here and wherever a Model is made.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from minprune.arguments import count, filled, instance, shaped
from minprune.core import Array, Arrays
from minprune.errors import ArgumentError
from minprune.masking.choose import Norm, Scope, choose
from minprune.masking.count import Target
from minprune.masking.patterns import Given
from minprune.masking.units import choose_units, is_unit_score
from minprune.nets.counts import counts
from minprune.nets.model import Model, check_masks, dense_only, hold_arrays, is_model


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
    """w = w where mask else 0: the model with these masks, which replace its own of the same names

    Parameters
    ----------
    model : Model
        A dense model.
    masks : dict of bool arrays
        One for each parameter that is masked, of its shape; True keeps an entry.

    Returns
    -------
    Model
        A new model, with 0.0 in the masked entries; `fit` keeps them there.

    Raises
    ------
    ArgumentError
        For an unknown name, an array that is not bool, or a layer whose weight is stored sparse.
    ShapeError
        For a mask whose shape is not that of its parameter.

    Examples
    --------
    >>> import numpy as np, minprune as mp
    >>> model = mp.zoo.mlp(((3,), 2), hidden=(4,))
    >>> masked = mp.with_masks(model, {"fc2.weight": np.eye(2, 4, dtype=bool)})
    >>> int(np.count_nonzero(masked.params["fc2.weight"]))
    2
    """
    is_model(model, "with_masks")
    hold_arrays("masks", masks)
    dense_only(model, "a mask", masks)
    merged = model.masks | dict(masks)
    return replace(model, params=apply(model.params, merged), masks=merged)


def collapsed(model: Model) -> list[str]:
    """The weights without a live entry, so that nothing passes: layer collapse, in net order

    Parameters
    ----------
    model : Model
        Any model, dense or sparse.

    Returns
    -------
    list of str
        Names of weights; empty also if no weight of the net has a live entry, since no other
        choice was left then.

    Raises
    ------
    ArgumentError
        If `model` is not a Model.

    Examples
    --------
    >>> import minprune as mp
    >>> model = mp.zoo.mlp(((3,), 2), hidden=(4,))
    >>> scores = mp.score(model, None, "magnitude")
    >>> mp.collapsed(mp.prune(model, scores, sparsity={"fc1": 1.0}, minimum=0))
    ['fc1.weight']
    """
    is_model(model, "collapsed")
    weights = model.net.every_weight
    gone = [c.name for c in counts(model.net, model.masks) if c.name in weights and not c.live]
    return gone if len(gone) < len(weights) else []


def prune(
    model: Model,
    scores: Mapping[str, Array],
    *,
    sparsity: Target | None = None,
    threshold: Target | None = None,
    scope: Scope = "global",
    protect: Iterable[str] = (),
    minimum: int = 1,
    normalize: Norm = None,
    pattern: Given = None,
    block_reduce: Literal["mean", "sum", "max"] = "mean",
    round_to: int = 1,
) -> Model:
    """mask = all but the lowest scores: entries, or whole units, are set to 0.0 and stay so in fit

    Exactly round(sparsity n) of n scored, unprotected entries are masked afterwards, those masked
    before included; among equal scores the lower index, and the earlier layer, is kept.

    Parameters
    ----------
    model : Model
        A dense model.
    scores : dict of float arrays
        Higher = kept longer; from `mp.score` or from anywhere. One array for each weight: either
        of its shape, or of shape (o,), one score per unit. Then whole units go, with everything
        that is tied to them, and sparsity, minimum and threshold are about units.
    sparsity : float or dict
        The share to prune, from 0 to 1; a dict gives layers or parameters their own, by name or by
        patterns such as "fc*" (a name counts before a pattern; patterns must not disagree).
    threshold : float or dict
        Instead of sparsity: scores below it are pruned.
    scope : {"global", "layer"}
        Whether the lowest of all layers together go, or the same share of each.
    protect : name or names
        Layers or parameters, or patterns of them, that are left as they are and not counted.
    minimum : int
        How many weights, or units, each layer keeps at least.
    normalize : {None, "l1", "l2", "max"}
        The norm by which each layer's scores are divided before they are compared.
    pattern : None, "N:M" or (rows, columns)
        "2:4" keeps the best 2 of every 4 consecutive inputs and takes no sparsity; (4, 4) prunes
        whole blocks of 4 outputs by 4 inputs, and sparsity and minimum count blocks.
    block_reduce : {"mean", "sum", "max"}
        The score of a block, from the scores of its live entries.
    round_to : int
        For units: the number that a layer keeps is rounded up to a multiple of it.

    Returns
    -------
    Model
        A new model, with masks.

    Raises
    ------
    ArgumentError
        For arguments that do not go together, and for a sparsity below the present one.
    ShapeError
        For scores whose shape is not that of their weight, or of its units.
    NonFiniteError
        For scores that are NaN or infinite.
    UnreachableError
        Where `minimum` prevents the sparsity; the message names the largest reachable.

    Examples
    --------
    >>> import minprune as mp
    >>> model = mp.zoo.mlp(((3,), 2), hidden=(4,))
    >>> small = mp.prune(model, mp.score(model, None, "magnitude"), sparsity=0.75)
    >>> sum(int(mask.sum()) for mask in small.masks.values())  # of 3 * 4 + 4 * 2
    5
    """
    is_model(model, "prune")
    dense_only(model, "pruning")
    instance("prune", "scores", scores, Mapping, "the result of mp.score")
    ordered = {name: scores[name] for name in model.net.params if name in scores}
    units = is_unit_score(scores, model.net.params)
    filled("prune", "scores", ordered, "print(mp.ties(model)) lists the units that can be removed")
    count("prune", "round_to", round_to)
    how: dict[str, Any] = {
        "sparsity": sparsity, "threshold": threshold, "scope": scope, "protect": protect,
        "minimum": minimum, "normalize": normalize, "pattern": pattern,
    }  # fmt: skip
    if units:
        return with_masks(model, choose_units(model, ordered, round_to=round_to, **how))
    if round_to > 1:
        raise ArgumentError(
            f"prune: round_to must be 1 for scores of single weights, not {round_to}, since it "
            f"counts units; score with unit=True, or leave it out"
        )
    for name, s in ordered.items():
        shaped(f"prune: the scores of {name}", s, model.params[name].shape, "score each entry")
    return with_masks(model, choose(ordered, model.masks, block_reduce=block_reduce, **how))
