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
from minprune.masking.choose import keep_top
from minprune.masking.count import pruned_count
from minprune.nets.layer import ForwardContext
from minprune.nets.model import Model, batch_last, loss_of, run
from minprune.nets.net import Net, layer_of
from minprune.sparse.formats import places, there
from minprune.train.method import Change, View
from minprune.train.step import check_finite


def rewire(live: Array, drop: Array, grow: Array, count: int) -> tuple[Array, Array]:
    """(kept, come): the `count` live places of lowest drop are dropped, as many others grow

    live: bool; drop: (live places,), in flat order; grow: the highest grow; grow, kept, come: the
    shape of live. Among equals the lower flat index is kept, or grows. A place that is dropped does
    not grow in the same move.
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
        where = live_places(view, name)
        live = int(np.count_nonzero(where))
        count = min(pruned_count(share, live), where.size - live)
        if count:
            found[name] = count
    return found


def move(view: View, counts: Mapping[str, int], grow: Callable[[str], Array]) -> Change:
    """counts[name] weights of each layer move: the smallest |w| are dropped, the highest grow(name)
    grow

    grow(name): scores of the weight's full shape; called for one layer at a time. New weights are
    0, and so is their optimizer state. Raises NonFiniteError for scores or weights that are not
    finite.
    """
    ctx, params, masks, buffers = view.ctx, Arrays(), Arrays(), Arrays()
    slots: dict[str, Arrays] = {slot: {} for slot in view.opt_state}
    for name, count in counts.items():
        w, live = view.params[name], live_places(view, name)
        drop, scores = np.abs(w[live] if w.shape == live.shape else w), grow(name)
        check_finite(ctx.step, name, drop, ctx.lr)
        check_finite(ctx.step, f"the gradient of {name}", scores, ctx.lr)
        kept, come = rewire(live, drop, scores, count)
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
