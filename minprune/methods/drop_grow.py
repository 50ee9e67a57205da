"""W, live -> W', live': each layer drops and grows the same number of weights, masked or stored.

`move` does it, given the scores by which weights grow; `whole_grads` gives those of RigL: dL/dW of
one weight at a time, of absent entries too.
"""

from collections.abc import Callable, Iterable, Mapping
from math import prod
from typing import Any

import numpy as np

from minprune import kernels
from minprune.autograd import Tensor, Value, act_grad, grad, value
from minprune.autograd.tape import ancestors
from minprune.core import Array, Arrays
from minprune.errors import ArgumentError
from minprune.masking.allocate import capped, rounded
from minprune.masking.choose import keep_top
from minprune.masking.count import pruned_count
from minprune.nets.layer import ForwardContext
from minprune.nets.model import Model, batch_last, loss_of, run
from minprune.nets.net import Net, layer_of
from minprune.sparse.formats import places, there
from minprune.train.method import Change, View
from minprune.train.step import check_finite

TINY = 1e-9  # of the largest mean, at least: every layer may grow


def rewire(
    live: Array, drop: Array, grow: Array, count: int, grown: int | None = None
) -> tuple[Array, Array]:
    """(kept, come): the `count` live places of lowest drop are dropped, and `grown` others grow

    live: bool; drop: (live places,), in flat order; grow: the highest grow; grown: by default
    count; grow, kept, come: the shape of live. Among equals the lower flat index is kept, or grows.
    A place that is dropped does not grow in the same move.
    """
    kept, come = live.copy(), np.zeros(live.shape, bool)
    kept[live] = ~kernels.smallest(drop, count)
    come[~live] = keep_top(grow[~live], count if grown is None else grown)
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


def how_many(view: View, share: float, by: str = "abs") -> dict[str, int]:
    """{weight: round(share live)}, at most what is free there; weights that stay are left out

    by="sign": of positive and of negative weights apart, added up.
    """
    found = {}
    for name in movable(view.ctx.net, view.ctx.masks):
        where = live_places(view, name)
        w = live_values(view, name, where)
        count = sum(pruned_count(share, n) for n in signs(w, by))
        count = min(count, where.size - w.size)
        if count:
            found[name] = count
    return found


def signs(w: Array, by: str) -> list[int]:
    """by="sign": how many are not negative, and are; by="abs": how many there are"""
    negative = int(np.count_nonzero(w < 0)) if by == "sign" else 0
    return [w.size - negative, negative]


def by_sign(w: Array, count: int, share: float) -> Array:
    """0 where a weight is dropped, 1 where not: the smallest of both signs, `share` of each

    w: the live ones; count: of `how_many`, by which the negative ones are fewer where room is.
    """
    negative = w < 0
    most = [int(np.count_nonzero(~negative)), int(np.count_nonzero(negative))]
    first = max(min(pruned_count(share, most[0]), count), count - most[1])
    found = np.ones(w.shape)
    for of, n in ((~negative, first), (negative, count - first)):
        found[of] = ~kernels.smallest(np.abs(w[of]), n)
    return found


def redistributed(
    view: View, share: float, by: str, worth: Callable[[str], Array]
) -> tuple[dict[str, int], dict[str, int]]:
    """({weight: how many drop}, {weight: how many grow}): as many in all, elsewhere

    Layers grow in proportion to the mean of abs(worth(name)) over their live weights; what has no
    room in a layer is given to the others. worth(name): of the weight's full shape. A layer keeps
    one weight at least.
    """
    drops, room, mean = {}, {}, {}
    for name in movable(view.ctx.net, view.ctx.masks):
        where = live_places(view, name)
        w = live_values(view, name, where)
        count = sum(pruned_count(share, n) for n in signs(w, by))
        drops[name], room[name] = max(0, min(count, w.size - 1)), where.size - w.size
        mean[name] = float(np.abs(worth(name)[where]).mean(dtype=np.float64)) if w.size else 0.0
    if sum(drops.values()) > sum(room.values()):
        drops = {name: min(n, room[name]) for name, n in drops.items()}
    total, open_ = sum(drops.values()), [name for name, n in room.items() if n]
    top = max((mean[name] for name in open_), default=0.0)
    ratio = {name: (max(mean[name] / top, TINY) if top else 1.0) / room[name] for name in open_}
    filled = capped(ratio, room, float(total)) if open_ else {}
    grown = rounded(room, {name: 1 - d for name, d in filled.items()}, total) if open_ else {}
    return drops, {name: grown.get(name, 0) for name in drops}


def move(
    view: View, counts: Mapping[str, int], grow: Callable[[str], Array],
    grown: Mapping[str, int] | None = None, drop: Callable[[Array, int], Array] | None = None,
) -> Change:  # fmt: skip
    """counts[name] weights of each layer are dropped, those of the least |w|, and as many grow

    grow(name): scores of the weight's full shape, of which the highest grow; called for one layer
    at a time. grown[name]: how many grow there, if not as many. drop(live weights, count): what to
    rank them by instead of |w|. New weights are 0, and so is their optimizer state. Raises
    NonFiniteError for scores or weights that are not finite.
    """
    ctx, params, masks, buffers = view.ctx, Arrays(), Arrays(), Arrays()
    slots: dict[str, Arrays] = {slot: {} for slot in view.opt_state}
    for name, count in counts.items():
        w, live = view.params[name], live_places(view, name)
        of, scores = live_values(view, name, live), grow(name)
        check_finite(ctx.step, name, of, ctx.lr)
        check_finite(ctx.step, f"the gradient of {name}", scores, ctx.lr)
        by = np.abs(of) if drop is None else drop(of, count)
        kept, come = rewire(live, by, scores, count, None if grown is None else grown[name])
        del scores  # before those of the next layer are made
        now = kept | come
        params[name] = carried(w, live, kept, now)
        for slot, arrays in view.opt_state.items():
            slots[slot][name] = carried(arrays[name], live, kept, now)
        if name in ctx.net.stored:
            columns, row_start = places(now.reshape(len(now), -1))
            layer = layer_of(name)
            buffers |= {f"{layer}.columns": columns, f"{layer}.row_start": row_start}
        else:
            masks[name] = now
    return Change(params, masks, opt_state=slots, buffers=buffers)


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


def live_values(view: View, name: str, live: Array) -> Array:
    """The live weights, in flat order"""
    w = view.params[name]
    return w[live] if w.shape == live.shape else w


def whole_grads(view: View, names: Iterable[str]) -> Callable[[str], Array]:
    """name -> dL/dW, of the weight's full shape, made when it is called

    L: the loss in training mode on the batch of the step, at the weights as they are now; dropout
    draws from the method's stream. The activations of one pass and their gradients are held, but
    never the gradient of a weight.
    """
    net, (x, y) = view.ctx.net, view.batch
    leaves = {name: Tensor(w) for name, w in view.params.items()}
    values: dict[str, Value] = view.params | view.buffers | leaves
    last = batch_last(x, next(iter(view.params.values())).dtype)
    how = ForwardContext(train=True, rng=view.ctx.rng)
    loss = loss_of(net, run(net, values, last, how), y)
    wanted = {leaves[name]: name for name in names}
    uses = {
        wanted[leaf]: (node, k)
        for node in ancestors(loss)
        for k, leaf in enumerate(node.inputs)
        if isinstance(leaf, Tensor) and leaf in wanted
    }
    gs = dict(zip(uses, grad(loss, [node for node, _ in uses.values()]), strict=True))

    def of(name: str) -> Array:
        shape = net.stored.get(name, view.params[name].shape)
        if name not in uses:  # nobody reads what this layer gives
            return np.zeros(shape, view.params[name].dtype)
        return _of_weight(*uses[name], gs[name]).reshape(shape)

    return of


def _of_weight(node: Tensor, k: int, g: Array) -> Array:
    """g x^T, or g unfold(x)^T for a convolution: at every place, stored or not

    node: the op whose input k is the weight. g: dL/d(its output).
    """
    at: Any = node.settings.get("at")
    if at is not None:
        g = act_grad(g, node.value, kind=node.settings["act"])
        return np.asarray(at[0].full(g, value(node.inputs[1])))
    assert node.op is not None  # of a dense layer, whose own rule gives all
    need = tuple(j == k for j in range(len(node.inputs)))
    inputs = tuple(map(value, node.inputs))
    return np.asarray(node.op.rule(g, node.value, inputs, need, **node.settings)[k])
