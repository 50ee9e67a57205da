"""dL/dW of one weight at a time, of absent entries too: what tells where a weight should grow."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from minprune.autograd import Tensor, Value, act_grad, grad, value
from minprune.autograd.tape import ancestors
from minprune.core import Array
from minprune.nets.forward import loss_of, run
from minprune.nets.layer import ForwardContext
from minprune.nets.model import batch_last
from minprune.train.method import View


class Use(NamedTuple):
    """An op, which of its inputs the weight is, and dL/d(its output)."""

    node: Tensor
    k: int
    g: Array


def whole_grads(view: View, names: Iterable[str]) -> Callable[[str], Array]:
    """name -> dL/dW, of the weight's full shape, made when it is asked for

    L: the loss in training mode on the batch of the step, at the weights as they are now; dropout
    draws from the method's stream. Held are the activations of one pass and their gradients, but
    never the gradient of a weight.
    """
    leaves = {name: Tensor(w) for name, w in view.params.items()}
    x, y = view.batch
    values: dict[str, Value] = view.params | view.buffers | leaves
    last = batch_last(x, next(iter(view.params.values())).dtype)
    how = ForwardContext(train=True, rng=view.ctx.rng)
    loss = loss_of(view.ctx.net, run(view.ctx.net, values, last, how), y)
    wanted = {leaves[name]: name for name in names}
    at = {
        wanted[x]: (t, k)
        for t in ancestors(loss)
        for k, x in enumerate(t.inputs)
        if isinstance(x, Tensor) and x in wanted
    }
    gs = grad(loss, [t for t, _ in at.values()])
    uses = {name: Use(t, k, g) for (name, (t, k)), g in zip(at.items(), gs, strict=True)}

    def of(name: str) -> Array:
        shape = view.ctx.net.stored.get(name, view.params[name].shape)
        if name not in uses:  # nobody reads what this layer gives
            return np.zeros(shape, view.params[name].dtype)
        return of_weight(*uses[name]).reshape(shape)

    return of


def of_weight(node: Tensor, k: int, g: Array) -> Array:
    """g x^T, or g unfold(x)^T for a convolution: at every place, stored or not"""
    at = node.settings.get("at")
    if at is None:  # a dense layer, whose own rule gives all
        need = tuple(j == k for j in range(len(node.inputs)))
        assert node.op is not None
        parts = node.op.rule(g, node.value, tuple(map(value, node.inputs)), need, **node.settings)
        found: Array = parts[k]
    else:
        g = act_grad(g, node.value, kind=node.settings["act"])
        found = at.full(g, value(node.inputs[1]))
    return found
