"""sparsify: masked dense layers -> layers that store live weights alone; densify: back again."""

from collections.abc import Mapping

import numpy as np

from minprune.arguments import count
from minprune.core import Array
from minprune.errors import ArgumentError
from minprune.nets.layer import Layer
from minprune.nets.model import Model, is_model
from minprune.nets.net import Net, Node
from minprune.sparse.formats import CSR, BlockCSR, NofM
from minprune.sparse.layers import Format, Sparse, matrix_of, sparse_kind, tile
from minprune.sparse.speeds import Speeds, cheapest, names, speeds

SIDES, PATTERNS = (8, 4, 2), ("2:4", "1:4")  # what "auto" looks for in a mask


def sparsify(
    model: Model, format: str | Mapping[str, str] = "auto", *, batch: int = 64,
    measured: Speeds | None = None,
) -> Model:  # fmt: skip
    """The same function on sparse kernels: live values as parameters, their places as buffers

    format: for every masked weight of a dense or convolution layer: "csr", "dense", blocks such as
    "4x4" or N:M such as "2:4" (these two for dense layers only), or "auto": the fastest of those
    that fit the mask, by the speeds of this machine, for a batch of `batch` (see
    minprune.sparse.speeds; measured= gives them). A dict {layer: format} leaves the others as they
    are, and takes layers without a mask too, which else stay dense. The choice is in the layers,
    and so in the model's file: "auto" does not change a layer that is sparse already. What is
    masked counts as 0, whatever its value.

    Raises ArgumentError for a format that does not fit a mask, a layer that has no weight, or one
    that is sparse already in another format.
    """
    is_model(model, "sparsify")
    asked, known, by_name = _asked(model.net, format), measured, isinstance(format, Mapping)
    if known is not None and not (isinstance(known, Speeds) and {*names()} <= {*known.nanoseconds}):
        raise ArgumentError(
            f"sparsify: measured must hold all speeds of a machine, not {known!r}; pass what "
            f"mp.sparse.speeds() returns, or leave it out"
        )
    count("sparsify", "batch", batch)
    nodes, params, buffers, masks = [], dict(model.params), dict(model.buffers), dict(model.masks)
    for node in model.net.nodes:
        name = f"{node.name}.weight"
        wanted = asked.get(node.name, "dense")
        if name not in model.net.weights or (name not in masks and not by_name):
            nodes.append(node)
            continue
        w, mask = params[name], masks.get(name, np.ones(params[name].shape, bool))
        kind = sparse_kind(node.layer)
        if kind is None:
            if wanted not in ("auto", "dense"):
                raise ArgumentError(
                    f"{node.name}: format must be 'dense' for {type(node.layer).__name__}, which "
                    f"has no sparse layer, not {wanted!r}; leave it out, or choose 'auto'"
                )
        elif wanted == "auto":
            known = known or speeds()
            often = node.layer.positions(model.net.shapes[node.name])
            wanted = cheapest(known, node.layer, mask, fitting(node.layer, mask), batch, often)
        if kind is None or wanted == "dense":
            nodes.append(node)
            continue
        found = stored(node.layer, node.name, w, mask, wanted)
        nodes.append(Node(node.name, kind.of(node.layer, found, wanted), node.inputs))
        params[name] = found.values
        buffers |= {f"{node.name}.{k}": getattr(found, k) for k in nodes[-1].layer.indices()}
        masks.pop(name, None)
    net = Net(tuple(nodes), model.net.input_shape, model.net.loss)
    return Model(
        net, {k: params[k] for k in net.params}, {k: buffers[k] for k in net.buffers}, masks
    )


def _asked(net: Net, format: str | Mapping[str, str]) -> dict[str, str]:
    """{layer: format} of the layers that format names, or of all, once it fits what they are"""
    there = [name.removesuffix(".weight") for name in net.every_weight]
    if isinstance(format, Mapping):
        asked = {str(name).removesuffix(".weight"): form for name, form in format.items()}
    else:
        asked = dict.fromkeys(there, format)
    for form in asked.values() if isinstance(format, Mapping) else [format]:
        if form not in ("auto", "dense"):
            tile(form)
    for name, form in asked.items():
        if name not in there:
            raise ArgumentError(
                f"{name}: a format must name a dense or convolution layer of this net; those are "
                f"{', '.join(there) or 'none'}"
            )
        layer = net.node(name).layer
        if isinstance(layer, Sparse) and form not in ("auto", layer.format):
            raise ArgumentError(
                f"{name}: format must be {layer.format!r}, in which its live entries are stored "
                f"already, or 'auto', not {form!r}; for another format pass mp.densify(model)"
            )
    return asked


def densify(model: Model) -> Model:
    """The same function on dense layers, each with the mask of what was stored"""
    is_model(model, "densify")
    nodes, params, masks = [], dict(model.params), dict(model.masks)
    for node in model.net.nodes:
        if not isinstance(node.layer, Sparse):
            nodes.append(node)
            continue
        name, shape = f"{node.name}.weight", node.layer.dense()["weight"]
        found = matrix(model, node.name)
        params[name] = found.to_dense().reshape(shape)
        masks[name] = found.mask().reshape(shape)
        nodes.append(Node(node.name, node.layer.like(), node.inputs))
    net = Net(tuple(nodes), model.net.input_shape, model.net.loss)
    return Model(
        net, {k: params[k] for k in net.params}, {k: model.buffers[k] for k in net.buffers}, masks
    )


def matrix(model: Model, layer: str) -> Format:
    """The weight of a sparse layer as a format value, (outputs, inputs ...)

    Raises ArgumentError where there is no such layer, or it is not sparse.
    """
    kind = model.net.node(layer).layer
    if not isinstance(kind, Sparse):
        raise ArgumentError(
            f"{layer}: must be a sparse layer, not a {type(kind).__name__}; make it one with "
            f"mp.sparsify(model, {{{layer!r}: 'csr'}})"
        )
    return matrix_of(kind, layer, kind.own(layer, model.params | model.buffers))


def stored(layer: Layer, name: str, w: Array, mask: Array, wanted: str) -> Format:
    """The live entries of w in the format that is wanted"""
    form = tile(wanted)
    kind = sparse_kind(layer)
    if form is not None and not (kind and kind.tiles):
        raise ArgumentError(
            f"{name}: format must be 'csr' or 'dense' for a convolution, not {wanted!r}; choose "
            f"one of them, or 'auto', or name each dense layer that has it, {{layer: {wanted!r}}}"
        )
    flat, live = w.reshape(len(w), -1), mask.reshape(len(w), -1)
    try:
        if isinstance(form, tuple):
            return NofM.from_dense(flat, live, *form)
        return CSR.from_dense(flat, live) if form is None else BlockCSR.from_dense(flat, live, form)
    except ArgumentError as e:
        raise ArgumentError(f"{name}: {e}") from None


def fitting(layer: Layer, mask: Array) -> list[str]:
    """The formats of the layer that fit a mask, csr first"""
    kind = sparse_kind(layer)
    found = ["csr"] if kind else []
    if kind and kind.tiles:
        name = "mask"
        zeros = np.zeros(mask.shape, np.float32)
        for form in (*(f"{k}x{k}" for k in SIDES), *PATTERNS):
            try:
                stored(layer, name, zeros, mask, form)
            except ArgumentError:
                continue
            found.append(form)
    return found
