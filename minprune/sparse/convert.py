"""sparsify: masked dense layers -> layers that store live weights alone; densify: back again."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from minprune.arguments import count
from minprune.core import Array
from minprune.errors import ArgumentError
from minprune.nets.layer import Layer
from minprune.nets.model import Model, is_model, rebuilt
from minprune.nets.names import values_of
from minprune.nets.net import Node, layer_of
from minprune.sparse.calibrate import BATCHES, name_of, work
from minprune.sparse.layers import Format, Sparse, form, sparse_kind, stored
from minprune.sparse.speeds import Speeds, names, speeds

FORMATS = ("csr", "8x8", "4x4", "2x2", "2:4", "1:4")  # what "auto" chooses from
MIXING = "{} must be a dense or convolution layer of this net"
MARGIN = 1.1  # how much faster than dense a format must be


def sparsify(
    model: Model, format: str | Mapping[str, str] = "auto", *, batch: int = 64,
    measured: Speeds | None = None,
) -> Model:  # fmt: skip
    """Move a masked model to sparse kernels: the same function, with live weights stored alone.

    The live values become the parameters, their places buffers. What is masked counts as 0,
    whatever its value.

    Parameters
    ----------
    model : Model
        A model with masks. Layers without a mask stay dense.
    format : str or dict, default "auto"
        "csr", "dense", blocks such as "4x4" or N:M such as "2:4" (these two for dense layers only),
        or "auto": the fastest of those that fit the mask, by the speeds of this machine. A dict
        {layer: format}, or of patterns such as "fc*", leaves the other layers as they are, and
        takes layers without a mask too.
        The choice is in the layers, and so in the model's file: "auto" does not change a layer that
        is sparse already.
    batch : int, default 64
        The batch size for which "auto" chooses.
    measured : Speeds, optional
        The speeds that "auto" chooses by; mp.sparse.speeds() unless given.

    Returns
    -------
    Model
        The same function; mp.densify is the way back.

    Raises
    ------
    ArgumentError
        If a format does not fit a mask, a layer has no weight or no sparse form, or is sparse
        already in another format.

    Examples
    --------
    >>> import minprune as mp
    >>> model = mp.initialise(mp.build((8,), [("fc", mp.Dense(8, 4))], loss="mse"), seed=0)
    >>> model = mp.prune(model, mp.score(model, None, "magnitude"), sparsity=0.75)
    >>> fast = mp.sparsify(model, "csr")
    >>> fast.params["fc.weight"].shape
    (8,)
    """
    is_model(model, "sparsify")
    wanted, known = _wanted(model, format), measured
    if known is not None and not (isinstance(known, Speeds) and {*names()} <= {*known.nanoseconds}):
        raise ArgumentError(
            f"sparsify: measured must hold all speeds of a machine, not {known!r}; pass what "
            f"mp.sparse.speeds() returns, or leave it out"
        )
    count("sparsify", "batch", batch)
    nodes, params, buffers, masks = [], dict(model.params), dict(model.buffers), dict(model.masks)
    for node in model.net.nodes:
        layer, name, chosen = node.layer, f"{node.name}.weight", wanted.get(node.name, "dense")
        if chosen != "dense":
            w = params[name]
            mask = masks.get(name, np.ones(w.shape, bool))
        if chosen == "auto":
            known = known or speeds()
            often = layer.positions(model.net.shapes[node.name])
            chosen = cheapest(known, layer, mask, fitting(layer, mask), batch, often)
        if chosen != "dense":
            layer, found = stored(layer, node.name, w, mask, chosen)
            params[name] = found.values
            buffers |= {f"{node.name}.{k}": getattr(found, k) for k in found.INDICES}
            masks.pop(name, None)
        nodes.append(Node(node.name, layer, node.inputs))
    return rebuilt(model, nodes, params, masks, buffers)


def densify(model: Model) -> Model:
    """Move a sparse model back to dense layers, each with the mask of what was stored.

    Parameters
    ----------
    model : Model
        A model with sparse layers; others stay as they are.

    Returns
    -------
    Model
        The same function.

    Raises
    ------
    ArgumentError
        If model is not a Model.

    Examples
    --------
    >>> import minprune as mp
    >>> model = mp.initialise(mp.build((8,), [("fc", mp.Dense(8, 4))], loss="mse"), seed=0)
    >>> dense = mp.densify(mp.sparsify(model, {"fc": "csr"}))
    >>> dense.params["fc.weight"].shape, bool(dense.masks["fc.weight"].all())
    ((4, 8), True)
    """
    is_model(model, "densify")
    nodes, params, masks = [], dict(model.params), dict(model.masks)
    for node in model.net.nodes:
        layer = node.layer
        if isinstance(layer, Sparse):
            name, shape = f"{node.name}.weight", layer.dense()["weight"]
            found = matrix(model, node.name)
            params[name] = found.to_dense().reshape(shape)
            masks[name] = found.mask().reshape(shape)
            layer = layer.like()
        nodes.append(Node(node.name, layer, node.inputs))
    return rebuilt(model, nodes, params, masks, model.buffers)


def matrix(model: Model, layer: str) -> Format:
    """Return the weight of a sparse layer as a format value, (outputs, inputs ...).

    Parameters
    ----------
    model : Model
        A model that mp.sparsify made.
    layer : str
        The name of one of its sparse layers.

    Returns
    -------
    CSR, BlockCSR or NofM
        Values and indices.

    Raises
    ------
    ArgumentError
        If there is no such layer, or it is not sparse.

    Examples
    --------
    >>> import minprune as mp
    >>> model = mp.initialise(mp.build((8,), [("fc", mp.Dense(8, 4))], loss="mse"), seed=0)
    >>> mp.sparse.matrix(mp.sparsify(model, {"fc": "csr"}), "fc").shape
    (4, 8)
    """
    kind = model.net.node(layer).layer
    if not isinstance(kind, Sparse):
        raise ArgumentError(
            f"{layer}: must be a sparse layer, not a {type(kind).__name__}; make it one with "
            f"mp.sparsify(model, {{{layer!r}: 'csr'}})"
        )
    return kind.matrix(layer, kind.own(layer, model.params | model.buffers))


def cheapest(
    known: Speeds, layer: Layer, mask: Array, formats: list[str], batch: int, positions: int = 1
) -> str:
    """ "dense", or the format of least time: call + moved x a + multiply-adds x b, see `work`

    Dense where nothing is masked: no format does less work then. A format must be faster by a
    tenth, MARGIN, since the formula is not exact.
    """
    if mask.all():
        return "dense"
    size = min(BATCHES, key=lambda b: abs(np.log(b / max(batch, 1))))

    def time_of(form: str, weights: int) -> float:
        name = name_of(layer, form, size)
        each = known.calls.get(name, 0.0), known.moves.get(name, 0.0), known.nanoseconds[name]
        return float(work(layer, form, weights, positions, batch) @ each)

    cost = {"dense": time_of("dense", mask.size)}
    cost |= {form: MARGIN * time_of(form, int(np.count_nonzero(mask))) for form in formats}
    return min(cost, key=lambda form: cost[form])


def fitting(layer: Layer, mask: Array) -> list[str]:
    """The formats of the layer that fit a mask, csr first"""
    zeros, found, kind = np.zeros(mask.shape, np.float32), [], sparse_kind(layer)
    for name in (kind.only or FORMATS) if kind else ():
        try:
            stored(layer, "mask", zeros, mask, name)
        except ArgumentError:
            continue
        found.append(name)
    return found


def _wanted(model: Model, format: str | Mapping[str, str]) -> dict[str, str]:
    """{layer: format} of the layers to change, once the formats fit what the layers are"""
    net, by_name = model.net, isinstance(format, Mapping)
    there = [layer_of(name) for name in net.every_weight]
    given: Any = format if by_name else dict.fromkeys(there, format)
    for each in given.values() if by_name else [format]:
        if each not in ("auto", "dense"):
            form(each)
    goes_by = {name: (name, f"{name}.weight") for name in there}
    asked = values_of(goes_by, given, "sparsify: format", MIXING, "text")
    for name, each in list(asked.items()):
        layer = net.node(name).layer
        if isinstance(layer, Sparse):
            if each not in ("auto", layer.format):
                raise ArgumentError(
                    f"{name}: format must be {layer.format!r}, in which its live entries are "
                    f"stored already, or 'auto', not {each!r}; for another format pass "
                    f"mp.densify(model)"
                )
            del asked[name]
        elif not by_name and f"{name}.weight" not in model.masks:
            del asked[name]
        elif sparse_kind(layer) is None:
            if each not in ("auto", "dense"):
                raise ArgumentError(
                    f"{name}: format must be 'dense' for {type(layer).__name__}, which has no "
                    f"sparse layer, not {each!r}; leave it out, or choose 'auto'"
                )
            del asked[name]
    return asked
