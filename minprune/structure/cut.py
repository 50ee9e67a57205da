"""What is constant as a whole leaves the graph: a residual branch, or all that the net computes."""

from __future__ import annotations

import numpy as np

from minprune.core import Array, Arrays
from minprune.nets.convolution import Conv1d, Conv2d
from minprune.nets.dense import Dense, Flatten
from minprune.nets.model import Model, rebuilt
from minprune.nets.net import Net, Node
from minprune.nets.pooling import GlobalAvgPool
from minprune.structure.constants import add_to_bias, sweep


def cut(model: Model) -> Model:
    """The same function without what does not depend on the input, or does not reach the output

    A net whose output is constant becomes that constant: a Dense layer of zeros with a bias (behind
    GlobalAvgPool for images). A constant branch leaves its residual sum; what it added, unless 0,
    goes into the bias of the other branch or of the dense layers that read the sum, or into a 1 x 1
    depthwise convolution in its place. Nothing is cut that would need more parameters than it
    has.
    """
    if not all(model.net.readers[n.name] for n in model.net.nodes[:-1]):
        model = _reachable(model, list(model.net.nodes), model.params, model.masks)
    whole = sweep(model).whole
    last = model.net.nodes[-1].name
    if last in whole and entries(constant := constant_net(model, whole[last])) <= entries(model):
        return constant
    for node in model.net.nodes:
        if node.layer.sums:
            fixed = [x for x in node.inputs if x in whole]
            rest = [x for x in node.inputs if x not in whole]
            level = sum((whole[x] for x in fixed), np.zeros(1))
            rows = level.reshape(len(level), -1)
            if fixed and rest and (rows == rows[:, :1]).all():  # each one value everywhere
                shorter = _without(model, node, rest, rows[:, 0])
                if shorter is not None and entries(shorter) <= entries(model):
                    return cut(shorter)
    return model


def entries(model: Model) -> int:
    """How many entries its parameters have"""
    return sum(w.size for w in model.params.values())


def constant_net(model: Model, value: Array) -> Model:
    """y = value, whatever x      value: (outputs,)"""
    shape, name = model.net.input_shape, model.net.nodes[-1].name
    first = GlobalAvgPool() if len(shape) in (2, 3) else Flatten()
    nodes = [Node("pool" if name != "pool" else "pool_all", first, ("input",))] * (len(shape) > 1)
    inputs = first.out_shape(shape)[0]
    last = Node(name, Dense(inputs, len(value)), (nodes[0].name if nodes else "input",))
    net = Net((*nodes, last), shape, model.net.loss)
    zeros = np.zeros((len(value), inputs), model.dtype)
    params = {f"{name}.weight": zeros, f"{name}.bias": value.astype(model.dtype)}
    return Model(net, params, {}, {f"{name}.weight": zeros.astype(bool)})


def _without(model: Model, add: Node, rest: list[str], level: Array) -> Model | None:
    """The model whose sum `add` reads only `rest`, plus `level` for each row; None if it cannot."""
    params, masks = dict(model.params), dict(model.masks)
    nodes = list(model.net.nodes)
    source, readers = rest[0], model.net.readers[add.name]
    reading, arrays = [model.net.node(name) for name in readers], params | model.buffers
    added = [n.layer.constant(n.layer.own(n.name, arrays), level) for n in reading]
    alone = [x for x in rest if x != "input" and model.net.readers[x] == (add.name,)]
    biased = [name for name in alone if model.net.node(name).layer.biased]
    if not level.any():
        pass
    elif biased:  # such a layer has a bias, or may have one
        add_to_bias(nodes, params, masks, biased[0], level)
    elif readers and all(amount is not None for amount in added):
        for name, amount in zip(readers, added, strict=True):
            add_to_bias(nodes, params, masks, name, np.asarray(amount))
    elif (sides := len(model.net.shapes[add.name]) - 1) and len(rest) == 1:
        shift = (Conv1d, Conv2d)[sides - 1](len(level), len(level), 1, groups=len(level))
        nodes[[n.name for n in nodes].index(add.name)] = Node(add.name, shift, (source,))
        params[f"{add.name}.weight"] = np.ones(shift.params()["weight"], model.dtype)
        params[f"{add.name}.bias"] = level.astype(model.dtype)
        return _reachable(model, nodes, params, masks)
    else:
        return None
    at = [n.name for n in nodes].index(add.name)
    if len(rest) == 1 and at == len(nodes) - 1:  # the sum was the output: now its one input is
        if source == "input":
            return None
        nodes = nodes[: 1 + [n.name for n in nodes].index(source)]
    elif len(rest) > 1:
        nodes[at] = nodes[at]._replace(inputs=tuple(rest))
    else:
        del nodes[at]
        nodes = [
            n._replace(inputs=tuple(source if x == add.name else x for x in n.inputs))
            for n in nodes
        ]
    return _reachable(model, nodes, params, masks)


def _reachable(model: Model, nodes: list[Node], params: Arrays, masks: Arrays) -> Model:
    """The model of the nodes that the last one still needs."""
    wanted = {nodes[-1].name}
    for n in reversed(nodes):
        if n.name in wanted:
            wanted.update(n.inputs)
    kept = [n for n in nodes if n.name in wanted]
    return rebuilt(model, kept, params, masks, model.buffers)
