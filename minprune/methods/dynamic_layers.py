"""W, live -> W', live': in each layer as many live weights come as go, masked or stored alike."""

from collections.abc import Callable, Mapping
from math import prod

import numpy as np

from minprune import kernels
from minprune.core import Array, Arrays
from minprune.errors import ArgumentError, NonFiniteError
from minprune.masking.choose import keep_top
from minprune.masking.count import pruned_count
from minprune.nets.model import Model
from minprune.nets.net import Net, layer_of
from minprune.nets.nonfinite import not_finite
from minprune.sparse.formats import places, there
from minprune.train.method import Change, View


def rewire(live: Array, drop: Array, grow: Array, count: int) -> tuple[Array, Array]:
    """(kept, come): of the live places the `count` lowest of drop go, of the others the highest
    of grow come

    live: bool; drop: (live places,), in flat order; grow, kept, come: the shape of live. Among
    equals the lower flat index stays, or comes. A place that goes does not come back at once.
    """
    kept, come = live.copy(), np.zeros(live.shape, bool)
    kept[live] = ~kernels.smallest(drop, count)
    come[~live] = keep_top(grow[~live], count)
    return kept, come


def movable(net: Net, masks: Mapping[str, Array]) -> list[str]:
    """The weights that have a mask or are stored sparsely, in net order."""
    return [k for k in net.every_weight if k in net.stored or k in masks]


def check_movable(owner: str, model: Model) -> None:
    """Raises ArgumentError where no weight can move, or a layer stores blocks or N:M."""
    if not movable(model.net, model.masks):
        raise ArgumentError(
            f"{owner}: a weight of the net must have a mask or be stored sparsely, and none does; "
            f"start from mp.methods.start_sparse or mp.prune"
        )
    for name in model.net.stored:
        layer = layer_of(name)
        form = getattr(model.net.node(layer).layer, "format", None)
        if form != "csr":
            raise ArgumentError(
                f"{owner}: the format of {layer} must be 'csr', whose single weights can move, not "
                f"{form!r}; use mp.sparsify(mp.densify(model), 'csr')"
            )


def how_many(view: View, share: float) -> dict[str, int]:
    """{weight: round(share live)}, at most what is free there; weights that stay are left out"""
    found = {}
    for name in movable(view.ctx.net, view.ctx.masks):
        if name in view.ctx.net.stored:
            size, live = prod(view.ctx.net.stored[name]), view.params[name].size
        else:
            size, live = view.ctx.masks[name].size, int(np.count_nonzero(view.ctx.masks[name]))
        count = min(pruned_count(share, live), size - live)
        if count:
            found[name] = count
    return found


def move(view: View, counts: Mapping[str, int], grow: Callable[[str], Array]) -> Change | None:
    """counts[name] weights of each layer move: the smallest |w| go, the highest of grow(name) come

    grow(name): scores of the weight's full shape; asked for one layer at a time. What comes is 0,
    and so is its optimizer state. Raises NonFiniteError for scores or weights that are not finite.
    """
    params: Arrays = {}
    masks: Arrays = {}
    buffers: Arrays = {}
    slots: dict[str, Arrays] = {slot: {} for slot in view.opt_state}
    for name, count in counts.items():
        stored, live = name in view.ctx.net.stored, live_places(view, name)
        w = view.params[name]
        drop = np.abs(w if stored else w[live])
        scores = grow(name)
        _finite(view, f"{name} has", drop)
        _finite(view, f"the gradient of {name} has", scores)
        kept, come = rewire(live, drop, scores, count)
        del scores  # before those of the next layer are made
        now = kept | come
        params[name] = carried(w, live, kept, now)
        for slot, arrays in view.opt_state.items():
            slots[slot][name] = carried(arrays[name], live, kept, now)
        if stored:
            layer = layer_of(name)
            at = places(now.reshape(len(now), -1))
            buffers |= {f"{layer}.columns": at[0], f"{layer}.row_start": at[1]}
        else:
            masks[name] = now
    return Change(params, masks, opt_state=slots, buffers=buffers) if counts else None


def carried(a: Array, live: Array, kept: Array, now: Array) -> Array:
    """a at what stays, 0 elsewhere      a: of the weight's full shape, or a vector of the live"""
    new = np.zeros_like(a)
    if a.shape == live.shape:
        new[kept] = a[kept]
    else:
        new[kept[now]] = a[kept[live]]
    return new


def live_places(view: View, name: str) -> Array:
    """bool, the weight's full shape: what is not masked, or is stored, whatever its value"""
    if name not in view.ctx.net.stored:
        return view.ctx.masks[name]
    shape, layer = view.ctx.net.stored[name], layer_of(name)
    at = view.buffers[f"{layer}.columns"], view.buffers[f"{layer}.row_start"]
    return there(*at, (shape[0], prod(shape[1:]))).reshape(shape)


def _finite(view: View, what: str, a: Array) -> None:
    bad = not_finite(a)
    if bad:
        raise NonFiniteError(
            f"step {view.ctx.step}: {what} {bad} of {a.size} entries that are not finite, at "
            f"learning rate {view.ctx.lr:g}; lower the learning rate or check the data"
        )
