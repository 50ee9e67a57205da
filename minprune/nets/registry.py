"""The layers by name, for `mp.NAME`, files and people: every public class of FAMILIES is one."""

from importlib import import_module

from minprune.nets import convolution, dense, dropout, joining, normalisation, pooling
from minprune.nets.activation_layers import LAYERS as ACTIVATIONS
from minprune.nets.layer import Layer

FAMILIES = dense, convolution, pooling, normalisation, dropout, joining
LAYERS: dict[str, type[Layer]] = {
    name: kind
    for family in FAMILIES
    for name, kind in vars(family).items()
    if getattr(kind, "__module__", "") == family.__name__
    if isinstance(kind, type) and issubclass(kind, Layer) and not name.startswith("_")
} | ACTIVATIONS
# Layers of a folder further down, which is imported where a file asks for them.
ELSEWHERE = {"SparseDense": "minprune.sparse.layers", "SparseConv": "minprune.sparse.layers"}


def kind_of(name: str) -> type[Layer] | None:
    """The layer of that name, or None."""
    if name in LAYERS:
        return LAYERS[name]
    home = ELSEWHERE.get(name)
    found: type[Layer] | None = getattr(import_module(home), name) if home else None
    return found
