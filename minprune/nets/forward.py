"""The one forward pass of a net, and its loss."""

from collections.abc import Callable, Mapping

from minprune import autograd as ag
from minprune.autograd import Value
from minprune.core import Array
from minprune.errors import ShapeError
from minprune.nets.layer import ForwardContext, Layer
from minprune.nets.net import INPUT, Net

Watch = Callable[[str, Value], None]
Instead = Callable[[str, Layer, list[Value]], Value | None]


def run(
    net: Net,
    p: Mapping[str, Value],
    x: Value,
    how: ForwardContext | None = None,
    watch: Watch | None = None,
    instead: Instead | None = None,
) -> Value:
    """The net's output for x, batch-last: (c, h, w, n) or (features, n) -> (outputs, n)

    p: parameters and buffers by full name. `how` collects the batch statistics of training mode.
    `watch(name, output)` sees every layer's output; what `instead(name, layer, inputs)` returns is
    the layer's output, unless it is None (with either, activations are not fused). Arrays in, array
    out; a Tensor among p or x, a Tensor out.
    """
    how = how or ForwardContext()
    values: dict[str, Value] = {INPUT: x}
    steps = net.steps_apart if watch or instead else net.steps
    for name, layer, inputs, to, act, spent, own in steps:
        how.layer = name
        xs = [values[i] for i in inputs]
        made = instead(name, layer, xs) if instead else None
        if made is None:
            made = layer.apply({kind: p[full] for kind, full in own}, xs, how, act)
        values[to] = made
        if watch:
            watch(name, values[name])
        for i in spent:
            del values[i]
    return values[net.nodes[-1].name]


def loss_of(net: Net, out: Value, y: Array) -> Value:
    """The net's loss, a scalar: the mean over samples.      out: (outputs, n)

    y: labels (n,) for cross_entropy, targets (n, outputs) for mse.
    """
    if net.loss == "cross_entropy":
        if y.ndim != 1 or y.dtype.kind not in "iu":
            raise ShapeError(
                f"the targets of cross_entropy must be integer classes (n,), not {y.dtype} of "
                f"shape {y.shape}; pass classes, or build the net with loss='mse'"
            )
        return ag.cross_entropy(out, labels=y)
    if y.ndim != 2:
        raise ShapeError(
            f"the targets of mse must be (n, outputs), not {y.shape}; "
            f"pass one column for each output, or build the net with loss='cross_entropy'"
        )
    return ag.mse(out, y=y.T.astype(ag.value(out).dtype))
