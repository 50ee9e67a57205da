"""Layer-wise Optimal Brain Surgeon: exact row sweeps, one layer after the other, in net order.

Sources: Dong et al. (2017), L-OBS, for the layer's H; Frantar & Alistarh (2022), for the sweeps.
"""

from dataclasses import replace
from typing import Literal

import numpy as np

from minprune.core import Array, Split
from minprune.curvature.layerwise import Hull, Sweep, layer_hessian, merge, refit, sweep_layer
from minprune.errors import ArgumentError, NonFiniteError, UnreachableError
from minprune.masking.apply import with_masks
from minprune.masking.count import pruned_count
from minprune.methods.surgery import Round, Surgery, more
from minprune.nets.model import Model
from minprune.train.progress import progress as bar

LayerScale = Literal["layer", "rows"]


def layers(
    model: Model, data: Split, names: list[str], damp: float, sparsity: float, scale: LayerScale,
    hull: Hull, progress: bool,
) -> Surgery:  # fmt: skip
    """The model with each named weight at `sparsity`, refitted; see obs, which checks the arguments

    H of each layer is that of its inputs in the model as pruned so far.
    """
    masks = {n: model.masks.get(n, np.ones(model.params[n].shape, bool)) for n in names}
    for name, old in masks.items():  # all of them before the first sweep, which may take minutes
        _within_reach(name, old, sparsity, scale)
    rounds = []
    with bar(f"obs {scale}", len(names), progress) as shown:
        for name, old in masks.items():
            w, h = model.params[name], layer_hessian(model, data[0], name)
            if not h.any():
                raise UnreachableError(
                    f"{name}: sparsity is {sparsity}, and all that this layer reads is 0, so H = 0 "
                    f"has no inverse; ask for less, or leave it out of names="
                )
            try:
                swept = sweep_layer(w, h, damp, mask=old)
            except (ArgumentError, NonFiniteError) as e:
                raise type(e)(f"{name}: {e}") from None
            mask = _kept(swept, old, sparsity, scale, hull)
            gone = np.flatnonzero((old & ~mask).ravel())
            dropped = ~mask.reshape(swept.order.shape)
            rise = float(swept.losses[np.take_along_axis(dropped, swept.order, 1)].sum())
            new = {name: refit(w, h, mask, damp)}
            model = with_masks(replace(model, params=model.params | new), {name: mask})
            rounds.append(Round(name, gone, rise, swept.alpha))
            shown.update()
    return Surgery(model, tuple(rounds))


def _within_reach(name: str, old: Array, sparsity: float, scale: LayerScale) -> None:
    """Raises ArgumentError where more is masked than `sparsity` asks for."""
    if scale == "layer":
        more(sparsity, old, name)
        return
    for r, row in enumerate(old.reshape(len(old), -1)):
        more(sparsity, row, f"row {r} of {name}")


def _kept(swept: Sweep, old: Array, sparsity: float, scale: LayerScale, hull: Hull) -> Array:
    """The layer's mask: one threshold over its rows, or the same count from each row."""
    if scale == "layer":
        return merge(swept, pruned_count(sparsity, old.size), hull, mask=old)
    rows, n = swept.order.shape
    mask = np.ones((rows, n), bool)
    np.put_along_axis(mask, swept.order[:, : pruned_count(sparsity, n)], False, axis=1)
    return mask.reshape(swept.shape)
