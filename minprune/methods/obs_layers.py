"""Layer-wise Optimal Brain Surgeon: exact row sweeps, one layer after the other, in net order.

Sources: Dong et al. (2017), L-OBS, for the layer's H; Frantar & Alistarh (2022), for the sweeps.
"""

from dataclasses import replace
from typing import Literal

import numpy as np

from minprune.core import Array, Split
from minprune.curvature.inputs import layer_hessian
from minprune.curvature.sweeps import Sweep, merge, refit, sweep_layer
from minprune.masking.apply import with_masks
from minprune.masking.count import pruned_count
from minprune.methods.surgery import Round, Surgery, more
from minprune.nets.model import Model
from minprune.train.progress import progress as bar

LayerScale = Literal["layer", "rows"]


def layers(
    model: Model, data: Split, names: list[str], damp: float, sparsity: float, scale: LayerScale,
    progress: bool,
) -> Surgery:  # fmt: skip
    """The model with each named weight at `sparsity`, refitted; see obs, which checks the arguments

    H of each layer is that of its inputs in the model as pruned so far.
    """
    rounds = []
    with bar(f"obs {scale}", len(names), progress) as shown:
        for name in names:
            w = model.params[name]
            old = model.masks.get(name, np.ones(w.shape, bool))
            h = layer_hessian(model, data[0], name)
            swept = sweep_layer(w, h, damp, mask=old)
            mask = _kept(name, swept, old, sparsity, scale)
            gone = np.flatnonzero((old & ~mask).ravel())
            dropped = ~mask.reshape(swept.order.shape)
            rise = float(swept.losses[np.take_along_axis(dropped, swept.order, 1)].sum())
            new = {name: refit(w, h, mask, damp)}
            model = with_masks(replace(model, params=model.params | new), {name: mask})
            rounds.append(Round(name, gone, rise, float(swept.alpha.mean())))
            shown.update()
    return Surgery(model, tuple(rounds))


def _kept(name: str, swept: Sweep, old: Array, sparsity: float, scale: LayerScale) -> Array:
    """The layer's mask: one threshold over its rows, or the same count from each row."""
    if scale == "layer":
        more(sparsity, old.ravel(), name)
        return merge(swept, pruned_count(sparsity, old.size))
    rows, n = swept.order.shape
    for r, row in enumerate(old.reshape(rows, n)):
        more(sparsity, row, f"row {r} of {name}")
    mask = np.ones((rows, n), bool)
    np.put_along_axis(mask, swept.order[:, : pruned_count(sparsity, n)], False, axis=1)
    return mask.reshape(swept.shape)
