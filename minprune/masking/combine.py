"""s = sum_c weight_c s_c: one score from the ranks, or the sizes, of several criteria."""

from collections.abc import Mapping
from typing import Literal

import numpy as np

from minprune.arguments import choice, filled, instance, number, shaped
from minprune.core import Arrays, flat, unflat
from minprune.errors import ArgumentError, ShapeError
from minprune.masking.choose import normalized, rankable
from minprune.masking.units import is_unit_score, unit_scores
from minprune.nets.model import Model, all_finite, is_model
from minprune.nets.ties import ties


def combine(
    scores: Mapping[str, Arrays],
    weights: Mapping[str, float] | None = None,
    normalize: Literal["rank", "layer"] | None = "rank",
    *,
    model: Model | None = None,
) -> Arrays:
    """s = sum_c weight_c s_c, after the scores s_c of each criterion c were made comparable

    Parameters
    ----------
    scores : dict of dicts of float arrays
        {criterion: {parameter: its scores}}, of weights or of units; the same parameters and
        shapes for each criterion.
    weights : dict of float, optional
        {criterion: a number of at least 0}; 1 for those left out.
    normalize : {"rank", "layer", None}
        "rank": the rank of each entry among all entries of all layers, from 0 (lowest) to 1, ties
        get their mean rank; "layer": each layer's scores over their L2 norm, 0/0 = 0; None: as
        they are.
    model : Model, optional
        For scores of units: then tied units count once, and units that cannot be removed are not
        counted.

    Returns
    -------
    dict of arrays
        {parameter: combined scores}, float64.

    Raises
    ------
    ArgumentError
        For no scores, weights that cannot be used, or another `normalize`.
    ShapeError
        For criteria that score different parameters or shapes.
    NonFiniteError
        For scores, or a sum, that are not finite.

    Examples
    --------
    >>> import numpy as np, minprune as mp
    >>> a, b = np.array([3.0, 1, 2]), np.array([0.0, 0.1, 0.3])
    >>> mp.combine({"a": {"w": a}, "b": {"w": b}}, {"b": 2})["w"].tolist()
    [1.0, 1.0, 2.5]
    """
    for held in (scores, *(scores.values() if isinstance(scores, Mapping) else ())):
        instance("combine", "scores", held, Mapping, "{'magnitude': mp.score(...)}")
    filled("combine", "scores", scores, "pass {'magnitude': mp.score(...)}, for example")
    choice("combine", "normalize", normalize, ("rank", "layer", None))
    share = _weights(scores, {} if weights is None else weights)
    agreed = _agreed(scores)
    first = next(iter(agreed.values()))
    if model is not None:
        is_model(model, "combine")
    if model is None or not is_unit_score(first, model.net.params):
        return _sum(agreed, share, normalize)
    # over groups of tied units: one value for all weights that make a unit
    groups = {g.name: g for g in ties(model) if g.free}
    units = {
        criterion: {n: s for n, g in groups.items() if (s := unit_scores(g, arrays)) is not None}
        for criterion, arrays in agreed.items()
    }
    total = {name: np.zeros(s.shape) for name, s in first.items()}
    for name, s in _sum(units, share, normalize).items():
        for m in groups[name].producers:
            if m.param in total:
                total[m.param][m.index] = s[:, None]
    return total


def _sum(agreed: dict[str, Arrays], share: dict[str, float], normalize: str | None) -> Arrays:
    total = {name: np.zeros(s.shape) for name, s in next(iter(agreed.values())).items()}
    for criterion, same in agreed.items():
        by = None if normalize is None else "l2"
        same = ranks(same) if normalize == "rank" else normalized(same, by)
        for name, s in same.items():
            with np.errstate(over="ignore"):  # refused below
                total[name] += share[criterion] * s.astype(np.float64)
    for name, s in total.items():
        all_finite("combine", f"the summed scores of {name}", s, "pass normalize='rank'")
    return total


def ranks(scores: Arrays) -> Arrays:
    """(mean rank among all entries of all arrays) / (entries - 1), from 0 to 1; a lone entry 0"""
    if not scores:
        return {}
    _, place, count = np.unique(flat(scores, scores), return_inverse=True, return_counts=True)
    middle = np.cumsum(count) - (count + 1) / 2  # of the ranks 0, 1, ... that equal scores share
    shapes = {name: s.shape for name, s in scores.items()}
    return unflat(middle[place] / max(1, place.size - 1), shapes)


def _weights(scores: Mapping[str, Arrays], weights: Mapping[str, float]) -> dict[str, float]:
    instance("combine", "weights", weights, Mapping, f"{{{next(iter(scores))!r}: 1.0}}")
    for criterion in weights:
        choice("combine", "a criterion of weights", criterion, tuple(scores))
    share = {c: number("combine", f"weights[{c!r}]", weights.get(c, 1)) for c in scores}
    if not any(share.values()):
        raise ArgumentError(
            "combine: one weight must be above 0, and all are 0; "
            "leave weights out to count all criteria equally"
        )
    return share


def _agreed(scores: Mapping[str, Arrays]) -> dict[str, Arrays]:
    """The scores as float arrays, each criterion's in the order of the first's parameters."""
    first, *_ = scores
    shapes = {name: np.shape(s) for name, s in scores[first].items()}
    for criterion, arrays in scores.items():
        for name in sorted(shapes.keys() ^ arrays.keys()):
            has, lacks = (first, criterion) if name in shapes else (criterion, first)
            raise ShapeError(
                f"combine: all criteria must score the same parameters, but {lacks} has no scores "
                f"of {name}, and {has} has; score them with the same arguments"
            )
        for name, s in arrays.items():
            what = f"combine: the scores of {name} in {criterion}, as in {first},"
            shaped(what, s, shapes[name], "score weights, or units, with each")
    return {
        c: {name: rankable(f"{c}, {name}", arrays[name]) for name in shapes}
        for c, arrays in scores.items()
    }
