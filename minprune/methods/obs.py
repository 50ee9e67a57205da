"""Optimal Brain Surgeon: remove the weight of least w_q^2 / (2 [H^-1]_qq), move the others, repeat.

Sources: Hassibi & Stork (1992), over the whole net; layer by layer: Dong et al. (2017), L-OBS, with
the exact row sweeps of Frantar & Alistarh (2022) in place of one ranking.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from numbers import Real
from typing import Literal

import numpy as np

from minprune.arguments import choice, count, share
from minprune.core import Array, Split
from minprune.curvature import ggn_rows
from minprune.curvature.checks import guard, names_of
from minprune.curvature.inverse import (
    LIMIT,
    check_damp,
    downdate,
    inverse_from_rows,
    mean_squares,
    remove,
)
from minprune.curvature.layerwise import Hull
from minprune.curvature.products import flat, unflat
from minprune.curvature.record import outputs
from minprune.errors import ArgumentError, NonFiniteError, UnreachableError
from minprune.evidence.inverses import Rows
from minprune.masking.apply import with_masks
from minprune.masking.checks import named
from minprune.measures.quality import evaluate
from minprune.methods.obs_by_layer import layers
from minprune.methods.surgery import Round, Surgery, more
from minprune.nets.model import Model, dense_only, is_model, is_split
from minprune.train.progress import progress as bar

Scale = Literal["whole", "layer", "rows"]
HELD = 2**28  # bytes of rows that are kept between the walks over them


def obs(
    model: Model, data: Split, *, params: Literal["weights", "all"] = "weights",
    names: Sequence[str] | None = None, scale: Scale = "whole", damp: float = 1e-6,
    sparsity: float | None = None, score: float | None = None, accuracy: float | None = None,
    refresh: int = 1, hull: Hull = "none", progress: bool = True,
) -> Surgery:  # fmt: skip
    """Remove weights by Optimal Brain Surgeon: the least loss rise first, the others adjusted.

    Removing w_q raises the loss by w_q^2 / (2 [H^-1]_qq), and the others move by
    -w_q / [H^-1]_qq H^-1 e_q; masks are set and removed weights are 0.0.

    Parameters
    ----------
    model : Model
        A dense model; it is not changed.
    data : pair (x, y)
        What H is of.
    params : "weights" or "all"
        What is scored, removed and moved; the rest stays as it is.
    names : names of layers or parameters, optional
        The same, by name.
    scale : "whole", "layer" or "rows"
        "whole": one weight at a time over all of them together, H the damped Gauss-Newton matrix at
        the present weights. "layer": exact row sweeps, layer by layer in net order, H = (2/P) X X^T
        of the layer's inputs in the model as pruned so far; each layer to `sparsity`, its rows
        merged to one threshold. "rows": each row of each layer to `sparsity` by itself.
    damp : float
        alpha = damp * mean(diag H), from 1e-8 to 1e-4.
    sparsity : float, optional
        Stop when round(sparsity n) of the n entries are masked; the only stop of the other scales.
    score : float, optional
        Of scale "whole": stop before the least score is above it.
    accuracy : float, optional
        Of scale "whole": stop before the accuracy on data falls below it.
    refresh : int
        Of scale "whole": H^-1 is computed anew after so many removals, and downdated between.
    hull : "none" or "slopes"
        Of scale "layer": merge the rows by the running maximum of each row's losses, or by the
        slopes of the lower convex hull of their sums, which comes closer to the least error.
    progress : bool
        Whether to show progress.

    Returns
    -------
    Surgery
        .model, and .rounds with what was removed in which order.

    Raises
    ------
    ArgumentError
        For arguments that do not go together, an inverse of more than 2 GB and a sparsity below
        the present one.
    UnreachableError
        For a sparsity at which the output would depend on nothing that is left; without one, the
        surgery ends there. Other errors as curvature.inverse raises them.

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.digits()
    >>> model = mp.zoo.mlp(data, hidden=(8,))
    >>> found = mp.methods.obs(model, data.train, scale="layer", sparsity=0.5, progress=False)
    >>> [(r.name, r.index.size) for r in found.rounds]
    [('fc1.weight', 256), ('fc2.weight', 40)]
    """
    is_model(model, "obs")
    is_split(data, "obs")
    dense_only(model, "Optimal Brain Surgeon")
    listed = names_of(model, params)
    if names is not None:
        wanted = set(named(listed, names))
        listed = [n for n in listed if n in wanted]
    if not listed:
        raise ArgumentError("obs: names must name a weight to remove, not none; leave out names")
    check_damp(damp, strict=True)
    choice("obs", "scale", scale, ("whole", "layer", "rows"))
    choice("obs", "hull", hull, ("none", "slopes"))
    if hull == "slopes" and scale != "layer":
        raise ArgumentError(
            f"obs: hull must be 'none' at scale {scale!r}, which merges no rows, not {hull!r}; "
            f"leave it out, or pass scale='layer'"
        )
    if scale == "whole":
        _check_stops(sparsity, score, accuracy)
        count("obs", "refresh", refresh)
        return _whole(model, data, listed, damp, sparsity, score, accuracy, refresh, progress)
    if sparsity is None or score is not None or accuracy is not None or params != "weights":
        raise ArgumentError(
            f"obs: scale {scale!r} must stop at sparsity= alone, over weights; leave out score, "
            f"accuracy and params, or pass scale='whole'"
        )
    return layers(model, data, listed, damp, sparsity, scale, hull, progress)


def _check_stops(sparsity: float | None, score: float | None, accuracy: float | None) -> None:
    """Raises ArgumentError unless there is something to stop at that can be met."""
    if sparsity is None and score is None and accuracy is None:
        raise ArgumentError(
            "obs: one of sparsity, score and accuracy must say where to stop, and none is given; "
            "pass sparsity=0.5, for example"
        )
    if score is not None and (not isinstance(score, Real) or np.isnan(float(score))):
        raise ArgumentError(f"obs: score must be a number, not {score!r}; pass the least to keep")
    share("obs", "accuracy", 0 if accuracy is None else accuracy)


def _rows(model: Model, data: Split, names: list[str], where: Array) -> Iterable[Array]:
    """The rows of the GGN over the entries `where`, which are walked three times

    A list where that takes at most HELD bytes; otherwise each walk makes them anew.
    """
    rows = Rows(lambda: (block[:, where] for block in ggn_rows(model, data, names)))
    small = 8 * len(data[0]) * outputs(model.net) * where.size <= HELD
    return list(rows) if small else rows


def _whole(
    model: Model, data: Split, names: list[str], damp: float, sparsity: float | None,
    score: float | None, accuracy: float | None, refresh: int, progress: bool,
) -> Surgery:  # fmt: skip
    live = flat({n: model.masks.get(n, np.ones(model.params[n].shape, bool)) for n in names}, names)
    w = flat(model.params, names).astype(np.float64)
    ends = np.cumsum([model.params[n].size for n in names])
    alive = int(np.count_nonzero(live))
    most = alive if sparsity is None else more(sparsity, live, "the entries")
    remedy = "use scale='layer', or names= of fewer"
    guard(f"an inverse over {alive:,} entries", 8 * alive**2, LIMIT, remedy)
    rounds: list[Round] = []
    with bar("obs", most, progress) as shown:
        while len(rounds) < most:
            if len(rounds) % refresh == 0:
                where = np.flatnonzero(live)
                rows = _rows(model, data, names, where)
                if not mean_squares(rows, len(data[0])).any():
                    _flat(live, sparsity)
                    break
                found = inverse_from_rows(rows, len(data[0]), damp)
                inverse, x = found.inverse, w[where]
            q, rise = _least(x, inverse, live[where])
            if score is not None and rise > score:
                break
            x, _ = remove(x, inverse, q)
            inverse = downdate(inverse, q)
            w[where], entry = x, int(where[q])
            live[entry] = False
            after = _with(model, names, w, live)
            if accuracy is not None and evaluate(after, data).accuracy < accuracy:
                break
            model, k = after, int(np.searchsorted(ends, entry, side="right"))
            place = np.array([entry - (ends[k] - model.params[names[k]].size)])
            rounds.append(Round(names[k], place, rise, found.alpha))
            shown.update()
    return Surgery(model, tuple(rounds))


def _least(w: Array, inverse: Array, live: Array) -> tuple[int, float]:
    """(q, score) of the least w_q^2 / (2 A_qq) among the live; among equals the higher index"""
    diag = inverse.diagonal()
    if not (diag[live] > 0).all():
        raise NonFiniteError(
            f"obs: H^-1 lost positive definiteness to rounding in "
            f"{np.count_nonzero(~(diag[live] > 0))} of {np.count_nonzero(live)} live entries of "
            f"its diagonal; raise damp, 1e-4 at most, or lower refresh"
        )
    scores = np.full(w.size, np.inf)
    scores[live] = w[live] ** 2 / diag[live] / 2
    q = w.size - 1 - int(scores[::-1].argmin())
    return q, float(scores[q])


def _flat(live: Array, sparsity: float | None) -> None:
    """H = 0 ends the surgery; raises UnreachableError where a sparsity was asked for."""
    if sparsity is not None:
        left = int(np.count_nonzero(live))
        raise UnreachableError(
            f"sparsity is {sparsity}, but with {left} of {live.size} entries left the output "
            f"depends on none of them, so H = 0 has no inverse; the largest reachable here is "
            f"{1 - left / live.size!r}"
        )


def _with(model: Model, names: list[str], w: Array, live: Array) -> Model:
    """The model with these entries and masks, one name after another."""
    shapes = {name: model.net.params[name] for name in names}
    params = {name: a.astype(model.dtype) for name, a in unflat(w, shapes).items()}
    masks = {name: m.copy() for name, m in unflat(live, shapes).items()}
    return with_masks(replace(model, params=model.params | params), masks)
