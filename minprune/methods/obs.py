"""Optimal Brain Surgeon: remove the weight of least w_q^2 / (2 [H^-1]_qq), move the others, repeat.

Here: what a caller may ask for; the removals are in surgery.py.
"""

from collections.abc import Sequence
from typing import Literal

from minprune.arguments import choice, count, is_number, share
from minprune.core import Split
from minprune.curvature.inverse import check_damp
from minprune.curvature.layerwise import Hull
from minprune.errors import ArgumentError
from minprune.masking.count import named
from minprune.methods.surgery import Surgery, by_layer, whole
from minprune.nets.model import Model, checked, dense_only, names_of


def obs(
    model: Model, data: Split, *, params: Literal["weights", "all"] = "weights",
    names: Sequence[str] | None = None, scale: Literal["whole", "layer", "rows"] = "whole",
    damp: float = 1e-6, sparsity: float | None = None, score: float | None = None,
    accuracy: float | None = None, refresh: int = 1, hull: Hull = "none", progress: bool = True,
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

    Sources: Hassibi & Stork (1992), over the whole net; layer by layer: Dong et al. (2017), L-OBS,
    with the exact row sweeps of Frantar & Alistarh (2022) in place of one ranking.
    """
    data = checked(model, data, "obs")
    dense_only(model, "Optimal Brain Surgeon")
    listed = names_of(model, params)
    if names is not None:
        wanted = named(listed, names)
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
        if sparsity is None and score is None and accuracy is None:
            raise ArgumentError(
                "obs: one of sparsity, score and accuracy must say where to stop, and none is "
                "given; pass sparsity=0.5, for example"
            )
        if score is not None and not is_number(score):
            raise ArgumentError(
                f"obs: score must be a number, not {score!r}; pass the least to keep"
            )
        share("obs", "accuracy", 0 if accuracy is None else accuracy)
        count("obs", "refresh", refresh)
        return whole(model, data, listed, damp, sparsity, score, accuracy, refresh, progress)
    if sparsity is None or score is not None or accuracy is not None or params != "weights":
        raise ArgumentError(
            f"obs: scale {scale!r} must stop at sparsity= alone, over weights; leave out score, "
            f"accuracy and params, or pass scale='whole'"
        )
    return by_layer(model, data, listed, damp, sparsity, scale == "rows", hull, progress)
