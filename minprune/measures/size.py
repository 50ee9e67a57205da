"""parameters, sparsity, multiply-adds and bytes, dense and live."""

import math
from dataclasses import dataclass

from minprune.nets.counts import Count, counts, sparsity
from minprune.nets.model import Model
from minprune.nets.net import layer_of

INDEX = 4  # bytes of one uint32 index


@dataclass(frozen=True)
class Size:
    """The result of `size`; multiply-adds and activations are of one sample

    Attributes
    ----------
    parameters, live : number of parameters, and of those that are not masked
    sparsity : share of the WEIGHTS (no biases, no normalisation) that is masked
    macs, live_macs : multiply-adds, and those of live weights
    activations : values that the layers with weights output
    bytes : all parameters as dense arrays
    sparse_bytes : the same with each weight as CSR (live values, uint32 columns and row starts)
        where that is smaller
    stored : the arrays of this model, with the indices of sparse layers, without running
        statistics and masks
    """

    parameters: int
    live: int
    sparsity: float
    macs: int
    live_macs: int
    activations: int
    bytes: int
    sparse_bytes: int
    stored: int


def size(model: Model) -> Size:
    """Parameters, multiply-adds and bytes of a model, dense and live

    Parameters
    ----------
    model : Model

    Returns
    -------
    Size

    Examples
    --------
    >>> import minprune as mp
    >>> from minprune.measures.size import size
    >>> found = size(mp.zoo.mlp(((3,), 2), (4,)))
    >>> found.parameters, found.macs, found.bytes
    (26, 20, 104)
    """
    found = counts(model.net, model.masks)
    each = model.dtype.itemsize
    return Size(
        parameters=sum(c.total for c in found),
        live=sum(c.live for c in found),
        sparsity=sparsity(model.net, model.masks),
        macs=sum(c.macs for c in found),
        live_macs=sum(c.live_macs for c in found),
        activations=sum(
            math.prod(model.net.shapes[layer_of(name)]) for name in model.net.every_weight
        ),
        bytes=each * sum(c.total for c in found),
        sparse_bytes=sum(min(each * c.total, _csr_bytes(c, each)) for c in found),
        stored=sum(w.nbytes for w in model.params.values())
        + sum(model.buffers[name].nbytes for name in model.net.indices),
    )


def _csr_bytes(c: Count, each: int) -> int:
    """values + columns + row starts: live (each + 4) + 4 (rows + 1)"""
    return c.live * (each + INDEX) + INDEX * (c.shape[0] + 1)
