"""The layers by name, for files and for people."""

from importlib import import_module

from minprune.nets.activations import LAYERS as ACTIVATIONS
from minprune.nets.layer import Layer
from minprune.nets.plain import (
    Add,
    AvgPool,
    Concat,
    Dropout,
    Flatten,
    GlobalAvgPool,
    MaxPool,
)
from minprune.nets.weighted import BatchNorm, Conv2d, Dense

# Layers that are entered by a folder further down, which is imported where a file asks for them.
ELSEWHERE = {"SparseDense": "minprune.sparse.layers", "SparseConv": "minprune.sparse.layers"}
LAYERS: dict[str, type[Layer]] = {
    kind.__name__: kind
    for kind in (
        *ACTIVATIONS.values(),
        Dense,
        Conv2d,
        MaxPool,
        AvgPool,
        GlobalAvgPool,
        BatchNorm,
        Dropout,
        Flatten,
        Add,
        Concat,
    )
}


def kind_of(name: str) -> type[Layer] | None:
    """The layer of that name, or None."""
    if name in LAYERS:
        return LAYERS[name]
    home = ELSEWHERE.get(name)
    found: type[Layer] | None = getattr(import_module(home), name) if home else None
    return found
