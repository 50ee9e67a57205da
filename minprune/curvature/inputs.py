"""H = (2/P) X X^T of a layer's inputs: the Hessian of its squared output error in one row of W.

P counts samples; the positions of a convolution are summed. Sources: Dong et al. (2017), L-OBS;
Frantar & Alistarh (2022), ExactOBS.
"""

from collections.abc import Iterator
from math import prod

import numpy as np

from minprune.autograd import Value
from minprune.core import Array
from minprune.curvature.checks import guard
from minprune.errors import ArgumentError
from minprune.nets.forward import run
from minprune.nets.model import CHUNK, Model, batch_last, checked_input, dense_only
from minprune.nets.net import INPUT, Node, layer_of

ENTRIES = 2**23  # of X at a time: 64 MB in float64
LIMIT = 2**31


def layer_inputs(model: Model, x: Array, name: str, *, bias: bool = False) -> Iterator[Array]:
    """X (groups, features, samples * positions), chunk by chunk, float64: y = W[o] X of group g

    x: (n, ...), inputs of the net. name: a dense or convolution layer, "conv1" or "conv1.weight".
    features: the inputs of one row of W.reshape(o, -1), i/groups * ky * kx, unfolded patches; with
    bias one more row, of ones. Output o belongs to group o // (outputs / groups). Evaluation mode.
    Raises ArgumentError for a layer without a weight matrix, or no samples; ShapeError for x.
    """
    node, x = weighted(model, name), checked_input(model.net, x)
    if not len(x):
        raise ArgumentError(f"{name}: there are no samples, expected at least one; give inputs")
    per_sample = prod(_shape(model, node))
    size = max(1, min(CHUNK, ENTRIES // max(per_sample, 1)))
    arrays, source = model.params | model.buffers, node.inputs[0]
    for start in range(0, len(x), size):
        part = batch_last(x[start : start + size], model.dtype)
        seen: dict[str, Value] = {INPUT: part}

        def watch(layer: str, out: Value, seen: dict[str, Value] = seen) -> None:
            if layer == source:
                seen[layer] = out

        if source != INPUT:
            run(model.net, arrays, part, watch=watch)
        yield _columns(node, seen[source], bias)


def layer_hessian(
    model: Model, x: Array, name: str, *, bias: bool = False, limit: int = LIMIT
) -> Array:
    """H = (2/P) X X^T, (groups, features, features), float64, P = len(x), in one pass

    See layer_inputs. Memory does not grow with the data. Raises ArgumentError, naming the bytes,
    where H would take more than `limit`.
    """
    groups, _, features = _shape(model, weighted(model, name))
    size = features + bias
    remedy = "leave that layer out, or raise limit="
    guard(f"{name}: H over {size} inputs", 8 * groups * size * size, limit, remedy)
    h = np.zeros((groups, size, size))
    for columns in layer_inputs(model, x, name, bias=bias):
        for total, part in zip(h, columns, strict=True):
            total += part @ part.T
    h *= 2 / len(x)
    return h


def weighted(model: Model, name: str) -> Node:
    """The dense or convolution layer that `name` means; raises ArgumentError for another."""
    node = model.net.node(layer_of(name))
    dense_only(model, "the product of a layer's inputs", [f"{node.name}.weight"])
    if node.name not in model.net.mixing:
        raise ArgumentError(
            f"{name}: {type(node.layer).__name__} has no weight matrix, expected a Dense or Conv2d "
            f"layer; name one of {', '.join(layer_of(w) for w in model.net.weights)}"
        )
    return node


def _shape(model: Model, node: Node) -> tuple[int, int, int]:
    """(groups, positions, features) of the layer."""
    layer = node.layer
    net, per = model.net, model.params[f"{node.name}.weight"].shape[1]
    groups = net.shapes[node.inputs[0]][0] // per
    return groups, layer.positions(net.shapes[node.name]), layer.fan()[0]


def _columns(node: Node, value: Array, bias: bool) -> Array:
    x = node.layer.columns(value)
    if bias:
        x = np.concatenate([x, np.ones_like(x[:, :1])], axis=1)
    return x.astype(np.float64)
